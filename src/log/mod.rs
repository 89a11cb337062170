//! The log lines of a tree: the same target and the same keys everywhere, and few lines in a crash loop.
//!
//! | file | idea |
//! |---|---|
//! | `lines.rs` | the lines about children and dead letters: level, message and fields |
//! | `limiter.rs` | the number of those lines, and the count of the others |
//! | `one_line.rs` | texts of the user in a line |
//! | `backtraces.rs` | one backtrace for each place of a panic |
//! | `lines.md` | what users read about the lines; a section of the crate's documentation |
//!
//! Invariants:
//! 1. A line is written without a span around it: supervisors run in ractor's actors, and the spans of those say
//!    nothing to a reader.
//! 2. A line that no subscriber listens for costs no quota. A line that changes what an operator must do is never held
//!    back.
//! 3. Lines that are held back are counted in the log within [`limiter::PERIOD`], also if the tree or its runtime ends
//!    before.
//! 4. Of the returns that are held back, the last one is written with the count, unless the child is no longer up.
//! 5. No line is written under a lock: subscribers are code of the user.

mod backtraces;
mod limiter;
mod lines;
mod one_line;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{Dispatch, Level, dispatcher};

use regrow_supervisors::Exit;

use crate::base::sync::lock;
use crate::event::{Event, EventKind};
use crate::slot::dead_letter::{DeadReason, Notice};
pub(crate) use backtraces::Backtraces;
use limiter::{Held, Limiter, Tale, Topic, Verdict};
pub(crate) use lines::{level, millis};
pub(crate) use one_line::one_line;

/// Target of every line.
pub(crate) const TARGET: &str = "regrow";

/// Writes one line (invariant 1): `line!(WARN, { path = %path, generation }, "child exited")`.
macro_rules! line {
    ($level:ident, { $($fields:tt)* }, $($message:tt)+) => {
        $crate::log::without_spans(|| {
            tracing::event!(
                target: $crate::log::TARGET,
                parent: None::<tracing::Id>,
                tracing::Level::$level,
                { $($fields)* },
                $($message)+
            )
        })
    };
}
pub(crate) use line;

/// Number of spans that are left at most, also if a subscriber never leaves one: it must not hold up the tree.
const SPANS_MAX: usize = 32;

/// Leaves all spans that this thread is in, writes, and enters them again. A line without a parent is not enough:
/// formats such as JSON add the span that the thread is in.
pub(crate) fn without_spans<R>(write: impl FnOnce() -> R) -> R {
    struct Left(Dispatch, Vec<tracing::Id>);
    impl Drop for Left {
        fn drop(&mut self) {
            let Self(dispatch, spans) = self;
            spans.drain(..).rev().for_each(|span| dispatch.enter(&span));
        }
    }
    // A clone: the subscriber asks for the dispatcher itself while a span is left.
    let mut left = Left(dispatcher::get_default(Clone::clone), Vec::new());
    while left.1.len() < SPANS_MAX
        && let Some((span, _)) = left.0.current_span().into_inner()
    {
        left.0.exit(&span);
        left.1.push(span);
    }
    write()
}

/// Whether a subscriber listened for warnings when this was last checked.
static IS_LISTENED_TO: AtomicBool = AtomicBool::new(false);

/// Whether the log reports panics. For the panic hook, which must not ask the subscriber.
pub(crate) fn is_listened_to() -> bool {
    IS_LISTENED_TO.load(Ordering::Relaxed)
}

/// Whether any layer of the subscriber listens for a line of this level about a child.
pub(crate) fn is_enabled(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::event_enabled!(target: TARGET, Level::ERROR, path, generation),
        Level::WARN => {
            let is_enabled = tracing::event_enabled!(target: TARGET, Level::WARN, path, generation);
            IS_LISTENED_TO.store(is_enabled, Ordering::Relaxed);
            is_enabled
        }
        Level::INFO => tracing::event_enabled!(target: TARGET, Level::INFO, path, generation),
        Level::DEBUG => tracing::event_enabled!(target: TARGET, Level::DEBUG, path, generation),
        Level::TRACE => tracing::event_enabled!(target: TARGET, Level::TRACE, path, generation),
    }
}

/// Facts about an event that only the log reports, and not the subscribers' event.
#[derive(Debug, Clone, Default)]
pub(crate) enum Aside {
    #[default]
    Nothing,
    /// The child is up, and has yet to say that it is ready.
    Unready,
    /// Exit of its latest life.
    Ended(Arc<Exit>),
    /// Full paths of the services that it waits for, or is parked for.
    Services(Vec<Arc<str>>),
}

impl Aside {
    fn ready(&self) -> Option<bool> {
        matches!(self, Self::Unready).then_some(false)
    }

    fn exit(&self) -> Option<&Exit> {
        if let Self::Ended(exit) = self { Some(exit) } else { None }
    }

    fn services(&self) -> Option<String> {
        if let Self::Services(services) = self { Some(services.join(", ")) } else { None }
    }
}

/// Log of one tree.
#[derive(Debug, Default)]
pub(crate) struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    limiter: Mutex<Limiter>,
    /// Report task that was started last.
    report: Mutex<Option<AbortHandle>>,
    backtraces: Backtraces,
}

impl Log {
    pub(crate) fn new() -> Self {
        // For the panic hook.
        is_enabled(Level::WARN);
        Self::default()
    }

    /// Writes the line of an event, or counts it.
    pub(crate) fn event(&self, event: &Event, level: Level, aside: &Aside) {
        let Event { path, kind, .. } = event;
        let is_last = matches!(kind, EventKind::Gone);
        if is_last || lines::is_urgent(kind) {
            // A report about earlier lines comes before this line.
            let held = if is_last { lock(&self.shared.limiter).forget(path) } else { self.shared.take_held(path) };
            if matches!(kind, EventKind::Blocks { .. } | EventKind::Acted { .. }) {
                self.shared.tell_held(&held);
            } else {
                // The child is no longer up.
                self.shared.count_held(&held);
            }
        } else {
            let tale = match (kind, lines::exit(kind)) {
                (EventKind::Started { outage: Some(_), .. }, _) => Tale::Return(event, aside),
                (_, Some(exit)) => Tale::Exit(exit),
                (_, None) => Tale::Other,
            };
            if !self.admit(path, Topic::Events(level), tale) {
                return;
            }
        }
        lines::write(event, level, aside, &self.shared.backtraces);
    }

    /// Whether one more line of this level may be written about this path. If not, it is counted.
    pub(crate) fn has_room(&self, path: &Arc<str>, level: Level) -> bool {
        is_enabled(level) && self.admit(path, Topic::Events(level), Tale::Other)
    }

    /// Forgets the child, which is gone.
    pub(crate) fn forget(&self, path: &str) {
        let held = lock(&self.shared.limiter).forget(path);
        self.shared.count_held(&held);
    }

    /// Returns the level at which a subscriber listens for this dead letter. `is_over`: the tree is ending, and leaves
    /// letters behind.
    pub(crate) fn wants_letter(reason: &DeadReason, is_over: bool) -> Option<Level> {
        Some(lines::level_of_letter(reason, is_over)).filter(|level| is_enabled(*level))
    }

    /// Writes the line of a dead letter, or counts it.
    pub(crate) fn letter(&self, letter: &Notice, level: Level) {
        let topic = Topic::Letters(level, letter.reason.kind());
        if lines::is_urgent_letter(&letter.reason) || self.admit(&letter.path, topic, Tale::Other) {
            lines::write_letter(letter, level);
        }
    }

    /// Logs that the root is up, with everything below it that it waits for.
    pub(crate) fn tree_is_up(&self, path: &str, time: Duration) {
        line!(INFO, { path = %path, start_ms = millis(time) }, "tree is up");
    }

    /// Ends the log of the tree: nothing is held back any more.
    pub(crate) fn end(&self) {
        let held = lock(&self.shared.limiter).end();
        self.shared.tell_held(&held);
        let report = lock(&self.shared.report).take();
        if let Some(report) = report {
            report.abort();
        }
    }

    /// Number of children that the limiter remembers.
    pub(crate) fn limited(&self) -> usize {
        lock(&self.shared.limiter).len()
    }

    /// Whether the line may be written. If not, it is counted, and the count is written in time.
    fn admit(&self, path: &Arc<str>, topic: Topic, tale: Tale<'_>) -> bool {
        let runtime = Handle::try_current().ok();
        let (verdict, unused) = {
            let mut limiter = lock(&self.shared.limiter);
            let verdict = limiter.admit(path, topic, tale, Instant::now(), runtime.is_some());
            (verdict, limiter.take_unused())
        };
        drop(unused);
        match verdict {
            Verdict::Write(held) => {
                self.shared.tell_held(held.as_slice());
                true
            }
            Verdict::HoldBack { is_first } => {
                if let (true, Some(runtime)) = (is_first, runtime) {
                    let report = runtime.spawn(report(Reporting(Arc::downgrade(&self.shared))));
                    *lock(&self.shared.report) = Some(report.abort_handle());
                }
                false
            }
        }
    }
}

impl Shared {
    fn take_held(&self, path: &str) -> Vec<Held> {
        lock(&self.limiter).take_held(path)
    }

    fn count_held(&self, held: &[Held]) {
        for held in held {
            lines::write_held(held, &self.backtraces);
        }
    }

    /// Writes the counts, and the returns of children that are up after all.
    fn tell_held(&self, held: &[Held]) {
        self.count_held(held);
        for (event, aside) in held.iter().filter_map(|held| held.last_return.as_deref()) {
            lines::write(event, level(&event.kind), aside, &self.backtraces);
        }
    }
}

/// Writes the reports that are due. Runs only while something is held back.
async fn report(mut reporting: Reporting) {
    loop {
        let due = {
            let Some(shared) = reporting.0.upgrade() else { return };
            let (held, due) = lock(&shared.limiter).due(Instant::now());
            shared.tell_held(&held);
            due
        };
        let Some(due) = due else {
            // Another report task may run by now, and reports what is held back from now on.
            reporting.0 = Weak::new();
            return;
        };
        tokio::time::sleep_until(due).await;
    }
}

/// Reports what is left if the runtime drops the task (invariant 3).
struct Reporting(Weak<Shared>);

impl Drop for Reporting {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            let held = lock(&shared.limiter).reporter_ends();
            shared.tell_held(&held);
        }
    }
}
