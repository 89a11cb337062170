//! kameo: supervised children behind its own supervisor. Mailboxes outlive a restart, actor references do not: each life
//! puts its own into a table.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kameo::actor::{ActorId, ActorRef, Spawn, WeakActorRef};
use kameo::error::ActorStopReason;
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::supervision::{RestartPolicy, SupervisionStrategy};
use kameo::{Actor, Reply};

use crate::gate::{Gate, Life};
use crate::system::{Answer, DELIBERATE, Group, Peer, Strategy, System, child_name};

/// regrow's default.
const CAPACITY: usize = 1_024;

type Table = Arc<RwLock<Vec<Option<ActorRef<Counter>>>>>;

pub struct Counter {
    count: u64,
    life: Life,
}

pub struct Args {
    place: usize,
    gate: Arc<Gate>,
    table: Table,
}

impl Actor for Counter {
    type Args = Args;
    type Error = Infallible;

    async fn on_start(args: Args, me: ActorRef<Self>) -> Result<Self, Infallible> {
        if let Ok(mut table) = args.table.write() {
            table[args.place] = Some(me);
        }
        let life = args.gate.life();
        args.gate.up();
        Ok(Self { count: 0, life })
    }
}

pub struct Count;
pub struct Ask;
pub struct Relay(ActorRef<Counter>, u64);
pub struct Boom;

#[derive(Reply)]
pub struct Told(Answer);

impl Message<Count> for Counter {
    type Reply = ();

    async fn handle(&mut self, _: Count, _: &mut Context<Self, ()>) {
        self.count += 1;
    }
}

impl Message<Ask> for Counter {
    type Reply = Told;

    async fn handle(&mut self, _: Ask, _: &mut Context<Self, Told>) -> Told {
        Told(Answer { count: self.count, life: self.life.number })
    }
}

impl Message<Relay> for Counter {
    type Reply = Result<u64>;

    async fn handle(&mut self, Relay(to, calls): Relay, _: &mut Context<Self, Result<u64>>) -> Result<u64> {
        let mut life = 0;
        for _ in 0..calls {
            life = to.ask(Ask).send().await?.0.life;
        }
        Ok(life)
    }
}

impl Message<Boom> for Counter {
    type Reply = ();

    async fn handle(&mut self, _: Boom, _: &mut Context<Self, ()>) {
        panic!("{DELIBERATE}");
    }
}

/// The strategy is a fact of the type.
struct Parent<const STRATEGY: u8>;

impl<const STRATEGY: u8> Actor for Parent<STRATEGY> {
    type Args = ();
    type Error = Infallible;

    fn supervision_strategy() -> SupervisionStrategy {
        match STRATEGY {
            0 => SupervisionStrategy::OneForOne,
            1 => SupervisionStrategy::OneForAll,
            _ => SupervisionStrategy::RestForOne,
        }
    }

    async fn on_start((): (), _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(Self)
    }

    async fn on_link_died(
        &mut self,
        _: WeakActorRef<Self>,
        _: ActorId,
        _: ActorStopReason,
    ) -> Result<ControlFlow<ActorStopReason>, Infallible> {
        Ok(ControlFlow::Continue(()))
    }
}

enum AnyParent {
    OneForOne(ActorRef<Parent<0>>),
    OneForAll(ActorRef<Parent<1>>),
    RestForOne(ActorRef<Parent<2>>),
}

pub struct Kameo<const BOUNDED: bool> {
    parent: AnyParent,
    table: Table,
}

impl<const BOUNDED: bool> System for Kameo<BOUNDED> {
    type Peer = ActorRef<Counter>;

    async fn start(group: Group) -> Result<Self> {
        let table: Table = Arc::new(RwLock::new(vec![None; group.children]));
        let parent = match group.strategy {
            Strategy::OneForOne => AnyParent::OneForOne(start::<0, BOUNDED>(&group, &table).await?),
            Strategy::OneForAll => AnyParent::OneForAll(start::<1, BOUNDED>(&group, &table).await?),
            Strategy::RestForOne => AnyParent::RestForOne(start::<2, BOUNDED>(&group, &table).await?),
        };
        Ok(Self { parent, table })
    }

    fn peer(&self, child: usize) -> ActorRef<Counter> {
        match self.table.read().map(|table| table[child].clone()) {
            Ok(Some(actor)) => actor,
            Ok(None) | Err(_) => unreachable!("children are talked to after they are up"),
        }
    }

    async fn cast_by_name(&self, name: &str) -> Result<()> {
        let actor = ActorRef::<Counter>::lookup(name)?.context("nobody has this name")?;
        Ok(actor.tell(Count).send().await?)
    }

    fn kill(&self, child: usize) -> bool {
        self.peer(child).kill();
        true
    }

    async fn stop(self) -> Result<()> {
        match self.parent {
            AnyParent::OneForOne(parent) => stop(parent).await,
            AnyParent::OneForAll(parent) => stop(parent).await,
            AnyParent::RestForOne(parent) => stop(parent).await,
        }
    }
}

async fn start<const STRATEGY: u8, const BOUNDED: bool>(
    group: &Group,
    table: &Table,
) -> Result<ActorRef<Parent<STRATEGY>>> {
    let parent = Parent::<STRATEGY>::spawn(());
    for place in 0..group.children {
        let (gate, table) = (group.gate.clone(), table.clone());
        let mailbox = if BOUNDED { mailbox::bounded(CAPACITY) } else { mailbox::unbounded() };
        let child = Counter::supervise_with(&parent, move || Args { place, gate: gate.clone(), table: table.clone() })
            .restart_policy(RestartPolicy::Permanent)
            .restart_limit(u32::MAX, Duration::ZERO)
            .spawn_with_mailbox(mailbox)
            .await;
        if group.named {
            child.register(child_name(place))?;
        }
    }
    Ok(parent)
}

async fn stop<A: Actor>(parent: ActorRef<A>) -> Result<()> {
    parent.stop_gracefully().await?;
    parent.wait_for_shutdown().await;
    Ok(())
}

impl Peer for ActorRef<Counter> {
    async fn cast(&self) -> Result<()> {
        Ok(self.tell(Count).send().await?)
    }

    async fn call(&self) -> Result<Answer> {
        Ok(self.ask(Ask).send().await?.0)
    }

    async fn panic(&self) -> Result<()> {
        Ok(self.tell(Boom).send().await?)
    }
    async fn relay(&self, to: Self, calls: u64) -> Result<u64> {
        self.ask(Relay(to, calls)).send().await.map_err(|error| anyhow::anyhow!("{error}"))
    }
}
