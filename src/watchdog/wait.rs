//! Time that does not count: in which the handler of a service waits for another one, inside a `call` or a `send`.
//!
//! Invariants:
//! 1. A wait is open while code of the incarnation that began it is in it. What is moved to a task is that task's affair.
//! 2. Waits that overlap (`join!`, `select!`) count once: time is waited while at least one is open.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Fate;
use crate::current;
use crate::port::Port;
use crate::slot::AnySlot;
use crate::sync::lock;

/// The waits of one incarnation.
#[derive(Default)]
pub(super) struct Waits {
    open: Vec<Open>,
    /// Counts those that were ever opened.
    number: u64,
    /// Since when at least one is open.
    since: Option<Instant>,
    /// The time of those that are over.
    total: Duration,
}

struct Open {
    number: u64,
    since: Instant,
    on: On,
    is_limited: bool,
}

/// What is waited for: an answer of this service, or room in its mailbox.
#[derive(Clone)]
struct On {
    slot: Arc<dyn AnySlot>,
    call: Option<Arc<dyn Fate>>,
}

impl Waits {
    pub(super) fn waited(&self, now: Instant) -> Duration {
        let since = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.total.saturating_add(since)
    }

    pub(super) fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whom it waits for: the first that it still waits for.
    pub(super) fn on(&self) -> Option<Arc<str>> {
        self.open.first().map(|open| open.on.slot.path())
    }

    /// The services that it waits for, and since when it has waited for all of them; `None` unless all of them could keep
    /// it waiting for ever: a wait that has a limit ends, and a reply that was put off or handed on may come from anywhere.
    pub(super) fn endless(&self) -> Option<(Vec<Arc<dyn AnySlot>>, Instant)> {
        let ends = |open: &Open| open.is_limited || open.on.call.as_ref().is_some_and(|call| call.is_elsewhere());
        if self.open.iter().any(ends) {
            return None;
        }
        let newest = self.open.iter().map(|open| open.since).max()?;
        Some((self.open.iter().map(|open| open.on.slot.clone()).collect(), newest))
    }

    fn open(&mut self, on: On, is_limited: bool, now: Instant) -> u64 {
        self.number += 1;
        self.since.get_or_insert(now);
        self.open.push(Open { number: self.number, since: now, on, is_limited });
        self.number
    }

    fn close(&mut self, number: u64, now: Instant) -> Option<Open> {
        let at = self.open.iter().position(|open| open.number == number)?;
        let closed = self.open.remove(at);
        if self.open.is_empty()
            && let Some(since) = self.since.take()
        {
            self.total = self.total.saturating_add(now.saturating_duration_since(since));
        }
        Some(closed)
    }
}

/// One wait for another service, of code that may have to wait. Dropping it is the end of it.
pub(crate) struct Wait {
    port: Arc<Port>,
    on: On,
    /// Its number, while it is open.
    number: Option<u64>,
}

impl Wait {
    /// `None` unless code of a service runs here, in a tree in which somebody is watched.
    pub(crate) fn of_caller(slot: &Arc<impl AnySlot + 'static>, call: Option<&Arc<dyn Fate>>) -> Option<Box<Self>> {
        let port = current::lent(|port| port.watchdog().is_on().then(|| port.clone())).flatten()?;
        let on = On { slot: slot.clone(), call: call.cloned() };
        Some(Box::new(Self { port, on, number: None }))
    }

    /// It has to wait.
    pub(crate) fn goes_on(&mut self, is_limited: bool) {
        // Invariant 1.
        let is_its_own = current::is(|port| std::ptr::eq(port, &*self.port));
        match (is_its_own, self.number) {
            (true, None) => {
                let now = Instant::now();
                let number = lock(&self.port.vigil_or_new().waits).open(self.on.clone(), is_limited, now);
                self.number = Some(number);
                if number == 1 {
                    self.port.watchdog().remember_waiter(&self.port);
                }
            }
            (false, Some(_)) => self.ends(),
            (true, Some(_)) | (false, None) => {}
        }
    }

    fn ends(&mut self) {
        let (Some(number), Some(vigil)) = (self.number.take(), self.port.vigil()) else { return };
        let now = Instant::now();
        let closed = lock(&vigil.waits).close(number, now);
        drop(closed);
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.ends();
    }
}
