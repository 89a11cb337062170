//! Limits the lines that a child may write, and counts the others.
//!
//! Each child has a quota per level, and per reason of its dead letters. So lines that only a detailed log wants take
//! nothing from those that every log wants. Lines above the quota are counted, and the count is due one period after
//! the first line of the window.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::time::Instant;
use tracing::Level;

use crate::base::name::bounds_below;
use crate::base::time::later;
use crate::event::Event;
use crate::log::Aside;

/// Number of lines of one topic per child and [`PERIOD`].
const LINES_MAX: u32 = 5;

/// Length of a window, and the longest time for which a count is held back.
pub(super) const PERIOD: Duration = Duration::from_secs(1);

/// Topic of lines that share a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Events(Level),
    /// Dead letters with this reason.
    Letters(Level, &'static str),
}

/// Facts about a line that the limiter needs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tale<'a> {
    /// The line reports this exit.
    Exit(&'a Exit),
    /// The child is up after an outage.
    Return(&'a Event, &'a Aside),
    Other,
}

/// Report about lines that were held back.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) path: Arc<str>,
    pub(super) topic: Topic,
    pub(super) lines: u64,
    /// Number of those lines that reported an exit.
    pub(super) exits: u64,
    pub(super) last_exit: Option<Exit>,
    /// Last return of the child, if it has not failed since. It is written after the counts.
    pub(super) last_return: Option<Box<(Event, Aside)>>,
}

/// Whether a line may be written.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Write the line, and before it this report.
    Write(Option<Held>),
    /// Hold the line back. `is_first`: nothing was held back before, and the report task must be started.
    HoldBack { is_first: bool },
}

impl Held {
    fn new(path: &Arc<str>, topic: Topic) -> Self {
        Self { path: path.clone(), topic, lines: 0, exits: 0, last_exit: None, last_return: None }
    }
}

#[derive(Debug)]
struct Window {
    topic: Topic,
    since: Instant,
    lines: u32,
    held: Option<Box<Held>>,
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= PERIOD
    }
}

#[derive(Debug, Default)]
pub(super) struct Limiter {
    /// Ordered by path, so that everything below a path can be forgotten with it.
    children: BTreeMap<Arc<str>, Vec<Window>>,
    /// Number of children that had windows when old ones were last cleared.
    kept: usize,
    is_reporting: bool,
    is_over: bool,
    /// Values that are no longer reported. They may hold errors of the user, which must not be dropped under the lock.
    unused: Unused,
}

/// Values that are no longer reported.
#[derive(Debug, Default)]
pub(super) struct Unused {
    exits: Vec<Exit>,
    returns: Vec<(Event, Aside)>,
}

impl Limiter {
    pub(super) fn admit(
        &mut self,
        path: &Arc<str>,
        topic: Topic,
        tale: Tale<'_>,
        now: Instant,
        can_report: bool,
    ) -> Verdict {
        self.clear(now);
        let windows = self.children.entry(path.clone()).or_default();
        // An end that is no failure begins no outage, so the return is still to be reported.
        if matches!(tale, Tale::Exit(_)) && topic != Topic::Events(Level::DEBUG) {
            let held = windows.iter_mut().filter_map(|window| window.held.as_mut());
            self.unused.returns.extend(held.filter_map(|held| held.last_return.take()).map(|last| *last));
        }
        let window = match windows.iter().position(|window| window.topic == topic) {
            Some(place) => &mut windows[place],
            None => {
                windows.push(Window { topic, since: now, lines: 0, held: None });
                windows.last_mut().expect("it was pushed")
            }
        };
        let mut before = None;
        if window.is_over(now) {
            (window.since, window.lines) = (now, 0);
            before = window.held.take();
        }
        if window.lines < LINES_MAX || self.is_over || !can_report {
            window.lines = window.lines.saturating_add(1);
            return Verdict::Write(before.map(|held| *held));
        }
        let held = window.held.get_or_insert_with(|| Box::new(Held::new(path, topic)));
        held.lines += 1;
        match tale {
            Tale::Exit(exit) => {
                held.exits += 1;
                self.unused.exits.extend(held.last_exit.replace(exit.clone()));
            }
            Tale::Return(event, aside) => {
                let before = held.last_return.replace(Box::new((event.clone(), aside.clone())));
                self.unused.returns.extend(before.map(|last| *last));
            }
            Tale::Other => {}
        }
        Verdict::HoldBack { is_first: !std::mem::replace(&mut self.is_reporting, true) }
    }

    /// Number of children that have windows.
    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    /// Takes the unused values, to be dropped without the lock.
    pub(super) fn take_unused(&mut self) -> Unused {
        std::mem::take(&mut self.unused)
    }

    /// Takes the report about the child, which keeps its windows.
    pub(super) fn take_held(&mut self, path: &str) -> Vec<Held> {
        let windows = self.children.get_mut(path);
        sorted(windows.into_iter().flatten().filter_map(|window| window.held.take()))
    }

    /// Forgets the child and everything below it, and returns the reports about them.
    pub(super) fn forget(&mut self, path: &str) -> Vec<Held> {
        let (first, last) = bounds_below(path);
        let range = (Bound::Included(&*first), Bound::Excluded(&*last));
        let paths: Vec<_> = self.children.range::<str, _>(range).map(|(path, _)| path.clone()).collect();
        let below = paths.iter().filter_map(|path| self.children.remove(path)).collect::<Vec<_>>();
        let windows = below.into_iter().chain(self.children.remove(path));
        sorted(windows.flatten().filter_map(|window| window.held))
    }

    /// Takes the reports that are due, and returns when to look again. `None`: nothing is held back, and the report
    /// task ends.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<Held>, Option<Instant>) {
        let (mut told, mut next) = (Vec::new(), None::<Instant>);
        self.children.retain(|_, windows| {
            // No count may come after the return.
            let has_return = |window: &Window| window.held.as_ref().is_some_and(|held| held.last_return.is_some());
            let is_return_due = windows.iter().any(|window| window.is_over(now) && has_return(window));
            windows.retain_mut(|window| {
                if window.is_over(now) {
                    told.extend(window.held.take());
                    return false;
                }
                if is_return_due {
                    told.extend(window.held.take());
                }
                if window.held.is_some() {
                    let due = later(window.since, PERIOD);
                    next = Some(next.map_or(due, |next| next.min(due)));
                }
                true
            });
            !windows.is_empty()
        });
        self.is_reporting = next.is_some();
        (sorted(told.into_iter()), next)
    }

    /// Records that the report task was dropped, and returns what it would have reported.
    pub(super) fn reporter_ends(&mut self) -> Vec<Held> {
        if std::mem::take(&mut self.is_reporting) { self.take_all() } else { Vec::new() }
    }

    /// Ends the limiter: nothing is held back from now on. Returns all reports.
    pub(super) fn end(&mut self) -> Vec<Held> {
        self.is_over = true;
        self.take_all()
    }

    fn take_all(&mut self) -> Vec<Held> {
        let children = std::mem::take(&mut self.children);
        sorted(children.into_values().flatten().filter_map(|window| window.held))
    }

    /// Drops windows that are over and hold nothing back, whenever there are twice as many as the last time. The end of
    /// a child may reach the log only under the name of its supervisor.
    fn clear(&mut self, now: Instant) {
        if self.children.len() < (2 * self.kept).max(64) {
            return;
        }
        self.children.retain(|_, windows| {
            windows.retain(|window| !window.is_over(now) || window.held.is_some());
            !windows.is_empty()
        });
        self.kept = self.children.len();
    }
}

fn sorted(held: impl Iterator<Item = Box<Held>>) -> Vec<Held> {
    let mut held: Vec<_> = held.map(|held| *held).collect();
    held.sort_by(|a, b| (&a.path, a.topic).cmp(&(&b.path, b.topic)));
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARN: Topic = Topic::Events(Level::WARN);

    fn is_written(limiter: &mut Limiter, path: &Arc<str>, topic: Topic, at: Instant) -> bool {
        matches!(limiter.admit(path, topic, Tale::Exit(&Exit::Killed), at, true), Verdict::Write(_))
    }

    #[test]
    fn a_crash_loop_writes_few_lines_and_counts_the_others() {
        let (mut limiter, path, now) = (Limiter::default(), Arc::<str>::from("app/x"), Instant::now());
        let written = (0..1000).filter(|_| is_written(&mut limiter, &path, WARN, now)).count();
        assert_eq!(written, 5);
        assert!(is_written(&mut limiter, &path, Topic::Events(Level::INFO), now), "each level has a quota");
        let (told, next) = limiter.due(now);
        assert!(told.is_empty() && next == Some(now + PERIOD));
        let (told, next) = limiter.due(now + PERIOD);
        assert!(matches!(&told[..], [Held { lines: 995, exits: 995, .. }]) && next.is_none());
    }

    #[test]
    fn the_count_comes_before_the_line_that_follows_it() {
        let (mut limiter, path, now) = (Limiter::default(), Arc::<str>::from("app/x"), Instant::now());
        (0..7).for_each(|_| drop(limiter.admit(&path, WARN, Tale::Other, now, true)));
        let verdict = limiter.admit(&path, WARN, Tale::Other, now + PERIOD, true);
        assert!(matches!(verdict, Verdict::Write(Some(Held { lines: 2, .. }))), "{verdict:?}");
    }

    #[test]
    fn nothing_is_held_back_if_nothing_could_tell_it_later() {
        let (mut limiter, path, now) = (Limiter::default(), Arc::<str>::from("app/x"), Instant::now());
        for _ in 0..20 {
            assert!(matches!(limiter.admit(&path, WARN, Tale::Other, now, false), Verdict::Write(None)));
        }
        limiter.end();
        assert!(is_written(&mut limiter, &path, WARN, now));
    }

    #[test]
    fn children_that_come_and_go_without_a_word_leave_nothing_behind() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        for number in 0..100_000 {
            let path = format!("app/pool/{number}").into();
            is_written(&mut limiter, &path, WARN, now + number * Duration::from_millis(100));
        }
        assert!(limiter.children.len() < 200, "{}", limiter.children.len());
        limiter.forget("app/pool/99999");
        assert!(!limiter.children.contains_key("app/pool/99999"));
        is_written(&mut limiter, &"app/pools".into(), WARN, now);
        limiter.forget("app/pool");
        assert_eq!(limiter.children.len(), 1, "nothing below it, and nothing beside it");
    }
}
