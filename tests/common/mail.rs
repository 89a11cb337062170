//! Helpers of the tests about mailboxes: workers that are held still, gates, and a log of the handled numbers.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use regrow::{
    Call, CallError, Child, Context, Event, EventKind, Events, Exit, Handle, Intensity, Reply, ServiceChild,
    ServiceState, ServiceStatus, Strategy, Supervisor, Tree,
};
use tokio::sync::{oneshot, watch};

pub(crate) use super::worker::*;

/// A worker whose factory passes `gate` first.
pub(crate) fn gated(name: &str, gate: &Gate) -> ServiceChild<Job> {
    Child::service_with(name, gate.clone(), |gate, _| async move {
        gate.pass().await;
        Ok(Worker::default())
    })
}

pub(crate) fn panics() -> Job {
    run(async |_| panic!("boom"))
}

pub(crate) fn fails() -> Job {
    run(async |_| anyhow::bail!("out of paper"))
}

pub(crate) fn leaves() -> Job {
    run(async |ctx| {
        ctx.stop();
        Ok(())
    })
}

/// A job that is busy until the worker is asked to stop.
pub(crate) fn until_asked() -> Job {
    run(async |ctx| {
        while !ctx.is_stopping() {
            tokio::task::yield_now().await;
        }
        Ok(())
    })
}

/// A job that keeps the worker busy, awaiting, until the [`Held`] is told to let go.
pub(crate) fn hold() -> (Job, Held) {
    let (begun, has_begun) = oneshot::channel();
    let (release, released) = oneshot::channel::<Job>();
    let job = run(async |ctx| {
        let _ = begun.send(());
        match released.await {
            Ok(Job::Run(then)) => then.run(ctx).await,
            Ok(Job::Keep(_)) | Err(_) => Ok(()),
        }
    });
    (job, Held { has_begun: Some(has_begun), release })
}

pub(crate) struct Held {
    has_begun: Option<oneshot::Receiver<()>>,
    release: oneshot::Sender<Job>,
}

impl Held {
    /// Waits until the worker has taken the job in hand.
    pub(crate) async fn begun(&mut self) {
        if let Some(begun) = self.has_begun.take() {
            soon(begun).await.expect("the job was lost before it began");
        }
    }

    pub(crate) fn release(self) {
        self.then(idle());
    }

    /// Lets the worker go on with `job`, as part of the same message.
    pub(crate) fn then(self, job: Job) {
        let _ = self.release.send(job);
    }
}

/// Sends the worker a job that holds it, and returns when the job is in hand.
pub(crate) async fn busy(worker: &Handle<Job>) -> Held {
    let (job, mut held) = hold();
    worker.cast(job).unwrap();
    held.begun().await;
    held
}

pub(crate) fn parcel(number: u64) -> Job {
    Job::Keep(Box::new(number))
}

pub(crate) fn number_of_call(job: Job) -> u64 {
    let Job::Keep(value) = job else { panic!("another message came back") };
    value.downcast::<(u64, Reply<()>)>().expect("another message came back").0
}

/// Waits until everything that was queued before has been handled.
pub(crate) async fn caught_up(worker: &Handle<Job>) {
    let (job, mut held) = hold();
    soon(worker.send(job)).await.unwrap();
    held.begun().await;
}

/// Holds factories back while it is closed.
#[derive(Clone)]
pub(crate) struct Gate(watch::Sender<bool>);

impl Gate {
    pub(crate) fn open() -> Self {
        Self(watch::Sender::new(true))
    }

    pub(crate) fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn set_open(&self, is_open: bool) {
        self.0.send_replace(is_open);
    }

    pub(crate) async fn pass(&self) {
        let _ = self.0.subscribe().wait_for(|is_open| *is_open).await;
    }
}

/// Numbers that workers have handled, in order, kept outside of every incarnation.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u64>>>);

impl Log {
    /// A job that notes a number.
    pub(crate) fn note(&self, number: u64) -> Job {
        let log = self.clone();
        run(async move |_| {
            log.write(number);
            Ok(())
        })
    }

    pub(crate) fn write(&self, number: u64) {
        self.0.lock().unwrap().push(number);
    }

    pub(crate) fn seen(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

/// A root that forgives every restart.
pub(crate) fn forgiving(strategy: Strategy) -> Supervisor {
    Supervisor::new("app", strategy).budget(Intensity::unlimited())
}

/// A tree with one worker, `app/worker`, and an unlimited budget.
pub(crate) async fn tree_of(child: ServiceChild<Job>) -> (Tree, Handle<Job>) {
    let tree = soon(forgiving(Strategy::OneForOne).child(child).start()).await.unwrap();
    let handle = tree.lookup("app/worker").unwrap();
    (tree, handle)
}

pub(crate) async fn until_state<M: Send + 'static>(handle: &Handle<M>, state: ServiceState) -> ServiceStatus {
    soon(regrow::testing::until(handle.watch(), |status| status.state == state)).await
}

pub(crate) async fn until_generation<M: Send + 'static>(handle: &Handle<M>, generation: u64) -> ServiceStatus {
    let is_up = |status: &ServiceStatus| status.state == ServiceState::Up && status.generation == generation;
    soon(regrow::testing::until(handle.watch(), is_up)).await
}

/// Runs a closure on the context of the worker, and returns its result.
pub(crate) async fn through<T: Send + 'static>(
    worker: &Handle<Job>,
    start: impl FnOnce(&Context<Worker>) -> T + Send + 'static,
) -> T {
    let (told, tell) = oneshot::channel();
    let job = run(async move |ctx| {
        let _ = told.send(start(&ctx));
        Ok(())
    });
    worker.cast(job).unwrap();
    soon(tell).await.unwrap()
}

/// Exit of the next incarnation that ends.
pub(crate) async fn exit_of_the_next(events: &mut Events) -> Exit {
    let is_exit = |event: &Event| matches!(event.kind, EventKind::Exited { .. });
    match soon(regrow::testing::until_event(events, is_exit)).await.unwrap().kind {
        EventKind::Exited { exit } => exit,
        kind => panic!("{kind}"),
    }
}

/// Exit of the service that crashed while it handled the call.
pub(crate) async fn crash(call: Call<Job, u64>) -> Exit {
    match soon(call).await.unwrap_err() {
        CallError::Crashed { exit, .. } => *exit,
        error => panic!("{error:?}"),
    }
}

/// Polls a future once. Whether it is pending.
pub(crate) async fn is_waiting(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// Awaits a future that must complete. The limit turns a hang into a failed test.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("this should not hang")
}

/// Runs `code` on a thread that knows nothing of a runtime, and waits for its result.
pub(crate) async fn on_a_thread<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    let (told, tell) = oneshot::channel();
    thread::spawn(move || told.send(code()).ok());
    soon(tell).await.unwrap()
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on an executor other than tokio's.
pub(crate) fn run_elsewhere<F: Future>(future: F) -> F::Output {
    let (mut future, waker) = (Box::pin(future), Waker::from(Arc::new(Unpark(thread::current()))));
    loop {
        match future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
