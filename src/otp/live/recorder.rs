//! Record of the processes of a live scenario: their starts and ends, their gates and their timers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use regrow_supervisors::{Exit, Report};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::base::time::later;
use crate::context::Context;
use crate::otp::format;
use crate::otp::live::services::Actor;
use crate::otp::scenario::Scenario;
use crate::otp::transcript::Teller;
use crate::supervisor::observer::Watch;
use crate::tree::paths::name_of;

pub(super) struct Stage {
    pub(super) scenario: Scenario,
    pub(super) are_actors: bool,
    record: Mutex<Record>,
    /// Signalled at every end of a supervisor.
    pub(super) ended: Notify,
}

#[derive(Default)]
pub(super) struct Record {
    pub(super) teller: Teller,
    attempts: HashMap<String, usize>,
    incarnations: HashMap<String, usize>,
    processes: HashMap<String, Process>,
    newest: HashMap<String, String>,
    at_path: HashMap<String, String>,
    /// The label of each generation of the child with this path.
    generations: HashMap<(String, u64), String>,
    gates: HashMap<String, Arc<Notify>>,
    /// Number of sleeping workers, by the end of their sleep.
    naps: BTreeMap<Instant, usize>,
    /// Next timers of supervisors, by label.
    due: HashMap<String, Instant>,
}

#[derive(Clone)]
pub(super) struct Process {
    pub(super) id: String,
    pub(super) path: String,
    pub(super) is_alive: bool,
    /// Exit of the process, if it has ended.
    pub(super) exit: Option<Exit>,
    pub(super) is_paused: bool,
    /// Context of the process, if it is a worker.
    pub(super) worker: Option<Context<Actor>>,
}

impl Stage {
    pub(super) fn new(scenario: Scenario, are_actors: bool) -> Arc<Self> {
        let record = Record { teller: Teller::new(scenario.templates()), ..Record::default() };
        Arc::new(Self { scenario, are_actors, record: Mutex::new(record), ended: Notify::new() })
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(super) fn event(&self, line: impl Into<String>) {
        self.record().teller.event(line);
    }

    /// Sleeps, with an entry in the record meanwhile.
    pub(super) async fn nap(&self, time: Duration) {
        struct Nap<'a>(&'a Stage, Instant);
        impl Drop for Nap<'_> {
            fn drop(&mut self) {
                let mut record = self.0.record();
                if let Some(count) = record.naps.get_mut(&self.1) {
                    *count -= 1;
                }
                record.naps.retain(|_, count| *count > 0);
            }
        }
        let until = later(Instant::now(), time);
        *self.record().naps.entry(until).or_default() += 1;
        let _nap = Nap(self, until);
        tokio::time::sleep_until(until).await;
    }

    /// Waits at a gate until the scenario opens it.
    pub(super) async fn gate(&self, id: &str) {
        let gate = Arc::new(Notify::new());
        {
            let mut record = self.record();
            record.teller.event(format!("gate {id}"));
            record.gates.insert(id.to_owned(), gate.clone());
        }
        gate.notified().await;
    }
}

impl Record {
    pub(super) fn count_attempt(&mut self, id: &str) -> usize {
        let count = self.attempts.entry(id.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Enters a new process, and returns its label.
    pub(super) fn born(&mut self, id: &str, path: &str, worker: Option<Context<Actor>>) -> String {
        let count = self.incarnations.entry(id.to_owned()).or_default();
        *count += 1;
        let label = format!("{id}#{count}");
        self.newest.insert(id.to_owned(), label.clone());
        self.at_path.insert(path.to_owned(), label.clone());
        let (id, path) = (id.to_owned(), path.to_owned());
        let process = Process { id, path, is_alive: true, exit: None, is_paused: false, worker };
        self.processes.insert(label.clone(), process);
        label
    }

    pub(super) fn died(&mut self, label: &str, exit: &Exit) {
        let line = format!("exit {label} {}", format::exit(exit));
        self.teller.event(line);
        self.due.remove(label);
        if let Some(process) = self.processes.get_mut(label) {
            (process.is_alive, process.worker, process.exit) = (false, None, Some(exit.clone()));
        }
    }

    /// Notes the generation of the child that this process is.
    pub(super) fn is_up(&mut self, label: &str, generation: u64) {
        if let Some(process) = self.processes.get(label) {
            self.generations.insert((process.path.clone(), generation), label.to_owned());
        }
    }

    /// The process that a child had in one of its generations.
    pub(super) fn of_generation(&self, path: &str, generation: u64) -> Option<&str> {
        self.generations.get(&(path.to_owned(), generation)).map(String::as_str)
    }

    pub(super) fn newest(&self, id: &str) -> Option<&str> {
        self.newest.get(id).map(String::as_str)
    }

    /// The newest process of a name, or the one that a label names, dead or alive.
    pub(super) fn process(&self, name: &str) -> Option<&Process> {
        let label = if name.contains('#') { name } else { self.newest(name)? };
        self.processes.get(label)
    }

    pub(super) fn alive(&self, name: &str) -> Option<&Process> {
        self.process(name).filter(|process| process.is_alive)
    }

    /// A process that lives, and its label.
    pub(super) fn labelled(&self, name: &str) -> Option<(String, Process)> {
        let label = if name.contains('#') { name } else { self.newest(name)? };
        Some((label.to_owned(), self.alive(label)?.clone()))
    }

    pub(super) fn pause(&mut self, name: &str, is_paused: bool) {
        let label = self.newest(name).map(str::to_owned);
        if let Some(process) = label.and_then(|label| self.processes.get_mut(&label)) {
            process.is_paused = is_paused;
        }
    }

    /// The process that was last seen at a path.
    pub(super) fn at_path(&self, path: &str) -> Option<&str> {
        self.at_path.get(path).map(String::as_str)
    }

    pub(super) fn is_at_gate(&self, id: &str) -> bool {
        self.gates.contains_key(id)
    }

    pub(super) fn open(&mut self, id: &str) {
        if let Some(gate) = self.gates.remove(id) {
            gate.notify_one();
        }
    }

    /// Time of the next timer of a process that is not paused.
    pub(super) fn next_moment(&self) -> Option<Instant> {
        let is_awake = |label: &str| self.processes.get(label).is_some_and(|process| !process.is_paused);
        let due = self.due.iter().filter(|(label, _)| is_awake(label)).map(|(_, &at)| at);
        due.chain(self.naps.keys().copied()).min()
    }
}

/// Observer that records one supervisor, in all its lives.
pub(super) struct Witness {
    pub(super) stage: Arc<Stage>,
    pub(super) path: String,
    pub(super) is_dynamic: bool,
    /// Zero of the machines' clocks.
    pub(super) epoch: Instant,
    lives: AtomicU64,
    /// Shutdown errors while a dynamic supervisor ends. Each distinct line is reported once.
    group_errors: Mutex<BTreeSet<String>>,
}

impl Witness {
    pub(super) fn new(stage: &Arc<Stage>, path: &str, is_dynamic: bool, epoch: Instant) -> Arc<Self> {
        let (stage, path) = (stage.clone(), path.to_owned());
        Arc::new(Self { stage, path, is_dynamic, epoch, lives: AtomicU64::new(0), group_errors: Mutex::default() })
    }
}

/// The template's name in that of a dynamic child, which is followed by a number.
pub(super) fn template_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(template, _)| template)
}

impl Watch for Witness {
    fn up(&self) {
        let mut record = self.stage.record();
        if let Some(label) = record.at_path(&self.path).map(str::to_owned) {
            record.teller.event(format!("start {label}"));
            record.is_up(&label, self.lives.fetch_add(1, Ordering::Relaxed) + 1);
        }
    }

    fn reported(&self, report: &Report, child: &str, is_ending: bool) {
        if !self.stage.scenario.reports {
            return;
        }
        let (kind, why) = match report {
            Report::ChildTerminated { exit, .. } => ("child_terminated", format::exit(exit)),
            Report::StartError { exit, .. } => ("start_error", format::exit(exit)),
            Report::ShutdownError { exit, .. } => ("shutdown_error", format::exit(exit)),
            Report::GaveUp { .. } => ("shutdown", "reached_max_restart_intensity".into()),
            Report::Abandoned { .. }
            | Report::SignificantEnded { .. }
            | Report::Delayed { .. }
            | Report::Waiting { .. }
            | Report::DependencyGone { .. }
            | Report::Parked { .. }
            | Report::GivenUp { .. }
            | Report::Renewed { .. }
            | Report::TooManyFailures { .. }
            | Report::KeptSetAside { .. }
            | Report::Overdue { .. }
            | Report::Overran { .. }
            | Report::RestartOrdered { .. } => return,
        };
        let id = template_of(name_of(&self.path));
        let line = format!("report {id} {kind} {} {why}", template_of(child));
        // OTP rule 88.
        if self.is_dynamic && is_ending && kind == "shutdown_error" {
            lock(&self.group_errors).insert(line);
        } else {
            self.stage.event(line);
        }
    }

    fn worked(&self, due: Option<Duration>) {
        let mut record = self.stage.record();
        let Some(label) = record.at_path(&self.path).map(str::to_owned) else { return };
        match due {
            Some(due) => record.due.insert(label, later(self.epoch, due)),
            None => record.due.remove(&label),
        };
    }

    fn ended(&self, exit: &Exit, was_up: bool) {
        let group_errors = std::mem::take(&mut *lock(&self.group_errors));
        let mut record = self.stage.record();
        let Some(label) = record.at_path(&self.path).map(str::to_owned) else { return };
        group_errors.into_iter().for_each(|line| record.teller.event(line));
        record.died(&label, exit);
        if !was_up && let Some(process) = record.process(&label) {
            let line = format!("startfail {} {}", process.id, format::exit(exit));
            record.teller.event(line);
        }
        drop(record);
        self.stage.ended.notify_waiters();
    }
}
