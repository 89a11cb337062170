//! What a supervisor's driver knows of a child.

use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::directory::Kind;
use crate::layer::Configured;
use crate::slot::{AnySlot, Control};
use crate::supervisor::gates::Ticket;
use crate::supervisor::plan::{Make, Planned};

/// What is known of a child. The machine has its spec.
pub(crate) struct Entry {
    pub(crate) path: Arc<str>,
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) make: Make,
    /// The present attempt, as its supervisor reaches it.
    pub(crate) control: Option<Control>,
    pub(crate) last_exit: Option<Arc<Exit>>,
    /// What the factory said of the present incarnation.
    pub(crate) info: Option<Arc<str>>,
    pub(crate) kind: Kind,
    pub(crate) drain: bool,
    pub(crate) light: bool,
    pub(crate) was_asked: bool,
    /// The supervisor has ordered a kill of the present attempt.
    pub(crate) was_killed: bool,
    /// What the code says of it, where a layer over the code says something else.
    pub(crate) coded: Option<Box<Configured>>,
    /// Its place in the line of starts, while it is starting.
    pub(crate) ticket: Option<Ticket>,
    /// What it had handled before its present life.
    pub(crate) handled_before: u64,
    /// Why the present attempt is being killed, where that is more than that it is.
    pub(crate) blame: Option<Exit>,
    /// Added at run time: it is lost with this supervisor (OTP rule 100).
    pub(crate) is_added: bool,
}

impl Entry {
    pub(crate) fn new(planned: &Planned, is_added: bool, coded: Option<Box<Configured>>) -> Box<Self> {
        Box::new(Self {
            path: planned.path.clone(),
            slot: planned.slot().clone(),
            make: planned.make.clone(),
            control: None,
            last_exit: None,
            info: None,
            kind: planned.kind,
            drain: planned.drain,
            light: planned.light,
            was_asked: false,
            was_killed: false,
            coded,
            ticket: None,
            handled_before: 0,
            blame: None,
            is_added,
        })
    }

    /// It is to be made in another way from its next start on.
    pub(crate) fn replan(&mut self, planned: &Planned, coded: Option<Box<Configured>>) {
        self.coded = coded;
        let Planned { kind, drain, light, .. } = *planned;
        (self.slot, self.make) = (planned.slot().clone(), planned.make.clone());
        (self.kind, self.drain, self.light) = (kind, drain, light);
    }

    /// How an attempt ended that ended as `exit` by itself: see [`Port::verdict`](crate::port::Port::verdict). A supervisor
    /// has no port, and an incarnation may have ended before it was told why it was to be killed.
    pub(crate) fn verdict(&self, exit: Exit) -> Exit {
        self.blame.clone().unwrap_or(exit)
    }

    /// Whether its supervisor wanted the present attempt to end, and to end like this. A kill counts as the first step of a
    /// stop, and not as the last one.
    pub(crate) fn ends_as_ordered(&self, exit: &Exit) -> bool {
        match (self.was_asked, self.was_killed) {
            (true, _) => !exit.is_abnormal(),
            (false, true) => self.blame.is_none() && matches!(exit, Exit::Killed),
            (false, false) => false,
        }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.slot.status().generation
    }
}
