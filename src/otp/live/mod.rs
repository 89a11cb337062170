//! Plays a scenario on the live runtime: real services under real supervisors, on one thread and a paused clock.

mod orders;
mod quiet;
mod recorder;
mod services;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow_supervisors::{ChildState, Exit};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::base::time::later;
use crate::error::start::StartError;
use crate::otp::format::{self, Line};
use crate::otp::player::{Backend, Player};
use crate::otp::scenario::{Body, Op, Scenario};
use crate::otp::transcript::Teller;
use crate::slot::erased::Control;
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::supervisor::outcome::ChildInfo;
use crate::tree::Tree;
use quiet::Quiet;
use recorder::{Stage, template_of};

/// Plays `scenario` on the live runtime and returns its trace. The workers are bare tasks, or ractor actors if
/// `as_actors` is true.
///
/// # Errors
///
/// If the runtime cannot be built.
///
/// # Panics
///
/// Inside of a tokio runtime, since it builds another one.
pub fn play(scenario: &Scenario, as_actors: bool) -> std::io::Result<String> {
    let (runtime, quiet) = Quiet::runtime()?;
    let stage = Stage::new(scenario.clone(), as_actors);
    let epoch = runtime.block_on(async { Instant::now() });
    let live = Live { runtime, quiet, stage, epoch, tree: None, refused: None, calls: 0 };
    Ok(Player::play(live, scenario))
}

struct Live {
    runtime: Runtime,
    quiet: Arc<Quiet>,
    stage: Arc<Stage>,
    epoch: Instant,
    tree: Option<Arc<Tree>>,
    /// The refusal of the root, if its start was not even begun.
    refused: Option<String>,
    calls: usize,
}

/// The answer to an operation: there, or still to come.
enum Reply {
    Nothing,
    Text(String),
    Pending(Answer),
    /// None; waiting for it means waiting for the end of this process.
    Death(String),
}

type Answer = Arc<Mutex<Option<String>>>;

impl Backend for Live {
    type Reply = Reply;

    fn boot(&mut self) {
        let def = self.stage.scenario.def(&self.stage.scenario.root).clone();
        let Body::Supervisor(sup) = &def.body else { unreachable!("the root is a supervisor") };
        let description = services::description(&self.stage, self.epoch, "", &def, sup, &def.id);
        match self.runtime.block_on(Tree::launch(description)) {
            Ok(tree) => self.tree = Some(Arc::new(tree)),
            Err(StartError::NotWanted { .. }) => self.refused = Some("ignore".into()),
            Err(StartError::Boot { exit, .. }) => self.refused = Some(format!("error({})", format::exit(&exit))),
            Err(error) => self.refused = Some(format!("error({error})")),
        }
    }

    fn boot_result(&mut self) -> String {
        let root = &self.stage.scenario.root;
        let failed = self.tree.as_ref().and_then(|tree| tree.boot_failure());
        match (self.refused.take(), failed) {
            (Some(refused), _) => refused,
            (None, Some(exit)) => format!("error({})", format::exit(&exit)),
            (None, None) => format!("ok({})", self.stage.record().newest(root).unwrap_or("?")),
        }
    }

    fn teller<R>(&mut self, tell: impl FnOnce(&mut Teller) -> R) -> R {
        tell(&mut self.stage.record().teller)
    }

    fn now(&self) -> Duration {
        self.runtime.block_on(async { self.epoch.elapsed() })
    }

    fn run(&mut self) {
        self.runtime.block_on(self.quiet.settled());
    }

    fn settle(&mut self) {
        self.pass_time_until(|| false);
    }

    fn await_reply(&mut self, reply: &Reply) {
        let stage = self.stage.clone();
        self.pass_time_until(|| match reply {
            Reply::Nothing | Reply::Text(_) => true,
            Reply::Pending(answer) => lock(answer).is_some(),
            Reply::Death(label) => stage.record().alive(label).is_none(),
        });
    }

    fn sleep(&mut self, time: Duration) {
        self.runtime.block_on(async {
            tokio::time::sleep(time).await;
            self.quiet.settled().await;
        });
    }

    fn set_paused(&mut self, supervisor: &str, is_paused: bool) {
        if let Some(facts) = self.facts(supervisor) {
            self.stage.record().pause(supervisor, is_paused);
            let _entered = self.runtime.enter();
            facts.hold(is_paused);
        }
    }

    fn is_at_gate(&self, id: &str) -> bool {
        self.stage.record().is_at_gate(id)
    }

    fn open(&mut self, id: &str) {
        self.stage.record().open(id);
    }

    fn op(&mut self, op: &Op) -> Reply {
        match op {
            Op::Kill(x) => self.kill(x),
            Op::Exit(x, exit) => self.exit(x, exit),
            Op::Stop(exit) => self.stop(exit, false),
            Op::Signal(exit) => self.stop(exit, true),
            Op::GenStop(s, _)
            | Op::StartChild(s, _)
            | Op::TerminateChild(s, _)
            | Op::RestartChild(s, _)
            | Op::DeleteChild(s, _)
            | Op::GetChildspec(s, _)
            | Op::Which(s)
            | Op::Count(s)
            | Op::Upgrade(s, _) => self.order(s, op.clone()),
        }
    }

    fn result(&mut self, reply: Reply) -> Option<String> {
        match reply {
            Reply::Nothing | Reply::Death(_) => None,
            Reply::Text(text) => Some(text),
            Reply::Pending(answer) => Some(lock(&answer).take().unwrap_or_else(|| "noproc".into())),
        }
    }

    fn which(&mut self, supervisor: &str) -> Option<Option<Vec<Line>>> {
        let process = self.stage.record().process(supervisor)?.clone();
        if !process.is_alive {
            return Some(None);
        }
        let children = self.runtime.block_on(self.orders(&process.path).which_children());
        Some(children.ok().map(|children| lines(&self.stage, &process.id, &children)))
    }
}

impl Live {
    /// Lets time pass until `is_enough` holds, or until no process waits for a timer.
    fn pass_time_until(&self, is_enough: impl Fn() -> bool) {
        self.runtime.block_on(async {
            loop {
                self.quiet.settled().await;
                if is_enough() {
                    return;
                }
                let Some(at) = self.stage.record().next_moment() else { return };
                // A timer that is due but has not fired yet gets one more millisecond.
                tokio::time::sleep_until(at.max(later(Instant::now(), Duration::from_millis(1)))).await;
            }
        });
    }

    fn facts(&self, supervisor: &str) -> Option<Arc<Inbox>> {
        let path = self.stage.record().alive(supervisor)?.path.clone();
        match self.tree.as_ref()?.control(&path)? {
            Control::Supervisor(facts) => Some(facts),
            Control::Signals(_) => None,
        }
    }

    fn kill(&self, name: &str) -> Reply {
        let Some(path) = self.stage.record().alive(name).map(|process| process.path.clone()) else {
            return Reply::Text("noproc".into());
        };
        let _entered = self.runtime.enter();
        match self.tree.as_ref().map(|tree| tree.kill(&path)) {
            Some(Ok(())) => Reply::Nothing,
            Some(Err(_)) | None => Reply::Text("noproc".into()),
        }
    }

    fn exit(&self, name: &str, exit: &Exit) -> Reply {
        let Some((label, process)) = self.stage.record().labelled(name) else { return Reply::Text("noproc".into()) };
        // A supervisor treats an exit signal as an ordinary message, and does not end.
        let Some(worker) = process.worker else { return Reply::Text("timeout".into()) };
        let _entered = self.runtime.enter();
        let traps = matches!(&self.stage.scenario.def(&process.id).body, Body::Worker(worker) if worker.traps);
        // A worker that traps ignores the signal during its stop.
        if !(traps && worker.is_stopping()) {
            worker.exit(exit.clone());
        }
        Reply::Death(label)
    }

    fn stop(&self, exit: &Exit, is_signal: bool) -> Reply {
        let root = &self.stage.scenario.root;
        match self.facts(root) {
            Some(facts) => {
                facts.push(Fact::Stop(exit.clone()));
                Reply::Death(self.stage.record().newest(root).unwrap_or_default().to_owned())
            }
            None if is_signal && self.stage.record().process(root).is_some() => Reply::Nothing,
            None => Reply::Text("noproc".into()),
        }
    }
}

/// The lines of `which_children`: id, process, type, in reverse start order.
fn lines(stage: &Stage, supervisor: &str, children: &[ChildInfo]) -> Vec<Line> {
    let record = stage.record();
    let Body::Supervisor(sup) = &stage.scenario.def(supervisor).body else { return Vec::new() };
    let line = |child: &ChildInfo| {
        let id = if sup.strategy.is_some() { &child.name } else { template_of(&child.name) };
        let def = stage.scenario.def(id);
        let undefined = || "undefined".to_owned();
        let process = match child.standing {
            ChildState::Retrying | ChildState::Waiting | ChildState::Parked => "restarting".into(),
            ChildState::Up | ChildState::Stopping => {
                record.of_generation(&child.path, child.generation).map_or_else(undefined, str::to_owned)
            }
            // A supervisor has a process before it is up.
            ChildState::Starting if def.is_supervisor() => {
                record.at_path(&child.path).map_or_else(undefined, str::to_owned)
            }
            ChildState::Starting | ChildState::Down => undefined(),
        };
        let shown = if sup.strategy.is_some() { id.to_owned() } else { "undefined".into() };
        (shown, process, format::kind(def.counts_as_supervisor()))
    };
    let mut lines: Vec<_> = children.iter().rev().map(line).collect();
    if sup.strategy.is_none() {
        lines.sort();
    }
    lines
}
