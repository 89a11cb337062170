//! A service that does what it is sent, with a label on each message, and the watchdog's limit in these tests.

use std::pin::Pin;
use std::time::Duration;

use regrow::{
    CallError, Child, Context, Exit, Handle, Hang, Intensity, Policy, Service, ServiceChild, Supervisor, Tree,
};

/// A message may be in hand for so long; a quarter more is the error that is allowed.
pub(crate) const LIMIT: Duration = Duration::from_millis(800);

pub(crate) struct Clerk;

pub(crate) struct Task {
    label: Option<&'static str>,
    work: Work,
}

type Work = Box<dyn FnOnce(Context<Clerk>) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>> + Send>;

impl Service for Clerk {
    type Msg = Task;

    async fn handle(&mut self, task: Task, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        (task.work)(ctx.clone()).await
    }

    fn label(task: &Task) -> Option<&'static str> {
        task.label
    }
}

pub(crate) fn clerk(name: &str) -> ServiceChild<Task> {
    Child::service(name, |_| async { Ok(Clerk) })
}

pub(crate) fn watched(name: &str) -> ServiceChild<Task> {
    clerk(name).policy(Policy::default().watchdog(LIMIT))
}

pub(crate) fn does<F, Fut>(label: &'static str, work: F) -> Task
where
    F: FnOnce(Context<Clerk>) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    Task { label: Some(label), work: Box::new(|ctx| Box::pin(work(ctx))) }
}

/// Awaits a timer for so long.
pub(crate) fn takes(label: &'static str, time: Duration) -> Task {
    does(label, async move |_| {
        tokio::time::sleep(time).await;
        Ok(())
    })
}

pub(crate) fn hangs(label: &'static str) -> Task {
    does(label, async |_| std::future::pending().await)
}

impl Task {
    pub(crate) fn without_label(self) -> Self {
        Self { label: None, ..self }
    }
}

/// Has the clerk do this and answer, and returns what became of it.
pub(crate) async fn asks<F, Fut>(clerk: &Handle<Task>, label: &'static str, work: F) -> Result<(), CallError<Task>>
where
    F: FnOnce(Context<Clerk>) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let call = clerk.call(|reply| {
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

/// The hang that a call ended by.
pub(crate) fn hung<T: std::fmt::Debug>(outcome: Result<T, CallError<Task>>) -> Hang {
    match outcome {
        Err(CallError::Crashed { exit, .. }) => hang(&exit).clone(),
        outcome => panic!("it did not hang: {outcome:?}"),
    }
}

/// A tree `app` of clerks that are watched.
pub(crate) async fn tree(names: &[&str]) -> Tree {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    names.iter().fold(tree, |tree, name| tree.child(watched(name))).start().await.unwrap()
}

pub(crate) fn find(tree: &Tree, name: &str) -> Handle<Task> {
    tree.lookup(&format!("app/{name}")).unwrap()
}
