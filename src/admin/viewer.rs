//! What a viewer saw at its last looks: lower bounds of the ages of messages, without a clock in any message.
//!
//! A mailbox counts what it accepted. If its oldest waiting message had been accepted by an earlier look, it is at least as
//! old as that look. A viewer keeps two looks for each path: the earliest that still says something, and the latest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::admin::row::millis;
use crate::admin::wire::services::Age;
use crate::base::sync::lock;
use crate::slot::accounting::Accounting;
use crate::slot::erased::AnySlot;

/// Viewers that are remembered. The one that has not looked for longest makes room.
const VIEWERS_MAX: usize = 64;
/// Paths that are remembered for each viewer. Rows beyond that have no ages.
const PATHS_MAX: usize = 20_000;
/// Time after which a viewer that does not look is forgotten, at the next look of another one.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// The viewers of an `Admin`, by the texts that they made up.
#[derive(Default)]
pub(crate) struct Viewers(Mutex<HashMap<String, Arc<Viewer>>>);

impl Viewers {
    /// Returns the viewer with this name, and makes it if it is new.
    pub(crate) fn get(&self, name: &str) -> Arc<Viewer> {
        let mut viewers = lock(&self.0);
        viewers.retain(|known, viewer| known == name || viewer.idle() < FORGOTTEN_AFTER);
        if !viewers.contains_key(name) && viewers.len() >= VIEWERS_MAX {
            let oldest = viewers.iter().max_by_key(|(_, viewer)| viewer.idle()).map(|(name, _)| name.clone());
            oldest.and_then(|name| viewers.remove(&name));
        }
        let viewer = viewers.entry(name.to_owned()).or_default().clone();
        lock(&viewer.0).looked_at = Instant::now();
        viewer
    }
}

/// A viewer, and what it saw.
pub(crate) struct Viewer(Mutex<Memory>);

struct Memory {
    looked_at: Instant,
    seen: HashMap<Arc<str>, Seen>,
}

impl Default for Viewer {
    fn default() -> Self {
        Self(Mutex::new(Memory { looked_at: Instant::now(), seen: HashMap::new() }))
    }
}

/// Ages of the messages of one mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ages {
    pub(crate) oldest: Option<Age>,
    pub(crate) in_hand: Option<Age>,
    /// Change of the number of waiting messages since the last look.
    pub(crate) growth: Option<i64>,
}

/// What was seen of one mailbox.
#[derive(Debug, Clone, Copy)]
struct Seen {
    first: Look,
    last: Look,
    in_hand: Option<(u64, Instant)>,
    queued: u64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    accepted: u64,
}

impl Viewer {
    /// Returns the ages that follow from the looks before, and notes this one.
    pub(crate) fn look(&self, path: &Arc<str>, slot: &dyn AnySlot, accounting: Accounting) -> Ages {
        self.look_at(path, accounting, slot.in_hand().map(|(message, _)| message), Instant::now())
    }

    fn look_at(&self, path: &Arc<str>, accounting: Accounting, in_hand: Option<u64>, now: Instant) -> Ages {
        let mut memory = lock(&self.0);
        if !memory.seen.contains_key(path) && memory.seen.len() >= PATHS_MAX {
            return Ages::default();
        }
        let this = Look { at: now, accepted: accounting.accepted };
        let Some(seen) = memory.seen.get_mut(path) else {
            let in_hand = in_hand.map(|message| (message, now));
            memory.seen.insert(path.clone(), Seen { first: this, last: this, in_hand, queued: accounting.queued });
            return Ages::default();
        };
        // Messages may be taken out from anywhere, so the oldest one is this one or an older one.
        let oldest = accounting.accepted.saturating_sub(accounting.queued).saturating_add(1);
        let is_waiting = accounting.queued > 0;
        if !is_waiting || oldest > seen.first.accepted {
            seen.first = seen.last;
        }
        let age = (is_waiting && oldest <= seen.first.accepted).then(|| at_least(now, seen.first.at));
        if age.is_none() {
            seen.first = this;
        }
        seen.in_hand = match (in_hand, seen.in_hand) {
            (Some(message), Some((before, since))) if message == before => Some((message, since)),
            (Some(message), _) => Some((message, now)),
            (None, _) => None,
        };
        let held = seen.in_hand.filter(|(_, since)| *since < now).map(|(_, since)| at_least(now, since));
        let growth = i64::try_from(accounting.queued).ok().zip(i64::try_from(seen.queued).ok());
        seen.last = this;
        seen.queued = accounting.queued;
        Ages { oldest: age, in_hand: held, growth: growth.map(|(now, before)| now.saturating_sub(before)) }
    }

    fn idle(&self) -> Duration {
        lock(&self.0).looked_at.elapsed()
    }
}

fn at_least(now: Instant, since: Instant) -> Age {
    Age { ms: millis(now.saturating_duration_since(since)), is_lower_bound: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(accepted: u64, queued: u64) -> Accounting {
        Accounting { accepted, queued, handled: accepted - queued, ..Accounting::default() }
    }

    #[test]
    fn the_oldest_message_is_as_old_as_the_earliest_look_that_saw_it() {
        let viewer = Viewer::default();
        let path = "shop/db".into();
        let begin = Instant::now();
        let mut look = |second, accepted, queued| {
            let now = begin + Duration::from_secs(second);
            viewer.look_at(&path, counted(accepted, queued), None, now).oldest.map(|age| age.ms / 1000)
        };
        assert_eq!(look(0, 10, 5), None, "a first look knows no age");
        assert_eq!(look(3, 12, 7), Some(3));
        assert_eq!(look(9, 20, 12), Some(9), "message 9 waited at the first look");
        assert_eq!(look(10, 20, 3), Some(1), "message 18 waited at the look before, and not at the first");
        assert_eq!(look(12, 20, 0), None, "nothing waits");
        assert_eq!(look(13, 21, 1), None, "it came after the last look");
        assert_eq!(look(15, 21, 1), Some(2));
    }

    #[test]
    fn a_message_in_hand_is_as_old_as_the_first_look_that_saw_it() {
        let viewer = Viewer::default();
        let path = "shop/db".into();
        let begin = Instant::now();
        let mut look = |second, message| {
            let now = begin + Duration::from_secs(second);
            viewer.look_at(&path, counted(1, 0), message, now).in_hand.map(|age| age.ms / 1000)
        };
        assert_eq!(look(0, Some(4)), None);
        assert_eq!(look(2, Some(4)), Some(2));
        assert_eq!(look(5, Some(4)), Some(5));
        assert_eq!(look(6, Some(5)), None);
        assert_eq!(look(7, None), None);
    }

    #[test]
    fn viewers_are_bounded() {
        let viewers = Viewers::default();
        for number in 0..1000 {
            viewers.get(&format!("viewer {number}"));
        }
        assert_eq!(lock(&viewers.0).len(), VIEWERS_MAX);
        assert!(lock(&viewers.0).contains_key("viewer 999"));
    }
}
