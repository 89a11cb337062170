//! Entries without what must not be kept for long: error values of the user's, backtraces, and very long texts.

use std::sync::Arc;

use regrow_supervisors::{Exit, Failure, Panic};

use crate::error::gave_up::GaveUp;
use crate::event::EventKind;

/// Longest text of an entry, in bytes. The rest is cut.
const TEXT_MAX: usize = 1024;

/// Links of a chain of give-ups that are kept: more than trees are deep.
const LINKS_MAX: usize = 16;

/// The event, slimmed down.
pub(super) fn slim_event(event: EventKind) -> EventKind {
    match event {
        EventKind::Started { info, outage } => EventKind::Started { info: info.map(slim_text), outage },
        EventKind::StartFailed { exit } => EventKind::StartFailed { exit: slim_exit(exit) },
        EventKind::Exited { exit } => EventKind::Exited { exit: slim_exit(exit) },
        EventKind::ShutdownError { exit } => EventKind::ShutdownError { exit: slim_exit(exit) },
        EventKind::Overdue { exit } => EventKind::Overdue { exit: slim_exit(exit) },
        EventKind::Overran { exit } => EventKind::Overran { exit: slim_exit(exit) },
        EventKind::TooManyFailures { failures, exit } => EventKind::TooManyFailures { failures, exit: slim_exit(exit) },
        EventKind::KeptSetAside { kept, exit } => EventKind::KeptSetAside { kept, exit: slim_exit(exit) },
        EventKind::RestartOrdered { reason } => EventKind::RestartOrdered { reason: slim_text(reason) },
        EventKind::GaveUp { why } => EventKind::GaveUp { why: slim_give_up(&why, LINKS_MAX) },
        EventKind::GivenUp { why } => EventKind::GivenUp { why: slim_give_up(&why, LINKS_MAX) },
        // Their texts are paths, and the reasons of acts, which are checked where they come in.
        EventKind::Ignored
        | EventKind::Abandoned
        | EventKind::Delayed { .. }
        | EventKind::Waiting
        | EventKind::Renewed { .. }
        | EventKind::DependencyGone { .. }
        | EventKind::Parked { .. }
        | EventKind::Blocks { .. }
        | EventKind::Down
        | EventKind::Gone
        | EventKind::Acted { .. } => event,
    }
}

pub(super) fn slim_exit(exit: Exit) -> Exit {
    match exit.without_cause() {
        Exit::Failed(failure) if failure.message().len() > TEXT_MAX => {
            Exit::Failed(Failure::new(slim_text(failure.message().into())))
        }
        Exit::Panicked(panic) => Exit::Panicked(Panic { message: slim_text(panic.message), ..panic }),
        Exit::ShutdownWith(reason) => Exit::ShutdownWith(slim_text(reason)),
        exit => exit,
    }
}

fn slim_text(text: Arc<str>) -> Arc<str> {
    if text.len() <= TEXT_MAX {
        return text;
    }
    let end = (0..=TEXT_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", &text[..end]).into()
}

fn slim_give_up(why: &GaveUp, links: usize) -> Arc<GaveUp> {
    let cause = why.cause.as_ref().filter(|_| links > 0).map(|cause| slim_give_up(cause, links - 1));
    Arc::new(GaveUp { exit: slim_exit(why.exit.clone()), cause, ..why.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found by review of the memory: an error value can own anything, and 4,096 of them would be kept.
    #[test]
    fn no_error_value_and_no_long_text_is_kept() {
        let owned = Arc::new(());
        let failure = Failure::with_cause("é".repeat(4000), owned.clone());
        let exit = Exit::Failed(failure);
        let kept = slim_event(EventKind::Exited { exit });
        assert_eq!(Arc::strong_count(&owned), 1);
        let EventKind::Exited { exit: Exit::Failed(failure) } = kept else { panic!("{kept}") };
        assert_eq!(failure.message().chars().count(), TEXT_MAX / 2 + 1);
    }
}
