//! The management calls of a live scenario, through the handles that users have.

use std::sync::Arc;

use regrow_supervisors::{ChildState, Exit};
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::error::manage::ManageError;
use crate::error::not_running::NotRunning;
use crate::error::orders::{ReconfigureError, StopChildError};
use crate::error::start::StartError;
use crate::otp::format::{self, Line};
use crate::otp::live::recorder::{Process, Stage};
use crate::otp::live::{Live, Reply, lines, services};
use crate::otp::scenario::{Body, Init, Op, base};
use crate::supervisor::Supervisor;
use crate::supervisor::dynamic_handle::Template;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::outcome::StartOutcome;

/// An order that has been given and not answered.
struct Order {
    stage: Arc<Stage>,
    epoch: Instant,
    /// Number in the name of the dynamic child that the order may start.
    number: usize,
    /// The supervisor.
    process: Process,
    label: String,
    handle: SupervisorHandle,
    template: Option<Template<usize>>,
}

/// The meaning of a label for a dynamic supervisor (OTP rule 83).
enum Meant {
    /// The child with this name.
    Child(String),
    /// A dead process that this supervisor does not list.
    Dead,
    /// A live process that is not a child of this supervisor.
    Foreign,
    /// A word that names no process.
    Word,
}

impl Live {
    pub(super) fn orders(&self, path: &str) -> SupervisorHandle {
        match self.tree.as_ref().and_then(|tree| tree.any_supervisor(path)) {
            Some(handle) => handle,
            None => unreachable!("a supervisor that lives is listed"),
        }
    }

    /// Gives an order, and keeps a place for its answer.
    pub(super) fn order(&mut self, supervisor: &str, op: Op) -> Reply {
        self.calls += 1;
        let found = self.stage.record().labelled(supervisor);
        let Some((label, process)) = found else {
            let is_stop_of_the_dead =
                matches!(op, Op::GenStop(..)) && self.stage.record().process(supervisor).is_some();
            return Reply::Text(if is_stop_of_the_dead { "call_exit(noproc)" } else { "noproc" }.into());
        };
        let handle = self.orders(&process.path);
        let dynamic = self.tree.as_ref().and_then(|tree| tree.dynamic(&process.path).ok());
        let template = dynamic.and_then(|dynamic| dynamic.template().ok());
        let (stage, epoch, number) = (self.stage.clone(), self.epoch, self.calls);
        let order = Order { stage, epoch, number, process, label, handle, template };
        let answer = super::Answer::default();
        let place = answer.clone();
        self.runtime.spawn(async move {
            let text = match order.carry_out(&op).await {
                Ok(text) => text,
                // The supervisor has ended, or is ending, before it took this order.
                Err(ManageError::NotRunning { .. }) => format!("call_exit({})", format::exit(&order.end().await)),
                Err(error) => order.error(&error),
            };
            *lock(&place) = Some(text);
        });
        Reply::Pending(answer)
    }
}

impl Order {
    async fn carry_out(&self, op: &Op) -> Result<String, ManageError> {
        let is_dynamic = self.template.is_some();
        match op {
            Op::GenStop(_, exit) => Ok(self.gen_stop(exit).await?),
            Op::StartChild(_, x) => {
                let outcome = match &self.template {
                    Some(template) => template.start_child(self.number).await?,
                    None => {
                        let def = self.stage.scenario.def(x);
                        self.handle
                            .start_child(services::child(&self.stage, self.epoch, &self.process.path, def, x))
                            .await?
                    }
                };
                Ok(self.outcome(&outcome))
            }
            Op::TerminateChild(_, x) if is_dynamic => match self.meant(x).await? {
                Meant::Child(name) => match self.handle.terminate_child(&name).await {
                    Ok(()) | Err(StopChildError::NotFound { .. }) => Ok("ok".into()),
                    Err(error) => Err(error.into()),
                },
                Meant::Dead => Ok("ok".into()),
                Meant::Foreign => Ok("error(not_found)".into()),
                Meant::Word => Ok("error(simple_one_for_one)".into()),
            },
            Op::RestartChild(..) | Op::DeleteChild(..) if is_dynamic => {
                self.turn().await?;
                Ok("error(simple_one_for_one)".into())
            }
            Op::TerminateChild(_, x) => {
                self.handle.terminate_child(x).await?;
                Ok("ok".into())
            }
            Op::RestartChild(_, x) => Ok(self.outcome(&self.handle.restart_child(x).await?)),
            Op::DeleteChild(_, x) => {
                self.handle.delete_child(x).await?;
                Ok("ok".into())
            }
            Op::GetChildspec(s, x) if is_dynamic => {
                let Body::Supervisor(sup) = &self.stage.scenario.def(base(s)).body else { return Ok("ok".into()) };
                let id = &sup.kids[0];
                match self.meant(x).await? {
                    Meant::Foreign => return Ok("error(not_found)".into()),
                    Meant::Word if x != id => return Ok("error(not_found)".into()),
                    Meant::Child(_) | Meant::Dead | Meant::Word => {}
                }
                let def = self.stage.scenario.def(id);
                Ok(format::spec(&def.spec(id), id, def.counts_as_supervisor()))
            }
            Op::GetChildspec(_, x) => {
                let Some(spec) = self.handle.child_spec(x).await? else { return Ok("error(not_found)".into()) };
                Ok(format::spec(&spec, x, self.stage.scenario.def(x).counts_as_supervisor()))
            }
            Op::Which(_) => Ok(self.read(|_, lines| format::which(&lines)).await?),
            Op::Count(_) => {
                let count = move |stage: &Stage, lines: Vec<Line>| {
                    let record = stage.record();
                    format::count(&lines, is_dynamic, |label| record.alive(label).is_some())
                };
                Ok(self.read(count).await?)
            }
            Op::Upgrade(_, new) => Ok(self.upgrade(new).await?),
            Op::Kill(_) | Op::Exit(..) | Op::Stop(_) | Op::Signal(_) => unreachable!("these are no calls"),
        }
    }

    /// Shows the children as they are at the moment of the answer.
    async fn read(
        &self,
        show: impl FnOnce(&Stage, Vec<Line>) -> String + Send + 'static,
    ) -> Result<String, NotRunning> {
        let (stage, id) = (self.stage.clone(), self.process.id.clone());
        self.handle.read_and(move |children| show(&stage, lines(&stage, &id, &children))).await
    }

    /// Waits until it is this call's turn.
    async fn turn(&self) -> Result<(), NotRunning> {
        self.handle.count_children().await.map(drop)
    }

    /// Waits for the end of the supervisor and returns its exit.
    async fn end(&self) -> Exit {
        loop {
            let ended = self.stage.ended.notified();
            if let Some(exit) = self.stage.record().process(&self.label).and_then(|process| process.exit.clone()) {
                return exit;
            }
            ended.await;
        }
    }

    /// Stops the supervisor. It succeeds if the supervisor ends with the given reason.
    async fn gen_stop(&self, exit: &Exit) -> Result<String, NotRunning> {
        self.handle.stop(exit.clone())?;
        let (end, wanted) = (format::exit(&self.end().await), format::exit(exit));
        Ok(if end == wanted { "ok".into() } else { format!("call_exit({end})") })
    }

    async fn upgrade(&self, new: &str) -> Result<String, ReconfigureError> {
        let def = self.stage.scenario.def(new);
        let Body::Supervisor(sup) = &def.body else { return Ok("ok".into()) };
        let nth = self.stage.record().count_attempt(new);
        let (stage, line) = (self.stage.clone(), format!("reinit {} from {new}", self.label));
        if sup.init(nth) == Init::Ignore || self.template.is_some() {
            self.turn().await?;
            self.stage.event(line.clone());
        }
        if sup.init(nth) == Init::Ignore {
            return Ok("ok".into());
        }
        if let Some(template) = &self.template {
            let new = services::pool(&self.stage, self.epoch, &self.process.path, &def.id, sup);
            return template.supervisor().reconfigure(new).await.map(|()| "ok".into());
        }
        let (flags, _) = self.stage.scenario.configuration(sup);
        let kid =
            |id: &String| services::child(&self.stage, self.epoch, &self.process.path, self.stage.scenario.def(id), id);
        let new = Supervisor::new(new, flags.strategy)
            .budget(flags.intensity)
            .auto_shutdown(flags.auto_shutdown)
            .children(sup.kids.iter().map(kid));
        self.handle.reconfigure_and(new, move || stage.event(line)).await.map(|()| "ok".into())
    }

    /// The meaning of the label `x` when it is this call's turn.
    async fn meant(&self, x: &str) -> Result<Meant, NotRunning> {
        // The label of a live child of this supervisor keeps its meaning until the turn comes.
        if let Some((scope, name)) = self.stage.record().alive(x).and_then(|process| process.path.rsplit_once('/'))
            && (x.contains('#') && scope == self.process.path)
        {
            return Ok(Meant::Child(name.to_owned()));
        }
        let children = self.handle.which_children().await?;
        let record = self.stage.record();
        let Some(child) = record.process(x).filter(|_| x.contains('#')) else { return Ok(Meant::Word) };
        let is_latest = record.at_path(&child.path) == Some(x);
        let listed = children.iter().find(|listed| *listed.path == *child.path && listed.standing != ChildState::Down);
        Ok(match listed {
            Some(listed) if is_latest => Meant::Child(listed.name.to_string()),
            Some(_) | None if child.is_alive => Meant::Foreign,
            Some(_) | None => Meant::Dead,
        })
    }

    fn outcome(&self, outcome: &StartOutcome) -> String {
        match outcome {
            StartOutcome::Up(up) => {
                let record = self.stage.record();
                let label = record.at_path(&up.path).unwrap_or("?");
                if up.info.is_some() { format!("ok({label},info)") } else { format!("ok({label})") }
            }
            StartOutcome::Ignored => "ok(undefined)".into(),
        }
    }

    fn error(&self, error: &ManageError) -> String {
        let why = match error {
            ManageError::AlreadyStarted { path } => {
                format!("already_started({})", self.stage.record().at_path(path).unwrap_or("undefined"))
            }
            ManageError::AlreadyPresent { .. } => "already_present".into(),
            ManageError::NotFound { .. } => "not_found".into(),
            ManageError::Running { .. } => "running".into(),
            ManageError::Restarting { .. } => "restarting".into(),
            ManageError::Stopping { .. } => "stopping".into(),
            ManageError::Failed { exit, .. } => format::exit(exit),
            ManageError::Refused(StartError::BadSignificance { is_permanent: true, .. }) => {
                "bad_combination([restart(permanent),significant(true)])".into()
            }
            ManageError::Refused(StartError::BadSignificance { is_permanent: false, .. }) => {
                "bad_combination([auto_shutdown(never),significant(true)])".into()
            }
            ManageError::NotRunning { .. } => return "noproc".into(),
            other => other.to_string(),
        };
        format!("error({why})")
    }
}
