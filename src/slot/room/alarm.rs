//! The time limit of a wait for room: tokio's timers in a runtime, and the wall clock elsewhere.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::time::{Instant as Moment, Sleep};

use crate::base::background::keep_on_thread;
use crate::base::runtime;
use crate::base::sync::lock;
use crate::base::time::later;
use crate::log::{line, one_line};
use crate::slot::room::LONG;

/// Time after which circles are looked for once more: another service may have begun to wait for an answer since.
const LOOK: Duration = Duration::from_millis(50);

/// Purpose of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    Look,
    IsLong,
    IsOver,
}

pub(super) struct Alarm {
    clock: Clock,
    limit: Option<Duration>,
    /// Next ring, and the time after which it comes.
    next: Option<(Ring, Duration)>,
}

enum Clock {
    /// No clock has been needed yet. The executor that runs the wait then decides it, and may be another one than
    /// before.
    None {
        begun: Moment,
    },
    Tokio {
        begun: Moment,
        sleep: Option<Pin<Box<Sleep>>>,
    },
    /// The waiting thread checks the time itself.
    Wall {
        begun: Instant,
    },
    /// A separate thread checks the time, for an executor that is not tokio's.
    Sleeper {
        begun: Instant,
        sleeper: Option<Sleeper>,
    },
}

impl Alarm {
    pub(super) fn new(limit: Option<Duration>, is_blocking: bool) -> Self {
        let clock = if is_blocking {
            Clock::Wall { begun: Instant::now() }
        } else if runtime::check().is_ok() {
            Clock::Tokio { begun: Moment::now(), sleep: None }
        } else {
            Clock::Sleeper { begun: Instant::now(), sleeper: None }
        };
        Self { clock, limit, next: next(None, limit) }
    }

    /// Makes the alarm of a sender that has used the timer of another sender in the same runtime
    /// (`slot/timekeeper.rs`), and has waited since `begun`.
    pub(super) fn leaning(begun: Moment, limit: Option<Duration>) -> Self {
        Self { clock: Clock::None { begun }, limit, next: next(None, limit) }
    }

    pub(super) fn is_of_runtime(&self) -> bool {
        matches!(self.clock, Clock::Tokio { .. })
    }

    /// Returns when a waiting thread should check it.
    pub(super) fn due(&self) -> Option<Instant> {
        match (&self.clock, self.next) {
            (Clock::Wall { begun }, Some((_, after))) => begun.checked_add(after),
            _ => None,
        }
    }

    /// Ready with each ring, one after the other.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ring> {
        let Some((ring, after)) = self.next else { return Poll::Pending };
        if let Clock::None { begun } = self.clock {
            self.clock = match runtime::check() {
                Ok(()) => Clock::Tokio { begun, sleep: None },
                Err(_) => Clock::Sleeper { begun: begun.into_std(), sleeper: None },
            };
        }
        let rings = match &mut self.clock {
            Clock::None { .. } => false,
            Clock::Tokio { begun, sleep } => {
                let due = later(*begun, after);
                let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                if sleep.deadline() != due {
                    sleep.as_mut().reset(due);
                }
                sleep.as_mut().poll(cx).is_ready()
            }
            Clock::Wall { begun } => begun.elapsed() >= after,
            Clock::Sleeper { begun, sleeper } => {
                let rings = begun.elapsed() >= after;
                if !rings && let Some(due) = begun.checked_add(after) {
                    sleeper.get_or_insert_with(Sleeper::new).wake_at(due, cx.waker());
                }
                rings
            }
        };
        if !rings {
            return Poll::Pending;
        }
        self.next = next(Some(ring), self.limit);
        Poll::Ready(ring)
    }
}

/// Returns the time from the start of a wait with this limit to its first ring.
pub(super) fn first(limit: Option<Duration>) -> Option<Duration> {
    next(None, limit).map(|(_, after)| after)
}

/// Returns the ring that follows this one, and its time.
fn next(before: Option<Ring>, limit: Option<Duration>) -> Option<(Ring, Duration)> {
    let is_before_limit = |after: Duration| limit.is_none_or(|limit| after < limit);
    let over = limit.map(|limit| (Ring::IsOver, limit));
    match before {
        None if is_before_limit(LOOK) => Some((Ring::Look, LOOK)),
        None | Some(Ring::Look) if is_before_limit(LONG) => Some((Ring::IsLong, LONG)),
        None | Some(Ring::Look | Ring::IsLong) => over,
        Some(Ring::IsOver) => None,
    }
}

/// Thread that sleeps for a future, and wakes it. It ends with the wait.
struct Sleeper {
    order: Arc<Mutex<Order>>,
    thread: Option<Thread>,
}

#[derive(Default)]
struct Order {
    due: Option<(Instant, Waker)>,
    is_over: bool,
}

impl Sleeper {
    fn new() -> Self {
        let order = Arc::new(Mutex::new(Order::default()));
        let orders = order.clone();
        let spawned = thread::Builder::new().name("regrow-room".into()).spawn(move || {
            keep_on_thread("the thread that ends waits for room", || sleep(&orders));
        });
        match spawned {
            Ok(thread) => Self { order, thread: Some(thread.thread().clone()) },
            Err(error) => {
                line!(ERROR, { error = %one_line(&error) }, "no thread could be started: a wait for room outside of tokio has no limit");
                Self { order, thread: None }
            }
        }
    }

    fn wake_at(&self, due: Instant, waker: &Waker) {
        let waker = waker.clone();
        let before = lock(&self.order).due.replace((due, waker));
        drop(before);
        self.unpark();
    }

    fn unpark(&self) {
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        lock(&self.order).is_over = true;
        self.unpark();
    }
}

fn sleep(orders: &Mutex<Order>) {
    loop {
        let mut order = orders.lock().unwrap_or_else(PoisonError::into_inner);
        if order.is_over {
            return;
        }
        let left = order.due.as_ref().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => {
                let due = order.due.take();
                drop(order);
                due.into_iter().for_each(|(_, waker)| waker.wake());
            }
            Some(left) => {
                drop(order);
                thread::park_timeout(left);
            }
            None => {
                drop(order);
                thread::park();
            }
        }
    }
}
