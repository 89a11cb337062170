//! The limiter of concurrent starts: at most a given number at a time, and the others in the order of their arrival.
//!
//! Invariants:
//! 1. The number of permits that are held never exceeds the limit.
//! 2. A start that finds no permit waits in line, and gets one when another is released. None is refused.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// A semaphore with a queue: at most a given number of holders at a time.
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
    /// A limiter with this many permits; zero counts as one.
    pub fn new(starts_max: usize) -> Self {
        Self { starts_max: starts_max.max(1), inside: HashSet::new(), line: VecDeque::new() }
    }

    /// Takes a permit for `holder`, or queues it. Returns whether `holder` has the permit.
    pub fn acquire(&mut self, holder: T) -> bool {
        let is_in = self.inside.len() < self.starts_max;
        if is_in {
            self.inside.insert(holder);
        } else {
            self.line.push_back(holder);
        }
        is_in
    }

    /// Releases a permit, or leaves the queue. Returns the waiter that got the permit, if any.
    pub fn release(&mut self, holder: &T) -> Option<T> {
        if !self.inside.remove(holder) {
            self.line.retain(|other| other != holder);
            return None;
        }
        let next = if self.inside.len() < self.starts_max { self.line.pop_front() } else { None };
        // A queue that was long once does not keep its memory.
        if self.line.len() < self.line.capacity() / 8 {
            self.line.shrink_to(2 * self.line.len());
        }
        self.inside.extend(next.clone());
        next
    }

    /// Sets the number of permits; zero counts as one. Returns the waiters that got a permit by this.
    pub fn resize(&mut self, starts_max: usize) -> Vec<T> {
        self.starts_max = starts_max.max(1);
        let room = self.starts_max.saturating_sub(self.inside.len()).min(self.line.len());
        let let_in: Vec<_> = self.line.drain(..room).collect();
        self.inside.extend(let_in.iter().cloned());
        let_in
    }

    /// Returns the number of waiters in line.
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Returns the number of permits that are held.
    pub fn inside(&self) -> usize {
        self.inside.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_became_narrower_lets_nobody_in_until_there_is_room() {
        let mut limiter = StartLimiter::new(3);
        assert!((0..3).all(|who| limiter.acquire(who)));
        assert!(!limiter.acquire(3) && !limiter.acquire(4) && !limiter.acquire(5));
        assert_eq!(limiter.resize(2), []);
        assert_eq!((limiter.release(&0), limiter.inside()), (None, 2));
        assert_eq!((limiter.release(&1), limiter.inside()), (Some(3), 2));
        // Wider again: those at the head of the line get permits.
        assert_eq!(limiter.resize(9), [4, 5]);
        assert_eq!((limiter.inside(), limiter.waiting()), (4, 0));
    }

    #[test]
    fn a_line_that_was_long_is_short_again_and_has_room_for_some_more() {
        let mut limiter = StartLimiter::new(1);
        (0..1000).for_each(|who| _ = limiter.acquire(who));
        let long = limiter.line.capacity();
        (0..800).for_each(|who| _ = limiter.release(&who));
        assert_eq!(limiter.line.capacity(), long, "199 may be 1,000 again");
        let mut capacity = long;
        for who in 800..999 {
            limiter.release(&who);
            if limiter.line.capacity() != capacity {
                assert!(8 * limiter.line.len() < capacity, "{} of {capacity} were in use", limiter.line.len());
                capacity = limiter.line.capacity();
                assert_eq!(capacity, 2 * limiter.line.len());
            }
        }
        assert!(capacity < 16, "{capacity} places for none");
    }
}
