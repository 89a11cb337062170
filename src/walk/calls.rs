//! The management calls, and the promises of their answers.

use std::sync::Arc;

use regrow_supervisors::{ChildState, Exit};

use crate::policy::Policies;
use crate::walk::actors::{Msg, SEC, Stage, actor};
use crate::walk::events::Event;
use crate::walk::trees::{SUP, Shape, handle, named};
use crate::{DynamicSupervisor, Intensity, Policy, RestartError, RollingCause, ServiceState, StartOutcome, Tree};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    StartNew,
    StartSame,
    StartDependent,
    Terminate,
    Restart,
    RestartRunning,
    RestartRolling,
    RestartSupervisor,
    TerminateAndRestart,
    TerminateAndDelete,
    Delete,
    Revive,
    ReviveByPath,
    Park,
    ParkSupervisor,
    ParkAndRevive,
    Reconfigure,
    Stop,
    Which,
    Count,
    Spec,
    Why,
    Kill,
    KillSupervisor,
    KillSibling,
    Apply,
    ApplyDependency,
    WaitReady,
    TreeReady,
    Grow,
    Shrink,
    TerminateSupervisor,
    TerminateAndRestartSupervisor,
    ReplaceSupervisor,
    TerminateSibling,
    Template,
    Shutdown,
    ShutdownWithin,
    ParkDependency,
    ParkSibling,
    ParkAndReviveSupervisor,
    ParkAndRestartRolling,
}

pub(super) const CALLS: [Call; 42] = [
    Call::StartNew,
    Call::StartSame,
    Call::StartDependent,
    Call::Terminate,
    Call::Restart,
    Call::RestartRunning,
    Call::RestartRolling,
    Call::RestartSupervisor,
    Call::TerminateAndRestart,
    Call::TerminateAndDelete,
    Call::Delete,
    Call::Revive,
    Call::ReviveByPath,
    Call::Park,
    Call::ParkSupervisor,
    Call::ParkAndRevive,
    Call::Reconfigure,
    Call::Stop,
    Call::Which,
    Call::Count,
    Call::Spec,
    Call::Why,
    Call::Kill,
    Call::KillSupervisor,
    Call::KillSibling,
    Call::Apply,
    Call::ApplyDependency,
    Call::WaitReady,
    Call::TreeReady,
    Call::Grow,
    Call::Shrink,
    Call::TerminateSupervisor,
    Call::TerminateAndRestartSupervisor,
    Call::ReplaceSupervisor,
    Call::TerminateSibling,
    Call::Template,
    Call::Shutdown,
    Call::ShutdownWithin,
    Call::ParkDependency,
    Call::ParkSibling,
    Call::ParkAndReviveSupervisor,
    Call::ParkAndRestartRolling,
];

impl Call {
    /// Whether this kind of supervisor takes the call.
    pub(super) fn fits(self, shape: Shape) -> bool {
        match self {
            Self::Grow | Self::Shrink => shape == Shape::Partitioned,
            Self::Template => shape == Shape::Dynamic,
            Self::StartNew | Self::StartSame | Self::StartDependent | Self::Terminate | Self::TerminateSibling => {
                shape != Shape::Partitioned
            }
            Self::Restart | Self::TerminateAndRestart | Self::TerminateAndDelete | Self::Delete => {
                !matches!(shape, Shape::Partitioned | Shape::Dynamic)
            }
            Self::Reconfigure => !matches!(shape, Shape::Partitioned),
            Self::ReplaceSupervisor => !matches!(shape, Shape::Partitioned | Shape::Dynamic),
            _ => true,
        }
    }

    /// Makes the call. `is_only`: no other order is given meanwhile.
    pub(super) async fn give(self, tree: &Tree, shape: Shape, event: Event, stage: &Stage, is_only: bool) {
        let [_, name, youngest] = shape.names();
        let target = &*shape.target();
        let Some(sup) = tree.shared.supervisor_of(SUP) else { return };
        let mid = tree.supervisor("app/mid").ok();
        let life = || tree.directory().status(SUP).map(|status| (status.state, status.generation));
        let before = life();
        match self {
            Self::StartNew => started(tree, stage, "new", sup.start_child(actor(stage, "new")).await),
            Self::StartSame => drop(sup.start_child(named(stage, name, event)).await),
            Self::StartDependent => {
                let child =
                    actor(stage, "new").policy(Policy::default().depends_on([target.replacen("app", "/app", 1)]));
                started(tree, stage, "new", sup.start_child(child).await);
            }
            Self::Terminate => {
                let ended = sup.terminate_child(name).await;
                let stands = sup.which_children().await.unwrap_or_default();
                let standing = stands.iter().find(|child| *child.name == *name).map(|child| child.standing);
                let is_alone = matches!(shape, Shape::OneForOne | Shape::Dynamic | Shape::Nested);
                let is_down = matches!(standing, None | Some(ChildState::Down));
                if ended.is_ok() && is_only && is_alone && life() == before && !is_down {
                    stage.fault(format!("terminated, and it is {standing:?}"));
                }
            }
            Self::Restart => started(tree, stage, name, sup.restart_child(name).await),
            Self::RestartRunning => {
                let found = tree.directory().status(target).map_or(0, |status| status.generation);
                let outcome = tree.restart(target, "walk").await;
                if let Ok(StartOutcome::Up(up)) = &outcome
                    && up.generation <= found
                {
                    stage.fault(format!("restarted, and generation {found} is {} now", up.generation));
                }
                started(tree, stage, name, outcome);
            }
            // A child may take as long as it likes until it is ready.
            Self::RestartRolling => drop(tokio::time::timeout(20 * SEC, sup.restart_rolling(2, "walk")).await),
            Self::RestartSupervisor => {
                let _ = tree.restart(SUP, "walk").await;
            }
            Self::TerminateAndRestart => {
                let _ = sup.terminate_child(name).await;
                started(tree, stage, name, sup.restart_child(name).await);
            }
            Self::TerminateAndDelete => {
                let _ = sup.terminate_child(name).await;
                let deleted = sup.delete_child(name).await;
                if deleted.is_ok() && is_only && life() == before && tree.directory().entry(target).is_some() {
                    stage.fault("deleted, and it is listed".into());
                }
            }
            Self::Delete => drop(sup.delete_child(name).await),
            Self::Revive => drop(sup.revive(name).await),
            Self::ReviveByPath => drop(tree.revive(target).await),
            Self::Park => {
                let parked = tree.park(target, "walk").await;
                let state = tree.directory().status(target).map(|status| status.state);
                // A dynamic child leaves with its supervisor, which may be ending on another thread.
                let is_parked = matches!(state, None | Some(ServiceState::Parked { until: None }));
                // A supervisor that begins a new life starts all of its children.
                if parked.is_ok() && is_only && life() == before && !is_parked {
                    stage.fault(format!("parked by order, and it is {state:?}"));
                }
            }
            Self::ParkSupervisor => drop(tree.park(SUP, "walk").await),
            Self::ParkAndRevive => {
                let _ = tree.park(target, "walk").await;
                let _ = tree.revive(target).await;
            }
            Self::Reconfigure => match tree.dynamic(SUP) {
                Ok(pool) => {
                    let new = DynamicSupervisor::new("sup").max_children(3).budget(Intensity::unlimited());
                    let _ = pool.reconfigure(new).await;
                }
                Err(_) => {
                    let new = shape.described(stage, event).child(actor(stage, "new"));
                    let _ = sup.reconfigure(new).await;
                }
            },
            Self::Stop => drop(sup.stop(Exit::Shutdown)),
            Self::Which => drop(sup.which_children().await),
            Self::Count => {
                if let Ok(count) = sup.count_children().await
                    && count.specs != count.supervisors + count.workers
                {
                    stage.fault(format!("{count:?} does not add up"));
                }
            }
            Self::Spec => drop(sup.child_spec(name).await),
            Self::Why => drop(tree.why(target).await),
            Self::Kill => drop(tree.kill(target)),
            Self::KillSupervisor => drop(tree.kill(SUP)),
            Self::KillSibling => drop(tree.kill(&format!("{SUP}/{youngest}"))),
            Self::Apply => drop(apply(tree, "[defaults]\ndelay = \"1s\"\nmax_restarts = \"unlimited\"").await),
            Self::ApplyDependency => {
                let text = format!("[path.\"{target}\"]\ndepends_on = [\"/app/dep\"]");
                let _ = apply(tree, &text).await;
            }
            Self::WaitReady => {
                if let Some(handle) = handle(tree, &shape.leaf()) {
                    let _ = tokio::time::timeout(SEC, handle.wait_ready()).await;
                }
            }
            Self::TreeReady => drop(tree.ready(SEC).await),
            Self::Grow => resized(tree, stage, 5).await,
            Self::Shrink => resized(tree, stage, 1).await,
            Self::TerminateSupervisor => {
                if let Some(mid) = mid {
                    let _ = mid.terminate_child("sup").await;
                }
            }
            Self::TerminateAndRestartSupervisor => {
                if let Some(mid) = mid {
                    let _ = mid.terminate_child("sup").await;
                    let _ = mid.restart_child("sup").await;
                }
            }
            Self::ReplaceSupervisor => {
                if let Some(mid) = mid {
                    let _ = mid.terminate_child("sup").await;
                    let _ = mid.delete_child("sup").await;
                    let _ = mid.start_child(shape.described(stage, event)).await;
                }
            }
            Self::TerminateSibling => drop(sup.terminate_child(youngest).await),
            Self::Template => {
                let new = DynamicSupervisor::new("sup").budget(Intensity::unlimited());
                let stage = stage.clone();
                if let Ok(pool) = tree.dynamic(SUP) {
                    let _ = pool.reconfigure(new.template(move |name: &str| actor(&stage, name))).await;
                    if let Ok(template) = pool.template::<&str>() {
                        let _ = template.start_child("new").await;
                    }
                }
            }
            Self::ParkDependency => {
                let parked = tree.park("app/dep", "walk").await;
                let state = tree.directory().status("app/dep").map(|status| status.state);
                if parked.is_ok() && is_only && state != Some(ServiceState::Parked { until: None }) {
                    stage.fault(format!("the dependency was parked by order, and it is {state:?}"));
                }
            }
            Self::ParkSibling => drop(tree.park(&format!("{SUP}/{youngest}"), "walk").await),
            Self::ParkAndReviveSupervisor => {
                let _ = tree.park(SUP, "walk").await;
                let _ = tree.revive(SUP).await;
            }
            Self::ParkAndRestartRolling => {
                let is_parked = tree.park(target, "walk").await.is_ok() && is_only && life() == before;
                let roll = tokio::time::timeout(20 * SEC, sup.restart_rolling(1, "walk")).await;
                if let Ok(Err(error)) = roll
                    && is_parked
                    && life() == before
                    && matches!(&error.cause, RollingCause::NotRestarted(RestartError::Parked { path }) if **path == *target)
                {
                    stage.fault(format!("it was parked by order, and {error}"));
                }
            }
            Self::Shutdown => drop(tree.shutdown().await),
            Self::ShutdownWithin => drop(tree.shutdown_within(SEC / 2).await),
        }
    }
}

/// Checks that a start that was answered with a generation was up with that one.
fn started<E>(tree: &Tree, stage: &Stage, name: &str, outcome: Result<StartOutcome, E>) {
    let Ok(StartOutcome::Up(up)) = outcome else { return };
    let status = tree.directory().status(&format!("{SUP}/{name}"));
    if let Some(status) = status
        && status.generation < up.generation
    {
        stage.fault(format!("`{}` came up as {}, and is {status}", up.path, up.generation));
    }
}

async fn resized(tree: &Tree, stage: &Stage, to: usize) {
    let Ok(partitions) = tree.partitions::<Msg>(SUP) else { return };
    if partitions.resize(to).await.is_ok() && partitions.len() != to {
        stage.fault(format!("resized to {to}, and there are {}", partitions.len()));
    }
}

async fn apply(tree: &Tree, text: &str) -> bool {
    let policies = Policies::parse(text, Arc::<str>::from("walk.toml")).expect("it can be read");
    tree.apply(&policies).await.is_ok()
}
