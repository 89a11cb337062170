//! The timers of a supervisor: the deadlines of its children, the earliest first.
//!
//! Invariants:
//! 1. At most one entry for each child. Its deadline is kept beside the child, so that no search is needed.
//! 2. The first entry is the earliest, and lies apart: most supervisors have one at a time, and it takes no memory.
//!    Without a first entry there is no other.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::children::ChildKey;

#[derive(Debug, Clone, Default)]
pub(crate) struct Timers {
    first: Option<Timer>,
    later: BTreeSet<Timer>,
}

type Timer = (Duration, ChildKey);

impl Timers {
    /// Replaces the deadline `before` of a child with `deadline`.
    pub(crate) fn replace(&mut self, key: ChildKey, before: Option<Duration>, deadline: Option<Duration>) {
        if let Some(before) = before {
            self.remove((before, key));
        }
        if let Some(deadline) = deadline {
            self.add((deadline, key));
        }
    }

    fn remove(&mut self, timer: Timer) {
        if self.first == Some(timer) {
            self.first = self.later.pop_first();
        } else {
            self.later.remove(&timer);
        }
    }

    fn add(&mut self, timer: Timer) {
        // Invariant 2.
        match self.first {
            None => self.first = Some(timer),
            Some(first) if timer < first => {
                self.first = Some(timer);
                self.later.insert(first);
            }
            Some(_) => {
                self.later.insert(timer);
            }
        }
    }

    /// Returns the earliest deadline.
    pub(crate) fn earliest(&self) -> Option<Duration> {
        self.first.map(|(deadline, _)| deadline)
    }

    /// Returns the child with the earliest deadline, if that has come at `now`.
    pub(crate) fn due(&self, now: Duration) -> Option<ChildKey> {
        self.first.filter(|(deadline, _)| *deadline <= now).map(|(_, key)| key)
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 1] {
        [("machine: timers", self.later.len() + usize::from(self.first.is_some()))]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::children::Children;
    use crate::spec::ChildSpec;

    // The deadlines are set, moved and removed at random, and compared with a plain list.
    #[test]
    fn the_earliest_deadline_comes_first_whatever_was_set_and_removed() {
        let children = Children::of((0..6).map(|number| ChildSpec::new(number.to_string())).collect());
        let keys: Vec<_> = children.keys().collect();
        let (mut timers, mut model, mut seed) = (Timers::default(), BTreeMap::new(), 7_u32);
        let mut any = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for _ in 0..10_000 {
            let key = keys[any(6) as usize];
            let deadline = if any(3) == 0 { None } else { Some(Duration::from_secs(any(8).into())) };
            timers.replace(key, model.get(&key).copied(), deadline);
            match deadline {
                Some(deadline) => model.insert(key, deadline),
                None => model.remove(&key),
            };
            let first = model.iter().map(|(key, at)| (*at, *key)).min();
            assert_eq!(timers.earliest(), first.map(|(at, _)| at));
            let now = Duration::from_secs(any(8).into());
            assert_eq!(timers.due(now), first.filter(|(at, _)| *at <= now).map(|(_, key)| key));
            assert_eq!(timers.tables()[0].1, model.len());
        }
    }
}
