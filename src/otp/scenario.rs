//! The scenario language: the shape of a tree, the behaviour of its children, and the stimuli.
//!
//! Flags and specs for the machines are made here, so that they are the same in each backend.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use regrow_supervisors::{
    AutoShutdown, ChildSpec, DynamicMachine, Exit, Flags, Intensity, Machine, Restart, Shutdown, SpecError,
    StaticMachine, Strategy,
};

use crate::otp::format;
use crate::otp::parser::Parser;

/// A scenario, checked.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub(crate) reports: bool,
    pub(crate) root: String,
    pub(crate) defs: BTreeMap<String, Def>,
    pub(crate) stimuli: Vec<Stimulus>,
}

#[derive(Debug, Clone)]
pub(crate) struct Def {
    pub(crate) id: String,
    pub(crate) restart: Restart,
    pub(crate) shutdown: Shutdown,
    pub(crate) significant: bool,
    pub(crate) body: Body,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    Worker(Worker),
    Supervisor(Sup),
}

#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) starts: Vec<Outcome>,
    pub(crate) start_delay: Duration,
    pub(crate) traps: bool,
    /// Time that the stop takes if the worker traps; `None` is for ever.
    pub(crate) slow: Option<Duration>,
    pub(crate) on_term: Option<Exit>,
    /// Set by `type=supervisor`, which changes only the counts.
    pub(crate) counts_as_supervisor: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Sup {
    /// `None`: simple_one_for_one.
    pub(crate) strategy: Option<Strategy>,
    pub(crate) intensity: u32,
    pub(crate) period: Duration,
    pub(crate) auto: AutoShutdown,
    pub(crate) inits: Vec<Init>,
    pub(crate) kids: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    OkInfo,
    Ignore,
    Fail,
    Raise,
    Already,
    Gate,
    GateFail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Init {
    Ok,
    Ignore,
}

#[derive(Debug, Clone)]
pub(crate) struct Stimulus {
    /// The statement, as it is echoed.
    pub(crate) text: String,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Do(Op),
    NoWait(Op),
    Post(Op),
    Replies,
    Sleep(Duration),
    Align,
    Pause(String),
    Unpause(String),
    AwaitGate(String),
    Open(String),
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Kill(String),
    Exit(String, Exit),
    StartChild(String, String),
    TerminateChild(String, String),
    RestartChild(String, String),
    DeleteChild(String, String),
    GetChildspec(String, String),
    Which(String),
    Count(String),
    /// An exit signal from the parent of the root. `Stop` and `Signal` differ only if the root is dead.
    Stop(Exit),
    Signal(Exit),
    GenStop(String, Exit),
    Upgrade(String, String),
}

/// A statement that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The line, counted from 1.
    pub line: usize,
    /// The reason.
    pub why: String,
    /// Whether OTP knows the statement, but Rust's types cannot express it.
    pub is_unsayable: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for Refused {}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    ///
    /// Names the first statement that is invalid, or that Rust's types cannot express.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        Parser::new(text).parse()
    }

    pub(crate) fn def(&self, id: &str) -> &Def {
        &self.defs[id]
    }

    /// The machine of a supervisor and, if it is a dynamic one, the definition of its children. The error is the reason
    /// for which OTP would refuse it.
    pub(crate) fn machine(&self, sup: &Sup) -> Result<(Box<dyn Machine>, Option<String>), String> {
        let (flags, specs) = self.configuration(sup);
        let refused = |error: SpecError| format!("start_spec({})", format::spec_error(&error));
        match (sup.strategy, sup.kids.as_slice()) {
            (None, [template]) if sup.auto == AutoShutdown::Never => {
                let machine = DynamicMachine::new(flags.intensity, None).map_err(refused)?;
                Ok((Box::new(machine), Some(template.clone())))
            }
            // OTP 25 accepts this, later releases refuse it (OTP rule 91).
            (None, _) => {
                let auto = sup.auto;
                Err(format!("supervisor_data(bad_combination([auto_shutdown({auto}),strategy(simple_one_for_one)]))"))
            }
            (Some(_), _) => Ok((Box::new(StaticMachine::new(flags, specs).map_err(refused)?), None)),
        }
    }

    /// Flags and specs of a supervisor as it is defined.
    pub(crate) fn configuration(&self, sup: &Sup) -> (Flags, Vec<ChildSpec>) {
        let flags = Flags {
            strategy: sup.strategy.unwrap_or_default(),
            intensity: Intensity::new(sup.intensity, sup.period),
            auto_shutdown: sup.auto,
            ..Flags::default()
        };
        (flags, sup.kids.iter().map(|id| self.def(id).spec(id)).collect())
    }

    /// The templates of dynamic supervisors.
    pub(crate) fn templates(&self) -> Vec<String> {
        let kids = self.defs.values().filter_map(|def| match &def.body {
            Body::Supervisor(sup) if sup.strategy.is_none() => Some(sup.kids.clone()),
            Body::Supervisor(_) | Body::Worker(_) => None,
        });
        kids.flatten().collect()
    }
}

impl Op {
    /// The supervisor that the operation calls.
    pub(crate) fn supervisor(&self) -> Option<&str> {
        match self {
            Self::StartChild(s, _)
            | Self::TerminateChild(s, _)
            | Self::RestartChild(s, _)
            | Self::DeleteChild(s, _)
            | Self::GetChildspec(s, _)
            | Self::Which(s)
            | Self::Count(s)
            | Self::GenStop(s, _)
            | Self::Upgrade(s, _) => Some(s),
            Self::Kill(_) | Self::Exit(..) | Self::Stop(_) | Self::Signal(_) => None,
        }
    }
}

impl Def {
    /// The spec of a child with the name `id`.
    pub(crate) fn spec(&self, id: &str) -> ChildSpec {
        ChildSpec::new(id).restart(self.restart).shutdown(self.shutdown).significant(self.significant)
    }

    pub(crate) fn is_supervisor(&self) -> bool {
        matches!(self.body, Body::Supervisor(_))
    }

    /// Whether the counts take it for a supervisor.
    pub(crate) fn counts_as_supervisor(&self) -> bool {
        match &self.body {
            Body::Supervisor(_) => true,
            Body::Worker(worker) => worker.counts_as_supervisor,
        }
    }
}

impl Worker {
    /// Outcome of the `nth` start, counted from 1. The last outcome of the script repeats.
    pub(crate) fn outcome(&self, nth: usize) -> Outcome {
        self.starts[nth.min(self.starts.len()) - 1]
    }
}

impl Sup {
    /// Outcome of the `nth` init, counted from 1. The last outcome of the script repeats.
    pub(crate) fn init(&self, nth: usize) -> Init {
        self.inits[nth.min(self.inits.len()) - 1]
    }
}

/// The name in a label: `a` of `a#2`.
pub(crate) fn base(name: &str) -> &str {
    name.split_once('#').map_or(name, |(base, _)| base)
}
