//! The cap on concurrent starts: so many at a time, and the others in the order in which they came.
//!
//! Invariants:
//! 1. Never more than the cap are inside.
//! 2. Who finds no room waits in line and is let in when somebody leaves: nobody is turned away.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// A door through which so many go at a time.
///
/// ```
/// use regrow_supervisors::StartLimiter;
///
/// let mut limiter = StartLimiter::new(1);
/// assert!(limiter.acquire("a"));
/// assert!(!limiter.acquire("b")); // waits
/// assert_eq!(limiter.release(&"a"), Some("b")); // is inside now
/// assert_eq!(limiter.release(&"b"), None);
/// ```
#[derive(Debug, Clone)]
pub struct StartLimiter<T> {
    starts_max: usize,
    inside: HashSet<T>,
    line: VecDeque<T>,
}

impl<T: Clone + Eq + Hash> StartLimiter<T> {
    /// At most so many at a time; zero counts as one.
    pub fn new(starts_max: usize) -> Self {
        Self { starts_max: starts_max.max(1), inside: HashSet::new(), line: VecDeque::new() }
    }

    /// `true`: it is inside. `false`: it stands in line.
    pub fn acquire(&mut self, who: T) -> bool {
        let is_in = self.inside.len() < self.starts_max;
        if is_in {
            self.inside.insert(who);
        } else {
            self.line.push_back(who);
        }
        is_in
    }

    /// It leaves, from inside or from the line. Who is let in for it, if anybody.
    pub fn release(&mut self, who: &T) -> Option<T> {
        if !self.inside.remove(who) {
            self.line.retain(|other| other != who);
            return None;
        }
        let next = if self.inside.len() < self.starts_max { self.line.pop_front() } else { None };
        // A line that was long once does not stay so.
        if self.line.len() < self.line.capacity() / 8 {
            self.line.shrink_to(2 * self.line.len());
        }
        self.inside.extend(next.clone());
        next
    }

    /// At most so many at a time from now on; zero counts as one. Who is let in for it.
    pub fn resize(&mut self, starts_max: usize) -> Vec<T> {
        self.starts_max = starts_max.max(1);
        let room = self.starts_max.saturating_sub(self.inside.len()).min(self.line.len());
        let let_in: Vec<_> = self.line.drain(..room).collect();
        self.inside.extend(let_in.iter().cloned());
        let_in
    }

    /// How many stand in line.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.inside.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_became_narrower_lets_nobody_in_until_there_is_room() {
        let mut gate = StartLimiter::new(3);
        assert!((0..3).all(|who| gate.acquire(who)));
        assert!(!gate.acquire(3) && !gate.acquire(4) && !gate.acquire(5));
        assert_eq!(gate.resize(2), []);
        assert_eq!((gate.release(&0), gate.inside()), (None, 2));
        assert_eq!((gate.release(&1), gate.inside()), (Some(3), 2));
        // Wider again: those at the head of the line are let in, and are inside.
        assert_eq!(gate.resize(9), [4, 5]);
        assert_eq!((gate.inside(), gate.waiting()), (4, 0));
    }

    #[test]
    fn a_line_that_was_long_is_short_again_and_has_room_for_some_more() {
        let mut gate = StartLimiter::new(1);
        (0..1000).for_each(|who| _ = gate.acquire(who));
        let long = gate.line.capacity();
        (0..800).for_each(|who| _ = gate.release(&who));
        assert_eq!(gate.line.capacity(), long, "199 may be 1,000 again");
        let mut capacity = long;
        for who in 800..999 {
            gate.release(&who);
            if gate.line.capacity() != capacity {
                assert!(8 * gate.line.len() < capacity, "{} of {capacity} were in use", gate.line.len());
                capacity = gate.line.capacity();
                assert_eq!(capacity, 2 * gate.line.len());
            }
        }
        assert!(capacity < 16, "{capacity} places for none");
    }
}
