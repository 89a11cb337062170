//! The log lines: one for each event, with the same field names everywhere, and few in a crash loop.
//!
//! Fields: `path` (of the child), `generation`, `exit`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;
use tracing::{Level, debug, error, info, warn};

use crate::event::{Event, EventKind};

/// Lines per child and second. What comes above is counted and told with the next line.
const LINES_MAX: u32 = 5;
const PERIOD: Duration = Duration::from_secs(1);

/// Keeps crash loops from flooding the log.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    children: HashMap<Arc<str>, Window>,
}

#[derive(Debug)]
struct Window {
    since: Duration,
    lines: u32,
    suppressed: u64,
}

/// Whether a line may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Yes, and so many were held back before it.
    Write {
        suppressed: u64,
    },
    HoldBack,
}

impl Limiter {
    /// The child is gone; so many lines about it were held back.
    pub(crate) fn forget(&mut self, path: &str) -> u64 {
        self.children.remove(path).map_or(0, |window| window.suppressed)
    }

    pub(crate) fn admit(&mut self, event: &Event, now: Duration) -> Verdict {
        match event.kind {
            EventKind::Gone => {
                return Verdict::Write { suppressed: self.forget(&event.path) };
            }
            EventKind::Abandoned | EventKind::Down | EventKind::Ignored => {
                return Verdict::Write { suppressed: 0 };
            }
            EventKind::Started { .. }
            | EventKind::StartFailed { .. }
            | EventKind::Exited { .. }
            | EventKind::ShutdownError { .. }
            | EventKind::Delayed { .. }
            | EventKind::Waiting
            | EventKind::DependencyGone { .. }
            | EventKind::Parked { .. }
            | EventKind::Overdue { .. }
            | EventKind::Blocks { .. }
            | EventKind::GaveUp { .. } => {}
        }
        // One that has only ever started needs no window.
        if matches!(event.kind, EventKind::Started { .. }) && !self.children.contains_key(&event.path) {
            return Verdict::Write { suppressed: 0 };
        }
        let window = self.children.entry(event.path.clone()).or_insert(Window { since: now, lines: 0, suppressed: 0 });
        if now.saturating_sub(window.since) >= PERIOD {
            (window.since, window.lines) = (now, 0);
        }
        if window.lines < LINES_MAX {
            window.lines += 1;
            Verdict::Write { suppressed: std::mem::take(&mut window.suppressed) }
        } else {
            window.suppressed += 1;
            Verdict::HoldBack
        }
    }
}

/// How much an event matters.
pub(crate) fn level(kind: &EventKind) -> Level {
    match kind {
        EventKind::Started { .. } | EventKind::Gone => Level::DEBUG,
        EventKind::Exited { exit } if !exit.is_abnormal() => Level::DEBUG,
        EventKind::Ignored | EventKind::Down | EventKind::Delayed { .. } | EventKind::Waiting => Level::INFO,
        EventKind::StartFailed { .. }
        | EventKind::Exited { .. }
        | EventKind::Overdue { .. }
        | EventKind::DependencyGone { .. }
        | EventKind::ShutdownError { .. } => Level::WARN,
        EventKind::Abandoned | EventKind::GaveUp { .. } | EventKind::Parked { .. } | EventKind::Blocks { .. } => {
            Level::ERROR
        }
    }
}

pub(crate) fn write(event: &Event, verdict: Verdict) {
    let Verdict::Write { suppressed } = verdict else { return };
    let Event { path, generation, kind } = event;
    match kind {
        EventKind::Started { info } => {
            debug!(%path, generation, info = info.as_deref(), suppressed, "child started");
        }
        EventKind::StartFailed { exit } => {
            warn!(%path, generation, %exit, backtrace = backtrace(exit), suppressed, "child failed to start");
        }
        EventKind::Ignored => info!(%path, generation, "child is not wanted"),
        EventKind::Exited { exit } if exit.is_abnormal() => {
            warn!(%path, generation, %exit, backtrace = backtrace(exit), suppressed, "child exited");
        }
        EventKind::Exited { exit } => debug!(%path, generation, %exit, suppressed, "child exited"),
        EventKind::ShutdownError { exit } => {
            warn!(%path, generation, %exit, suppressed, "child did not stop as asked");
        }
        EventKind::Abandoned => {
            error!(%path, generation, "child did not end after a kill and was abandoned");
        }
        EventKind::Delayed { delay } => info!(%path, generation, ?delay, suppressed, "child is restarted later"),
        EventKind::Waiting => info!(%path, generation, suppressed, "child waits for services that it depends on"),
        EventKind::DependencyGone { dependency, then } => {
            warn!(%path, generation, %dependency, ?then, suppressed, "a service that the child depends on is gone");
        }
        EventKind::Parked { probe_in } => {
            error!(%path, generation, ?probe_in, suppressed, "child is parked");
        }
        EventKind::Overdue { exit } => {
            warn!(%path, generation, %exit, suppressed, "child takes too long and is killed")
        }
        EventKind::Blocks { time } => {
            error!(%path, generation, ?time, suppressed, "child blocks its thread and does not yield");
        }
        EventKind::Down => info!(%path, generation, "child is down"),
        EventKind::Gone => debug!(%path, generation, suppressed, "child is gone"),
        EventKind::GaveUp { child } => {
            error!(%path, generation, %child, suppressed, "supervisor gave up: its restart budget is gone");
        }
    }
}

fn backtrace(exit: &Exit) -> Option<&str> {
    match exit {
        Exit::Panicked(panic) => panic.backtrace.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_loop_writes_few_lines_and_counts_the_others() {
        let mut limiter = Limiter::default();
        let event = Event { path: "app/x".into(), generation: 1, kind: EventKind::Exited { exit: Exit::Killed } };
        let written =
            |limiter: &mut Limiter, at| (0..1000).filter(|_| limiter.admit(&event, at) != Verdict::HoldBack).count();
        assert_eq!(written(&mut limiter, Duration::ZERO), 5);
        assert_eq!(limiter.admit(&event, PERIOD), Verdict::Write { suppressed: 995 });
    }
}
