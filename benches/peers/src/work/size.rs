//! Trees that are big and idle.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{all_answer, group, start, stop};
use crate::gate::Gate;
use crate::job::{Figure, Job, Outcome};
use crate::system::{Group, Strategy, System};

/// As Linux has it on the machines this is meant for.
const PAGE_BYTES: u64 = 4_096;

pub(super) async fn bytes<S: System>(job: Job) -> Result<Outcome> {
    let group = group(job, Strategy::OneForOne);
    // What is needed once is not the children's.
    let one = Group { children: 1, gate: Gate::new(), ..group.clone() };
    stop(start::<S>(&one).await?, &one).await?;

    let before = resident_bytes()?;
    let tree: S = start(&group).await?;
    let after = resident_bytes()?;

    all_answer(&tree, job.children).await?;
    let each = after.saturating_sub(before) as f64 / job.children as f64;
    Ok(Figure::new("bytes", each, "B").into())
}

fn resident_bytes() -> Result<u64> {
    let statm =
        std::fs::read_to_string("/proc/self/statm").context("this system does not tell how big a process is")?;
    let pages: u64 = statm.split(' ').nth(1).context("statm has no second field")?.parse()?;
    Ok(pages * PAGE_BYTES)
}

pub(super) async fn start_and_stop<S: System>(job: Job) -> Result<Outcome> {
    let (mut started, mut stopped) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..job.work {
        let group = group(job, Strategy::OneForOne);
        let begun = Instant::now();
        let tree: S = start(&group).await?;
        started += begun.elapsed();

        all_answer(&tree, job.children).await?;

        let begun = Instant::now();
        stop(tree, &group).await?;
        stopped += begun.elapsed();
    }
    let figure = |name: &str, took: Duration| {
        let each = took.as_secs_f64() * 1_000_000.0 / (job.children as u64 * job.work) as f64;
        Figure::new(format!("{name}-{}", job.children), each, "us")
    };
    Ok(vec![figure("start", started), figure("stop", stopped)].into())
}
