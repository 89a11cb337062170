//! The thread that looks when the runtime cannot: for code that does not yield, which on a single-threaded runtime starves
//! the sampler and everybody else.
//!
//! It finds a poll of an incarnation that does not come back, with the same message in hand, and says so. What it tells
//! the supervisor counts only if the message is still in hand when that can act.
//!
//! Invariant: it sees nothing under a paused clock (PITFALLS 23). It compares the runtime's clock with the one on the wall
//! at every look; where they have parted, time is not real, and what was seen before is forgotten.

use std::sync::Weak;
use std::thread::{Builder, Thread, park_timeout};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::event::EventKind;
use crate::watchdog::{Watchdog, Who};
use crate::world::World;

/// How far the two clocks may be apart. They are one and the same unless time is paused.
const APART_MAX: Duration = Duration::from_millis(1);
/// The shortest pause between two looks: long enough for clocks that part to be seen.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// Its name, as debuggers show it.
const NAME: &str = "regrow-watchdog";

/// Starts the thread. It ends when nobody is watched any more, and with the tree.
pub(super) fn start(world: Weak<World>) -> Option<Thread> {
    let runtime = Handle::current();
    match Builder::new().name(NAME.into()).spawn(move || run(&world, &runtime)) {
        Ok(thread) => Some(thread.thread().clone()),
        Err(error) => {
            tracing::error!(%error, "no thread could be started to find code that blocks");
            None
        }
    }
}

fn run(world: &Weak<World>, runtime: &Handle) {
    let _clock = runtime.enter();
    let mut clocks = Clocks::read();
    loop {
        let is_real = clocks.are_together();
        let next = match world.upgrade().and_then(|world| look(&world, is_real)) {
            None => return,
            Some(next) => next,
        };
        park_timeout(next.saturating_duration_since(Instant::now()).max(PAUSE_MIN));
    }
}

/// Looks, and says when to look again; `None` when there is nobody to look at.
fn look(world: &World, is_real: bool) -> Option<Instant> {
    let dog: &Watchdog = &world.watchdog;
    let watched = dog.watched(Who::Thread)?;
    if !is_real {
        watched.iter().for_each(|watched| watched.forget(Who::Thread));
    }
    let now = Instant::now();
    let mut next = None;
    for watched in watched {
        let (finding, again) = watched.look(Who::Thread, now, Duration::ZERO);
        next = next.into_iter().chain(again).min();
        if let Some(finding) = finding {
            let (path, generation) = (finding.slot.path(), finding.slot.status().generation);
            world.tell(&path, || generation, EventKind::Blocks { time: finding.hang.time });
            finding.tell();
        }
    }
    // None: the last of them has just gone, which the next look will see.
    Some(next.unwrap_or(now))
}

/// The runtime's clock and the one on the wall.
struct Clocks {
    runtime: Instant,
    wall: std::time::Instant,
}

impl Clocks {
    fn read() -> Self {
        loop {
            let (before, runtime, wall) = (std::time::Instant::now(), Instant::now(), std::time::Instant::now());
            // Between the two the thread may have lost its turn.
            if wall - before < APART_MAX / 2 {
                return Self { runtime, wall };
            }
        }
    }

    /// Whether they have gone on alike since they were last together.
    fn are_together(&mut self) -> bool {
        let now = Self::read();
        let (by_runtime, by_wall) = (now.runtime.saturating_duration_since(self.runtime), now.wall - self.wall);
        let are_together = by_runtime.abs_diff(by_wall) <= APART_MAX;
        if !are_together {
            *self = now;
        }
        are_together
    }
}
