//! The figures of the services of a tree by template, read when they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::error::refusal::Refusal;
use crate::slot::accounting::Accounting;
use crate::slot::dead_letter::DeadReason;
use crate::slot::restarts::ByCause;
use crate::slot::status::ServiceState;
#[cfg(feature = "metrics")]
use crate::slot::tally::Times;
use crate::slot::tally::{Look, Tally};
use crate::tree::Directory;
use crate::tree::directory::{ChildKind, Listed};
use crate::tree::totals::{Reading, Total};

/// Words for the states of a service, in the order of [`ServiceFigures::states`].
const STATES: [&str; 7] = ["waiting", "starting", "up", "restarting", "parked", "down", "gone"];

fn place_of(state: ServiceState) -> usize {
    match state {
        ServiceState::Waiting => 0,
        ServiceState::Starting => 1,
        ServiceState::Up => 2,
        ServiceState::Restarting => 3,
        ServiceState::Parked { .. } => 4,
        ServiceState::Down => 5,
        ServiceState::Gone => 6,
    }
}

/// Figures of all services with one template: of those that are listed, and of those that have ended.
///
/// The template of a path is the path with `*` for each name that a dynamic or partitioned supervisor gave, such as
/// `shop/sessions/*`. A child that was described is its own template. The counters never fall while the tree exists.
#[derive(Debug, Clone)]
pub struct ServiceFigures {
    template: Arc<str>,
    kind: ChildKind,
    states: [u64; STATES.len()],
    tally: Tally,
    now: Now,
}

/// Extremes among the listed services.
#[derive(Debug, Clone, Default)]
struct Now {
    fullest: f64,
    oldest: Option<Duration>,
    running: Option<Duration>,
    budget_left: Option<u32>,
}

impl Now {
    fn add(&mut self, other: &Self) {
        self.fullest = self.fullest.max(other.fullest);
        // `None` is less than any time.
        self.oldest = self.oldest.max(other.oldest);
        self.running = self.running.max(other.running);
        self.budget_left = self.budget_left.into_iter().chain(other.budget_left).min();
    }
}

impl ServiceFigures {
    /// Returns the template: a path, perhaps with `*` for some names.
    pub fn template(&self) -> &Arc<str> {
        &self.template
    }

    /// Returns the kind of the services. If they are of several kinds, it is that of one of them.
    pub fn kind(&self) -> ChildKind {
        self.kind
    }

    /// Returns the number of listed services in each state, with the word for the state.
    pub fn states(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        STATES.into_iter().zip(self.states)
    }

    /// Returns the number of listed services.
    pub fn services(&self) -> u64 {
        self.states.iter().sum()
    }

    /// Returns the sums of the counters of the mailboxes.
    pub fn accounting(&self) -> Accounting {
        self.tally.accounting
    }

    /// Returns the number of incarnations that came up.
    pub fn starts(&self) -> u64 {
        self.tally.starts
    }

    /// Returns the number of starts that failed.
    pub fn starts_failed(&self) -> u64 {
        self.tally.starts_failed
    }

    /// Returns the number of starts that said that the service is not wanted.
    pub fn starts_ignored(&self) -> u64 {
        self.tally.starts_ignored
    }

    /// Returns the number of ends of incarnations, by cause. Failed starts are not among them.
    pub fn exits(&self) -> ByCause {
        ByCause(self.tally.exits)
    }

    /// Returns the number of restarts because of own ends, by the cause of the end: see
    /// [`Restarts`](crate::Restarts).
    pub fn restarts(&self) -> ByCause {
        ByCause(self.tally.restarts)
    }

    /// Returns the number of restarts with others.
    pub fn taken_along(&self) -> u64 {
        self.tally.taken_along
    }

    /// Returns the number of restarts in the last minute, of listed services.
    pub fn last_minute(&self) -> u64 {
        self.tally.last_minute
    }

    /// Returns the number of restarts in the last hour, of listed services.
    pub fn last_hour(&self) -> u64 {
        self.tally.last_hour
    }

    /// Returns the number of times that such a supervisor gave up.
    pub fn gave_up(&self) -> u64 {
        self.tally.gave_up
    }

    /// Returns the number of messages that were shed, for each reason with its word
    /// ([`DeadReason::kind`](crate::DeadReason::kind)).
    pub fn dead_letters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        DeadReason::KINDS.into_iter().zip(self.tally.dead)
    }

    /// Returns the number of messages that were refused, for each reason with its word
    /// ([`Refusal::kind`](crate::Refusal::kind)). As `gone` it counts senders that waited when the service ended. Later ones
    /// are counted for the tree: [`TreeFigures::refused_by_gone`].
    pub fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refusal::KINDS.into_iter().zip(self.tally.refused)
    }

    /// Returns the part of the capacity that is used by the fullest mailbox: 1 if it is full.
    pub fn fullest(&self) -> f64 {
        self.now.fullest
    }

    /// Returns the age of the oldest queued message. `None` if no service is [measured](crate::ServiceChild::measured), or
    /// none has a message that waits.
    pub fn oldest(&self) -> Option<Duration> {
        self.now.oldest
    }

    /// Returns the longest time for which a handler has had its message. `None` if no service is
    /// [measured](crate::ServiceChild::measured), or none is at work.
    pub fn running(&self) -> Option<Duration> {
        self.now.running
    }

    /// Returns the number of restarts that the budget of such a supervisor still forgives: the least of them, as of the
    /// last failure. It counts as full again when its whole period has passed. `None` without a limit, and before the
    /// first failure that comes after the first call of [`Directory::figures`](crate::Directory::figures) or the first
    /// collector of metrics: before that, no supervisor notes it.
    pub fn budget_left(&self) -> Option<u32> {
        self.now.budget_left
    }

    /// Returns the measured times, if a service is measured.
    #[cfg(feature = "metrics")]
    pub(crate) fn times(&self) -> Option<&Times> {
        self.tally.times.as_deref()
    }

    /// Adds other figures. The template and the kind stay.
    pub(crate) fn add(&mut self, other: &Self) {
        self.tally.add(&other.tally);
        self.states.iter_mut().zip(other.states).for_each(|(own, other)| *own += other);
        self.now.add(&other.now);
    }

    fn note(&mut self, look: &Look) {
        self.tally.add(&look.tally);
        self.states[place_of(look.state)] += 1;
        let Look { fullness: fullest, oldest, running, budget: budget_left, .. } = *look;
        self.now.add(&Now { fullest, oldest, running, budget_left });
    }

    /// Returns the same figures under another name.
    #[cfg(feature = "metrics")]
    pub(crate) fn named(self, template: Arc<str>) -> Self {
        Self { template, ..self }
    }
}

/// Figures of a tree that no service counts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeFigures {
    /// Policies that were put in force.
    pub reloads_applied: u64,
    /// Policies that were refused, with the tree as it was.
    pub reloads_refused: u64,
    /// Events that subscribers lost because they were too slow.
    pub events_missed: u64,
    /// Messages that services refused because they are gone. Handles of a service outlive its place in the directory.
    pub refused_by_gone: u64,
    /// Acts of operators: the word for the act, the number of those done, and of those refused.
    pub acts: Vec<(&'static str, u64, u64)>,
}

#[cfg(feature = "metrics")]
impl TreeFigures {
    /// Adds those of another tree.
    pub(crate) fn add(&mut self, other: &Self) {
        self.reloads_applied += other.reloads_applied;
        self.reloads_refused += other.reloads_refused;
        self.events_missed += other.events_missed;
        self.refused_by_gone += other.refused_by_gone;
        for ((_, done, refused), (_, more_done, more_refused)) in self.acts.iter_mut().zip(&other.acts) {
            *done += more_done;
            *refused += more_refused;
        }
    }
}

/// Sums while they are added up.
#[derive(Default)]
struct Sums {
    by_number: HashMap<u32, ServiceFigures>,
    by_path: BTreeMap<Arc<str>, ServiceFigures>,
}

impl Directory {
    /// Returns the figures of the tree that no service counts.
    pub fn tree_figures(&self) -> TreeFigures {
        let counts = &self.shared.counts;
        TreeFigures {
            reloads_applied: counts.reloads_applied.get(),
            reloads_refused: counts.reloads_refused.get(),
            events_missed: counts.events_missed.get(),
            refused_by_gone: counts.refused_by_gone.get(),
            acts: counts.acts().collect(),
        }
    }

    /// Returns the figures of the services by template, in the order of the templates.
    ///
    /// The listed slots are taken in one hold of the directory's lock, and read without it. So a service that comes or
    /// goes meanwhile is counted once or, if it is new, next time.
    ///
    /// ```
    /// # use regrow::{Child, Supervisor, testing::{Journal, ProbeMsg}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await?;
    /// tree.lookup::<ProbeMsg>("app/a")?.cast(ProbeMsg::Note(1))?;
    ///
    /// let figures = tree.directory().figures();
    /// let a = figures.iter().find(|figures| **figures.template() == *"app/a").expect("it is there");
    /// assert_eq!((a.starts(), a.accounting().accepted), (1, 1));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    pub fn figures(&self) -> Vec<ServiceFigures> {
        self.shared.counts.read_budgets();
        let (listed, reading) = self.shared.directory.read();
        let mut sums = Sums::default();
        for Total { id, template, kind, tally } in reading.totals() {
            sums.by_number.insert(id.number(), ServiceFigures { tally, ..ServiceFigures::new(template, kind) });
        }
        for (path, listed) in &listed {
            let look = listed.slot.look();
            sums.of_listed(path, listed).note(&look);
        }
        drop::<Reading<'_>>(reading);
        sums.in_order()
    }
}

impl Sums {
    fn of_listed(&mut self, path: &Arc<str>, listed: &Listed) -> &mut ServiceFigures {
        // No template has the number zero.
        match self.by_number.get_mut(&listed.template.number()) {
            Some(figures) => {
                figures.kind = listed.kind;
                figures
            }
            None => self.by_path.entry(path.clone()).or_insert_with(|| ServiceFigures::new(path.clone(), listed.kind)),
        }
    }

    /// Returns all sums. A path that was listed before has totals under the same name.
    fn in_order(self) -> Vec<ServiceFigures> {
        let mut all = self.by_path;
        for (_, figures) in self.by_number {
            match all.get_mut(&figures.template) {
                Some(same) => same.add(&figures),
                None => drop(all.insert(figures.template.clone(), figures)),
            }
        }
        all.into_values().collect()
    }
}

impl ServiceFigures {
    fn new(template: Arc<str>, kind: ChildKind) -> Self {
        Self { template, kind, states: Default::default(), tally: Tally::default(), now: Now::default() }
    }
}
