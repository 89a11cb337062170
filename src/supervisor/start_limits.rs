//! The limits on concurrent starts. A start passes the gate of each supervisor above it that has one, from the
//! outermost to the innermost.
//!
//! Invariants:
//! 1. A dropped ticket leaves every gate that it has entered, however the start ended.
//! 2. A start that is let in is reported by a fact. Nothing waits inside a supervisor.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use regrow_supervisors::{Attempt, StartLimiter};

use crate::base::sync::lock;
use crate::base::thrift;
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;

/// The gates above a child, outermost first.
#[derive(Clone, Default)]
pub(crate) struct Gates(Arc<[Arc<Door>]>);

pub(crate) struct Door {
    state: Mutex<State>,
}

struct State {
    gate: StartLimiter<u64>,
    in_line: HashMap<u64, Entrant>,
}

/// A start that waits to be let in.
#[derive(Clone)]
struct Entrant {
    gates: Gates,
    inbox: Arc<Inbox>,
    attempt: Attempt,
    /// Whether its ticket is gone. Set before the ticket looks at the doors.
    is_off: Arc<AtomicBool>,
}

impl Gates {
    /// Returns these gates, and one more inside them.
    pub(crate) fn and(&self, starts_max: usize) -> Self {
        let state = State { gate: StartLimiter::new(starts_max), in_line: HashMap::new() };
        Self(self.0.iter().cloned().chain([Arc::new(Door { state: Mutex::new(state) })]).collect())
    }

    /// Sets the number of starts that the innermost gate lets in at a time.
    #[cfg(feature = "policy")]
    pub(crate) fn resize(&self, starts_max: usize) {
        let Some(door) = self.0.last() else { return };
        let let_in: Vec<_> = {
            let mut state = lock(&door.state);
            let let_in = state.gate.resize(starts_max);
            let_in.into_iter().filter_map(|number| Some((number, state.in_line.remove(&number)?))).collect()
        };
        let_in.into_iter().for_each(|(number, entrant)| entrant.go_on(number, door));
    }

    /// Number of starts that the innermost gate has inside or in line.
    pub(crate) fn len(&self) -> usize {
        self.0.last().map_or(0, |door| {
            let state = lock(&door.state);
            state.gate.inside() + state.in_line.len().max(state.gate.waiting())
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lines up for a start. [`Fact::Admitted`] follows when it is let in, which is at once if there is room.
    pub(crate) fn enter(&self, inbox: &Arc<Inbox>, attempt: Attempt) -> Ticket {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let is_off = Arc::new(AtomicBool::new(false));
        let entrant = Entrant { gates: self.clone(), inbox: inbox.clone(), attempt, is_off: is_off.clone() };
        self.pass(number, entrant, 0);
        Ticket { number, gates: self.clone(), is_off }
    }

    /// Passes the gates from `level` on.
    fn pass(&self, number: u64, entrant: Entrant, level: usize) {
        for door in self.0.iter().skip(level) {
            let mut state = lock(&door.state);
            // The dropped ticket has left this door already, or comes to it after this.
            if entrant.is_off.load(Ordering::Acquire) {
                return;
            }
            if !state.gate.acquire(number) {
                state.in_line.insert(number, entrant);
                return;
            }
        }
        entrant.inbox.push(Fact::Admitted(entrant.attempt));
    }
}

impl Entrant {
    /// Goes on to the next gate, as this door was passed.
    fn go_on(self, number: u64, door: &Arc<Door>) {
        let gates = self.gates.clone();
        let level = gates.0.iter().position(|other| Arc::ptr_eq(other, door)).map_or(0, |level| level + 1);
        gates.pass(number, self, level);
    }
}

/// A place inside the gates, or in line.
pub(crate) struct Ticket {
    number: u64,
    gates: Gates,
    is_off: Arc<AtomicBool>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.is_off.store(true, Ordering::Release);
        // Innermost first: a start that is let in there has passed the gates further out.
        for door in self.gates.0.iter().rev() {
            let (left, next) = {
                let mut state = lock(&door.state);
                let left = state.in_line.remove(&self.number);
                thrift::give_back(&mut state.in_line);
                let next = state.gate.release(&self.number);
                (left, next.and_then(|number| Some((number, state.in_line.remove(&number)?))))
            };
            // It may hold the last reference to a supervisor's queue.
            drop(left);
            if let Some((number, entrant)) = next {
                entrant.go_on(number, door);
            }
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ticket").field(&self.number).finish()
    }
}

#[cfg(test)]
mod tests {
    use regrow_supervisors::{Action, ChildSpec, Machine, StaticMachine, Strategy};

    use super::*;

    // A start that is let in through the outer door is called off before it comes to the inner one.
    #[test]
    fn who_is_called_off_between_two_doors_takes_no_place() {
        let inbox = Arc::new(Inbox::new(Arc::default(), &"app".into()));
        let specs = ['a', 'b'].map(|id| ChildSpec::new(id.to_string()));
        let mut machine = StaticMachine::new(Strategy::OneForOne, specs.to_vec()).expect("it makes sense");
        let mut attempts = Vec::new();
        while let Some(action) = machine.poll_action() {
            if let Action::Start(attempt) = action {
                machine.handle_started(attempt, std::time::Duration::ZERO);
                attempts.push(attempt);
            }
        }
        let gates = Gates::default().and(1).and(1);
        let first = gates.enter(&inbox, attempts[0]);
        let second = gates.enter(&inbox, attempts[1]);
        // The steps that the end of the first start takes, one by one.
        let outer = &gates.0[0];
        let entrant = {
            let mut state = lock(&outer.state);
            let next = state.gate.release(&first.number).expect("the second waits");
            state.in_line.remove(&next).expect("it is known")
        };
        let number = second.number;
        drop(second);
        entrant.go_on(number, outer);
        drop(first);
        assert!(gates.0.iter().all(|door| lock(&door.state).gate.inside() == 0));
    }
}
