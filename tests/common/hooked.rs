//! A service that runs what it is sent, and a stop hook of the test's own.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use regrow::{Child, Context, Handle, Reply, Service, ServiceChild, Tree};

pub(crate) type Work = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

pub(crate) struct Hooked {
    hook: Arc<dyn Fn(Context<Hooked>) -> Work + Send + Sync>,
}

pub(crate) enum Msg {
    Run(Box<dyn FnOnce(Context<Hooked>) -> Work + Send>),
    Generation(Reply<u64>),
}

impl Service for Hooked {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Run(work) => work(ctx.clone()).await,
            Msg::Generation(reply) => {
                reply.send(ctx.generation());
                Ok(())
            }
        }
    }

    async fn stopped(&mut self, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        (self.hook)(ctx.clone()).await
    }
}

/// A service with this stop hook.
pub(crate) fn hooked<Fut>(
    name: &str,
    hook: impl Fn(Context<Hooked>) -> Fut + Send + Sync + 'static,
) -> ServiceChild<Msg>
where
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let hook: Arc<dyn Fn(Context<Hooked>) -> Work + Send + Sync> = Arc::new(move |ctx| Box::pin(hook(ctx)));
    Child::service(name, move |_: Context<Hooked>| {
        let hook = hook.clone();
        async move { Ok(Hooked { hook }) }
    })
}

/// A service whose stop hook does nothing.
pub(crate) fn plain(name: &str) -> ServiceChild<Msg> {
    hooked(name, |_| async { Ok(()) })
}

/// A message that runs this.
pub(crate) fn run<Fut>(work: impl FnOnce(Context<Hooked>) -> Fut + Send + 'static) -> Msg
where
    Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    Msg::Run(Box::new(move |ctx| Box::pin(work(ctx))))
}

pub(crate) fn find(tree: &Tree, path: &str) -> Handle<Msg> {
    tree.lookup(path).unwrap()
}

/// What happened, in order.
#[derive(Clone, Default, Debug)]
pub(crate) struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    pub(crate) fn tell(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// A service that tells when it stops.
    pub(crate) fn service(&self, name: &'static str) -> ServiceChild<Msg> {
        let story = self.clone();
        hooked(name, move |_| {
            story.tell(name);
            async { Ok(()) }
        })
    }
}

/// The state of a service whose stop hook does nothing.
pub(crate) fn idle() -> Hooked {
    Hooked { hook: Arc::new(|_| Box::pin(async { Ok(()) })) }
}
