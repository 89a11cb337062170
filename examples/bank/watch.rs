//! The observer: it follows the events of the tree, measures the recovery times of services, and checks the accounting
//! of every mailbox while it changes.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use regrow::{Directory, Event, EventKind, Events, Exit, Lagged, Tree};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::chaos::KillLog;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Number of looks for one line of progress, if there is no terminal.
const LOOKS_PER_LINE: u64 = 10;

/// Longest recovery time that is recorded exactly, in microseconds. Longer ones count as this.
const LONGEST: u64 = 60_000_000;

/// Results of the observer.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Times from a kill to the event that the next life is up, in microseconds.
    pub(crate) recovery: BTreeMap<Arc<str>, Recovery>,
    pub(crate) looks: u64,
    /// A mailbox with accounting that did not balance.
    pub(crate) broken_law: Option<String>,
    pub(crate) events_missed: u64,
    /// Number of times that a service was parked because its restarts were used up.
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
    /// The longest time of this part of the recoveries, the fastest first.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(part))
    }
}

pub(crate) struct Watch {
    kill_log: Arc<KillLog>,
    task: JoinHandle<Watched>,
    /// Stops the task when it is dropped.
    stop: oneshot::Sender<()>,
}

impl Watch {
    /// Starts the observer. `alarm` gets the first event that neither a kill nor an order explains.
    pub(crate) fn start(tree: &Tree, progress: Progress, alarm: mpsc::Sender<String>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let kill_log = Arc::<KillLog>::default();
        let observer = Observer {
            directory: tree.directory(),
            kill_log: kill_log.clone(),
            alarm,
            progress,
            watched: Watched::default(),
        };
        Self { kill_log, task: tokio::spawn(observer.watch(tree.events(), stopped)), stop }
    }

    pub(crate) fn kill_log(&self) -> Arc<KillLog> {
        self.kill_log.clone()
    }

    pub(crate) async fn stop(self) -> Watched {
        drop(self.stop);
        self.task.await.unwrap_or_default()
    }
}

struct Observer {
    directory: Directory,
    kill_log: Arc<KillLog>,
    alarm: mpsc::Sender<String>,
    progress: Progress,
    watched: Watched,
}

impl Observer {
    async fn watch(mut self, mut events: Events, mut stopped: oneshot::Receiver<()>) -> Watched {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                // In this order, so that events are noted before the end.
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
                if let Some(took) = self.kill_log.recovered(&event.path, event.generation) {
                    let recovery = self.watched.recovery.entry(event.path.clone()).or_default();
                    recovery.0.saturating_record(took.as_micros() as u64);
                }
            }
            EventKind::Exited { exit } | EventKind::StartFailed { exit } | EventKind::ShutdownError { exit }
                if is_meant(exit) => {}
            // A policy file may ask for a delay.
            EventKind::Delayed { .. } => {}
            EventKind::Parked { reason: None, .. } => self.watched.parked += 1,
            // Orders of an operator. A child that is down for another reason comes with an event that says so.
            EventKind::Acted { .. }
            | EventKind::RestartOrdered { .. }
            | EventKind::Parked { reason: Some(_), .. }
            | EventKind::Down => {}
            // The channel has room for one: a later alarm is dropped.
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

/// Whether a kill or an order explains the exit, of the child itself or of a member of its group that did not start.
fn is_meant(exit: &Exit) -> bool {
    match exit {
        Exit::ChildFailedToStart { cause, .. } => is_meant(cause),
        exit => !exit.is_abnormal() || matches!(exit, Exit::Killed),
    }
}

/// Progress on standard error: a bar on a terminal, elsewhere plain lines.
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

    /// Prints a line above the bar.
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
