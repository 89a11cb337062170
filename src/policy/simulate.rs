//! Simulation of a policy: the real machine with one child goes through a row of lives, in virtual time.
//!
//! It ends after [`LIVES_MAX`] lives, or when nothing more will happen.

use std::fmt;
use std::time::Duration;

use comfy_table::{Table, presets};
use regrow_supervisors::{
    Action, Attempt, ChildKey, Completion, DependencyCondition, Exit, Flags, Hang, Machine, Outlook, Panic, Prospect,
    Readiness, Reasons, Report, StaticMachine, Strategy,
};

use crate::policy::Policies;
use crate::policy::chart::{self, Segment};
use crate::policy::durations::time;
use crate::policy::explain::library_defaults;
use crate::policy::problem::{PolicyFileErrors, Problem};
use crate::policy::script::{ExitScript, Life};
use crate::tree::directory::ChildKind;
use crate::tree::in_force::seeded_chance;

/// The limit of lives in one simulation. A simulation that reaches it stops there.
pub const LIVES_MAX: u32 = 1000;

/// The course of a simulation. It prints as a table and a chart, the same for the same seed.
#[derive(Debug, Clone)]
pub struct PolicySimulation {
    path: String,
    steps: Vec<SimulationEvent>,
    segments: Vec<(Duration, Segment)>,
    end: Duration,
}

/// A line in the table of a simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimulationEvent {
    /// Time since the boot.
    pub at: Duration,
    /// Description of the event.
    pub what: String,
    /// The rest of the budget to which the next restart is charged, as text.
    pub budget: String,
    /// Time of the next start, since the boot, if one is set.
    pub next_try: Option<Duration>,
}

impl PolicySimulation {
    /// The events, in order.
    pub fn happenings(&self) -> &[SimulationEvent] {
        &self.steps
    }

    /// Time at which the simulation ended, since the boot.
    pub fn end(&self) -> Duration {
        self.end
    }
}

/// Runs the child at `path` through the lives of a script, under the policy in force for it over the library's
/// defaults. Services that it depends on count as ready, and jobs as completed.
///
/// # Errors
///
/// If the layers together are invalid for this path.
pub fn simulate(
    policies: &Policies,
    path: &str,
    script: &ExitScript,
    seed: u64,
) -> Result<PolicySimulation, PolicyFileErrors> {
    let coded = library_defaults(path, ChildKind::Service);
    let configured = policies.resolve(path, &coded).map_err(PolicyFileErrors::new)?;
    let supervisor = path.rsplit_once('/').map_or("", |(supervisor, _)| supervisor);
    let above = policies
        .resolve(supervisor, &library_defaults(supervisor, ChildKind::Supervisor))
        .map_err(PolicyFileErrors::new)?;
    let group = above.group.unwrap_or_else(|| unreachable!("a supervisor's defaults have a group"));
    let flags = Flags { intensity: group.intensity, ..Flags::from(Strategy::OneForOne) };
    let spec = configured.spec;
    let name: String = spec.id().into();
    let waits_for = spec.dependencies().to_vec();
    let mut machine = StaticMachine::new(flags, [spec])
        .map_err(|error| PolicyFileErrors::new(vec![Problem::whole(error.to_string())]))?;
    machine
        .set_budget(group.intensity, group.budget_clock)
        .map_err(|error| PolicyFileErrors::new(vec![Problem::whole(error.to_string())]))?;
    for on in waits_for {
        let prospect = match on.condition {
            DependencyCondition::Ready => Prospect::Ready,
            DependencyCondition::Completed => Prospect::Gone,
        };
        let outlook = Outlook { completion: Some(Completion { was_ready: true }), ..prospect.into() };
        machine.handle_outlook(&on.name, outlook, Duration::ZERO);
    }
    let Some(child) = machine.find(&name) else { unreachable!("the machine was made with this child") };
    machine.set_chance(child, seeded_chance(seed));
    let mut model = Model {
        machine,
        child,
        script,
        now: Duration::ZERO,
        lives: 0,
        next: None,
        is_over: false,
        steps: Vec::new(),
        segments: Vec::new(),
    };
    model.run();
    let end = model.now;
    Ok(PolicySimulation { path: path.into(), steps: model.steps, segments: model.segments, end })
}

/// The next act of the present life, unless it is ended before.
#[derive(Debug, Clone, Copy)]
enum Deed {
    End,
    StartFails,
    /// The watchdog strikes.
    Hung(Duration),
}

struct Model<'s> {
    machine: StaticMachine,
    child: ChildKey,
    script: &'s ExitScript,
    now: Duration,
    lives: u32,
    next: Option<(Duration, Attempt, Deed)>,
    is_over: bool,
    steps: Vec<SimulationEvent>,
    segments: Vec<(Duration, Segment)>,
}

impl Model<'_> {
    fn run(&mut self) {
        loop {
            self.perform();
            if self.is_over {
                return;
            }
            let deed_at = self.next.map(|(at, ..)| at);
            let Some(at) = [deed_at, self.machine.poll_timeout()].into_iter().flatten().min() else {
                return;
            };
            self.now = self.now.max(at);
            match self.next.take_if(|(at, ..)| *at <= self.now) {
                Some((_, attempt, deed)) => self.do_deed(attempt, deed),
                None => self.machine.handle_timeout(self.now),
            }
        }
    }

    /// Carries out the actions of the machine, and notes its reports.
    fn perform(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            self.tell_reports();
            match action {
                Action::Start(_) if self.lives == LIVES_MAX => {
                    self.tell(format!("stopped after {LIVES_MAX} lives"));
                    self.is_over = true;
                    return;
                }
                Action::Start(attempt) => self.begin(attempt),
                Action::Ask(attempt) => self.gone(attempt, Exit::Shutdown),
                Action::Kill(attempt) => self.gone(attempt, Exit::Killed),
                Action::Rest(_) | Action::Forget(_) => {
                    self.tell("stays down: it is not restarted");
                    self.segment(Segment::Down);
                }
                Action::End(exit) => {
                    self.tell(format!("the supervisor ends ({exit}): the failure escalates"));
                    self.segment(Segment::Down);
                    self.is_over = true;
                }
                Action::Park { .. } => self.segment(Segment::Parked),
                Action::Wait(_) | Action::Abandon(_) | Action::Adopt { .. } | Action::Answer { .. } | Action::Up => {}
                Action::Dismiss(_) | Action::Withdraw(_) | Action::Readmit(_) | Action::NoteKept { .. } => {}
            }
        }
        self.tell_reports();
    }

    fn begin(&mut self, attempt: Attempt) {
        let life = self.script.life(self.lives);
        self.lives += 1;
        self.segment(Segment::Starting);
        let policy = self.machine.spec(self.child).map(|spec| spec.policy_rule()).unwrap_or_default();
        let says_ready = policy.readiness == Some(Readiness::WhenSaid);
        let after = |time: Duration, deed| Some((self.now.saturating_add(time), attempt, deed));
        self.next = match life {
            Life::Panics(time) | Life::Fails(time) | Life::IsKilled(time) | Life::Ends(time) => after(time, Deed::End),
            Life::StartFails(time) => after(time, Deed::StartFails),
            Life::Hangs(time) => policy.watchdog.and_then(|limit| after(time.saturating_add(limit), Deed::Hung(limit))),
            Life::StartHangs | Life::NeverReady | Life::Lives => None,
        };
        let number = self.lives;
        let what = match life {
            Life::StartFails(_) => return,
            Life::StartHangs if policy.start_timeout.is_some() => format!("life {number} hangs in its start"),
            Life::StartHangs => format!("life {number} hangs in its start for good: there is no start_timeout"),
            Life::NeverReady if !says_ready => format!("life {number} is up, and so ready: `ready` is \"when_up\""),
            Life::NeverReady if policy.start_timeout.is_some() => format!("life {number} is up and not ready"),
            Life::NeverReady => format!("life {number} is up and never ready: there is no start_timeout"),
            Life::Hangs(time_up) if policy.watchdog.is_none() => {
                format!("life {number} is up, and hangs for good after {}: there is no watchdog", time(time_up))
            }
            Life::Lives => format!("life {number} is up, and stays"),
            Life::Panics(_) | Life::Fails(_) | Life::IsKilled(_) | Life::Ends(_) | Life::Hangs(_) => {
                format!("life {number} is up")
            }
        };
        if life != Life::StartHangs {
            self.machine.handle_started(attempt, self.now);
            if life != Life::NeverReady && says_ready {
                self.machine.handle_ready(attempt, self.now);
            }
            self.segment(Segment::Up);
        }
        self.tell(what);
    }

    fn do_deed(&mut self, attempt: Attempt, deed: Deed) {
        let life = self.script.life(self.lives - 1);
        match deed {
            Deed::StartFails => {
                self.segment(Segment::Waiting);
                self.machine.handle_start_failed(attempt, Exit::failed("by the script"), self.now);
            }
            Deed::Hung(limit) => {
                self.machine.handle_hung(attempt, Hang::new(limit, "a message of the script"), self.now);
            }
            Deed::End => {
                let exit = match life {
                    Life::Panics(_) => Exit::Panicked(Panic::new("by the script")),
                    Life::IsKilled(_) => Exit::Killed,
                    Life::Ends(_) => Exit::Normal,
                    Life::Fails(_)
                    | Life::StartFails(_)
                    | Life::StartHangs
                    | Life::NeverReady
                    | Life::Hangs(_)
                    | Life::Lives => Exit::failed("by the script"),
                };
                self.gone(attempt, exit);
            }
        }
    }

    fn gone(&mut self, attempt: Attempt, exit: Exit) {
        self.next = None;
        self.segment(Segment::Waiting);
        self.machine.handle_exit(attempt, exit, self.now);
    }

    fn tell_reports(&mut self) {
        while let Some(report) = self.machine.poll_report() {
            let number = self.lives;
            match report {
                Report::ChildTerminated { exit, .. } => self.tell(format!("life {number} ends: {exit}")),
                Report::StartError { exit, .. } => self.tell(format!("life {number} does not come up: {exit}")),
                Report::GaveUp { ends_tree: true, .. } => self.tell("the budget is gone: the whole tree ends"),
                Report::GaveUp { .. } => self.tell("the budget is gone, or a rule says so: the supervisor gives up"),
                Report::TooManyFailures { seen, .. } => self.tell(seen.to_string()),
                Report::GivenUp { .. } => self.tell("the budget is gone: it ends for good"),
                Report::Parked { .. } => self.tell("parked"),
                Report::Overran { exit, .. } => self.tell(format!("takes too long to stop, and is killed: {exit}")),
                Report::Overdue { exit, .. } => self.tell(format!("overdue, and killed: {exit}")),
                // The event that led to them has its own line. A simulated life keeps no value.
                Report::KeptSetAside { .. }
                | Report::Delayed { .. }
                | Report::SignificantEnded { .. }
                | Report::Waiting { .. }
                | Report::Renewed { .. }
                | Report::DependencyGone { .. }
                | Report::ShutdownError { .. }
                | Report::RestartOrdered { .. }
                | Report::Abandoned { .. } => {}
            }
        }
    }

    fn tell(&mut self, what: impl Into<String>) {
        let why = self.machine.why(self.child, self.now);
        let next_try = why.as_ref().and_then(|why| why.next_try).filter(|&at| at > self.now);
        self.steps.push(SimulationEvent { at: self.now, what: what.into(), budget: budget(why.as_ref()), next_try });
    }

    fn segment(&mut self, segment: Segment) {
        if self.segments.last().is_none_or(|(_, last)| *last != segment) {
            self.segments.push((self.now, segment));
        }
    }
}

fn budget(why: Option<&Reasons>) -> String {
    match why.and_then(|why| why.budget) {
        Some(left) => {
            let whose = if left.is_own { "" } else { ", shared" };
            format!("{} of {} in {}{whose}", left.left, left.restarts_max, time(left.within))
        }
        None => "no limit".into(),
    }
}

/// A time as text, to the millisecond.
pub(crate) fn moment(at: Duration) -> String {
    time(Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(u64::MAX)))
}

impl fmt::Display for PolicySimulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["time", "what happened", "budget left", "next try"]);
        for SimulationEvent { at, what, budget, next_try } in &self.steps {
            table.add_row([&moment(*at), what, budget, &next_try.map(moment).unwrap_or_default()]);
        }
        writeln!(f, "{}", self.path)?;
        for line in table.to_string().lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        write!(f, "\n{}", chart::draw(&self.segments, self.end))
    }
}
