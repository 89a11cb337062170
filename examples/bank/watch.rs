//! The onlooker: follows the events of the tree, measures how long services take to come back, and looks at the books of
//! every mailbox while they change.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use regrow::{Directory, Event, EventKind, Events, Exit, Lagged, Tree};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::chaos::Wounds;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where there is no terminal, so many looks make a line.
const LOOKS_PER_LINE: u64 = 10;

/// The longest recovery that is told from longer ones, in microseconds.
const LONGEST: u64 = 60_000_000;

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// From a kill to the news that the next life is up, in microseconds.
    pub(crate) recovery: BTreeMap<Arc<str>, Recovery>,
    pub(crate) looks: u64,
    /// A mailbox whose books were not right.
    pub(crate) broken_law: Option<String>,
    pub(crate) events_missed: u64,
    /// How often a service was put away, its restarts being used up.
    pub(crate) parked: u64,
}

#[derive(Debug)]
pub(crate) struct Recovery(Histogram<u64>);

impl Default for Recovery {
    fn default() -> Self {
        Self(Histogram::new_with_max(LONGEST, 3).expect("these bounds are some that a histogram can have"))
    }
}

impl Recovery {
    /// The time that so large a part of the recoveries took, at the most.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(part))
    }
}

pub(crate) struct Watch {
    wounds: Arc<Wounds>,
    task: JoinHandle<Watched>,
    /// Dropping it is enough.
    stop: oneshot::Sender<()>,
}

impl Watch {
    /// `alarm` hears of the first service that ends otherwise than by a kill or an order.
    pub(crate) fn start(tree: &Tree, progress: Progress, alarm: mpsc::Sender<String>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let wounds = Arc::<Wounds>::default();
        let onlooker = Onlooker {
            directory: tree.directory(),
            wounds: wounds.clone(),
            alarm,
            progress,
            watched: Watched::default(),
        };
        Self { wounds, task: tokio::spawn(onlooker.watch(tree.events(), stopped)), stop }
    }

    pub(crate) fn wounds(&self) -> Arc<Wounds> {
        self.wounds.clone()
    }

    pub(crate) async fn stop(self) -> Watched {
        drop(self.stop);
        self.task.await.unwrap_or_default()
    }
}

struct Onlooker {
    directory: Directory,
    wounds: Arc<Wounds>,
    alarm: mpsc::Sender<String>,
    progress: Progress,
    watched: Watched,
}

impl Onlooker {
    async fn watch(mut self, mut events: Events, mut stopped: oneshot::Receiver<()>) -> Watched {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                // In this order, so that what has happened is seen before the end is.
                biased;
                _ = looks.tick() => self.look(),
                event = events.next() => match event {
                    Some(Ok(event)) => self.note(&event),
                    Some(Err(Lagged(count))) => self.watched.events_missed += count,
                    None => return self.watched,
                },
                _ = &mut stopped => break,
            }
        }
        self.look();
        self.watched
    }

    fn note(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Started { .. } => {
                if let Some(took) = self.wounds.heal(&event.path, event.generation) {
                    let recovery = self.watched.recovery.entry(event.path.clone()).or_default();
                    recovery.0.saturating_record(took.as_micros() as u64);
                }
            }
            EventKind::Exited { exit } | EventKind::StartFailed { exit } | EventKind::ShutdownError { exit }
                if is_meant(exit) => {}
            // What a policy file may ask for.
            EventKind::Delayed { .. } => {}
            EventKind::Parked { .. } => self.watched.parked += 1,
            // Too late when somebody was faster.
            _ => drop(self.alarm.try_send(event.to_string())),
        }
    }

    fn look(&mut self) {
        let entries = self.directory.entries();
        if let Some(broken) = entries.iter().find(|entry| !entry.accounting.is_balanced()) {
            self.watched.broken_law.get_or_insert_with(|| format!("{}: {}", broken.path, broken.accounting));
        }
        let restarts = entries.iter().map(|entry| entry.accounting.attempts.saturating_sub(1)).sum();
        self.progress.tell(restarts, self.watched.looks % LOOKS_PER_LINE == LOOKS_PER_LINE - 1);
        self.watched.looks += 1;
    }
}

/// A kill, an order, or a group that could not start because one of these hit a member.
fn is_meant(exit: &Exit) -> bool {
    match exit {
        Exit::ChildFailedToStart { cause, .. } => is_meant(cause),
        exit => !exit.is_abnormal() || matches!(exit, Exit::Killed),
    }
}

/// A bar on a terminal; elsewhere, plain lines. All of it on standard error.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn new(total: Option<u64>) -> Self {
        let (bar, template) = match total {
            Some(total) => {
                (ProgressBar::new(total), "{bar:40} {human_pos} of {human_len} transfers, {eta} left, {msg}")
            }
            None => (ProgressBar::new_spinner(), "{spinner} {human_pos} transfers in {elapsed}, {msg}"),
        };
        let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
        Self { bar: bar.with_style(style), is_terminal: std::io::stderr().is_terminal() }
    }

    pub(crate) fn advance(&self, transfers: u64) {
        self.bar.inc(transfers);
    }

    /// A line of its own, above the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.is_terminal {
            self.bar.println(line);
        } else {
            eprintln!("{line}");
        }
    }

    fn tell(&self, restarts: u64, is_time_for_a_line: bool) {
        if self.is_terminal {
            self.bar.set_message(format!("{} restarts", HumanCount(restarts)));
        } else if is_time_for_a_line {
            let of = self.bar.length().map(|total| format!(" of {}", HumanCount(total))).unwrap_or_default();
            eprintln!("{}{of} transfers, {} restarts", HumanCount(self.bar.position()), HumanCount(restarts));
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
