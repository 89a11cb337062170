//! Children of every kind, whose lives are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use regrow::ractor::{Actor, ActorProcessingErr, ActorRef};
use regrow::{Child, Context, Handle, Inbox, Reply, Service, ServiceChild, TaskChild, TaskContext};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

/// Counts lives: each incarnation of whatever kind.
static LIVES: AtomicU64 = AtomicU64::new(0);

/// How many incarnations there have been.
pub(crate) fn lives() -> u64 {
    LIVES.load(Relaxed)
}

pub(crate) fn lives_one_more() {
    LIVES.fetch_add(1, Relaxed);
}

/// What a service of this test may be told.
#[derive(Clone)]
pub(crate) enum Msg {
    Nothing,
    Ask(Reply<u64>),
    Keep(Reply<u64>),
    Drop(Reply<u64>),
    /// Forwards the call to this service.
    Forward(Handle<Msg>, Reply<u64>),
    /// Asks this service, and answers with what it says.
    Through(Handle<Msg>, Reply<u64>),
    Hang,
    Ready,
    Timers,
    Panic,
    Fail,
    Stop,
}

#[cfg(feature = "cluster")]
impl regrow::ractor::Message for Msg {}

pub(crate) struct One {
    pub(crate) kept: Vec<Reply<u64>>,
}

impl Service for One {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Nothing => {}
            Msg::Ask(reply) => drop(reply.send(1)),
            Msg::Keep(reply) => self.kept.push(reply),
            Msg::Drop(reply) => drop(reply),
            Msg::Forward(to, reply) => reply.forward(&to, Msg::Ask)?,
            Msg::Through(to, reply) => drop(reply.send(to.call(Msg::Ask).await?)),
            Msg::Hang => std::future::pending().await,
            Msg::Ready => ctx.ready(),
            Msg::Timers => {
                ctx.extend_deadline(HOUR);
                ctx.send_after(HOUR, Msg::Nothing);
                ctx.interval(HOUR, || Msg::Nothing);
                ctx.spawn(std::future::pending());
                ctx.spawn(async {});
            }
            Msg::Panic => panic!("as told"),
            Msg::Fail => anyhow::bail!("as told"),
            Msg::Stop => ctx.stop(),
        }
        Ok(())
    }
}

pub(crate) fn one(name: impl Into<Arc<str>>) -> ServiceChild<Msg> {
    Child::service(name, |_: Context<One>| async {
        lives_one_more();
        Ok(One { kept: Vec::new() })
    })
}

pub(crate) struct Plain;

#[cfg_attr(feature = "async-trait", regrow::ractor::async_trait)]
impl Actor for Plain {
    type Msg = Msg;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        lives_one_more();
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, (): &mut ()) -> Result<(), ActorProcessingErr> {
        if let Msg::Ask(reply) = msg {
            reply.send(1);
        }
        Ok(())
    }
}

pub(crate) fn thread(name: &str) -> ServiceChild<Msg> {
    Child::thread(name, |inbox: Inbox<Msg>| {
        lives_one_more();
        for msg in inbox {
            if let Msg::Ask(reply) = msg {
                reply.send(1);
            }
        }
        Ok(())
    })
}

pub(crate) fn job(name: &str) -> TaskChild {
    Child::task(name, |_: TaskContext| async {
        lives_one_more();
        Ok(())
    })
}

pub(crate) fn endless(name: &str) -> TaskChild {
    Child::task(name, |ctx: TaskContext| async move {
        lives_one_more();
        ctx.stopping().await;
        Ok(())
    })
}
