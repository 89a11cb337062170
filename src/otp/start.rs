//! Starts of processes in the simulation, and their outcomes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use regrow_supervisors::{Attempt, ChildKey, Exit, Machine};

use crate::otp::scenario::{Body, Def, Init, Outcome};
use crate::otp::simulator::{Kind, Mail, NoStart, Pid, Process, Running, Simulator, Timer};

impl<'a> Simulator<'a> {
    fn child_def(&mut self, pid: Pid, key: ChildKey) -> Option<&'a Def> {
        let scenario = self.scenario;
        let id = self.running(pid)?.def_id(key)?;
        scenario.defs.get(id)
    }

    pub(crate) fn start(&mut self, pid: Pid, attempt: Attempt) {
        let Some(def) = self.child_def(pid, attempt.child()) else { return };
        if let Some(running) = self.running(pid) {
            running.waits_for.insert(attempt);
        }
        match &def.body {
            Body::Worker(worker) => {
                let nth = self.count_attempt(&def.id);
                let outcome = worker.outcome(nth);
                if worker.start_delay.is_zero() {
                    self.resolve(pid, attempt, outcome);
                } else {
                    self.set_timer(worker.start_delay, Timer::Resolve(pid, attempt, outcome));
                }
            }
            Body::Supervisor(_) => match self.start_supervisor(&def.id, Some((pid, attempt))) {
                Ok(child) => {
                    if let Some(running) = self.running(pid) {
                        running.pids.insert(attempt, child);
                        running.latest.insert(attempt.child(), attempt);
                    }
                }
                Err(NoStart::Ignored) => {
                    self.outcome(pid, attempt, |machine, attempt, now| machine.handle_ignored(attempt, now));
                }
                Err(NoStart::Failed(exit)) => {
                    self.start_failed(pid, attempt, exit);
                }
            },
        }
    }

    pub(crate) fn count_attempt(&mut self, id: &str) -> usize {
        let count = self.attempts.entry(id.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Takes the outcome of a start function.
    pub(crate) fn resolve(&mut self, pid: Pid, attempt: Attempt, outcome: Outcome) {
        let Some(def) = self.child_def(pid, attempt.child()) else { return };
        let id = &def.id;
        let failed = match outcome {
            Outcome::Ok | Outcome::OkInfo => {
                let kind = Kind::Worker { has_info: outcome == Outcome::OkInfo };
                let child = self.spawn(id, Some((pid, attempt)), kind);
                let label = self.processes[child].label.clone();
                self.teller.event(format!("start {label}"));
                if let Some(running) = self.running(pid) {
                    running.pids.insert(attempt, child);
                    running.latest.insert(attempt.child(), attempt);
                }
                self.came_up(pid, attempt);
                return;
            }
            Outcome::Ignore => {
                self.teller.event(format!("startignore {id}"));
                self.outcome(pid, attempt, |machine, attempt, now| machine.handle_ignored(attempt, now));
                return;
            }
            Outcome::Gate | Outcome::GateFail => {
                self.teller.event(format!("gate {id}"));
                let then = if outcome == Outcome::Gate { Outcome::Ok } else { Outcome::Fail };
                self.gates.insert(id.clone(), (pid, attempt, then));
                return;
            }
            Outcome::Fail => ("fail", Exit::failed("fail")),
            Outcome::Raise => ("raise", Exit::Panicked(regrow_supervisors::Panic::new("boom"))),
            Outcome::Already => ("already_started", Exit::failed("already_started(pid)")),
        };
        let (word, exit) = failed;
        self.teller.event(format!("startfail {id} {word}"));
        self.start_failed(pid, attempt, exit);
    }

    /// Opens a gate; `false` if no start waits at it.
    pub(crate) fn open(&mut self, id: &str) -> bool {
        let Some((pid, attempt, then)) = self.gates.remove(id) else { return false };
        self.resolve(pid, attempt, then);
        true
    }

    /// Reports a failed start. A retry that follows is queued behind the present contents of the mailbox (OTP rule 31).
    pub(crate) fn start_failed(&mut self, pid: Pid, attempt: Attempt, exit: Exit) {
        self.outcome(pid, attempt, |machine, attempt, now| machine.handle_start_failed(attempt, exit, now));
        if let Some(running) = self.running(pid)
            && let Some(key) = running.machine.poll_retry()
        {
            running.mail.push_back(Mail::Retry(key));
        }
    }

    pub(crate) fn came_up(&mut self, pid: Pid, attempt: Attempt) {
        self.outcome(pid, attempt, |machine, attempt, now| machine.handle_started(attempt, now));
    }

    pub(crate) fn outcome(
        &mut self,
        pid: Pid,
        attempt: Attempt,
        tell: impl FnOnce(&mut dyn Machine, Attempt, Duration),
    ) {
        let now = self.now;
        if let Some(running) = self.running(pid) {
            running.waits_for.remove(&attempt);
            tell(&mut *running.machine, attempt, now);
            self.ready.push_back(pid);
        }
    }

    fn spawn(&mut self, id: &str, parent: Option<(Pid, Attempt)>, kind: Kind) -> Pid {
        let count = self.incarnations.entry(id.to_owned()).or_default();
        *count += 1;
        let label = format!("{id}#{count}");
        let pid = self.processes.len();
        self.processes.push(Process { id: id.to_owned(), label, is_alive: true, parent, kind });
        self.newest.insert(id.to_owned(), pid);
        pid
    }

    pub(crate) fn start_supervisor(&mut self, id: &str, parent: Option<(Pid, Attempt)>) -> Result<Pid, NoStart> {
        let def = self.def(id);
        let Body::Supervisor(sup) = &def.body else { return Err(NoStart::Ignored) };
        let nth = self.count_attempt(id);
        let pid = self.spawn(id, parent, Kind::Worker { has_info: false });
        let label = self.processes[pid].label.clone();
        self.teller.event(format!("init {label}"));
        let failure = match (sup.init(nth), self.scenario.machine(sup)) {
            (Init::Ok, Ok((machine, template))) => {
                let names = machine.children().into_iter().map(|(key, spec, ..)| (key, spec.id().to_owned())).collect();
                self.processes[pid].kind = Kind::Supervisor(Box::new(Running {
                    machine,
                    template,
                    mail: VecDeque::new(),
                    is_paused: false,
                    is_up: false,
                    waits_for: BTreeSet::new(),
                    pids: HashMap::new(),
                    latest: HashMap::new(),
                    names,
                    stop_calls: Vec::new(),
                    late_calls: Vec::new(),
                    group_errors: BTreeSet::new(),
                }));
                self.ready.push_back(pid);
                return Ok(pid);
            }
            (Init::Ignore, _) => {
                self.processes[pid].is_alive = false;
                self.teller.event(format!("exit {label} normal"));
                self.teller.event(format!("startignore {id}"));
                return Err(NoStart::Ignored);
            }
            (Init::Ok, Err(failure)) => failure,
        };
        self.processes[pid].is_alive = false;
        self.teller.event(format!("exit {label} {failure}"));
        self.teller.event(format!("startfail {id} {failure}"));
        Err(NoStart::Failed(Exit::failed(failure)))
    }
}
