//! Costs as a tree grows: `cargo bench --bench growth [-- --max N]` prints the table of `benches/README.md`.
//!
//! The trees have services in bare tasks, or in ractor actors, below one static one_for_one supervisor. The runtime has
//! one thread. Memory is the sum of the allocations in use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use peak_alloc::PeakAlloc;
use rand::RngExt;
use regrow::{Child, Context, Handle, Intensity, Reply, Service, ServiceChild, Supervisor, Tree};
use tokio::runtime::Builder;

/// Counts the bytes that are in use.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[derive(Parser)]
struct Arguments {
    /// Size of the largest tree; the sizes are 100, 10,000 and 1,000,000.
    #[arg(long, default_value_t = 1_000_000)]
    max: usize,
    /// Added by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

struct Counter(u64);

enum Msg {
    Add,
    Get(Reply<u64>),
}

impl Service for Counter {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Add => {
                self.0 += 1;
                ADDED.fetch_add(1, Ordering::Relaxed);
            }
            Msg::Get(reply) => {
                reply.send(self.0);
            }
        }
        Ok(())
    }
}

/// Messages added up by all counters.
static ADDED: AtomicUsize = AtomicUsize::new(0);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "services",
        "kind",
        "start, us",
        "bytes each",
        "cast, ns",
        "call, ns",
        "kill to reply, us",
        "look-up, ns",
        "all entries, ms",
        "stop, us",
    ]);
    for column in [0, 2, 3, 4, 5, 6, 7, 8, 9] {
        table.column_mut(column).expect("it has a header").set_cell_alignment(CellAlignment::Right);
    }
    for services in [100, 10_000, 1_000_000].into_iter().filter(|&services| services <= arguments.max) {
        for is_actor in [false, true] {
            table.add_row(runtime.block_on(measure(services, is_actor))?);
        }
    }
    println!("{table}");
    Ok(())
}

fn child(index: usize, is_actor: bool) -> ServiceChild<Msg> {
    let child = Child::service(index.to_string(), |_| async { Ok(Counter(0)) });
    if is_actor { child.as_actor() } else { child }
}

async fn measure(services: usize, is_actor: bool) -> anyhow::Result<[String; 10]> {
    let before = MEMORY.current_usage();
    let begun = Instant::now();
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .children((0..services).map(|index| child(index, is_actor)))
        .start()
        .await?;
    let start = begun.elapsed();
    let memory = (MEMORY.current_usage() - before) / services;

    let begun = Instant::now();
    let handles = (0..services).map(|index| tree.lookup(&format!("app/{index}"))).collect::<Result<Vec<_>, _>>()?;
    let look_up = begun.elapsed();

    let picks = 100_000;
    let cast = cast(&handles, picks).await?;
    let call = call(&handles, picks).await?;
    let kill = kill(&handles, 2_000).await?;

    let begun = Instant::now();
    ensure!(tree.directory().entries().len() == services + 1);
    let entries = begun.elapsed();

    let stop = stop(tree).await?;
    Ok([
        services.to_string(),
        if is_actor { "actor" } else { "task" }.into(),
        micros(start, services),
        memory.to_string(),
        nanos(cast, picks),
        nanos(call, picks),
        format!("{:.1}", kill.as_secs_f64() * 1e6),
        nanos(look_up, services),
        format!("{:.2}", entries.as_secs_f64() * 1e3),
        micros(stop, services),
    ])
}

fn any<T>(of: &[T]) -> &T {
    &of[rand::rng().random_range(0..of.len())]
}

async fn cast(handles: &[Handle<Msg>], picks: usize) -> anyhow::Result<Duration> {
    ADDED.store(0, Ordering::Relaxed);
    let begun = Instant::now();
    for _ in 0..picks {
        any(handles).send(Msg::Add).await?;
    }
    while ADDED.load(Ordering::Relaxed) < picks {
        tokio::task::yield_now().await;
    }
    Ok(begun.elapsed())
}

async fn call(handles: &[Handle<Msg>], picks: usize) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    for _ in 0..picks {
        any(handles).call(Msg::Get).await?;
    }
    Ok(begun.elapsed())
}

/// Median time from a kill to the next reply.
async fn kill(handles: &[Handle<Msg>], kills: usize) -> anyhow::Result<Duration> {
    let mut took = Vec::with_capacity(kills);
    for _ in 0..kills {
        let victim = any(handles);
        let begun = Instant::now();
        victim.kill()?;
        while victim.call(Msg::Get).await.is_err() {}
        took.push(begun.elapsed());
    }
    took.sort();
    Ok(took[kills / 2])
}

async fn stop(tree: Tree) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let report = tree.shutdown().await;
    ensure!(report.is_clean(), "{report}");
    Ok(begun.elapsed())
}

fn micros(time: Duration, count: usize) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e6 / count as f64)
}

fn nanos(time: Duration, count: usize) -> String {
    format!("{:.0}", time.as_secs_f64() * 1e9 / count as f64)
}
