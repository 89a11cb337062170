//! Deaths and what follows.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use rand::RngExt;
use rand::seq::index;

use super::{all_answer, group, start, stop};
use crate::gate::Gate;
use crate::job::{Figure, Job, Outcome};
use crate::system::{Peer, Strategy, System};

/// How a child dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Panic,
    Kill,
}

/// From a death to the first answer of the next life, one child, one death after another.
pub(super) async fn recovery<S: System>(job: Job, how: How) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let mut life = tree.peer(0).call().await?.life;
    let warm = job.work / 10;
    let mut times = Histogram::<u64>::new(3)?;
    for death in 0..warm + job.work {
        let begun = Instant::now();
        match how {
            How::Panic => tree.peer(0).panic().await?,
            How::Kill => kill(&tree, 0).await,
        }
        life = next_life(&tree, life).await;
        if death >= warm {
            times.record(begun.elapsed().as_nanos() as u64)?;
        }
    }
    let (ups, expected) = (group.gate.ups(), 1 + warm + job.work);
    ensure!(ups == expected, "{expected} lives should have been, and {ups} were");
    stop(tree, &group).await?;
    let figure = |suffix, quantile| {
        let micros = times.value_at_quantile(quantile) as f64 / 1_000.0;
        Figure::new(format!("{}-{suffix}", job.workload), micros, "us")
    };
    Ok(vec![figure("p50", 0.5), figure("p99", 0.99)].into())
}

async fn next_life<S: System>(tree: &S, last: u64) -> u64 {
    loop {
        match tree.peer(0).call().await {
            Ok(answer) if answer.life != last => return answer.life,
            // Answered by the one that dies, or by nobody yet.
            Ok(_) | Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn kill<S: System>(tree: &S, child: usize) {
    while !tree.kill(child) {
        tokio::task::yield_now().await;
    }
}

/// Waves of children, drawn at random, are killed at once; the next wave comes when all are back.
pub(super) async fn restarts<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    let wave = (job.children / 10).max(1);
    let waves = (job.work / wave as u64).max(1);
    kill_wave(&tree, &group.gate, job.children, wave).await;

    let begun = Instant::now();
    for _ in 0..waves {
        kill_wave(&tree, &group.gate, job.children, wave).await;
    }
    let took = begun.elapsed();

    group.gate.settle(job.children as u64).await?;
    all_answer(&tree, job.children).await?;
    let (ups, expected) = (group.gate.ups(), (job.children + wave) as u64 + waves * wave as u64);
    ensure!(ups == expected, "{expected} starts should have been, and {ups} were");
    stop(tree, &group).await?;
    let rate = (waves * wave as u64) as f64 / took.as_secs_f64();
    Ok(Figure::new("restarts", rate, "1/s").into())
}

async fn kill_wave<S: System>(tree: &S, gate: &Gate, children: usize, wave: usize) {
    let victims = index::sample(&mut rand::rng(), children, wave);
    let target = gate.ups() + wave as u64;
    for victim in victims {
        kill(tree, victim).await;
    }
    gate.reach(target).await;
}

/// One child dies, the whole group starts again.
pub(super) async fn group_restart<S: System>(job: Job, strategy: Strategy) -> Result<Outcome> {
    let group = group(job, strategy);
    let tree: S = start(&group).await?;
    let children = job.children as u64;
    let mut took = Duration::ZERO;
    let mut extra = 0;
    for _ in 0..job.work {
        group.gate.settle(children).await?;
        let victim = match strategy {
            Strategy::OneForOne | Strategy::OneForAll => rand::rng().random_range(0..job.children),
            Strategy::RestForOne => 0,
        };
        let before = group.gate.ups();
        let begun = Instant::now();
        kill(&tree, victim).await;
        group.gate.reach(before + children).await;
        took += begun.elapsed();
        group.gate.settle(children).await?;
        extra += group.gate.ups() - before - children;
    }
    all_answer(&tree, job.children).await?;
    stop(tree, &group).await?;
    let millis = took.as_secs_f64() * 1_000.0 / job.work as f64;
    let mut outcome = Outcome::from(Figure::new(job.workload.to_string(), millis, "ms"));
    if extra > 0 {
        outcome.notes.push(format!("started {extra} children more than {} rounds call for", job.work));
    }
    Ok(outcome)
}

/// Small waves beside many siblings. Stops early when a restart is slow, to end at all.
pub(super) async fn growth<S: System>(job: Job) -> Result<Outcome> {
    const WAVE: usize = 100;
    let group = group(job, Strategy::OneForOne);
    let tree: S = start(&group).await?;
    kill_wave(&tree, &group.gate, job.children, WAVE).await;

    let mut killed = 0;
    let begun = Instant::now();
    while killed < job.work && begun.elapsed() < Duration::from_secs(2) {
        kill_wave(&tree, &group.gate, job.children, WAVE).await;
        killed += WAVE as u64;
    }
    let took = begun.elapsed();

    group.gate.settle(job.children as u64).await?;
    let (ups, expected) = (group.gate.ups(), job.children as u64 + WAVE as u64 + killed);
    ensure!(ups == expected, "{expected} starts should have been, and {ups} were");
    let name = format!("growth-{}", job.children);
    Ok(Figure::new(name, took.as_secs_f64() * 1_000_000.0 / killed as f64, "us").into())
}
