//! The wait for room in a full mailbox: of a `send`, of a `call` before it is sent, and of their blocking forms.
//!
//! | file | idea |
//! |---|---|
//! | `mod.rs` | the wait of a call, which is in line from its first poll on |
//! | `in_line.rs` | the wait: the sender is let in, refused, or out of time |
//! | `alarm.rs` | its time limit, with and without a runtime |
//! | `circle.rs` | the waits of each incarnation for room, and the circles that would close |
//!
//! Invariants:
//! 1. A sender is in line from its first poll on, and not before. If it is dropped before the mailbox has taken its
//!    message, the message is dropped with it.
//! 2. If a limit ends and a place becomes free at the same time, exactly one of the two takes effect: the line decides.
//! 3. A message that finds room runs none of this code.

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
use crate::slot::current::Caller;
use crate::slot::limit::Limit;
use crate::slot::queue::Envelope;
use crate::slot::{IfFull, Push, Slot};
pub(crate) use in_line::InLine;

/// Length of a wait for room from which on the log and `why` report it.
pub(crate) const LONG: Duration = Duration::from_secs(1);

/// Message that waits for room in a mailbox, or will when it is polled. Completes when the mailbox has taken it, or has
/// refused it.
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

/// Reason of a refusal, and the message.
pub(crate) type Refused<M> = (Refusal, M);

impl<M: Send + 'static> ForRoom<M> {
    pub(crate) fn new(slot: &Arc<Slot<M>>, message: M, call: Option<Arc<dyn Fate>>) -> Box<Self> {
        Box::new(Self { slot: slot.clone(), stage: Stage::Unsent(Envelope { message, call }), is_blocking: false })
    }
}

impl<M: Send + 'static> Unpin for ForRoom<M> {}

/// Wait for room, as a call sees it.
pub(crate) trait Sending<M>: Future<Output = Result<(), Refused<M>>> + Unpin + Send {
    /// Prepares it to be polled by a thread without timers, which checks [`due`](Self::due) itself.
    fn set_blocking(&mut self);
    /// Returns when a thread should poll it again, if nothing wakes it before.
    fn due(&self) -> Option<std::time::Instant>;
    /// Stops waiting for this reason, unless the outcome is there by now (invariant 2).
    fn give_up(&mut self, refusal: Refusal) -> Result<(), Refused<M>>;
    /// Tries once more and obeys the overflow policy, if the message is not in line yet. One that is gives up.
    fn try_now(&mut self) -> Result<(), Refused<M>>;
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

    fn try_now(&mut self) -> Result<(), Refused<M>> {
        let Envelope { message, call } = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Unsent(envelope) => envelope,
            Stage::InLine(mut in_line) => return in_line.give_up(Refusal::Full),
            Stage::Done => panic!("a wait for room was polled after it had completed"),
        };
        let pushed = match call {
            Some(call) => self.slot.push_call(message, call, Caller::here().signals, IfFull::ObeyPolicy),
            None => self.slot.push(message, IfFull::ObeyPolicy),
        };
        match pushed {
            Push::Accepted => Ok(()),
            Push::Refused(refusal, message, _) => Err((refusal, message)),
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
