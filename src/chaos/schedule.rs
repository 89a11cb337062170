//! The course of one run: what is due when, and how it ends.
//!
//! Invariant: of faults that are due at the same time, the one that stands first in the script strikes first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_supervisors::Exit;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::base::background::panic_of;
use crate::base::sync::lock;
use crate::base::time::later;
use crate::chaos::active::FaultEvent;
use crate::chaos::checks::{Claims, look};
use crate::chaos::experiment::Experiment;
use crate::chaos::fault::{Fault, Trigger};
use crate::chaos::injector::Injector;
use crate::chaos::judge::Judge;
use crate::chaos::observer::{Occurrence, Records, keep_judging, keep_looking, observe};
use crate::chaos::recorder::{Recorder, seconds};
use crate::chaos::report::{BudgetRecord, ExperimentReport, FaultRecord, Totals};
use crate::chaos::rollback::Rollbacks;
use crate::chaos::script::{Script, ScriptStep, ScriptTime};
use crate::slot::status::ServiceState;
use crate::tree::Directory;
use crate::tree::directory::{ChildKind, DirectoryEntry};
use crate::tree::statements::Statement;

/// A task of the agenda.
#[derive(Debug, Clone)]
enum Todo {
    Inject {
        line: usize,
        victims: Vec<String>,
    },
    Clear {
        number: usize,
        victims: Vec<String>,
    },
    /// Kills this incarnation, which has been up for the time that a flapping child is allowed.
    Flap {
        number: usize,
        path: String,
        generation: u64,
    },
}

pub(super) struct Schedule<'a> {
    experiment: &'a Experiment,
    /// Path of the root.
    tree: Arc<str>,
    script: Script,
    directory: Directory,
    injector: Injector,
    rollbacks: Rollbacks,
    recorder: Arc<Mutex<Recorder>>,
    claims: Arc<Mutex<Claims>>,
    /// Notified when a claim does not hold.
    broken: Arc<Notify>,
    judge: Arc<Mutex<Judge>>,
    is_virtual: bool,
    agenda: BTreeMap<(Instant, usize), Todo>,
    /// Indices of the lines of the script that follow events.
    followers: Vec<usize>,
    /// Children that are killed a while after each start, by the number of the fault.
    flapping: Vec<(usize, String, Duration)>,
    injected: usize,
    /// Faults that followed events.
    followed: u64,
    /// Targets that were there at the beginning, with their kinds.
    targets: BTreeMap<Arc<str>, ChildKind>,
}

impl<'a> Schedule<'a> {
    pub(super) fn new(
        (tree, directory): (Arc<str>, Directory),
        experiment: &'a Experiment,
        script: Script,
        injector: Injector,
        is_virtual: bool,
    ) -> Self {
        let lines = script.lines.iter().enumerate();
        Self {
            experiment,
            tree,
            injector,
            rollbacks: Rollbacks::new(&experiment.rollbacks),
            recorder: Arc::new(Mutex::new(Recorder::open())),
            claims: Arc::new(Mutex::new(Claims::new(experiment))),
            broken: Arc::default(),
            judge: Arc::new(Mutex::new(Judge::new(
                is_virtual,
                directory.shared().clock.moment(Duration::ZERO),
                directory.shared().stop_order.dependencies(),
            ))),
            is_virtual,
            agenda: BTreeMap::new(),
            followers: lines
                .filter(|(_, line)| matches!(line.at, ScriptTime::Event { .. }))
                .map(|(at, _)| at)
                .collect(),
            script,
            flapping: Vec::new(),
            injected: 0,
            followed: 0,
            targets: BTreeMap::new(),
            directory,
        }
    }

    /// Runs the experiment to its end and returns the report. Incarnations report the effects of faults on `reports`.
    pub(super) async fn run(
        mut self,
        reports: mpsc::UnboundedReceiver<FaultEvent>,
        said: mpsc::UnboundedReceiver<Statement>,
    ) -> ExperimentReport {
        let Experiment { duration, stabilise, .. } = *self.experiment;
        let (happened, mut triggers) = mpsc::unbounded_channel();
        // These tasks are aborted when the set is dropped.
        let mut observer = JoinSet::new();
        observer.spawn(observe(self.directory.events(), reports, self.recorder.clone(), happened));
        observer.spawn(keep_judging(said, self.records(), self.is_virtual));
        // Children may still wait for others: a tree is steady when no child is starting, restarting or waiting.
        let _ = self.until_steady(later(Instant::now(), stabilise)).await;
        let entries = self.directory.entries();
        self.targets = self.find_targets(&entries).await;
        lock(&self.recorder).begin(&entries);
        self.look_at_targets();
        look(&self.claims, &self.recorder, &self.directory, true).await;
        let mut stopped =
            lock(&self.claims).broken().map(|claim| format!("before any fault this claim did not hold: {claim}"));
        let begun = lock(&self.recorder).begun();
        if stopped.is_none() {
            self.plan(begun);
            let mut looking = JoinSet::new();
            looking.spawn(keep_looking(self.records(), self.directory.clone(), self.experiment.look_every));
            // Events before the beginning trigger no faults.
            while triggers.try_recv().is_ok() {}
            stopped = self.inject_until(later(begun, duration), &mut triggers).await;
            if let Some(text) = panic_of(&mut looking) {
                stopped.get_or_insert(format!("the task that checks the claims panicked: {text}"));
            }
            drop(looking);
        }
        let duration = seconds(begun.elapsed().min(duration));
        self.clear_all();
        for (what, failure) in self.rollbacks.run().await {
            lock(&self.claims).add(what, failure);
        }
        let cleared = Instant::now();
        let steady = self.until_steady(later(cleared, stabilise)).await;
        let steady = steady.map(|at| seconds(at.saturating_duration_since(cleared)));
        if steady.is_none() && stopped.is_none() {
            stopped = Some(format!("the tree was not steady {} s after the last fault", seconds(stabilise)));
        }
        self.look_at_targets();
        look(&self.claims, &self.recorder, &self.directory, true).await;
        if let Some(text) = panic_of(&mut observer) {
            stopped = Some(format!("the task that records the events panicked: {text}"));
        }
        lock(&self.judge).look();
        self.records().ask_judge();
        drop(observer);
        self.report(duration, steady, stopped).await
    }

    fn records(&self) -> Records {
        let Self { claims, recorder, judge, broken, .. } = self;
        Records { claims: claims.clone(), recorder: recorder.clone(), judge: judge.clone(), broken: broken.clone() }
    }

    fn plan(&mut self, begun: Instant) {
        for (line, ScriptStep { at, victims, .. }) in self.script.lines.iter().enumerate() {
            if let ScriptTime::Time(at) = at {
                let todo = Todo::Inject { line, victims: victims.clone() };
                self.agenda.insert((later(begun, *at), line), todo);
            }
        }
    }

    /// Injects faults until `end`. Returns the reason if it stops earlier.
    async fn inject_until(
        &mut self,
        end: Instant,
        triggers: &mut mpsc::UnboundedReceiver<Occurrence>,
    ) -> Option<String> {
        let (mut instant, mut at_this_instant) = (Instant::now(), 0);
        loop {
            let due = self.agenda.first_key_value().map_or(end, |(&(due, _), _)| due.min(end));
            tokio::select! {
                biased;
                occurrence = triggers.recv() => match occurrence {
                    Some(occurrence) => self.follow(&occurrence),
                    None => return Some(self.why_over()),
                },
                () = self.broken.notified() => {}
                () = tokio::time::sleep_until(due) => {
                    if Instant::now() >= end && self.agenda.first_key_value().is_none_or(|(&(due, _), _)| due > end) {
                        return None;
                    }
                    if let Some(((_, place), todo)) = self.agenda.pop_first() {
                        // In virtual time, faults that follow each other at once would never let the clock advance.
                        let follows = place >= self.script.lines.len() && !matches!(todo, Todo::Clear { .. });
                        at_this_instant = if Instant::now() == instant { at_this_instant + u32::from(follows) } else { 0 };
                        instant = Instant::now();
                        if at_this_instant > AT_ONE_INSTANT_MAX {
                            return Some("faults trigger each other without end, and no time passes between them".into());
                        }
                        self.carry(todo).await;
                    }
                }
            }
            if self.experiment.stop_when_broken && lock(&self.claims).is_broken() {
                return Some("a claim was broken".into());
            }
            let escalations = lock(&self.recorder).totals.escalations;
            if self.experiment.escalations_max.is_some_and(|most| escalations > most) {
                return Some("too many supervisors have given up".into());
            }
        }
    }

    /// Returns what ended the tree in the middle of the run.
    fn why_over(&self) -> String {
        let gave_up = self.directory.shared().ending.root_gave_up();
        gave_up.map_or("the tree ended".into(), |gave_up| format!("the tree ended: `{}` {gave_up}", self.tree))
    }

    /// Puts the faults that follow this event on the agenda.
    fn follow(&mut self, Occurrence { trigger, path, generation }: &Occurrence) {
        let now = Instant::now();
        let kind = self.directory.kind(path).unwrap_or(ChildKind::Service);
        for &line in &self.followers.clone() {
            let ScriptStep { at, fault, victims, seed, .. } = &self.script.lines[line];
            let ScriptTime::Event { event, of, delay } = at else { continue };
            if event == trigger && of.matches(path, kind) {
                let at = later(now, *delay);
                let victims =
                    fault.draw(victims, &mut fastrand::Rng::with_seed(seed ^ self.followed)).cloned().collect();
                self.followed += 1;
                self.later(at, Todo::Inject { line, victims });
            }
        }
        if *trigger == Trigger::Started {
            let flapping: Vec<_> =
                self.flapping.iter().filter(|(_, flapping, _)| **flapping == **path).cloned().collect();
            for (number, path, up) in flapping {
                self.later(later(now, up), Todo::Flap { number, path, generation: *generation });
            }
        }
    }

    /// Puts a task on the agenda, behind those that are due at the same time.
    fn later(&mut self, at: Instant, todo: Todo) {
        let place = self.agenda.range((at, 0)..=(at, usize::MAX)).next_back().map_or(0, |(&(_, place), _)| place + 1);
        self.agenda.insert((at, place.max(self.script.lines.len())), todo);
    }

    async fn carry(&mut self, todo: Todo) {
        match todo {
            Todo::Inject { line, victims } => self.inject(line, victims).await,
            Todo::Clear { number, victims } => {
                self.flapping.retain(|(flapping, ..)| *flapping != number);
                victims.iter().for_each(|path| self.injector.clear(number, path));
                lock(&self.recorder).clear(number);
            }
            Todo::Flap { number, path, generation } => {
                let is_meant = self.directory.status(&path).is_some_and(|status| status.generation == generation);
                if is_meant && self.flapping.iter().any(|(flapping, ..)| *flapping == number) {
                    let mut recorder = lock(&self.recorder);
                    let struck = self.injector.strike(number, &Fault::Kill, &path, 0, self.is_virtual);
                    recorder.say(format!("fault {number}: {path} has been up long enough{}", missed(&struck)));
                    if struck.is_ok() {
                        recorder.strikes(number, &path.into(), None, false);
                    }
                }
            }
        }
    }

    async fn inject(&mut self, line: usize, victims: Vec<String>) {
        let ScriptStep { fault, lasts, seed, .. } = self.script.lines[line].clone();
        let number = self.injected;
        self.injected += 1;
        let at_work = lock(&self.recorder).faults_at_work();
        let mut missed = match self.experiment.at_once_max {
            Some(most) if at_work >= most => Some(format!("{at_work} faults are at work")),
            Some(_) | None => None,
        };
        {
            // The lock is held over the strikes, so that their effects are recorded after them.
            let mut recorder = lock(&self.recorder);
            let at = recorder.now();
            let mut hit = Vec::new();
            if missed.is_none() {
                for path in &victims {
                    match self.injector.strike(number, &fault, path, seed, self.is_virtual) {
                        Ok(()) => hit.push(path.as_str().into()),
                        Err(why) => missed = missed.or(Some(why)),
                    }
                }
                if let Fault::ClockJump(_) = fault {
                    missed = None;
                }
            }
            // A fault that has hit any of its victims is not missed.
            missed = missed.filter(|_| hit.is_empty());
            let is_instant = matches!(fault, Fault::Kill | Fault::KillTogether(_));
            let is_felt = missed.is_none() && !is_instant && !fault.waits();
            let record = FaultRecord {
                number,
                fault: fault.to_string(),
                kind: fault.name().to_owned(),
                targets: victims.clone(),
                at,
                struck_at: is_felt.then_some(at),
                healed_at: None,
                missed: missed.clone(),
                detected_after: None,
                recovered_after: None,
                siblings_touched: Vec::new(),
            };
            recorder.inject(record, fault.is_continuous() || fault.waits());
            if is_instant {
                hit.iter().for_each(|path| recorder.strikes(number, path, None, true));
            }
        }
        let is_hit = missed.is_none();
        if let (true, Fault::Flap(up)) = (is_hit, &fault) {
            for path in &victims {
                self.flapping.push((number, path.clone(), *up));
                let generation = self.directory.status(path).map_or(0, |status| status.generation);
                self.later(later(Instant::now(), *up), Todo::Flap { number, path: path.clone(), generation });
            }
        }
        if let (true, Some(lasts)) = (is_hit, lasts) {
            self.later(later(Instant::now(), lasts), Todo::Clear { number, victims });
        }
        if let (true, Fault::ClockJump(by)) = (is_hit, fault) {
            lock(&self.judge).jump(by);
            tokio::time::advance(by).await;
        }
    }

    fn clear_all(&mut self) {
        self.flapping.clear();
        self.agenda.clear();
        self.injector.clear_all();
        lock(&self.recorder).clear_all();
    }

    /// Waits until no child is starting, restarting, waiting or parked. Returns that time, or `None` if it is not
    /// before `limit`, or the tree has ended.
    async fn until_steady(&self, limit: Instant) -> Option<Instant> {
        loop {
            // The fault that was injected last needs time to take effect.
            tokio::time::sleep(Duration::from_millis(10)).await;
            let is_steady = |state| match state {
                ServiceState::Up | ServiceState::Down | ServiceState::Gone => true,
                ServiceState::Waiting
                | ServiceState::Starting
                | ServiceState::Restarting
                | ServiceState::Parked { .. } => false,
            };
            if self.directory.status(&self.tree).is_none_or(|status| status.state == ServiceState::Gone) {
                return None;
            }
            if self.directory.entries().iter().all(|entry| is_steady(entry.status.state)) {
                return Some(Instant::now());
            }
            if Instant::now() >= limit {
                return None;
            }
        }
    }

    /// The children in scope, without jobs that were done before: they will not be up again, and that is right.
    async fn find_targets(&self, entries: &[DirectoryEntry]) -> BTreeMap<Arc<str>, ChildKind> {
        let mut targets = BTreeMap::new();
        for DirectoryEntry { path, kind, status, .. } in entries {
            let is_in_scope = self.experiment.targets.iter().any(|scope| scope.matches(path, *kind));
            if is_in_scope && !(status.state == ServiceState::Down && self.is_done(path).await) {
                targets.insert(path.clone(), *kind);
            }
        }
        targets
    }

    /// Whether a child that is down has ended normally, and was not terminated.
    async fn is_done(&self, path: &str) -> bool {
        let why = self.directory.why(path).await;
        why.is_ok_and(|why| !why.was_terminated && matches!(why.exit, Some(Exit::Normal)))
    }

    fn look_at_targets(&self) {
        let at = lock(&self.recorder).now();
        let state = |path: &str| self.directory.status(path).map_or(ServiceState::Gone, |status| status.state);
        let targets = self.targets.keys().map(|path| (path, state(path)));
        lock(&self.claims).look_at_targets(targets, at);
    }

    async fn report(self, duration: f64, stabilised_after: Option<f64>, stopped: Option<String>) -> ExperimentReport {
        let entries = self.directory.entries();
        let mut services = lock(&self.recorder).services(&entries);
        for service in services.iter_mut().filter(|service| service.restarts > 0) {
            let why = self.directory.why(&service.path).await;
            // The restarts of a child that is parked or on probation are not charged.
            service.budget =
                why.ok().filter(|why| !why.is_half_open).and_then(|why| why.budget).map(BudgetRecord::from);
        }
        let mut recorder = lock(&self.recorder);
        let totals = Totals { calls: self.injector.outcomes(), ..recorder.totals(&services) };
        let mut claims = lock(&self.claims);
        claims.look_back(&services, &self.targets);
        if recorder.missed_events() > 0 {
            claims.add("every event was seen".into(), Some(format!("{} were not", recorder.missed_events())));
        }
        let (log, faults) = recorder.take();
        ExperimentReport {
            title: self.experiment.title.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: self.experiment.seed,
            is_virtual: self.is_virtual,
            duration,
            stabilised_after,
            stopped,
            verdicts: claims.verdicts.clone(),
            replay: self.experiment.replay.clone(),
            faults,
            services,
            totals,
            log,
        }
    }
}

/// Most faults at one instant. More of them are a circle: a fault triggers itself by what it causes.
const AT_ONE_INSTANT_MAX: u32 = 10_000;

fn missed(struck: &Result<(), String>) -> String {
    struck.as_ref().err().map_or(String::new(), |why| format!(": missed, {why}"))
}
