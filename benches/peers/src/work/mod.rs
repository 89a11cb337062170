//! The workloads, written once over [`System`]. Each checks its own work and fails rather than report a wrong number.

mod death;
mod mail;
mod size;

use anyhow::{Result, ensure};

use crate::gate::Gate;
use crate::job::{Job, Outcome};
use crate::system::{Group, Peer, Strategy, System};
use crate::workload::Workload;

/// Does the job on the runtime this is called on.
///
/// # Errors
///
/// When anything was lost, doubled or refused.
pub async fn run<S: System>(job: Job) -> Result<Outcome> {
    match job.workload {
        Workload::Cast => mail::cast::<S>(job).await,
        Workload::Call => mail::call::<S>(job).await,
        Workload::Call64 => mail::call_64::<S>(job).await,
        Workload::Cast64 => mail::cast_64::<S>(job).await,
        Workload::Cast64Own => mail::cast_64_own::<S>(job).await,
        Workload::CallInside => mail::call_inside::<S>(job).await,
        Workload::CastName => mail::cast_by_name::<S>(job).await,
        Workload::Panic => death::recovery::<S>(job, death::How::Panic).await,
        Workload::Kill => death::recovery::<S>(job, death::How::Kill).await,
        Workload::Restarts => death::restarts::<S>(job).await,
        Workload::OneForAll => death::group_restart::<S>(job, Strategy::OneForAll).await,
        Workload::RestForOne => death::group_restart::<S>(job, Strategy::RestForOne).await,
        Workload::Bytes => size::bytes::<S>(job).await,
        Workload::Start => size::start_and_stop::<S>(job).await,
        Workload::Growth => death::growth::<S>(job).await,
    }
}

fn group(job: Job, strategy: Strategy) -> Group {
    Group { children: job.children, strategy, gate: Gate::new(), named: job.workload == Workload::CastName }
}

/// Starts the tree and waits until everybody is up.
async fn start<S: System>(group: &Group) -> Result<S> {
    let tree = S::start(group.clone()).await?;
    group.gate.reach(group.children as u64).await;
    Ok(tree)
}

/// Stops the tree and waits until nobody is left. Some systems wait until nobody has the address of a child either.
async fn stop<S: System>(tree: S, group: &Group) -> Result<()> {
    tree.stop().await?;
    group.gate.all_ended().await;
    Ok(())
}

/// Every child must answer, and each with a life of its own.
async fn all_answer<S: System>(tree: &S, children: usize) -> Result<()> {
    let mut lives = Vec::with_capacity(children);
    for child in 0..children {
        match tree.peer(child).call().await {
            Ok(answer) => lives.push(answer.life),
            Err(error) => anyhow::bail!("child {child} of {children} does not answer: {error}"),
        }
    }
    lives.sort_unstable();
    lives.dedup();
    ensure!(lives.len() == children, "{children} children answer with {} lives", lives.len());
    Ok(())
}
