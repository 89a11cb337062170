//! A small kit for tests of your own trees. It has a probe service that does what a message says, a journal that
//! records the order of events, and waits for events that replace sleeping.
//!
//! ```
//! use regrow::testing::{Journal, ProbeMsg, until};
//! use regrow::{ServiceState, Supervisor};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
//! let journal = Journal::new();
//! let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(journal.probe("b")).start().await?;
//!
//! let a = tree.lookup::<ProbeMsg>("app/a")?;
//! a.cast(ProbeMsg::Panic("boom"))?;
//! until(a.watch(), |status| status.state == ServiceState::Up && status.generation == 2).await;
//! until(tree.directory().watch("app/b").unwrap(), |status| status.generation == 2).await;
//!
//! assert_eq!(journal.lines(), ["start a#1", "start b#1", "end a#1", "end b#1", "start a#2", "start b#2"]);
//! tree.shutdown().await;
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::base::sync::lock;
use crate::call::Reply;
use crate::child::{Child, ServiceChild};
use crate::context::Context;
use crate::event::{Event, Events};
use crate::service::Service;
use crate::slot::status::ServiceStatus;
use crate::tree::Tree;

/// Record of what probes did, in order, and of how many of each name are alive.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    lines: Vec<String>,
    alive: BTreeMap<String, usize>,
    alive_max: usize,
}

impl Journal {
    /// Makes an empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Describes a probe that writes into this journal. It writes `start NAME#GENERATION` when its state is built, and
    /// `end NAME#GENERATION` when its state is dropped. If it got [`Announce`](ProbeMsg::Announce), it also writes
    /// `stop NAME#GENERATION` in its stop hook.
    pub fn probe(&self, name: &str) -> ServiceChild<ProbeMsg> {
        let journal = self.clone();
        Child::service(name, move |ctx: Context<Probe>| {
            let journal = journal.clone();
            async move { Ok(Probe::new(journal, &ctx)) }
        })
    }

    /// Adds a line.
    pub fn write(&self, line: impl Into<String>) {
        let line = line.into();
        lock(&self.inner).lines.push(line);
    }

    /// Returns all lines so far.
    pub fn lines(&self) -> Vec<String> {
        lock(&self.inner).lines.clone()
    }

    /// Returns all lines since this was last called, and removes them.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.inner).lines)
    }

    /// Returns the largest number of probes of one name that were ever alive at the same time. More than one is a bug
    /// in regrow, unless one of them was abandoned.
    pub fn alive_max(&self) -> usize {
        lock(&self.inner).alive_max
    }

    fn born(&self, name: &str, label: &str) {
        let mut inner = lock(&self.inner);
        inner.lines.push(format!("start {label}"));
        let Inner { alive, alive_max, .. } = &mut *inner;
        let alive = alive.entry(name.to_owned()).or_default();
        *alive += 1;
        *alive_max = (*alive_max).max(*alive);
    }

    fn died(&self, name: &str, label: &str) {
        let mut inner = lock(&self.inner);
        inner.lines.push(format!("end {label}"));
        if let Some(alive) = inner.alive.get_mut(name) {
            *alive -= 1;
            if *alive == 0 {
                inner.alive.remove(name);
            }
        }
    }
}

/// Service that does what each message says.
#[derive(Debug)]
pub struct Probe {
    name: String,
    label: String,
    journal: Journal,
    noted: Vec<u64>,
    announces: bool,
    keeps: Vec<Reply<u64>>,
}

/// Message to a [`Probe`].
pub enum ProbeMsg {
    /// Remembers a number.
    Note(u64),
    /// Replies with the numbers remembered, in order.
    Noted(Reply<Vec<u64>>),
    /// Replies with the generation.
    Generation(Reply<u64>),
    /// Keeps the reply, unanswered, in the state.
    Keep(Reply<u64>),
    /// Drops the reply.
    Unanswered(Reply<u64>),
    /// Panics with this text.
    Panic(&'static str),
    /// Panics with this text while a caller waits.
    PanicOn(Reply<u64>, &'static str),
    /// Returns an error with this text.
    Fail(&'static str),
    /// Stops the probe from inside.
    Stop,
    /// Never comes back, but yields: only a kill ends it.
    Hang,
    /// Never comes back while a caller waits, but yields.
    HangOn(Reply<u64>),
    /// Blocks the thread for this time, without yielding.
    Block(Duration),
    /// Makes the stop hook write a line.
    Announce,
    /// Runs this code in the probe.
    Run(Order),
}

/// Code that a probe runs.
pub type Order = Box<dyn FnOnce(&Context<Probe>) + Send>;

impl Probe {
    fn new(journal: Journal, ctx: &Context<Self>) -> Self {
        let path = ctx.path();
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        let label = format!("{name}#{}", ctx.generation());
        journal.born(&name, &label);
        Self { name, label, journal, noted: Vec::new(), announces: false, keeps: Vec::new() }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.journal.died(&self.name, &self.label);
    }
}

impl Service for Probe {
    type Msg = ProbeMsg;

    async fn handle(&mut self, msg: ProbeMsg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            ProbeMsg::Note(number) => self.noted.push(number),
            ProbeMsg::Noted(reply) => {
                reply.send(self.noted.clone());
            }
            ProbeMsg::Generation(reply) => {
                reply.send(ctx.generation());
            }
            ProbeMsg::Keep(reply) => self.keeps.push(reply),
            ProbeMsg::Unanswered(reply) => drop(reply),
            ProbeMsg::Panic(text) => panic!("{text}"),
            ProbeMsg::PanicOn(_reply, text) => panic!("{text}"),
            ProbeMsg::Fail(text) => anyhow::bail!(text),
            ProbeMsg::Stop => ctx.stop(),
            ProbeMsg::Hang => std::future::pending().await,
            ProbeMsg::HangOn(_reply) => std::future::pending().await,
            ProbeMsg::Block(time) => std::thread::sleep(time),
            ProbeMsg::Announce => self.announces = true,
            ProbeMsg::Run(code) => code(ctx),
        }
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if self.announces {
            self.journal.write(format!("stop {}", self.label));
        }
        Ok(())
    }
}

impl fmt::Debug for ProbeMsg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note(_) => "Note",
            Self::Noted(_) => "Noted",
            Self::Generation(_) => "Generation",
            Self::Keep(_) => "Keep",
            Self::Unanswered(_) => "Unanswered",
            Self::Panic(_) => "Panic",
            Self::PanicOn(..) => "PanicOn",
            Self::Fail(_) => "Fail",
            Self::Stop => "Stop",
            Self::Hang => "Hang",
            Self::HangOn(_) => "HangOn",
            Self::Block(_) => "Block",
            Self::Announce => "Announce",
            Self::Run(_) => "Run",
        })
    }
}

/// Waits until a status satisfies `test`, and returns it. Only the newest status is seen, so short-lived ones may be
/// missed. Wait for a generation rather than for a state that passes.
///
/// # Panics
///
/// If the service is gone, and no status before that satisfied `test`.
pub async fn until(
    mut watch: watch::Receiver<ServiceStatus>,
    test: impl FnMut(&ServiceStatus) -> bool,
) -> ServiceStatus {
    // Copied out first: a guard that lives on would make this future one that is not `Send`.
    let status = watch.wait_for(test).await.ok().map(|status| *status);
    status.unwrap_or_else(|| panic!("the service is {}, and no status before that satisfied the test", *watch.borrow()))
}

/// Returns the number of entries of each table that lives as long as the tree or the process, by the table's name. The
/// tables of all supervisors are added up. For regrow's own tests of leaks: names come and go with the tables.
#[doc(hidden)]
pub async fn tables(tree: &Tree) -> BTreeMap<&'static str, usize> {
    tree.shared.tables().await
}

/// Waits for an event that satisfies `test`, and returns it; `None` if the tree ends before one comes.
pub async fn until_event(events: &mut Events, mut test: impl FnMut(&Event) -> bool) -> Option<Event> {
    loop {
        if let Ok(event) = events.next().await?
            && test(&event)
        {
            return Some(event);
        }
    }
}
