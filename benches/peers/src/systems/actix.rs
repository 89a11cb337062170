//! actix: actors under its `Supervisor`. It does not catch panics and has no kill, so it takes part where nobody dies.
//!
//! `st`: driver and actors on the system's one thread. `mt`: the actors on the thread of an arbiter of their own.

use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, MessageResponse, Supervised, SystemService};
use anyhow::Result;
use tokio::task::JoinHandle;

use crate::gate::{Gate, Life};
use crate::system::{Answer, Group, Peer, System};

#[derive(Default)]
pub struct Counter {
    count: u64,
    life: Option<Life>,
}

impl Counter {
    fn begin(gate: &Arc<Gate>) -> Self {
        let life = Some(gate.life());
        gate.up();
        Self { count: 0, life }
    }
}

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Supervised for Counter {}
impl SystemService for Counter {}

#[derive(Message)]
#[rtype(result = "()")]
pub struct Count;

#[derive(Message)]
#[rtype(result = "Told")]
pub struct Ask;

#[derive(MessageResponse)]
pub struct Told(Answer);

impl Handler<Count> for Counter {
    type Result = ();

    fn handle(&mut self, _: Count, _: &mut Context<Self>) {
        self.count += 1;
    }
}

impl Handler<Ask> for Counter {
    type Result = Told;

    fn handle(&mut self, _: Ask, _: &mut Context<Self>) -> Told {
        Told(Answer { count: self.count, life: self.life.as_ref().map_or(0, |life| life.number) })
    }
}

pub struct Actix<const ARBITER: bool> {
    children: Vec<Addr<Counter>>,
    arbiter: Option<Arbiter>,
}

impl<const ARBITER: bool> System for Actix<ARBITER> {
    type Peer = Addr<Counter>;

    async fn start(group: Group) -> Result<Self> {
        // Its registry goes by type: one service has the name of its type, and starts when it is first asked for.
        if group.named {
            let gate = &group.gate;
            (0..group.children).for_each(|_| gate.up());
            return Ok(Self { children: vec![Counter::from_registry(); group.children], arbiter: None });
        }
        let arbiter = ARBITER.then(Arbiter::new);
        let thread = arbiter.as_ref().map_or_else(Arbiter::current, Arbiter::handle);
        let start = |_| {
            let gate = group.gate.clone();
            actix::Supervisor::start_in_arbiter(&thread, move |_| Counter::begin(&gate))
        };
        Ok(Self { children: (0..group.children).map(start).collect(), arbiter })
    }

    fn peer(&self, child: usize) -> Addr<Counter> {
        self.children[child].clone()
    }

    async fn cast_by_name(&self, _: &str) -> Result<()> {
        Counter::from_registry().do_send(Count);
        Ok(())
    }

    /// On the thread's local set, as everything in actix is: a task beside it is woken through the system's poll.
    fn spawn<F>(task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        actix::spawn(task)
    }

    async fn stop(self) -> Result<()> {
        // An actor whose last address is dropped ends.
        drop(self.children);
        if let Some(arbiter) = self.arbiter {
            arbiter.stop();
        }
        Ok(())
    }
}

impl Peer for Addr<Counter> {
    async fn cast(&self) -> Result<()> {
        self.do_send(Count);
        Ok(())
    }

    async fn call(&self) -> Result<Answer> {
        Ok(self.send(Ask).await?.0)
    }
}
