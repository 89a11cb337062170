//! The soak: a large tree under every fault for a long time, live, with checks of the invariants.

use std::fmt;
use std::time::Duration;

use regrow::ChildKind;
use regrow::chaos::{Chaos, Experiment, ExperimentReport, Fault, Scope, Times, Trigger, When};

use super::demo::{self, Work};

const SEC: Duration = Duration::from_secs(1);

/// Results of a soak.
#[derive(Debug)]
pub(crate) struct Soak {
    /// The experiment's own report.
    pub(crate) report: ExperimentReport,
    /// Number of calls that were made.
    pub(crate) calls: u64,
    /// Number of calls that ended, by outcome.
    pub(crate) outcomes: Vec<(&'static str, u64)>,
    /// Services that had two incarnations alive at the same time. Only a service with an abandoned incarnation may be
    /// here.
    pub(crate) alive_twice: Vec<String>,
    /// Memory in use, in bytes, when the tree had warmed up and at the end; zero if the system does not tell.
    pub(crate) memory: (u64, u64),
    /// Tasks in the runtime: the expected number when all services are up, the number at the end, and the number after
    /// the tree has ended.
    pub(crate) tasks: (usize, usize, usize),
    /// The report of the tree's end.
    pub(crate) shutdown: String,
}

impl Soak {
    /// Returns the invariants that did not hold.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut found: Vec<String> = self.report.stopped.iter().cloned().collect();
        let broken = self.report.verdicts.iter().filter(|verdict| !verdict.held);
        found.extend(broken.map(|verdict| {
            format!("{}: {}", verdict.hypothesis, verdict.evidence.as_deref().unwrap_or("it did not hold"))
        }));
        let ended: u64 = self.outcomes.iter().map(|(_, count)| count).sum();
        if ended != self.calls {
            found.push(format!("{} calls of {} never ended", self.calls - ended, self.calls));
        }
        if !self.alive_twice.is_empty() && self.report.totals.abandoned == 0 {
            found.push(format!("alive twice: {}", self.alive_twice.join(", ")));
        }
        let (warm, end) = self.memory;
        // Allocators keep some of the memory that was freed.
        if warm > 0 && end > warm + warm / 2 + (16 << 20) {
            found.push(format!("memory grew from {} to {} MiB", warm >> 20, end >> 20));
        }
        let (full, end, after) = self.tasks;
        if end > full + 50 || after > 0 {
            found.push(format!(
                "tasks: {full} when all services are up, {end} at the end, {after} after the tree has ended"
            ));
        }
        found
    }
}

/// Describes an experiment with every kind of fault, at rates that a tree of several hundred services recovers from.
fn experiment(duration: Duration, seed: u64) -> Experiment {
    let services = || Scope::path("forest/*/*").kind(ChildKind::Service);
    let stands = || Scope::path("forest/*").kind(ChildKind::Supervisor);
    Experiment::new("soak")
        .seed(seed)
        .duration(duration)
        .target("forest/**")
        .stabilise_within(Duration::from_secs(60))
        .fault(Fault::Kill, services(), When::Rate(20.0))
        .fault(Fault::KillTogether(5), services(), When::Rate(0.5))
        .fault(Fault::Kill, stands(), When::Rate(0.2))
        .fault(Fault::Panic, services(), When::Rate(10.0))
        .fault(Fault::Error, services(), When::Rate(10.0))
        .fault(Fault::StartPanic(Times::Count(2)), services(), When::Rate(1.0))
        .fault(Fault::StartError(Times::Count(3)), services(), When::Rate(1.0))
        .lasting(Fault::SlowStart(Duration::from_millis(50)), services(), When::Rate(1.0), Duration::from_secs(5))
        .lasting(Fault::Flap(Duration::from_millis(100)), services(), When::Rate(0.2), SEC)
        .fault(Fault::Hang, services(), When::Rate(0.2))
        .lasting(Fault::Hold, services(), When::Rate(0.5), SEC)
        .lasting(Fault::Slow(Duration::from_millis(20)), services(), When::Rate(1.0), Duration::from_secs(2))
        .lasting(Fault::RefuseStop, services(), When::Rate(0.2), Duration::from_secs(2))
        .fault(Fault::Block(Duration::from_millis(20)), services(), When::Rate(1.0))
        .lasting(Fault::Drop(0.2), services(), When::Rate(0.5), Duration::from_secs(2))
        .lasting(Fault::Delay(Duration::from_millis(10)), services(), When::Rate(0.5), Duration::from_secs(2))
        .lasting(Fault::Reorder(0.2), services(), When::Rate(0.5), Duration::from_secs(2))
        .lasting(Fault::Duplicate(0.2), services(), When::Rate(0.5), Duration::from_secs(2))
        .lasting(Fault::MailboxFull, services(), When::Rate(0.5), SEC)
        // A child dies during the restart of another. Services that hang are found by the watchdog.
        .fault(
            Fault::Kill,
            services(),
            When::After { event: Trigger::StartFailed, of: services(), delay: Duration::ZERO },
        )
}

/// Soaks the forest for this time. To be called on a runtime with several threads.
///
/// # Errors
///
/// The tree does not start.
pub(crate) async fn soak(duration: Duration, seed: u64) -> anyhow::Result<Soak> {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (tree, work) = demo::start("forest", seed).await?;
    let warm = async {
        tokio::time::sleep(duration / 10).await;
        memory()
    };
    // A task for each child, and some for the workload and the run.
    let full_tasks = tree.directory().entries().len() + 20;
    let chaos = Chaos::new(&tree);
    let (report, warm_memory) = tokio::join!(chaos.run(experiment(duration, seed)), warm);
    let mut report = report?;
    report.replay = Some(format!("regrow chaos soak --minutes {:?}", duration.as_secs_f64() / 60.0));
    let (end_memory, end_tasks) = (memory(), alive());
    let shutdown = tree.shutdown_within(Duration::from_secs(30)).await.to_string();
    let calls = settled(&work, alive).await;
    Ok(Soak {
        report,
        calls,
        outcomes: work.outcomes().into_iter().collect(),
        alive_twice: work.alive_twice().iter().map(ToString::to_string).collect(),
        memory: (warm_memory, end_memory),
        tasks: (full_tasks, end_tasks, alive()),
        shutdown,
    })
}

/// Returns the number of calls that were made, when all of them have ended and no task is left, or after five seconds.
async fn settled(work: &Work, alive: impl Fn() -> usize) -> u64 {
    for _ in 0..50 {
        let ended: u64 = work.outcomes().values().sum();
        if ended == work.calls() && alive() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    work.calls()
}

/// Returns the resident memory of the process in bytes, or zero if the system does not tell.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    resident.unwrap_or_default() * 4096
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, calls, outcomes, memory, tasks, shutdown, .. } = self;
        let totals = &report.totals;
        writeln!(f, "soak of {} s, seed {}", report.duration, report.seed)?;
        writeln!(f, "faults     {}", totals.hit())?;
        let mut by_kind = totals.faults.clone();
        by_kind.sort();
        by_kind.iter().try_for_each(|(kind, count)| writeln!(f, "           {count:>6} {kind}"))?;
        writeln!(f, "restarts   {}, {} parked, {} abandoned", totals.restarts, totals.parked, totals.abandoned)?;
        let messages = &totals.messages;
        writeln!(
            f,
            "messages   {} accepted = {} handled + {} crashed + {} returned + {} dead-lettered + {} left",
            messages.accepted,
            messages.handled,
            messages.crashed,
            messages.returned,
            messages.dead_lettered,
            messages.left
        )?;
        let outcomes: Vec<_> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        writeln!(f, "calls      {calls}: {}", outcomes.join(", "))?;
        let ms = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{:.1} ms", time * 1000.0));
        let [p50, p99, max] = [totals.recovery_p50, totals.recovery_p99, totals.recovery_max].map(ms);
        writeln!(
            f,
            "recovery   p50 {p50}, p99 {p99}, max {max}; up for {:.3} % of the time",
            totals.availability * 100.0
        )?;
        writeln!(f, "memory     {} MiB when warm, {} MiB at the end", memory.0 >> 20, memory.1 >> 20)?;
        writeln!(
            f,
            "tasks      {} when all services are up, {} at the end, {} after the tree has ended",
            tasks.0, tasks.1, tasks.2
        )?;
        writeln!(f, "shutdown   {shutdown}")?;
        match self.complaints() {
            complaints if complaints.is_empty() => f.write_str("all invariants held"),
            complaints => write!(f, "BROKEN     {}", complaints.join("\n           ")),
        }
    }
}
