//! ractor, and a supervisor as one writes it by hand: it learns of deaths in `handle_supervisor_evt` and starts the next
//! life itself. Clients find the present actor in a table that the supervisor keeps.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, call, registry};

use crate::gate::{Gate, Life};
use crate::system::{Answer, DELIBERATE, Group, Peer, Strategy, System, child_name};

pub enum Msg {
    Count,
    Ask(RpcReplyPort<Answer>),
    Relay(Box<(ActorRef<Msg>, u64, RpcReplyPort<u64>)>),
    Panic,
}

/// The child. Its arguments are the gate; whoever starts it says when it is up.
pub(super) struct Counter;

pub(super) struct Count {
    count: u64,
    life: Life,
}

impl Actor for Counter {
    type Msg = Msg;
    type State = Count;
    type Arguments = Arc<Gate>;

    async fn pre_start(&self, _: ActorRef<Msg>, gate: Arc<Gate>) -> Result<Count, ActorProcessingErr> {
        Ok(Count { count: 0, life: gate.life() })
    }

    async fn handle(&self, _: ActorRef<Msg>, msg: Msg, state: &mut Count) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Count => state.count += 1,
            Msg::Ask(reply) => reply.send(Answer { count: state.count, life: state.life.number })?,
            Msg::Relay(relay) => {
                // Boxed: each idle actor has room for what its handler may await.
                Box::pin(async move {
                    let (to, calls, reply) = *relay;
                    let mut life = 0;
                    for _ in 0..calls {
                        life = call!(to, Msg::Ask)?.life;
                    }
                    reply.send(life)?;
                    Ok::<_, ActorProcessingErr>(())
                })
                .await?;
            }
            Msg::Panic => panic!("{DELIBERATE}"),
        }
        Ok(())
    }
}

type Table = Arc<RwLock<Vec<ActorRef<Msg>>>>;

struct ByHand {
    table: Table,
}

struct Children {
    group: Group,
    places: HashMap<ActorId, usize>,
    /// A group restart is under way: this many ends are still to come, then all from this place on start again.
    awaited: usize,
    first: usize,
    /// The end has been asked for; told when the last child is gone.
    closing: Option<RpcReplyPort<()>>,
}

enum Order {
    Close(RpcReplyPort<()>),
}

impl ByHand {
    async fn start(&self, me: &ActorCell, place: usize, children: &mut Children) -> Result<(), ActorProcessingErr> {
        let name = children.group.named.then(|| child_name(place));
        let gate = children.group.gate.clone();
        let (actor, _) = Actor::spawn_linked(name, Counter, gate, me.clone()).await?;
        children.places.insert(actor.get_id(), place);
        let mut table = self.table.write().map_err(|_| "the table is poisoned")?;
        match table.get_mut(place) {
            Some(present) => *present = actor,
            None => table.push(actor),
        }
        children.group.gate.up();
        Ok(())
    }

    fn present(&self, place: usize) -> Result<ActorRef<Msg>, ActorProcessingErr> {
        Ok(self.table.read().map_err(|_| "the table is poisoned")?[place].clone())
    }

    async fn ended(&self, me: ActorCell, child: ActorId, children: &mut Children) -> Result<(), ActorProcessingErr> {
        let Some(place) = children.places.remove(&child) else { return Ok(()) };
        if children.closing.is_some() {
            if children.places.is_empty()
                && let Some(done) = children.closing.take()
            {
                done.send(())?;
            }
            return Ok(());
        }
        if children.awaited > 0 {
            children.awaited -= 1;
        } else {
            match children.group.strategy {
                Strategy::OneForOne => return self.start(&me, place, children).await,
                Strategy::OneForAll => children.first = 0,
                Strategy::RestForOne => children.first = place,
            }
            for other in (children.first..children.group.children).rev().filter(|other| *other != place) {
                self.present(other)?.stop(None);
                children.awaited += 1;
            }
        }
        if children.awaited == 0 {
            for place in children.first..children.group.children {
                self.start(&me, place, children).await?;
            }
        }
        Ok(())
    }
}

impl Actor for ByHand {
    type Msg = Order;
    type State = Children;
    type Arguments = Group;

    async fn pre_start(&self, _: ActorRef<Order>, group: Group) -> Result<Children, ActorProcessingErr> {
        Ok(Children { group, places: HashMap::new(), awaited: 0, first: 0, closing: None })
    }

    async fn post_start(&self, me: ActorRef<Order>, children: &mut Children) -> Result<(), ActorProcessingErr> {
        for place in 0..children.group.children {
            self.start(&me.get_cell(), place, children).await?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Order>,
        order: Order,
        children: &mut Children,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Close(done) => {
                children.closing = Some(done);
                for place in (0..children.group.children).rev() {
                    self.present(place)?.stop(None);
                }
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Order>,
        event: SupervisionEvent,
        children: &mut Children,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(child, ..) | SupervisionEvent::ActorFailed(child, _) => {
                self.ended(me.get_cell(), child.get_id(), children).await
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => Ok(()),
        }
    }
}

pub struct Ractor {
    supervisor: ActorRef<Order>,
    table: Table,
}

impl System for Ractor {
    type Peer = ActorRef<Msg>;

    async fn start(group: Group) -> Result<Self> {
        let table = Table::default();
        let (supervisor, _) = Actor::spawn(None, ByHand { table: table.clone() }, group).await?;
        Ok(Self { supervisor, table })
    }

    fn peer(&self, child: usize) -> ActorRef<Msg> {
        match self.table.read() {
            Ok(table) => table[child].clone(),
            Err(_) => unreachable!("nothing panics while it holds the table"),
        }
    }

    async fn cast_by_name(&self, name: &str) -> Result<()> {
        let cell = registry::where_is(name).context("nobody has this name")?;
        Ok(ActorRef::<Msg>::from(cell).cast(Msg::Count)?)
    }

    fn kill(&self, child: usize) -> bool {
        self.peer(child).kill();
        true
    }

    async fn stop(self) -> Result<()> {
        call!(self.supervisor, Order::Close)?;
        self.supervisor.stop_and_wait(None, None).await?;
        Ok(())
    }
}

impl Peer for ActorRef<Msg> {
    async fn cast(&self) -> Result<()> {
        Ok(ActorRef::cast(self, Msg::Count)?)
    }

    async fn call(&self) -> Result<Answer> {
        Ok(call!(self, Msg::Ask)?)
    }

    async fn panic(&self) -> Result<()> {
        Ok(ActorRef::cast(self, Msg::Panic)?)
    }
    async fn relay(&self, to: Self, calls: u64) -> Result<u64> {
        Ok(call!(self, |reply| Msg::Relay(Box::new((to, calls, reply))))?)
    }
}
