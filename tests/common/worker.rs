//! `Worker`: the service of most tests. It runs the jobs that it gets, with or without a label on the message. A test
//! may give it a stop hook.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

use regrow::{Child, Context, Reply, Service, ServiceChild};

#[derive(Default)]
pub(crate) struct Worker {
    kept: Vec<Box<dyn Any + Send>>,
    hook: Option<Arc<dyn Fn(Context<Worker>) -> Work + Send + Sync>>,
}

pub(crate) enum Job {
    Run(Order),
    /// A value that goes into the state and stays there.
    Keep(Box<dyn Any + Send>),
}

/// Work to run, and the label of the message.
pub(crate) struct Order {
    label: Option<&'static str>,
    work: Box<dyn FnOnce(Context<Worker>) -> Work + Send>,
}

type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

impl Order {
    pub(crate) async fn run(self, ctx: Context<Worker>) -> anyhow::Result<()> {
        (self.work)(ctx).await
    }
}

impl Job {
    pub(crate) fn without_label(mut self) -> Self {
        if let Self::Run(order) = &mut self {
            order.label = None;
        }
        self
    }
}

impl Service for Worker {
    type Msg = Job;

    async fn handle(&mut self, job: Job, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match job {
            Job::Run(order) => order.run(ctx.clone()).await,
            Job::Keep(value) => {
                self.kept.push(value);
                Ok(())
            }
        }
    }

    async fn stopped(&mut self, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match &self.hook {
            Some(hook) => hook(ctx.clone()).await,
            None => Ok(()),
        }
    }

    fn label(job: &Job) -> Option<&'static str> {
        match job {
            Job::Run(order) => order.label,
            Job::Keep(_) => None,
        }
    }
}

pub(crate) fn worker(name: &str) -> ServiceChild<Job> {
    Child::service(name, |_| async { Ok(Worker::default()) })
}

/// A worker with this stop hook.
pub(crate) fn hooked<F, Fut>(name: &str, hook: F) -> ServiceChild<Job>
where
    F: Fn(Context<Worker>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let hook: Arc<dyn Fn(Context<Worker>) -> Work + Send + Sync> = Arc::new(move |ctx| Box::pin(hook(ctx)));
    Child::service_with(name, hook, |hook, _| async { Ok(Worker { hook: Some(hook), ..Worker::default() }) })
}

/// A job made of an async closure.
pub(crate) fn run<F, Fut>(work: F) -> Job
where
    F: FnOnce(Context<Worker>) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    Job::Run(Order { label: None, work: Box::new(|ctx| Box::pin(work(ctx))) })
}

/// A job made of an async closure, with a label.
pub(crate) fn does<F, Fut>(label: &'static str, work: F) -> Job
where
    F: FnOnce(Context<Worker>) -> Fut + Send + 'static,
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    Job::Run(Order { label: Some(label), work: Box::new(|ctx| Box::pin(work(ctx))) })
}

/// A job that does nothing.
pub(crate) fn idle() -> Job {
    run(async |_| Ok(()))
}

/// A job that answers at once.
pub(crate) fn answers<T: Send + 'static>(reply: Reply<T>, value: T) -> Job {
    run(async move |_| {
        reply.send(value);
        Ok(())
    })
}

/// A job that answers with the generation of the worker.
pub(crate) fn generation(reply: Reply<u64>) -> Job {
    run(async move |ctx| {
        reply.send(ctx.generation());
        Ok(())
    })
}
