//! Workers under a watchdog, the limit in these tests, and the hang in an error.

use std::time::Duration;

use regrow::{CallError, Context, Exit, Handle, Hang, Intensity, Policy, ServiceChild, Supervisor, Tree};

pub(crate) use super::worker::{Job, Worker, does, worker};

/// Time for which a message may be in hand. The watchdog may strike up to a quarter later.
pub(crate) const LIMIT: Duration = Duration::from_millis(800);

pub(crate) fn watched(name: &str) -> ServiceChild<Job> {
    worker(name).policy(Policy::default().watchdog(LIMIT))
}

/// A job that awaits a timer of this time.
pub(crate) fn takes(label: &'static str, time: Duration) -> Job {
    does(label, async move |_| {
        tokio::time::sleep(time).await;
        Ok(())
    })
}

pub(crate) fn hangs(label: &'static str) -> Job {
    does(label, async |_| std::future::pending().await)
}

/// Calls the worker with a job that does this and answers. Returns the outcome of the call.
pub(crate) async fn asks<F, Fut>(worker: &Handle<Job>, label: &'static str, work: F) -> Result<(), CallError<Job>>
where
    F: FnOnce(Context<Worker>) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let call = worker.call(|reply| {
        does(label, async move |ctx| {
            work(ctx).await?;
            reply.send(());
            Ok(())
        })
    });
    call.await
}

pub(crate) fn hang(exit: &Exit) -> &Hang {
    match exit {
        Exit::Hung(hang) => hang,
        exit => panic!("it did not hang: {exit}"),
    }
}

/// The hang by which a call ended.
pub(crate) fn hung<T: std::fmt::Debug>(outcome: Result<T, CallError<Job>>) -> Hang {
    match outcome {
        Err(CallError::Crashed { exit, .. }) => hang(&exit).clone(),
        outcome => panic!("it did not hang: {outcome:?}"),
    }
}

/// A tree `app` of workers under a watchdog.
pub(crate) async fn tree(names: &[&str]) -> Tree {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    names.iter().fold(tree, |tree, name| tree.child(watched(name))).start().await.unwrap()
}

pub(crate) fn find(tree: &Tree, name: &str) -> Handle<Job> {
    tree.lookup(&format!("app/{name}")).unwrap()
}
