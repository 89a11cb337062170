//! A part of a tree that costs nothing until the program asks for it, and ends with the tree.

use std::sync::Mutex;

use crate::base::sync::lock;

pub(crate) struct OnDemand<T>(Mutex<State<T>>);

enum State<T> {
    Unasked,
    Made(T),
    Over,
}

impl<T> Default for OnDemand<T> {
    fn default() -> Self {
        Self(Mutex::new(State::Unasked))
    }
}

impl<T: Clone> OnDemand<T> {
    /// The part, if it was asked for and is not over.
    pub(crate) fn get(&self) -> Option<T> {
        match &*lock(&self.0) {
            State::Made(part) => Some(part.clone()),
            State::Unasked | State::Over => None,
        }
    }

    /// The part, made now if need be. `None` if it is over.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> T) -> Option<T> {
        let mut state = lock(&self.0);
        if let State::Unasked = *state {
            *state = State::Made(make());
        }
        match &*state {
            State::Made(part) => Some(part.clone()),
            State::Unasked | State::Over => None,
        }
    }

    /// Ends it. Returns the part, if it was ever made.
    pub(crate) fn end(&self) -> Option<T> {
        match std::mem::replace(&mut *lock(&self.0), State::Over) {
            State::Made(part) => Some(part),
            State::Unasked | State::Over => None,
        }
    }
}
