//! What a system must be able to do, and which one can do what.

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::gate::Gate;
use crate::workload::{Workload, value_name};

/// A system, by the name that `--system` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SystemName {
    Regrow,
    /// With the feature `chaos`, and nothing armed.
    RegrowChaos,
    /// Its children are ractor actors.
    RegrowActor,
    /// Under a dynamic supervisor, to which children are added one by one.
    RegrowDynamic,
    /// The same, and they are added all at once.
    RegrowStartChildren,
    /// With a watchdog on each child.
    RegrowWatched,
    TokioBounded,
    TokioUnbounded,
    Ractor,
    /// With the feature that ractor ships switched on: spans travel with messages.
    RactorSpans,
    RactorSupervisor,
    Kameo,
    KameoUnbounded,
    Actix,
    Erlang,
    /// `simple_one_for_one` where the other is a static supervisor.
    ErlangDynamic,
}

impl SystemName {
    /// Whether the system has what the workload asks for, and differs there from its own other flavours.
    pub fn can(self, workload: Workload) -> bool {
        use Workload::*;
        let is_mail = matches!(workload, Cast | Call | Call64 | Cast64 | Cast64Own | CallInside | CastName);
        match self {
            Self::Regrow | Self::RegrowActor | Self::Ractor | Self::Kameo | Self::Erlang => true,
            Self::RegrowChaos => matches!(workload, Cast | Call | Call64 | Panic | Kill | Restarts | Bytes),
            Self::RegrowWatched => matches!(workload, Cast | Call | CallInside),
            Self::TokioBounded => is_mail || matches!(workload, Bytes | Start),
            Self::TokioUnbounded => is_mail || matches!(workload, Bytes),
            Self::Actix => matches!(workload, Cast | Call | Call64 | CastName | Bytes),
            Self::RactorSpans | Self::KameoUnbounded => matches!(workload, Cast | Call | Call64),
            // Its children are ractor actors: it differs in what a supervisor does.
            Self::RactorSupervisor => !is_mail,
            Self::RegrowDynamic | Self::ErlangDynamic => matches!(workload, Restarts | Bytes | Start | Growth),
            Self::RegrowStartChildren => matches!(workload, Start),
        }
    }

    /// The program that does its jobs.
    pub fn program(self) -> Program {
        match self {
            Self::RactorSpans | Self::RactorSupervisor => Program::Built(&SPANS),
            Self::RegrowChaos => Program::Built(&CHAOS),
            Self::Erlang | Self::ErlangDynamic => Program::Erlang,
            _ => Program::This,
        }
    }
}

/// What does the jobs of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    This,
    /// Cargo gives everybody in one program the same features of a package: whoever wants others needs a program of its own.
    Built(&'static Variant),
    Erlang,
}

/// This package, built with a feature.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    pub feature: &'static str,
    pub program: &'static str,
}

/// ractor-supervisor switches on a feature of ractor that costs every message 50 ns.
const SPANS: Variant = Variant { feature: "ractor-supervisor", program: "peers-spans" };
const CHAOS: Variant = Variant { feature: "chaos", program: "peers-chaos" };

impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        value_name(self, f)
    }
}

/// Who is restarted when one dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
}

/// The tree a workload asks for: one supervisor and `children` services that count.
#[derive(Debug, Clone)]
pub struct Group {
    pub children: usize,
    pub strategy: Strategy,
    pub gate: Arc<Gate>,
    /// Whether the children shall be found by name where that has to be asked for.
    pub named: bool,
}

/// The name of a child, where the system wants one.
pub fn child_name(child: usize) -> String {
    format!("c{child}")
}

/// How many messages a life has counted, and which life it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub count: u64,
    pub life: u64,
}

/// One running tree.
pub trait System: Sized + Send + Sync + 'static {
    type Peer: Peer;

    /// Starts the tree. It may return before all children are up: the gate tells.
    fn start(group: Group) -> impl Future<Output = Result<Self>> + Send;

    /// The present address of a child, as a client would hold it.
    fn peer(&self, child: usize) -> Self::Peer;

    /// Sends one message to count to the child of this name, which is looked up.
    fn cast_by_name(&self, name: &str) -> impl Future<Output = Result<()>> + Send;

    /// Kills a child. `false` when there is none to kill at the moment.
    fn kill(&self, child: usize) -> bool {
        let _ = child;
        unimplemented_by_system()
    }

    /// Starts a task where the driver runs.
    fn spawn<F>(task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(task)
    }

    /// Stops the tree.
    fn stop(self) -> impl Future<Output = Result<()>> + Send;
}

/// The address of a child.
pub trait Peer: Clone + Send + Sync + 'static {
    /// Sends one message to count.
    fn cast(&self) -> impl Future<Output = Result<()>> + Send;

    /// Asks how many have been counted.
    fn call(&self) -> impl Future<Output = Result<Answer>> + Send;

    /// Makes the child call `to` this many times, one after another. Returns the life that answered last.
    fn relay(&self, to: Self, calls: u64) -> impl Future<Output = Result<u64>> + Send {
        let _ = (to, calls);
        async { unimplemented_by_system() }
    }

    /// Sends a message that makes the child panic.
    fn panic(&self) -> impl Future<Output = Result<()>> + Send {
        async { unimplemented_by_system() }
    }
}

fn unimplemented_by_system() -> ! {
    unreachable!("`SystemName::can` keeps such workloads away from this system")
}

/// What a deliberate panic says; the panic hook keeps quiet about it.
pub const DELIBERATE: &str = "deliberate";
