//! The management calls of a live scenario, through the handles that users have.

use std::sync::Arc;

use regrow_supervisors::Exit;
use tokio::time::Instant;

use crate::supervisor::dynamic::Template;
use crate::supervisor::manage::{ManageError, Outcome, SupervisorHandle};
use crate::supervisor::{StartError, Supervisor};
use crate::sync::lock;
use crate::trace::format;
use crate::trace::live::stage::{Process, Stage};
use crate::trace::live::{Live, Reply, cast, lines};
use crate::trace::scenario::{Body, Init, Op};

/// One order on its way.
struct Order {
    stage: Arc<Stage>,
    epoch: Instant,
    /// Names the dynamic child that it may start.
    number: usize,
    /// The supervisor.
    process: Process,
    label: String,
    handle: SupervisorHandle,
    template: Option<Template<usize>>,
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
        let found = {
            let record = self.stage.record();
            let label = if supervisor.contains('#') { Some(supervisor) } else { record.newest(supervisor) };
            label.map(str::to_owned).zip(record.alive(supervisor).cloned())
        };
        let Some((label, process)) = found else { return Reply::Text("noproc".into()) };
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
            Op::GenStop(_, exit) => self.gen_stop(exit).await,
            Op::StartChild(_, x) => {
                let outcome = match &self.template {
                    Some(template) => template.start_child(self.number).await,
                    None => {
                        let def = self.stage.scenario.def(x);
                        self.handle.start_child(cast::child(&self.stage, self.epoch, &self.process.path, def, x)).await
                    }
                };
                outcome.map(|outcome| self.outcome(&outcome))
            }
            Op::TerminateChild(_, x) if is_dynamic => match self.dynamic_child(x) {
                Ok(name) => match self.handle.terminate_child(&name).await {
                    // Dead, and forgotten.
                    Ok(()) | Err(ManageError::NotFound { .. }) => Ok("ok".into()),
                    Err(error) => Err(error),
                },
                Err(text) => Ok(text),
            },
            Op::RestartChild(..) | Op::DeleteChild(..) if is_dynamic => Ok("error(simple_one_for_one)".into()),
            Op::TerminateChild(_, x) => self.handle.terminate_child(x).await.map(|()| "ok".into()),
            Op::RestartChild(_, x) => self.handle.restart_child(x).await.map(|outcome| self.outcome(&outcome)),
            Op::DeleteChild(_, x) => self.handle.delete_child(x).await.map(|()| "ok".into()),
            Op::GetChildspec(_, x) => {
                let name = match self.dynamic_child(x) {
                    Ok(name) if is_dynamic => name,
                    Err(text) if is_dynamic => return Ok(text),
                    Ok(_) | Err(_) => x.clone(),
                };
                let spec = self.handle.child_spec(&name).await?;
                let id = name.split_once('.').map_or(&*name, |(template, _)| template);
                Ok(format::spec(&spec, id, self.stage.scenario.def(id).is_supervisor()))
            }
            Op::Which(_) => {
                Ok(format::which(&lines(&self.stage, &self.process.id, &self.handle.which_children().await?)))
            }
            Op::Count(_) => {
                let lines = lines(&self.stage, &self.process.id, &self.handle.which_children().await?);
                let record = self.stage.record();
                Ok(format::count(&lines, is_dynamic, |label| record.alive(label).is_some()))
            }
            Op::Upgrade(_, new) => self.upgrade(new).await,
            Op::Kill(_) | Op::Exit(..) | Op::Stop(_) => unreachable!("these are no calls"),
        }
    }

    /// Answered when the supervisor is gone.
    async fn gen_stop(&self, exit: &Exit) -> Result<String, ManageError> {
        self.handle.stop(exit.clone())?;
        loop {
            let ended = self.stage.ended.notified();
            if self.stage.record().alive(&self.label).is_none() {
                return Ok("ok".into());
            }
            ended.await;
        }
    }

    async fn upgrade(&self, new: &str) -> Result<String, ManageError> {
        let def = self.stage.scenario.def(new);
        let Body::Supervisor(sup) = &def.body else { return Ok("ok".into()) };
        self.stage.event(format!("reinit {} from {new}", self.label));
        if sup.inits.first() == Some(&Init::Ignore) {
            return Ok("ok".into());
        }
        if let Some(template) = &self.template {
            let new = cast::pool(&self.stage, self.epoch, &self.process.path, def, sup);
            return template.supervisor().reconfigure(new).await.map(|()| "ok".into());
        }
        let (flags, _) = self.stage.scenario.configuration(sup);
        let kid =
            |id: &String| cast::child(&self.stage, self.epoch, &self.process.path, self.stage.scenario.def(id), id);
        let new = Supervisor::new(new, flags.strategy)
            .budget(flags.intensity)
            .auto_shutdown(flags.auto_shutdown)
            .children(sup.kids.iter().map(kid));
        self.handle.reconfigure(new).await.map(|()| "ok".into())
    }

    /// The name of the child that the label `x` means (OTP rule 83), or the answer.
    fn dynamic_child(&self, x: &str) -> Result<String, String> {
        let record = self.stage.record();
        let Some(child) = record.process(x).filter(|_| x.contains('#')) else {
            return Err("error(simple_one_for_one)".into());
        };
        match child.path.rsplit_once('/') {
            Some((scope, name)) if scope == self.process.path => Ok(name.to_owned()),
            Some(_) | None if child.is_alive => Err("error(not_found)".into()),
            Some(_) | None => Err("ok".into()),
        }
    }

    fn outcome(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Up(up) => {
                let record = self.stage.record();
                let label = record.at_path(&up.path).unwrap_or("?");
                if up.info.is_some() { format!("ok({label},info)") } else { format!("ok({label})") }
            }
            Outcome::Ignored => "ok(undefined)".into(),
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
