//! A part of a tree that costs nothing until the program asks for it, and ends with the tree.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::sync::lock;

pub(crate) struct OnDemand<T> {
    state: Mutex<State<T>>,
    /// Whether the part is there. Read without the lock: most trees never ask for it.
    is_made: AtomicBool,
}

enum State<T> {
    Unasked,
    Made(T),
    Over,
}

impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        Self { state: Mutex::new(State::Unasked), is_made: AtomicBool::new(false) }
    }
}

impl<T: Clone> OnDemand<T> {
    /// The part, if it was asked for and is not over.
    pub(crate) fn get(&self) -> Option<T> {
        if !self.is_made.load(Ordering::Acquire) {
            return None;
        }
        match &*lock(&self.state) {
            State::Made(part) => Some(part.clone()),
            State::Unasked | State::Over => None,
        }
    }

    /// The part, made now if need be. `None` if it is over.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> Option<T> {
        let mut state = lock(&self.state);
        if let State::Unasked = *state {
            *state = State::Made(make());
            self.is_made.store(true, Ordering::Release);
        }
        match &*state {
            State::Made(part) => Some(part.clone()),
            State::Unasked | State::Over => None,
        }
    }

    /// Ends it. Returns the part, if it was ever made.
    pub(crate) fn end(&self) -> Option<T> {
        self.is_made.store(false, Ordering::Release);
        match std::mem::replace(&mut *lock(&self.state), State::Over) {
            State::Made(part) => Some(part),
            State::Unasked | State::Over => None,
        }
    }
}
