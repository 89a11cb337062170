//! regrow: a supervisor, its children services behind handles, in several flavours.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Result, ensure};
use regrow::{
    Child, Context, Directory, DynamicSupervisor, Handle, Intensity, Policy, Reply, Service, ServiceChild, Supervisor,
    Tree,
};

use crate::gate::{Gate, Life};
use crate::system::{Answer, DELIBERATE, Group, Peer, Strategy, System, child_name};

const ROOT: &str = "peers";

/// A static supervisor; each child is a bare tokio task.
pub const PLAIN: u8 = 0;
/// Each child lives in a ractor actor.
pub const ACTOR: u8 = 1;
/// A dynamic supervisor, to which the children are added one by one.
pub const DYNAMIC: u8 = 2;
/// The same, to which they are added all at once.
pub const START_CHILDREN: u8 = 3;
/// The plain one, with a watchdog on each child.
pub const WATCHED: u8 = 4;

/// No message of a bench takes so long.
const WATCHDOG: Duration = Duration::from_secs(10);

struct Counter {
    count: u64,
    life: Life,
}

pub enum Msg {
    Count,
    Ask(Reply<Answer>),
    Relay(Box<(Handle<Msg>, u64, Reply<u64>)>),
    Panic,
}

impl Service for Counter {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> Result<()> {
        match msg {
            Msg::Count => self.count += 1,
            Msg::Ask(reply) => {
                reply.send(Answer { count: self.count, life: self.life.number });
            }
            Msg::Relay(relay) => {
                // Boxed: each idle child has room for what its handler may await.
                Box::pin(async move {
                    let (to, calls, reply) = *relay;
                    let mut life = 0;
                    for _ in 0..calls {
                        life = to.call(Msg::Ask).await?.life;
                    }
                    reply.send(life);
                    anyhow::Ok(())
                })
                .await?;
            }
            Msg::Panic => panic!("{DELIBERATE}"),
        }
        Ok(())
    }
}

pub struct Regrow<const FLAVOUR: u8> {
    tree: Tree,
    directory: Directory,
    prefix: String,
    children: usize,
    /// Looked up when first asked for: a tree that nobody talks to need not hold them.
    handles: OnceLock<Vec<Handle<Msg>>>,
}

impl<const FLAVOUR: u8> Regrow<FLAVOUR> {
    fn handle(&self, child: usize) -> &Handle<Msg> {
        let look_up = |child| match self.tree.lookup(&format!("{ROOT}/{}", child_name(child))) {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        };
        &self.handles.get_or_init(|| (0..self.children).map(look_up).collect())[child]
    }
}

fn describe<const FLAVOUR: u8>(number: usize, gate: Arc<Gate>) -> ServiceChild<Msg> {
    let child = Child::service(child_name(number), move |_ctx| {
        let life = gate.life();
        gate.up();
        async { Ok(Counter { count: 0, life }) }
    });
    match FLAVOUR {
        ACTOR => child.as_actor(),
        WATCHED => child.policy(Policy::default().watchdog(WATCHDOG)),
        _ => child,
    }
}

async fn start_dynamic(children: impl Iterator<Item = ServiceChild<Msg>>, at_once: bool) -> Result<Tree> {
    let tree = DynamicSupervisor::new(ROOT).budget(Intensity::unlimited()).start().await?;
    let supervisor = tree.dynamic(ROOT)?;
    if at_once {
        for started in supervisor.start_children(children).await {
            started?;
        }
    } else {
        for child in children {
            supervisor.start_child(child).await?;
        }
    }
    Ok(tree)
}

impl<const FLAVOUR: u8> System for Regrow<FLAVOUR> {
    type Peer = Handle<Msg>;

    async fn start(group: Group) -> Result<Self> {
        let children = (0..group.children).map(|number| describe::<FLAVOUR>(number, group.gate.clone()));
        let supervisor = match group.strategy {
            Strategy::OneForOne => Supervisor::one_for_one(ROOT),
            Strategy::OneForAll => Supervisor::one_for_all(ROOT),
            Strategy::RestForOne => Supervisor::rest_for_one(ROOT),
        };
        let tree = match FLAVOUR {
            DYNAMIC | START_CHILDREN => start_dynamic(children, FLAVOUR == START_CHILDREN).await?,
            _ => supervisor.budget(Intensity::unlimited()).children(children).start().await?,
        };
        let directory = tree.directory();
        let prefix = format!("{ROOT}/");
        Ok(Self { tree, directory, prefix, children: group.children, handles: OnceLock::new() })
    }

    fn peer(&self, child: usize) -> Handle<Msg> {
        self.handle(child).clone()
    }

    async fn cast_by_name(&self, name: &str) -> Result<()> {
        let mut path = String::with_capacity(self.prefix.len() + name.len());
        path.push_str(&self.prefix);
        path.push_str(name);
        Ok(self.directory.lookup::<Msg>(&path)?.send(Msg::Count).await?)
    }

    fn kill(&self, child: usize) -> bool {
        self.handle(child).kill().is_ok()
    }

    async fn stop(self) -> Result<()> {
        let report = self.tree.shutdown().await;
        ensure!(report.is_clean(), "the shutdown was not clean: {report}");
        Ok(())
    }
}

impl Peer for Handle<Msg> {
    async fn cast(&self) -> Result<()> {
        Ok(self.send(Msg::Count).await?)
    }

    async fn call(&self) -> Result<Answer> {
        Ok(Handle::call(self, Msg::Ask).await?)
    }

    async fn panic(&self) -> Result<()> {
        Ok(self.send(Msg::Panic).await?)
    }
    async fn relay(&self, to: Self, calls: u64) -> Result<u64> {
        Ok(Handle::call(self, |reply| Msg::Relay(Box::new((to, calls, reply)))).await?)
    }
}
