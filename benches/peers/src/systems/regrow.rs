//! regrow: a supervisor, its children services behind handles. `ACTOR` picks what they live in: a ractor actor, or a bare
//! tokio task; `DYNAMIC` the supervisor: one whose children are added at run time.

use std::sync::{Arc, OnceLock};

use anyhow::{Result, ensure};
use regrow::{
    Child, Context, Directory, DynamicSupervisor, Handle, Intensity, Reply, Service, ServiceChild, Supervisor, Tree,
};

use crate::gate::{Gate, Life};
use crate::system::{Answer, DELIBERATE, Group, Peer, Strategy, System, child_name};

const ROOT: &str = "peers";

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
                let (to, calls, reply) = *relay;
                let mut life = 0;
                for _ in 0..calls {
                    life = to.call(Msg::Ask).await?.life;
                }
                reply.send(life);
            }
            Msg::Panic => panic!("{DELIBERATE}"),
        }
        Ok(())
    }
}

pub struct Regrow<const ACTOR: bool, const DYNAMIC: bool> {
    tree: Tree,
    directory: Directory,
    prefix: String,
    children: usize,
    /// Looked up when first asked for: a tree that nobody talks to need not hold them.
    handles: OnceLock<Vec<Handle<Msg>>>,
}

impl<const ACTOR: bool, const DYNAMIC: bool> Regrow<ACTOR, DYNAMIC> {
    fn handle(&self, child: usize) -> &Handle<Msg> {
        let look_up = |child| match self.tree.lookup(&format!("{ROOT}/{}", child_name(child))) {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        };
        &self.handles.get_or_init(|| (0..self.children).map(look_up).collect())[child]
    }
}

fn describe<const ACTOR: bool>(number: usize, gate: Arc<Gate>) -> ServiceChild<Msg> {
    let child = Child::service(child_name(number), move |_ctx| {
        let life = gate.life();
        gate.up();
        async { Ok(Counter { count: 0, life }) }
    });
    if ACTOR { child.as_actor() } else { child }
}

async fn start_dynamic(children: impl Iterator<Item = ServiceChild<Msg>>) -> Result<Tree> {
    let tree = DynamicSupervisor::new(ROOT).budget(Intensity::unlimited()).start().await?;
    let supervisor = tree.dynamic(ROOT)?;
    for child in children {
        supervisor.start_child(child).await?;
    }
    Ok(tree)
}

impl<const ACTOR: bool, const DYNAMIC: bool> System for Regrow<ACTOR, DYNAMIC> {
    type Peer = Handle<Msg>;

    async fn start(group: Group) -> Result<Self> {
        let children = (0..group.children).map(|number| describe::<ACTOR>(number, group.gate.clone()));
        let supervisor = match group.strategy {
            Strategy::OneForOne => Supervisor::one_for_one(ROOT),
            Strategy::OneForAll => Supervisor::one_for_all(ROOT),
            Strategy::RestForOne => Supervisor::rest_for_one(ROOT),
        };
        let tree = match DYNAMIC {
            true => start_dynamic(children).await?,
            false => supervisor.budget(Intensity::unlimited()).children(children).start().await?,
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
