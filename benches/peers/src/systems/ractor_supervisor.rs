//! ractor-supervisor: its static supervisor over ractor actors, which it knows by their names.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, call, registry};
use ractor_supervisor::{
    ChildSpec, Restart, SpawnFn, Supervisor, SupervisorArguments, SupervisorMsg, SupervisorOptions, SupervisorStrategy,
};

use super::ractor::{Count, Counter, Msg};
use crate::gate::Gate;
use crate::system::{Answer, Group, Peer, Strategy, System, child_name};

/// The same child, which says by itself when it is up, since nobody else can.
struct Child;

impl Actor for Child {
    type Msg = Msg;
    type State = (Count, Arc<Gate>);
    type Arguments = Arc<Gate>;

    async fn pre_start(&self, me: ActorRef<Msg>, gate: Arc<Gate>) -> Result<Self::State, ActorProcessingErr> {
        Ok((Counter.pre_start(me, gate.clone()).await?, gate))
    }

    async fn post_start(&self, _: ActorRef<Msg>, (_, gate): &mut Self::State) -> Result<(), ActorProcessingErr> {
        gate.up();
        Ok(())
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut Self::State) -> Result<(), ActorProcessingErr> {
        Counter.handle(me, msg, &mut state.0).await
    }
}

pub struct RactorSupervisor {
    supervisor: ActorRef<SupervisorMsg>,
}

impl System for RactorSupervisor {
    type Peer = Named;

    async fn start(group: Group) -> Result<Self> {
        let child = |number| {
            let gate = group.gate.clone();
            ChildSpec {
                id: child_name(number),
                restart: Restart::Permanent,
                spawn_fn: SpawnFn::new(move |supervisor, id| start_child(supervisor, id, gate.clone())),
                backoff_fn: None,
                reset_after: None,
            }
        };
        let strategy = match group.strategy {
            Strategy::OneForOne => SupervisorStrategy::OneForOne,
            Strategy::OneForAll => SupervisorStrategy::OneForAll,
            Strategy::RestForOne => SupervisorStrategy::RestForOne,
        };
        // It looks through its log of restarts at each one; a window of nothing keeps that log short.
        let options =
            SupervisorOptions { strategy, max_restarts: usize::MAX, max_window: Duration::ZERO, reset_after: None };
        let arguments = SupervisorArguments { child_specs: (0..group.children).map(child).collect(), options };
        let (supervisor, _) = Supervisor::spawn("peers".into(), arguments).await?;
        Ok(Self { supervisor })
    }

    fn peer(&self, child: usize) -> Named {
        Named(registry::where_is(child_name(child)).map(ActorRef::from))
    }

    async fn cast_by_name(&self, name: &str) -> Result<()> {
        let cell = registry::where_is(name).context("nobody has this name")?;
        Ok(ActorRef::<Msg>::from(cell).cast(Msg::Count)?)
    }

    fn kill(&self, child: usize) -> bool {
        match self.peer(child).0 {
            Some(actor) => {
                actor.kill();
                true
            }
            None => false,
        }
    }

    async fn stop(self) -> Result<()> {
        // A supervisor that ends kills its children.
        Ok(self.supervisor.stop_and_wait(None, None).await?)
    }
}

async fn start_child(supervisor: ActorCell, id: String, gate: Arc<Gate>) -> Result<ActorCell, SpawnErr> {
    let (actor, _) = Supervisor::spawn_linked(id, Child, gate, supervisor).await?;
    Ok(actor.get_cell())
}

/// Whoever has the name now, if anybody.
#[derive(Clone)]
pub struct Named(Option<ActorRef<Msg>>);

impl Named {
    fn actor(&self) -> Result<&ActorRef<Msg>> {
        self.0.as_ref().context("nobody has this name")
    }
}

impl Peer for Named {
    async fn cast(&self) -> Result<()> {
        Ok(self.actor()?.cast(Msg::Count)?)
    }

    async fn call(&self) -> Result<Answer> {
        Ok(call!(self.actor()?, Msg::Ask)?)
    }

    async fn panic(&self) -> Result<()> {
        Ok(self.actor()?.cast(Msg::Panic)?)
    }
}
