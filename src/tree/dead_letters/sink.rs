//! The way of a dead letter to the queue of its tree, which is made when it is first asked for.

use std::sync::{Arc, Mutex};

use crate::base::sync::lock;
use crate::tree::dead_letters::Queue;

#[derive(Default)]
pub(crate) struct Sink(Mutex<State>);

#[derive(Default)]
enum State {
    /// Nothing is kept yet.
    #[default]
    Unasked,
    To(Arc<Queue>),
    /// The tree is over: what was kept belongs to those that hold it.
    Over,
}

impl Sink {
    /// The queue, if letters are kept.
    pub(crate) fn queue(&self) -> Option<Arc<Queue>> {
        match &*lock(&self.0) {
            State::To(queue) => Some(queue.clone()),
            State::Unasked | State::Over => None,
        }
    }

    /// Keeps dead letters from now on. Once the tree is over the queue is empty and has ended.
    pub(crate) fn keep(&self) -> Arc<Queue> {
        let mut state = lock(&self.0);
        if let State::Unasked = *state {
            *state = State::To(Queue::new());
        }
        match &*state {
            State::To(queue) => queue.clone(),
            State::Unasked | State::Over => {
                let over = Queue::new();
                over.end();
                over
            }
        }
    }

    /// Ends the queue. Returns whether it ever had a letter.
    pub(crate) fn end(&self) -> bool {
        let before = std::mem::replace(&mut *lock(&self.0), State::Over);
        let State::To(queue) = before else { return false };
        queue.end();
        queue.have_been_used()
    }
}
