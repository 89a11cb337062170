//! Simulation of processes around the bare machines, with a virtual clock: it starts, stops and kills them for their
//! supervisors, and reports back.
//!
//! Facts reach a machine as they would reach OTP's supervisor, which is a process that waits. While a start or a stop
//! is under way, everything else stays in its mailbox.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use regrow_supervisors::{Action, Attempt, ChildKey, Exit, Machine, OrderId, Report};

use crate::otp::format;
use crate::otp::scenario::{Def, Op, Outcome, Scenario};
use crate::otp::transcript::Teller;

pub(crate) type Pid = usize;

pub(crate) struct Process {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) is_alive: bool,
    pub(crate) parent: Option<(Pid, Attempt)>,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Worker { has_info: bool },
    Supervisor(Box<Running>),
}

/// A running supervisor.
pub(crate) struct Running {
    pub(crate) machine: Box<dyn Machine>,
    /// The definition of the children, if the supervisor is a dynamic one.
    pub(crate) template: Option<String>,
    pub(crate) mail: VecDeque<Mail>,
    pub(crate) is_paused: bool,
    pub(crate) is_up: bool,
    /// Attempts for which the supervisor waits.
    pub(crate) waits_for: BTreeSet<Attempt>,
    pub(crate) pids: HashMap<Attempt, Pid>,
    /// The latest attempt of each child.
    pub(crate) latest: HashMap<ChildKey, Attempt>,
    /// The names of the children, including those without a spec by now.
    pub(crate) names: HashMap<ChildKey, String>,
    /// Orders to stop, with their reasons. The end of the supervisor answers them.
    pub(crate) stop_calls: Vec<(OrderId, Exit)>,
    /// Calls that came too late. The end of the supervisor answers them.
    pub(crate) late_calls: Vec<OrderId>,
    /// Shutdown errors while a dynamic supervisor ends. Each distinct line is reported once.
    pub(crate) group_errors: BTreeSet<String>,
}

impl Running {
    /// The name of a child's definition. The name of a dynamic child is that of the template with a number.
    pub(crate) fn def_id(&self, key: ChildKey) -> Option<&str> {
        let name = self.names.get(&key)?;
        Some(match &self.template {
            Some(_) => name.split_once('.').map_or(name, |(template, _)| template),
            None => name,
        })
    }
}

#[derive(Debug)]
pub(crate) enum Mail {
    Exit(Attempt, Exit),
    Retry(ChildKey),
    Stop(Exit),
    Call(OrderId, Op),
}

/// Question of a call that only reads.
#[derive(Debug, Clone)]
pub(crate) enum Read {
    Which,
    Count,
    Spec(ChildKey),
    Template(String),
}

pub(crate) enum Timer {
    Resolve(Pid, Attempt, Outcome),
    Die(Pid, Exit),
}

pub(crate) struct Simulator<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) teller: Teller,
    pub(crate) processes: Vec<Process>,
    pub(crate) newest: HashMap<String, Pid>,
    pub(crate) reads: HashMap<OrderId, Read>,
    pub(crate) replies: HashMap<OrderId, String>,
    pub(crate) gates: HashMap<String, (Pid, Attempt, Outcome)>,
    pub(crate) attempts: HashMap<String, usize>,
    pub(crate) incarnations: HashMap<String, usize>,
    timers: BTreeMap<(Duration, u64), Timer>,
    timers_made: u64,
    pub(crate) ready: VecDeque<Pid>,
    pub(crate) now: Duration,
}

impl<'a> Simulator<'a> {
    pub(crate) fn new(scenario: &'a Scenario, teller: Teller) -> Self {
        Self {
            scenario,
            teller,
            processes: Vec::new(),
            newest: HashMap::new(),
            reads: HashMap::new(),
            replies: HashMap::new(),
            gates: HashMap::new(),
            attempts: HashMap::new(),
            incarnations: HashMap::new(),
            timers: BTreeMap::new(),
            timers_made: 0,
            ready: VecDeque::new(),
            now: Duration::ZERO,
        }
    }

    pub(crate) fn def(&self, id: &str) -> &'a Def {
        self.scenario.def(id)
    }

    /// Starts the root. Its boot goes on in `settle`.
    pub(crate) fn boot(&mut self) -> Result<Pid, String> {
        self.start_supervisor(&self.scenario.root, None).map_err(|failed| match failed {
            NoStart::Ignored => "ignore".into(),
            NoStart::Failed(exit) => format!("error({})", format::exit(&exit)),
        })
    }

    pub(crate) fn running(&mut self, pid: Pid) -> Option<&mut Running> {
        match &mut self.processes[pid] {
            Process { is_alive: true, kind: Kind::Supervisor(running), .. } => Some(running),
            _ => None,
        }
    }

    /// Puts something into a supervisor's mailbox.
    pub(crate) fn mail(&mut self, to: Pid, mail: Mail) {
        if let Some(running) = self.running(to) {
            running.mail.push_back(mail);
            self.ready.push_back(to);
        }
    }

    pub(crate) fn wake(&mut self, pid: Pid) {
        self.ready.push_back(pid);
    }

    /// Lets all processes work until none can go on without the clock.
    pub(crate) fn run(&mut self) {
        while let Some(pid) = self.ready.pop_front() {
            self.work(pid);
        }
    }

    /// Lets time pass until no supervisor waits for a start or a stop, or no timer is left.
    pub(crate) fn settle(&mut self) {
        self.run();
        while self.is_any_busy() && self.pass_time() {}
    }

    /// Advances the clock to the next timer; `false` if there is none.
    pub(crate) fn pass_time(&mut self) -> bool {
        let next = self.next_moment();
        if let Some(at) = next {
            self.advance(at);
        }
        next.is_some()
    }

    /// The newest process of a name, or the one that a label names, dead or alive.
    pub(crate) fn pid(&self, name: &str) -> Option<Pid> {
        if name.contains('#') {
            return self.processes.iter().position(|process| process.label == name);
        }
        self.newest.get(name).copied()
    }

    pub(crate) fn sleep(&mut self, time: Duration) {
        let until = self.now.saturating_add(time);
        while let Some(at) = self.next_moment().filter(|&at| at <= until) {
            self.advance(at);
        }
        self.now = until;
    }

    fn advance(&mut self, at: Duration) {
        self.now = self.now.max(at);
        let later = self.timers.split_off(&(self.now, u64::MAX));
        for (_, timer) in std::mem::replace(&mut self.timers, later) {
            match timer {
                Timer::Resolve(pid, attempt, outcome) => self.resolve(pid, attempt, outcome),
                Timer::Die(pid, exit) => self.die(pid, exit),
            }
        }
        let now = self.now;
        for pid in 0..self.processes.len() {
            if let Some(running) = self.running(pid)
                && running.machine.poll_timeout().is_some_and(|due| due <= now)
            {
                running.machine.handle_timeout(now);
                self.ready.push_back(pid);
            }
        }
        self.run();
    }

    fn next_moment(&mut self) -> Option<Duration> {
        let timer = self.timers.keys().next().map(|&(at, _)| at);
        let timeouts = (0..self.processes.len()).filter_map(|pid| self.running(pid)?.machine.poll_timeout());
        timeouts.chain(timer).min()
    }

    fn is_any_busy(&mut self) -> bool {
        (0..self.processes.len()).any(|pid| self.running(pid).is_some_and(|running| !running.waits_for.is_empty()))
    }

    pub(crate) fn set_timer(&mut self, after: Duration, timer: Timer) {
        self.timers_made += 1;
        self.timers.insert((self.now.saturating_add(after), self.timers_made), timer);
    }

    fn work(&mut self, pid: Pid) {
        loop {
            let now = self.now;
            let Some(running) = self.running(pid) else { return };
            if running.is_paused {
                return;
            }
            if let Some(action) = running.machine.poll_action() {
                self.tell_reports(pid);
                self.perform(pid, action);
                continue;
            }
            self.tell_reports(pid);
            let Some(running) = self.running(pid) else { return };
            if !running.waits_for.is_empty() {
                return;
            }
            let Some(mail) = running.mail.pop_front() else { return };
            match mail {
                Mail::Exit(attempt, exit) => running.machine.handle_exit(attempt, exit, now),
                Mail::Retry(key) => running.machine.handle_retry(key, now),
                Mail::Stop(exit) => running.machine.stop(exit, now),
                Mail::Call(call, op) => self.serve(pid, call, &op),
            }
        }
    }

    fn tell_reports(&mut self, pid: Pid) {
        let mut lines = Vec::new();
        let wanted = self.scenario.reports;
        let name = self.processes[pid].id.clone();
        let Some(running) = self.running(pid) else { return };
        while let Some(report) = running.machine.poll_report() {
            let (kind, child, why) = match report {
                Report::ChildTerminated { child, exit } => ("child_terminated", child, format::exit(&exit)),
                Report::StartError { child, exit } => ("start_error", child, format::exit(&exit)),
                Report::ShutdownError { child, exit } => ("shutdown_error", child, format::exit(&exit)),
                Report::GaveUp { child, .. } => ("shutdown", child, "reached_max_restart_intensity".into()),
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
                | Report::RestartOrdered { .. } => continue,
            };
            let line = format!("report {name} {kind} {} {why}", running.def_id(child).unwrap_or("?"));
            // OTP rule 88.
            if kind == "shutdown_error" && running.template.is_some() && running.machine.is_ending() {
                running.group_errors.insert(line);
            } else {
                lines.push(line);
            }
        }
        if wanted {
            lines.into_iter().for_each(|line| self.teller.event(line));
        }
    }

    fn perform(&mut self, pid: Pid, action: Action) {
        match action {
            Action::Start(attempt) => self.start(pid, attempt),
            Action::Ask(attempt) => self.tell_child(pid, attempt, false),
            Action::Kill(attempt) => self.tell_child(pid, attempt, true),
            Action::Answer { call, result } => self.answer(pid, call, result),
            Action::Up => {
                let label = self.processes[pid].label.clone();
                self.teller.event(format!("start {label}"));
                if let Some(running) = self.running(pid) {
                    running.is_up = true;
                }
                if let Some((parent, attempt)) = self.processes[pid].parent {
                    self.came_up(parent, attempt);
                }
            }
            Action::End(exit) => self.end(pid, exit),
            Action::Adopt { child, .. } => {
                if let Some(running) = self.running(pid)
                    && let Some(spec) = running.machine.spec(child)
                {
                    let name = spec.id().to_owned();
                    running.names.insert(child, name);
                }
            }
            Action::Abandon(_) | Action::Park { .. } | Action::Wait(_) | Action::Rest(_) | Action::Forget(_) => {}
            // These are about mailboxes, which a simulated worker does not have.
            Action::Dismiss(_) | Action::Withdraw(_) | Action::Readmit(_) | Action::NoteKept { .. } => {}
        }
    }
}

/// The number under which the answer to the boot of the root is kept.
pub(crate) const BOOT: OrderId = OrderId(0);

pub(crate) enum NoStart {
    Ignored,
    Failed(Exit),
}
