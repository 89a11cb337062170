//! The queue of a tree's dead letters, and the handle that takes them out.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::slot::dead_letter::Notice;
use crate::tree::dead_letters::{Body, Content, DeadLetter};
use crate::tree::shared::Shared;

/// Number of dead letters that a tree keeps by default.
pub const DEFAULT_DEAD_LETTER_CAPACITY: usize = 1024;

pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Notify,
}

struct State {
    letters: VecDeque<DeadLetter>,
    capacity: usize,
    shed: u64,
    /// Number of the latest letter.
    number: u64,
    /// Whether a letter ever came, even if it was shed at once.
    is_used: bool,
    is_over: bool,
}

impl Queue {
    pub(crate) fn new() -> Arc<Self> {
        let state = State {
            letters: VecDeque::new(),
            capacity: DEFAULT_DEAD_LETTER_CAPACITY,
            shed: 0,
            number: 0,
            is_used: false,
            is_over: false,
        };
        Arc::new(Self { state: Mutex::new(state), arrived: Notify::new() })
    }

    pub(crate) fn push(self: &Arc<Self>, notice: Notice, message: Box<dyn Any + Send>, shared: &Arc<Shared>) {
        let Notice { path, generation, message_type, label, attempt, reason } = notice;
        let (died, message, shared) = (Instant::now(), Mutex::new(Content::Here(message)), Arc::downgrade(shared));
        let shed = {
            let mut state = lock(&self.state);
            // Under this lock, so that the letters are in the order of their numbers.
            state.number += 1;
            let (number, dead_letter_queue) = (state.number, Arc::downgrade(self));
            let body = Body { number, path: path.clone(), label, died, message, shared, dead_letter_queue };
            let letter = DeadLetter { path, generation, message_type, attempt, reason, body: Arc::new(body) };
            state.letters.push_back(letter);
            state.is_used = true;
            state.make_room()
        };
        self.arrived.notify_one();
        drop(shed);
    }

    /// Removes a letter after its message was taken.
    pub(super) fn remove(&self, letter: &DeadLetter) {
        let removed = {
            let mut state = lock(&self.state);
            let place = state.letters.iter().position(|kept| kept.is(letter));
            place.and_then(|place| state.letters.remove(place))
        };
        drop(removed);
    }

    /// Whether there ever was a letter.
    pub(crate) fn have_been_used(&self) -> bool {
        lock(&self.state).is_used
    }

    /// Marks the tree as over: no letter will come any more.
    pub(crate) fn end(&self) {
        lock(&self.state).is_over = true;
        self.arrived.notify_waiters();
    }
}

impl State {
    /// Takes out the letters beyond the capacity, to be dropped without the lock.
    fn make_room(&mut self) -> Vec<DeadLetter> {
        let too_many = self.letters.len().saturating_sub(self.capacity);
        self.shed += too_many as u64;
        self.letters.drain(..too_many).collect()
    }
}

/// The dead letters of a tree, from the first call of [`Tree::dead_letters`](crate::Tree::dead_letters) on.
///
/// At most [`DEFAULT_DEAD_LETTER_CAPACITY`] are kept, unless [`set_capacity`](Self::set_capacity) sets another limit.
/// Beyond the limit the oldest are shed with their messages, and counted. All handles share the same letters: a letter
/// that one handle takes is gone for the others. When the tree is over, the letters kept by then can still be taken
/// through a handle that was there before.
///
/// Messages that their own senders do not want any more are counted and not kept: see
/// [`CallerGone`](crate::DeadReason::CallerGone), [`TimerOver`](crate::DeadReason::TimerOver) and
/// [`MonitorOver`](crate::DeadReason::MonitorOver).
///
/// A letter may hold a [`Reply`](crate::Reply) to a call of another service, cast inside the message. The caller waits
/// while the letter is kept, for nothing can be seen inside a message. The wait ends when the letter is opened or
/// dropped, or when the tree is over. All open calls of the tree end then, if there ever was a letter. If a service
/// hands replies on with [`Reply::forward`](crate::Reply::forward), the caller gets its error at once.
#[derive(Clone)]
pub struct DeadLetters {
    dead_letter_queue: Arc<Queue>,
}

impl DeadLetters {
    pub(crate) fn new(dead_letter_queue: Arc<Queue>) -> Self {
        Self { dead_letter_queue }
    }

    /// Takes the oldest letter, and waits for one if there is none; `None` when the tree is over and all have been taken.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&self) -> Option<DeadLetter> {
        loop {
            let mut more = pin!(self.dead_letter_queue.arrived.notified());
            more.as_mut().enable();
            {
                let mut state = lock(&self.dead_letter_queue.state);
                let letter = state.letters.pop_front();
                if letter.is_some() || state.is_over {
                    let is_more = !state.letters.is_empty();
                    drop(state);
                    // A `notify_one` is one permit for many letters, so the next waiter gets a permit too.
                    if is_more {
                        self.dead_letter_queue.arrived.notify_one();
                    }
                    return letter;
                }
            }
            more.await;
        }
    }

    /// Takes the oldest letter, if there is one.
    pub fn try_next(&self) -> Option<DeadLetter> {
        lock(&self.dead_letter_queue.state).letters.pop_front()
    }

    /// Takes all letters, oldest first.
    pub fn take_all(&self) -> Vec<DeadLetter> {
        std::mem::take(&mut lock(&self.dead_letter_queue.state).letters).into()
    }

    /// Lists all letters, oldest first, and leaves them where they are. The clones are the same letters: one that is
    /// replayed or opened through a clone leaves the list.
    pub fn list(&self) -> Vec<DeadLetter> {
        lock(&self.dead_letter_queue.state).letters.iter().cloned().collect()
    }

    /// Counts the letters that are kept now.
    pub fn len(&self) -> usize {
        lock(&self.dead_letter_queue.state).letters.len()
    }

    /// Whether no letter is kept now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts the letters that were ever shed because there were too many.
    pub fn shed(&self) -> u64 {
        lock(&self.dead_letter_queue.state).shed
    }

    /// Limits the number of letters that are kept. Letters beyond the limit are shed at once. With 0 they are only
    /// counted.
    pub fn set_capacity(&self, letters: usize) {
        let shed = {
            let mut state = lock(&self.dead_letter_queue.state);
            state.capacity = letters;
            state.make_room()
        };
        drop(shed);
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("len", &self.len()).field("shed", &self.shed()).finish()
    }
}
