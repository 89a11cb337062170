//! Messages and calls to children that live on.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::{group, start, stop};
use crate::job::{Figure, Job, Outcome};
use crate::system::{Peer, Strategy, System, child_name};

/// Callers at a time in `call-64`, producers at a time in `cast-64`.
const CALLERS: u64 = 64;

pub(super) async fn cast<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let peer = tree.peer(0);
    let warm = job.work / 10;
    send(&peer, warm).await?;
    ensure_counted(peer.call().await?.count, warm)?;

    let begun = Instant::now();
    send(&peer, job.work).await?;
    // The queue is in order: when this is answered, all is counted.
    let answer = peer.call().await?;
    let took = begun.elapsed();

    ensure_counted(answer.count, warm + job.work)?;
    drop(peer);
    stop(tree, &group).await?;
    Ok(Figure::new("cast", took.as_nanos() as f64 / job.work as f64, "ns").into())
}

async fn send(peer: &impl Peer, messages: u64) -> Result<()> {
    for _ in 0..messages {
        peer.cast().await?;
    }
    Ok(())
}

pub(super) async fn call<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let peer = tree.peer(0);
    let first = call_times(&peer, job.work / 10).await?;

    let begun = Instant::now();
    let last = call_times(&peer, job.work).await?;
    let took = begun.elapsed();

    ensure!(first == last, "the calls were answered by two lives");
    drop(peer);
    stop(tree, &group).await?;
    Ok(Figure::new("call", took.as_nanos() as f64 / job.work as f64, "ns").into())
}

/// An answer that is missing is an error of `call`. Returns the life that answered last.
async fn call_times(peer: &impl Peer, calls: u64) -> Result<u64> {
    let mut life = 0;
    for _ in 0..calls.max(1) {
        life = peer.call().await?.life;
    }
    Ok(life)
}

pub(super) async fn call_64<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let peer = tree.peer(0);
    call_times(&peer, job.work / 10).await?;
    let each = (job.work / CALLERS).max(1);

    let begun = Instant::now();
    at_once::<S, _>((0..CALLERS).map(|_| {
        let peer = peer.clone();
        async move { call_times(&peer, each).await.map(drop) }
    }))
    .await?;
    let took = begun.elapsed();

    drop(peer);
    stop(tree, &group).await?;
    Ok(Figure::new("call-64", took.as_nanos() as f64 / (CALLERS * each) as f64, "ns").into())
}

pub(super) async fn call_inside<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let (caller, callee) = (tree.peer(0), tree.peer(1));
    let first = caller.relay(callee.clone(), (job.work / 10).max(1)).await?;

    let begun = Instant::now();
    let last = caller.relay(callee.clone(), job.work).await?;
    let took = begun.elapsed();

    ensure!(first == last, "the calls were answered by two lives");
    ensure!(callee.call().await?.life == last, "the calls were answered by another child");
    drop((caller, callee));
    stop(tree, &group).await?;
    Ok(Figure::new("call-inside", took.as_nanos() as f64 / job.work as f64, "ns").into())
}

pub(super) async fn cast_64<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let peer = tree.peer(0);
    let each = (job.work / CALLERS).max(1);
    let warm = (each / 10).max(1);
    produce::<S>((0..CALLERS).map(|_| peer.clone()).collect(), warm).await?;

    let begun = Instant::now();
    produce::<S>((0..CALLERS).map(|_| peer.clone()).collect(), each).await?;
    let answer = peer.call().await?;
    let took = begun.elapsed();

    ensure_counted(answer.count, CALLERS * (each + warm))?;
    drop(peer);
    stop(tree, &group).await?;
    Ok(Figure::new("cast-64", took.as_nanos() as f64 / (CALLERS * each) as f64, "ns").into())
}

pub(super) async fn cast_64_own<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let peers: Vec<_> = (0..CALLERS as usize).map(|child| tree.peer(child)).collect();
    let each = (job.work / CALLERS).max(1);
    let warm = (each / 10).max(1);
    produce::<S>(peers.clone(), warm).await?;

    let begun = Instant::now();
    produce::<S>(peers.clone(), each).await?;
    let mut counts = Vec::new();
    for peer in &peers {
        counts.push(peer.call().await?.count);
    }
    let took = begun.elapsed();

    for count in counts {
        ensure_counted(count, each + warm)?;
    }
    drop(peers);
    stop(tree, &group).await?;
    Ok(Figure::new("cast-64-own", took.as_nanos() as f64 / (CALLERS * each) as f64, "ns").into())
}

/// A task for each of the peers sends it so many messages.
async fn produce<S: System>(peers: Vec<S::Peer>, each: u64) -> Result<()> {
    at_once::<S, _>(peers.into_iter().map(|peer| async move { send(&peer, each).await })).await
}

/// A task for each of these, and the end of all of them.
async fn at_once<S: System, F>(work: impl Iterator<Item = F>) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let tasks: Vec<_> = work.map(S::spawn).collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

pub(super) async fn cast_by_name<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let child = job.children / 2;
    let name = child_name(child);
    let warm = job.work / 10;
    send_by_name(&tree, &name, warm).await?;
    ensure_counted(tree.peer(child).call().await?.count, warm)?;

    let begun = Instant::now();
    send_by_name(&tree, &name, job.work).await?;
    let answer = tree.peer(child).call().await?;
    let took = begun.elapsed();

    ensure_counted(answer.count, warm + job.work)?;
    stop(tree, &group).await?;
    Ok(Figure::new("cast-name", took.as_nanos() as f64 / job.work as f64, "ns").into())
}

async fn send_by_name(tree: &impl System, name: &str, messages: u64) -> Result<()> {
    for _ in 0..messages {
        tree.cast_by_name(name).await?;
    }
    Ok(())
}

fn ensure_counted(counted: u64, sent: u64) -> Result<()> {
    ensure!(counted == sent, "{sent} messages were sent and {counted} were counted");
    Ok(())
}
