//! The wait for room in a full mailbox: of a `send`, of a `call` before it is sent, and of their blocking kin.
//!
//! | file | idea |
//! |---|---|
//! | `mod.rs` | the wait of a call, which stands in line from its first poll on |
//! | `in_line.rs` | the wait: be let in, refused, or out of time |
//! | `alarm.rs` | its time limit, with and without a runtime |
//! | `circle.rs` | which incarnation waits for room where, and the circles that would close |
//!
//! Invariants:
//! 1. A sender stands in line from its first poll on, and not before. One that is dropped before the mailbox has taken its
//!    message takes the message with it.
//! 2. A limit that is over and a place that becomes free at the same time end in one of the two: the line decides.
//! 3. Nothing here happens to a message that finds room.

mod alarm;
mod circle;
mod in_line;

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::call::fate::Fate;
use crate::error::refusal::Refusal;
use crate::slot::Slot;
use crate::slot::limit::Limit;
use crate::slot::queue::Envelope;
pub(crate) use in_line::InLine;

/// A wait for room that is longer is told in the log and by `why`.
pub(crate) const LONG: Duration = Duration::from_secs(1);

/// A message that waits for room in a mailbox, or will when it is polled: done when the mailbox has taken it, or has not.
pub(crate) struct ForRoom<M: Send + 'static> {
    slot: Arc<Slot<M>>,
    stage: Stage<M>,
    is_blocking: bool,
}

enum Stage<M: Send + 'static> {
    Unsent(Envelope<M>),
    InLine(InLine<M>),
    Done,
}

/// Why the mailbox has not taken the message, and the message.
pub(crate) type Refused<M> = (Refusal, M);

impl<M: Send + 'static> ForRoom<M> {
    pub(crate) fn new(slot: &Arc<Slot<M>>, message: M, call: Option<Arc<dyn Fate>>) -> Box<Self> {
        Box::new(Self { slot: slot.clone(), stage: Stage::Unsent(Envelope { message, call }), is_blocking: false })
    }
}

impl<M: Send + 'static> Unpin for ForRoom<M> {}

/// A wait for room, as a call sees it.
pub(crate) trait Sending<M>: Future<Output = Result<(), Refused<M>>> + Unpin + Send {
    /// A thread polls it that has no timers: it looks at [`due`](Self::due) itself.
    fn set_blocking(&mut self);
    /// When a thread should poll it again, if nothing wakes it before.
    fn due(&self) -> Option<std::time::Instant>;
    /// Stops waiting for this reason, unless the outcome is there by now (invariant 2).
    fn give_up(&mut self, refusal: Refusal) -> Result<(), Refused<M>>;
}

impl<M: Send + 'static> Sending<M> for ForRoom<M> {
    fn set_blocking(&mut self) {
        self.is_blocking = true;
    }

    fn due(&self) -> Option<std::time::Instant> {
        match &self.stage {
            Stage::InLine(in_line) => in_line.due(),
            Stage::Unsent(_) | Stage::Done => None,
        }
    }

    fn give_up(&mut self, refusal: Refusal) -> Result<(), Refused<M>> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Unsent(envelope) => Err((refusal, envelope.message)),
            Stage::InLine(mut in_line) => in_line.give_up(refusal),
            Stage::Done => panic!("a wait for room was polled after it had completed"),
        }
    }
}

impl<M: Send + 'static> Future for ForRoom<M> {
    type Output = Result<(), Refused<M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = match &mut this.stage {
            Stage::InLine(in_line) => Pin::new(in_line).poll(cx),
            Stage::Unsent(_) => {
                let Stage::Unsent(envelope) = std::mem::replace(&mut this.stage, Stage::Done) else { unreachable!() };
                match InLine::join(&this.slot, envelope, Limit::OfMailbox, cx.waker().clone(), this.is_blocking) {
                    ControlFlow::Break(outcome) => Poll::Ready(outcome),
                    ControlFlow::Continue(mut in_line) => {
                        let polled = in_line.goes_on(cx);
                        this.stage = Stage::InLine(in_line);
                        polled
                    }
                }
            }
            Stage::Done => panic!("a wait for room was polled after it had completed"),
        };
        if polled.is_ready() {
            this.stage = Stage::Done;
        }
        polled
    }
}
