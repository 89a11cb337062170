//! Definitions of a scenario as real children, which record their starts and ends.

use std::sync::Arc;

use regrow_supervisors::{ChildSpec, Exit};
use tokio::time::Instant;

use crate::base::panics;
use crate::child::{Child, ServiceChild};
use crate::context::Context;
use crate::otp::live::recorder::{Stage, Witness};
use crate::otp::scenario::{Body, Def, Init, Outcome, Sup, Worker};
use crate::service::{Service, ignore};
use crate::slot::NoMessages;
use crate::supervisor::Supervisor;
use crate::supervisor::description::Description;
use crate::supervisor::dynamic::DynamicSupervisor;

/// A worker. It only starts, stops and is killed, as it is defined to.
pub(super) struct Actor {
    stage: Arc<Stage>,
    worker: Worker,
    label: String,
}

impl Service for Actor {
    type Msg = NoMessages;

    async fn handle(&mut self, msg: NoMessages, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {}
    }

    async fn stopped(&mut self, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if !ctx.is_stopping() || !self.worker.traps {
            return Ok(());
        }
        match self.worker.slow {
            Some(time) if time.is_zero() => {}
            Some(time) => self.stage.nap(time).await,
            None => std::future::pending().await,
        }
        if let Some(exit) = &self.worker.on_term {
            ctx.exit(exit.clone());
        }
        Ok(())
    }
}

/// Records the end: the state is dropped with its incarnation, when the exit is known.
impl Drop for Actor {
    fn drop(&mut self) {
        let exit = panics::teardown().unwrap_or(Exit::Killed);
        self.stage.record().died(&self.label, &exit);
    }
}

async fn start(stage: Arc<Stage>, id: String, worker: Worker, ctx: Context<Actor>) -> anyhow::Result<Actor> {
    let nth = stage.record().count_attempt(&id);
    if !worker.start_delay.is_zero() {
        stage.nap(worker.start_delay).await;
    }
    let outcome = match worker.outcome(nth) {
        gate @ (Outcome::Gate | Outcome::GateFail) => {
            stage.gate(&id).await;
            if gate == Outcome::Gate { Outcome::Ok } else { Outcome::Fail }
        }
        other => other,
    };
    match outcome {
        Outcome::Ok | Outcome::OkInfo | Outcome::Gate | Outcome::GateFail => {
            if outcome == Outcome::OkInfo {
                ctx.info("info");
            }
            let mut record = stage.record();
            let label = record.born(&id, &ctx.path(), Some(ctx.clone()));
            record.teller.event(format!("start {label}"));
            record.is_up(&label, ctx.generation());
            drop(record);
            Ok(Actor { stage, worker, label })
        }
        Outcome::Ignore => {
            stage.event(format!("startignore {id}"));
            ignore()
        }
        Outcome::Fail => {
            stage.event(format!("startfail {id} fail"));
            anyhow::bail!("fail")
        }
        Outcome::Already => {
            stage.event(format!("startfail {id} already_started"));
            anyhow::bail!("already_started(pid)")
        }
        Outcome::Raise => {
            stage.event(format!("startfail {id} raise"));
            // A panic that the panic hook does not print.
            std::panic::resume_unwind(Box::new("boom"))
        }
    }
}

/// A child with this name of the supervisor at the path `scope`.
pub(super) fn child(stage: &Arc<Stage>, epoch: Instant, scope: &str, def: &Def, name: &str) -> Child {
    match &def.body {
        Body::Worker(worker) => {
            let child = with_spec(stage, def, worker).named(name);
            if stage.are_actors { child.as_actor() } else { child }.into()
        }
        Body::Supervisor(sup) => description(stage, epoch, scope, def, sup, name).into(),
    }
}

fn with_spec(stage: &Arc<Stage>, def: &Def, worker: &Worker) -> ServiceChild<NoMessages> {
    let (stage, id, worker) = (stage.clone(), def.id.clone(), worker.clone());
    let child = Child::service(def.id.as_str(), move |ctx| start(stage.clone(), id.clone(), worker.clone(), ctx));
    let child = child.restart(def.restart).shutdown(def.shutdown);
    if def.significant { child.significant() } else { child }
}

/// A supervisor of this name below `scope`, which is empty for the root.
pub(super) fn description(
    stage: &Arc<Stage>,
    epoch: Instant,
    scope: &str,
    def: &Def,
    sup: &Sup,
    name: &str,
) -> Description {
    let id = def.id.clone();
    let path = if scope.is_empty() { name.to_owned() } else { format!("{scope}/{name}") };
    let failure = stage.scenario.machine(sup).err();
    let kids = |path: &str| {
        let kid = |id: &String| child(stage, epoch, path, stage.scenario.def(id), id);
        // OTP refuses such a supervisor at its start, regrow the whole tree. So an init that fails stands for it.
        if failure.is_none() { sup.kids.iter().map(kid).collect() } else { Vec::new() }
    };
    let witness = Witness::new(stage, &path, sup.strategy.is_none(), epoch);
    let (restart, shutdown) = (def.restart, def.shutdown);
    let mut description: Description = match sup.strategy {
        Some(strategy) => Supervisor::new(name, strategy)
            .auto_shutdown(sup.auto)
            .children(kids(&path))
            .intensity(sup.intensity, sup.period)
            .restart(restart)
            .shutdown(shutdown)
            .watched_by(witness)
            .into(),
        None => pool(stage, epoch, &path, name, sup).restart(restart).shutdown(shutdown).watched_by(witness).into(),
    };
    let (stage, inits) = (stage.clone(), sup.clone());
    description.spec = match scope.is_empty() {
        // A root is no child: these settings have no effect there, as in OTP.
        true => ChildSpec::supervisor(name),
        false => description.spec.significant(def.significant),
    };
    description.init = Some(Arc::new(move || begin(&stage, &id, &path, &inits, failure.as_deref())));
    description
}

/// The dynamic supervisor at `path`.
pub(super) fn pool(stage: &Arc<Stage>, epoch: Instant, path: &str, name: &str, sup: &Sup) -> DynamicSupervisor {
    let (stage, path, template) = (stage.clone(), path.to_owned(), sup.kids[0].clone());
    let pool = DynamicSupervisor::new(name).intensity(sup.intensity, sup.period);
    pool.template(move |number: usize| {
        let def = stage.scenario.def(&template);
        child(&stage, epoch, &path, def, &format!("{template}.{number}"))
    })
}

fn begin(stage: &Stage, id: &str, path: &str, sup: &Sup, failure: Option<&str>) -> anyhow::Result<()> {
    let mut record = stage.record();
    let nth = record.count_attempt(id);
    let label = record.born(id, path, None);
    record.teller.event(format!("init {label}"));
    match (sup.init(nth), failure) {
        (Init::Ok, None) => Ok(()),
        (Init::Ignore, _) => {
            record.died(&label, &Exit::Normal);
            record.teller.event(format!("startignore {id}"));
            ignore()
        }
        (Init::Ok, Some(failure)) => {
            record.died(&label, &Exit::failed(failure));
            record.teller.event(format!("startfail {id} {failure}"));
            anyhow::bail!("{failure}")
        }
    }
}
