//! tokio's own channels: a task, a receiver, a counter. No supervision; the limit for everything built on tokio.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, RwLock};

use anyhow::{Context, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::gate::Life;
use crate::system::{Answer, Group, Peer, System, child_name};

/// regrow's default.
const CAPACITY: usize = 1_024;

pub enum Msg {
    Count,
    Ask(oneshot::Sender<Answer>),
    /// Twice boxed, to be no larger than the others.
    Relay(Box<Box<dyn Relay>>),
}

/// A child calls another one; its type does not know which flavour that is.
pub trait Relay: Send {
    fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

struct Calls<const BOUNDED: bool> {
    to: Sender<BOUNDED>,
    calls: u64,
    done: oneshot::Sender<Result<u64>>,
}

impl<const BOUNDED: bool> Relay for Calls<BOUNDED> {
    fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Self { to, calls, done } = *self;
            let mut life = Ok(0);
            for _ in 0..calls {
                life = to.call().await.map(|answer| answer.life);
            }
            drop(done.send(life));
        })
    }
}

#[derive(Clone)]
pub enum Sender<const BOUNDED: bool> {
    Bounded(mpsc::Sender<Msg>),
    Unbounded(mpsc::UnboundedSender<Msg>),
}

impl<const BOUNDED: bool> Sender<BOUNDED> {
    async fn send(&self, msg: Msg) -> Result<()> {
        // Known when it is compiled: each flavour has one of the two arms.
        match (BOUNDED, self) {
            (true, Self::Bounded(sender)) => Ok(sender.send(msg).await.ok().context("the task is gone")?),
            (false, Self::Unbounded(sender)) => Ok(sender.send(msg).ok().context("the task is gone")?),
            (_, Self::Bounded(_) | Self::Unbounded(_)) => unreachable!("a sender is of its own flavour"),
        }
    }
}

pub struct Tokio<const BOUNDED: bool> {
    senders: Vec<Sender<BOUNDED>>,
    names: Arc<RwLock<HashMap<String, Sender<BOUNDED>>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl<const BOUNDED: bool> System for Tokio<BOUNDED> {
    type Peer = Sender<BOUNDED>;

    async fn start(group: Group) -> Result<Self> {
        let mut senders = Vec::with_capacity(group.children);
        let mut tasks = Vec::with_capacity(group.children);
        for _ in 0..group.children {
            let (sender, task) = spawn::<BOUNDED>(&group);
            senders.push(sender);
            tasks.push(task);
        }
        let mut names = HashMap::new();
        if group.named {
            names = senders.iter().enumerate().map(|(child, sender)| (child_name(child), sender.clone())).collect();
        }
        Ok(Self { senders, names: Arc::new(RwLock::new(names)), tasks })
    }

    fn peer(&self, child: usize) -> Sender<BOUNDED> {
        self.senders[child].clone()
    }

    async fn cast_by_name(&self, name: &str) -> Result<()> {
        let sender = match self.names.read() {
            Ok(names) => names.get(name).cloned().context("nobody has this name")?,
            Err(_) => anyhow::bail!("the map is poisoned"),
        };
        sender.send(Msg::Count).await
    }

    async fn stop(self) -> Result<()> {
        drop((self.senders, self.names));
        for task in self.tasks {
            task.await?;
        }
        Ok(())
    }
}

fn spawn<const BOUNDED: bool>(group: &Group) -> (Sender<BOUNDED>, JoinHandle<()>) {
    let gate = group.gate.clone();
    if BOUNDED {
        let (sender, mut inbox) = mpsc::channel(CAPACITY);
        let task = tokio::spawn(async move {
            let life = gate.life();
            gate.up();
            let mut count = 0;
            while let Some(msg) = inbox.recv().await {
                handle(msg, &mut count, &life).await;
            }
        });
        (Sender::Bounded(sender), task)
    } else {
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let life = gate.life();
            gate.up();
            let mut count = 0;
            while let Some(msg) = inbox.recv().await {
                handle(msg, &mut count, &life).await;
            }
        });
        (Sender::Unbounded(sender), task)
    }
}

async fn handle(msg: Msg, count: &mut u64, life: &Life) {
    match msg {
        Msg::Count => *count += 1,
        // A caller that is gone wants no answer.
        Msg::Ask(reply) => drop(reply.send(Answer { count: *count, life: life.number })),
        Msg::Relay(relay) => relay.run().await,
    }
}

impl<const BOUNDED: bool> Peer for Sender<BOUNDED> {
    async fn cast(&self) -> Result<()> {
        self.send(Msg::Count).await
    }

    async fn call(&self) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        self.send(Msg::Ask(reply)).await?;
        Ok(answer.await?)
    }
    async fn relay(&self, to: Self, calls: u64) -> Result<u64> {
        let (done, answer) = oneshot::channel();
        self.send(Msg::Relay(Box::new(Box::new(Calls { to, calls, done })))).await?;
        answer.await?
    }
}
