//! The lines about children and dead letters: level, message and fields. `lines.md` is the list for users.

use std::time::Duration;

use regrow_supervisors::Exit;
use tracing::Level;
use tracing::field::display;

use crate::event::{Event, EventKind, Outage};
use crate::log::backtraces::Backtraces;
use crate::log::limiter::{Held, Topic};
use crate::log::{Aside, line, one_line};
use crate::slot::dead_letter::{DeadReason, Notice};

/// Returns the level of an event.
pub(crate) fn level(kind: &EventKind) -> Level {
    match kind {
        EventKind::Started { outage: None, .. } | EventKind::Gone => Level::DEBUG,
        EventKind::Exited { exit } if !exit.is_abnormal() => Level::DEBUG,
        EventKind::Started { outage: Some(_), .. }
        | EventKind::Ignored
        | EventKind::Down
        | EventKind::Delayed { .. }
        | EventKind::Renewed { .. }
        | EventKind::RestartOrdered { .. }
        | EventKind::Acted { .. }
        | EventKind::Parked { reason: Some(_), .. }
        | EventKind::Waiting => Level::INFO,
        EventKind::StartFailed { .. }
        | EventKind::Exited { .. }
        | EventKind::Overdue { .. }
        | EventKind::Overran { .. }
        | EventKind::TooManyFailures { .. }
        | EventKind::DependencyGone { .. }
        | EventKind::ShutdownError { .. } => Level::WARN,
        EventKind::Abandoned
        | EventKind::GaveUp { .. }
        | EventKind::GivenUp { .. }
        | EventKind::KeptSetAside { .. }
        | EventKind::Parked { .. }
        | EventKind::Blocks { .. } => Level::ERROR,
    }
}

/// Whether the event changes what an operator must do: it is then always written.
pub(super) fn is_urgent(kind: &EventKind) -> bool {
    match kind {
        EventKind::Parked { .. }
        | EventKind::GaveUp { .. }
        | EventKind::GivenUp { .. }
        | EventKind::TooManyFailures { .. }
        | EventKind::KeptSetAside { .. }
        | EventKind::Overdue { .. }
        | EventKind::Overran { .. }
        | EventKind::DependencyGone { .. }
        | EventKind::Abandoned
        | EventKind::Blocks { .. }
        | EventKind::ShutdownError { .. }
        | EventKind::Acted { .. }
        | EventKind::Down
        | EventKind::Ignored => true,
        EventKind::Started { .. }
        | EventKind::StartFailed { .. }
        | EventKind::Exited { .. }
        | EventKind::Delayed { .. }
        | EventKind::Renewed { .. }
        | EventKind::RestartOrdered { .. }
        | EventKind::Waiting
        | EventKind::Gone => false,
    }
}

/// Returns the exit that an event reports.
pub(super) fn exit(kind: &EventKind) -> Option<&Exit> {
    match kind {
        EventKind::StartFailed { exit }
        | EventKind::Exited { exit }
        | EventKind::ShutdownError { exit }
        | EventKind::Overdue { exit }
        | EventKind::TooManyFailures { exit, .. }
        | EventKind::KeptSetAside { exit, .. }
        | EventKind::Overran { exit } => Some(exit),
        EventKind::Started { .. }
        | EventKind::Ignored
        | EventKind::Abandoned
        | EventKind::Delayed { .. }
        | EventKind::Renewed { .. }
        | EventKind::RestartOrdered { .. }
        | EventKind::Waiting
        | EventKind::DependencyGone { .. }
        | EventKind::Parked { .. }
        | EventKind::Blocks { .. }
        | EventKind::Down
        | EventKind::Gone
        | EventKind::GaveUp { .. }
        | EventKind::GivenUp { .. }
        | EventKind::Acted { .. } => None,
    }
}

pub(super) fn write(event: &Event, level: Level, aside: &Aside, backtraces: &Backtraces) {
    let Event { path, generation, kind } = event;
    match kind {
        EventKind::Started { info, outage: None } => {
            let (info, ready) = (info.as_deref().map(one_line).map(display), aside.ready());
            line!(DEBUG, { path = %path, generation, info, ready }, "child started");
        }
        EventKind::Started { info, outage: Some(Outage { time, attempts }) } => {
            let (info, down_ms) = (info.as_deref().map(one_line).map(display), millis(*time));
            line!(INFO, { path = %path, generation, info, down_ms, attempts, ready = aside.ready() }, "child is back");
        }
        EventKind::StartFailed { exit } if level == Level::DEBUG => {
            line!(
                DEBUG,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit) },
                "child failed to start"
            );
        }
        EventKind::StartFailed { exit } => {
            let backtrace = backtraces.take(exit);
            line!(
                WARN,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit), backtrace },
                "child failed to start"
            );
        }
        EventKind::Ignored => line!(INFO, { path = %path, generation }, "child is not wanted"),
        EventKind::Exited { exit } if level == Level::WARN => {
            let backtrace = backtraces.take(exit);
            line!(
                WARN,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit), backtrace },
                "child exited"
            );
        }
        EventKind::Exited { exit } => {
            line!(DEBUG, { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit) }, "child exited");
        }
        EventKind::ShutdownError { exit } => {
            line!(
                WARN,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit) },
                "child did not stop as asked"
            );
        }
        EventKind::Abandoned => {
            line!(ERROR, { path = %path, generation }, "child did not end after a kill and was abandoned");
        }
        EventKind::Delayed { delay } => {
            line!(INFO, { path = %path, generation, delay_ms = millis(*delay) }, "child is restarted later");
        }
        EventKind::Renewed { dependency } => {
            line!(INFO, { path = %path, generation, dependency = %dependency }, "child is restarted with a service that it depends on");
        }
        EventKind::RestartOrdered { reason } => {
            line!(INFO, { path = %path, generation, reason = %one_line(reason) }, "child is restarted by order");
        }
        EventKind::Waiting => {
            let services = aside.services().map(display);
            line!(INFO, { path = %path, generation, services }, "child waits for services that it depends on");
        }
        EventKind::Parked { reason: Some(reason), .. } => {
            line!(INFO, { path = %path, generation, reason = %one_line(reason) }, "child is parked by order");
        }
        EventKind::Parked { probe_in, reason: None } => {
            let (probe_in_ms, dependency) = (probe_in.map(millis), aside.services().map(display));
            if level == Level::WARN {
                line!(WARN, { path = %path, generation, probe_in_ms, dependency }, "child is parked");
            } else {
                line!(ERROR, { path = %path, generation, probe_in_ms, dependency }, "child is parked");
            }
        }
        EventKind::Overdue { exit } => {
            line!(
                WARN,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit) },
                "child takes too long and is killed"
            );
        }
        EventKind::TooManyFailures { failures, exit } => {
            let (failed, messages, within_ms) = (failures.failed, failures.messages, millis(failures.within));
            line!(
                WARN,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit), failed, messages, within_ms },
                "too many messages of the child failed"
            );
        }
        EventKind::KeptSetAside { kept, exit } => {
            let (failed, value_type, bytes, age_ms) = (kept.failed, kept.type_name, kept.bytes, millis(kept.age));
            line!(
                ERROR,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit), failed, value_type, bytes, age_ms },
                "the kept value of the child is set aside"
            );
        }
        EventKind::Overran { exit } => {
            line!(
                WARN,
                { path = %path, generation, exit.kind = %exit.kind(), exit.text = %one_line(exit) },
                "child was leaving, overran its shutdown time and is killed"
            );
        }
        EventKind::DependencyGone { dependency, then } => {
            line!(
                WARN,
                { path = %path, generation, dependency = %dependency, then = ?then },
                "a service that the child depends on is gone"
            );
        }
        EventKind::Blocks { time } => {
            let blocked_ms = millis(*time);
            line!(ERROR, { path = %path, generation, blocked_ms }, "child blocks its thread and does not yield");
        }
        EventKind::Down => {
            let exit = aside.exit();
            let (kind, text) = (exit.map(Exit::kind).map(display), exit.map(one_line).map(display));
            if level == Level::WARN {
                line!(WARN, { path = %path, generation, exit.kind = kind, exit.text = text }, "child is down");
            } else {
                line!(INFO, { path = %path, generation, exit.kind = kind, exit.text = text }, "child is down");
            }
        }
        EventKind::Gone => line!(DEBUG, { path = %path, generation }, "child is gone"),
        EventKind::GaveUp { why } => {
            let exit = &why.innermost().exit;
            line!(
                ERROR,
                {
                    path = %path,
                    generation,
                    child = %why.child,
                    exit.kind = %exit.kind(),
                    exit.text = %one_line(exit),
                    why = %one_line(why),
                },
                "supervisor gave up"
            );
        }
        EventKind::GivenUp { why } => {
            let (kind, text, said) = (why.exit.kind(), one_line(&why.exit), why.reason_text());
            line!(
                ERROR,
                { path = %path, generation, exit.kind = %kind, exit.text = %text, why = %said },
                "child ends for good"
            );
        }
        EventKind::Acted { act } => {
            let (by, reason, outcome) = (one_line(&act.by), one_line(&act.reason), one_line(&act.outcome));
            line!(
                INFO,
                { path = %path, generation, act = %act.kind, by = %by, reason = %reason, outcome = %outcome, meant = act.generation },
                "an operator acted"
            );
        }
    }
}

/// Returns the level of a dead letter. `is_over`: the tree is ending, and no mailbox outlives it.
pub(super) fn level_of_letter(reason: &DeadReason, is_over: bool) -> Level {
    match reason {
        DeadReason::Poison { .. } | DeadReason::PeerUnavailable { .. } => Level::WARN,
        DeadReason::Gone => Level::DEBUG,
        // Their own senders do not want them any more.
        DeadReason::CallerGone | DeadReason::TimerOver | DeadReason::MonitorOver => Level::DEBUG,
        _ if is_over => Level::DEBUG,
        // Asked for by the code, each time that it happens.
        DeadReason::DroppedOnRestart | DeadReason::Chaos => Level::INFO,
        DeadReason::DroppedOldest | DeadReason::DroppedNewest | DeadReason::Parked | DeadReason::Down => Level::WARN,
    }
}

/// Whether the letter is always written: a message that ends every incarnation is a bug, in it or in the service.
pub(super) fn is_urgent_letter(reason: &DeadReason) -> bool {
    matches!(reason, DeadReason::Poison { .. } | DeadReason::PeerUnavailable { .. })
}

pub(super) fn write_letter(letter: &Notice, level: Level) {
    let Notice { path, generation, message_type, label, attempt, reason } = letter;
    let exit = match reason {
        DeadReason::Poison { exit } => Some(exit),
        DeadReason::PeerUnavailable { exit } => Some(&**exit),
        _ => None,
    };
    macro_rules! letter {
        ($level:ident) => {
            line!(
                $level,
                {
                    path = %path,
                    generation,
                    reason = %reason.kind(),
                    message_type = %message_type,
                    label = label.map(one_line).map(display),
                    attempt,
                    exit.kind = exit.map(Exit::kind).map(display),
                    exit.text = exit.map(one_line).map(display),
                },
                "message became a dead letter"
            )
        };
    }
    match level {
        Level::ERROR => letter!(ERROR),
        Level::WARN => letter!(WARN),
        Level::INFO => letter!(INFO),
        Level::DEBUG => letter!(DEBUG),
        Level::TRACE => letter!(TRACE),
    }
}

pub(super) fn write_held(held: &Held, backtraces: &Backtraces) {
    let Held { path, topic, lines, exits, last_exit, last_return: _ } = held;
    let last_exit = last_exit.as_ref();
    let backtrace = last_exit.and_then(|exit| backtraces.take(exit));
    macro_rules! events {
        ($level:ident) => {
            line!(
                $level,
                {
                    path = %path,
                    held_back = lines,
                    exits = (*exits > 0).then_some(exits),
                    exit.kind = last_exit.map(Exit::kind).map(display),
                    exit.text = last_exit.map(one_line).map(display),
                    backtrace,
                },
                "lines about this child were held back"
            )
        };
    }
    macro_rules! letters {
        ($level:ident, $reason:ident) => {
            line!($level, { path = %path, held_back = lines, reason = %$reason }, "lines about dead letters were held back")
        };
    }
    match *topic {
        Topic::Events(Level::ERROR) => events!(ERROR),
        Topic::Events(Level::WARN) => events!(WARN),
        Topic::Events(Level::INFO) => events!(INFO),
        Topic::Events(Level::DEBUG) => events!(DEBUG),
        Topic::Events(Level::TRACE) => events!(TRACE),
        Topic::Letters(Level::ERROR, reason) => letters!(ERROR, reason),
        Topic::Letters(Level::WARN, reason) => letters!(WARN, reason),
        Topic::Letters(Level::INFO, reason) => letters!(INFO, reason),
        Topic::Letters(Level::DEBUG, reason) => letters!(DEBUG, reason),
        Topic::Letters(Level::TRACE, reason) => letters!(TRACE, reason),
    }
}

/// Returns the nearest number of milliseconds: a query can compare numbers.
pub(crate) fn millis(time: Duration) -> u64 {
    let time = time.saturating_add(Duration::from_micros(500));
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
