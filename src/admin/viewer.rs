//! Last looks of the viewers: lower bounds of the ages of messages, without a clock in any message.
//!
//! A mailbox numbers what it accepts, and counts what waits. Messages leave from anywhere: handled, shed, given back, put
//! back in front. So the `queued` messages that wait are some of the `accepted` ones, and the oldest of them has at most the
//! number `accepted - queued + 1`. If an earlier look saw that number accepted, the oldest message is at least as old as that
//! look. A viewer keeps two looks for each path: the earliest that still says something, and the latest.
//!
//! A message in hand has a number within its incarnation. The number alone would not do: a message that dies as poison counts
//! neither as handled nor as crashed, and the next incarnation begins with the same number.
//!
//! A child that is gone may have left its path to another one. So what was seen is of a slot, and not of a path.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use crate::admin::lengths::Lengths;
use crate::admin::row::millis;
use crate::admin::wire::services::Age;
use crate::base::sync::lock;
use crate::slot::accounting::Accounting;
use crate::slot::erased::AnySlot;

/// Viewers that are remembered. The one that has not looked for longest makes room.
const VIEWERS_MAX: usize = 16;
/// Paths that are remembered for each viewer: more than a page has. Those that it has not looked at for longest make room.
const PATHS_MAX: usize = 2_000;
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
    /// Lengths at the first pages of the last two lists by growth, the latest last.
    lengths: [Option<Arc<Lengths>>; 2],
}

impl Default for Viewer {
    fn default() -> Self {
        Self(Mutex::new(Memory { looked_at: Instant::now(), seen: HashMap::new(), lengths: [None, None] }))
    }
}

/// Ages of the messages of one mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ages {
    pub(crate) oldest: Option<Age>,
    pub(crate) in_hand: Option<Age>,
}

/// Last looks of a viewer at one mailbox.
struct Seen {
    slot: Weak<dyn AnySlot>,
    first: Look,
    last: Look,
    in_hand: Option<(InHand, Instant)>,
}

/// A message in hand: the generation of the incarnation, and the number there.
type InHand = (u64, u64);

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    accepted: u64,
}

impl Viewer {
    /// Returns the ages that follow from the looks before, and notes this one.
    pub(crate) fn look(&self, path: &Arc<str>, slot: &Arc<dyn AnySlot>, accounting: Accounting) -> Ages {
        let in_hand = slot.in_hand().map(|(message, signals)| (signals.origin().generation, message));
        self.look_at(path, slot, accounting, in_hand, Instant::now())
    }

    /// Returns the lengths of mailboxes that a list by growth compares with: those of the list before.
    pub(crate) fn lengths(&self, is_first_page: bool) -> Option<Arc<Lengths>> {
        let [before, latest] = &lock(&self.0).lengths;
        if is_first_page { latest.clone() } else { before.clone() }
    }

    /// Notes the lengths of mailboxes at the first page of a list by growth.
    pub(crate) fn note_lengths(&self, new: Lengths) {
        let forgotten = {
            let [before, latest] = &mut lock(&self.0).lengths;
            let latest = latest.replace(Arc::new(new));
            std::mem::replace(before, latest)
        };
        drop(forgotten);
    }

    fn look_at(
        &self,
        path: &Arc<str>,
        slot: &Arc<dyn AnySlot>,
        accounting: Accounting,
        in_hand: Option<InHand>,
        now: Instant,
    ) -> Ages {
        let mut memory = lock(&self.0);
        let this = Look { at: now, accepted: accounting.accepted };
        let is_same = |seen: &&mut Seen| std::ptr::addr_eq(seen.slot.as_ptr(), Arc::as_ptr(slot));
        let Some(seen) = memory.seen.get_mut(path).filter(is_same) else {
            let in_hand = in_hand.map(|message| (message, now));
            let slot = Arc::downgrade(slot);
            memory.note(path, Seen { slot, first: this, last: this, in_hand });
            return Ages::default();
        };
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
        seen.last = this;
        Ages { oldest: age, in_hand: held }
    }

    fn idle(&self) -> Duration {
        lock(&self.0).looked_at.elapsed()
    }
}

impl Memory {
    /// Notes a mailbox that was not seen before.
    fn note(&mut self, path: &Arc<str>, seen: Seen) {
        if self.seen.len() >= PATHS_MAX && !self.seen.contains_key(path) {
            let mut looks = Vec::from_iter(self.seen.values().map(|seen| seen.last.at));
            let (_, middle, _) = looks.select_nth_unstable(PATHS_MAX / 2);
            let middle = *middle;
            self.seen.retain(|_, seen| seen.last.at > middle);
        }
        self.seen.insert(path.clone(), seen);
    }
}

fn at_least(now: Instant, since: Instant) -> Age {
    Age { ms: millis(now.saturating_duration_since(since)), is_lower_bound: true }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::slot::Slot;
    use crate::slot::settings::Settings;

    fn slot() -> Arc<dyn AnySlot> {
        Slot::<u8>::new(Settings::default())
    }

    fn counted(accepted: u64, queued: u64) -> Accounting {
        Accounting { accepted, queued, handled: accepted - queued, ..Accounting::default() }
    }

    #[test]
    fn the_oldest_message_is_as_old_as_the_earliest_look_that_saw_it() {
        let (viewer, slot) = (Viewer::default(), slot());
        let path = "shop/db".into();
        let begin = Instant::now();
        let look = |slot: &Arc<dyn AnySlot>, second, accepted, queued| {
            let now = begin + Duration::from_secs(second);
            viewer.look_at(&path, slot, counted(accepted, queued), None, now).oldest.map(|age| age.ms / 1000)
        };
        assert_eq!(look(&slot, 0, 10, 5), None, "a first look knows no age");
        assert_eq!(look(&slot, 3, 12, 7), Some(3));
        assert_eq!(look(&slot, 9, 20, 12), Some(9), "message 9 waited at the first look");
        assert_eq!(look(&slot, 10, 20, 3), Some(1), "message 18 waited at the look before, and not at the first");
        assert_eq!(look(&slot, 12, 20, 0), None, "nothing waits");
        assert_eq!(look(&slot, 13, 21, 1), None, "it came after the last look");
        assert_eq!(look(&slot, 15, 21, 1), Some(2));
        assert_eq!(look(&self::slot(), 16, 21, 1), None, "another child has the path");
    }

    #[test]
    fn a_message_in_hand_is_as_old_as_the_first_look_that_saw_it() {
        let (viewer, slot) = (Viewer::default(), slot());
        let path = "shop/db".into();
        let begin = Instant::now();
        let look = |second, message| {
            let now = begin + Duration::from_secs(second);
            viewer.look_at(&path, &slot, counted(1, 0), message, now).in_hand.map(|age| age.ms / 1000)
        };
        assert_eq!(look(0, Some((1, 4))), None);
        assert_eq!(look(2, Some((1, 4))), Some(2));
        assert_eq!(look(5, Some((1, 4))), Some(5));
        assert_eq!(look(6, Some((1, 5))), None);
        assert_eq!(look(7, None), None);
    }

    /// A mailbox with the times at which its messages were accepted.
    #[derive(Default)]
    struct Model {
        queue: VecDeque<Instant>,
        /// The message in hand: accepted, and taken.
        in_hand: Option<(Instant, Instant)>,
        counters: Accounting,
        generation: u64,
    }

    impl Model {
        fn step(&mut self, rng: &mut fastrand::Rng, now: Instant) {
            let any = if self.queue.is_empty() { None } else { Some(rng.usize(..self.queue.len())) };
            match (rng.u32(..12), any, self.in_hand) {
                (0..=3, ..) => {
                    self.counters.accepted += 1;
                    self.queue.push_back(now);
                }
                // Accepted when it is dead already.
                (4, ..) => {
                    self.counters.accepted += 1;
                    self.counters.dead_lettered += 1;
                }
                (5 | 6, _, None) => self.in_hand = self.queue.pop_front().map(|at| (at, now)),
                (5 | 6, _, Some(_)) => {
                    self.counters.handled += 1;
                    self.in_hand = self.queue.pop_front().map(|at| (at, now));
                }
                // The incarnation ends: its message is lost, put back, or poison.
                (way @ 7..=9, _, Some((at, _))) => {
                    match way {
                        7 => self.counters.crashed += 1,
                        8 => {
                            self.counters.redelivered += 1;
                            self.queue.push_front(at);
                        }
                        _ => self.counters.dead_lettered += 1,
                    }
                    self.in_hand = None;
                    self.generation += 1;
                }
                // A call is given back, or an unwanted message left out; the oldest is dropped for a new one.
                (10, Some(any), _) => {
                    self.queue.remove(any);
                    self.counters.returned += 1;
                }
                (11, Some(_), _) => {
                    self.queue.pop_front();
                    self.queue.push_back(now);
                    self.counters.accepted += 1;
                    self.counters.dead_lettered += 1;
                }
                (7.., ..) => {}
            }
        }

        fn accounting(&self) -> Accounting {
            let (queued, in_hand) = (self.queue.len() as u64, u64::from(self.in_hand.is_some()));
            let accounting = Accounting { queued, in_hand, ..self.counters };
            assert!(accounting.is_balanced(), "{accounting}");
            accounting
        }

        fn message_in_hand(&self) -> Option<InHand> {
            let Accounting { handled, crashed, redelivered, .. } = self.counters;
            self.in_hand.map(|_| (self.generation, handled + crashed + redelivered))
        }
    }

    // Found by this test: after a poisonous message, the next one in hand was taken for the same.
    #[test]
    fn no_bound_is_larger_than_the_true_age() {
        let (mut bounds, mut held) = (0, 0);
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (viewer, slot, path) = (Viewer::default(), slot(), "shop/db".into());
            let (mut model, mut now) = (Model::default(), Instant::now());
            for _ in 0..200 {
                now += Duration::from_millis(rng.u64(1..1000));
                model.step(&mut rng, now);
                if rng.u32(..3) > 0 {
                    continue;
                }
                now += Duration::from_millis(rng.u64(1..1000));
                let ages = viewer.look_at(&path, &slot, model.accounting(), model.message_in_hand(), now);
                if let Some(age) = ages.oldest {
                    let oldest = *model.queue.iter().min().expect("an age needs a message");
                    assert!(age.is_lower_bound && u128::from(age.ms) <= (now - oldest).as_millis(), "seed {seed}");
                    bounds += 1;
                }
                if let Some(age) = ages.in_hand {
                    let (_, taken) = model.in_hand.expect("an age needs a message");
                    assert!(age.is_lower_bound && u128::from(age.ms) <= (now - taken).as_millis(), "seed {seed}");
                    held += 1;
                }
            }
        }
        assert!(bounds > 10_000 && held > 1_000, "{bounds} bounds, {held} of messages in hand");
    }

    #[test]
    fn viewers_and_their_paths_are_bounded() {
        let (viewers, slot) = (Viewers::default(), slot());
        for number in 0..1000 {
            viewers.get(&format!("viewer {number}"));
        }
        assert_eq!(lock(&viewers.0).len(), VIEWERS_MAX);
        assert!(lock(&viewers.0).contains_key("viewer 999"));
        let (viewer, begin) = (viewers.get("viewer"), Instant::now());
        for second in 0..10_000 {
            let (path, now) = (second.to_string().into(), begin + Duration::from_secs(second));
            viewer.look_at(&path, &slot, counted(1, 1), None, now);
        }
        assert!(lock(&viewer.0).seen.len() <= PATHS_MAX);
        let memory = lock(&viewer.0);
        assert!(memory.seen.contains_key("9999") && !memory.seen.contains_key("0"));
    }
}
