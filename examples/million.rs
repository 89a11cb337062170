//! A million sessions under one dynamic supervisor: they are started, asked, and stopped, and some of them are killed.
//! The example prints the time and the memory of each step, and checks that nothing is left behind.
//!
//! The memory after the stop is that of the handles, which the example still holds.
//!
//! `cargo run --release --example million -- [--sessions N] [--kills N] [--workers N] [--actors]`

use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Parser;
use comfy_table::{Cell, CellAlignment, Table, presets};
use peak_alloc::PeakAlloc;
use rand::RngExt;
use regrow::{
    Accounting, Child, Context, DynamicHandle, DynamicSupervisor, Handle, Intensity, Reply, Restart, Service,
    Supervisor, Tree,
};
use tokio::runtime::Builder;

/// Counts the bytes that are in use.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[derive(Parser)]
struct Arguments {
    /// Number of sessions.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    sessions: u64,
    /// Number of kills, of random sessions.
    #[arg(long, default_value_t = 1_000)]
    kills: u64,
    /// Number of worker threads; 1 is a runtime of one thread.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// Run each session in a ractor actor instead of a bare task.
    #[arg(long)]
    actors: bool,
}

/// A session: its number, and the number of questions.
struct Session {
    number: u64,
    asked: u64,
}

struct Ask(Reply<u64>);

impl Service for Session {
    type Msg = Ask;

    async fn handle(&mut self, Ask(reply): Ask, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.asked += 1;
        reply.send(self.number);
        Ok(())
    }
}

/// Table of the steps: name, time, and memory afterwards.
struct Report {
    table: Table,
    begun: Instant,
    sessions: u64,
    /// Bytes before the first session.
    before: usize,
}

impl Report {
    fn new(sessions: u64) -> Self {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN).set_header(["", "seconds", "us each", "MiB", "bytes each"]);
        Self { table, begun: Instant::now(), sessions, before: MEMORY.current_usage() }
    }

    fn line(&mut self, what: &str, count: u64) {
        let (took, now) = (self.begun.elapsed(), MEMORY.current_usage());
        let each = took.as_secs_f64() * 1e6 / count.max(1) as f64;
        let cells = [
            format!("{:.2}", took.as_secs_f64()),
            format!("{each:.2}"),
            format!("{}", now >> 20),
            format!("{}", now.saturating_sub(self.before) as u64 / self.sessions),
        ];
        let cells = cells.into_iter().map(|text| Cell::new(text).set_alignment(CellAlignment::Right));
        self.table.add_row(std::iter::once(Cell::new(what)).chain(cells));
        self.begun = Instant::now();
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = match arguments.workers {
        1 => Builder::new_current_thread().enable_all().build()?,
        workers => Builder::new_multi_thread().worker_threads(workers.into()).enable_all().build()?,
    };
    // Spawned, so that it runs on a worker thread as the sessions do.
    runtime.block_on(async { tokio::spawn(run(arguments)).await? })
}

async fn run(Arguments { sessions, kills, actors, .. }: Arguments) -> anyhow::Result<()> {
    let pool = DynamicSupervisor::new("sessions").budget(Intensity::unlimited()).template(move |number: u64| {
        let session = Child::service(number.to_string(), move |_| async move { Ok(Session { number, asked: 0 }) });
        // A transient session that ends normally leaves nothing behind.
        let session = session.restart(Restart::Transient);
        if actors { session.as_actor() } else { session }
    });
    let tree = Supervisor::one_for_one("app").child(pool).start().await?;
    let pool = tree.dynamic("app/sessions")?;
    let mut report = Report::new(sessions);

    start(&pool, sessions).await?;
    report.line("started", sessions);

    let handles = handles(&tree, sessions)?;
    report.line("looked up", sessions);

    ask(&handles).await?;
    report.line("asked", sessions);

    kill(&handles, kills).await?;
    report.line("killed and back", kills);

    let law = handles.iter().map(Handle::accounting).fold(Accounting::default(), add);
    ensure!(law.is_balanced() && law.handled == sessions, "the books do not balance: {law}");
    report.line("books read", sessions);

    ensure!(pool.count_children().await?.active as u64 == sessions);
    report.line("counted", sessions);

    stop(&pool, sessions).await?;
    report.line("stopped", sessions);

    drop(handles);
    ensure!(pool.count_children().await?.specs == 0 && tree.directory().entries().len() == 2, "something is left");
    report.line("handles dropped", sessions);

    println!("{}", report.table);
    println!("{law}");
    ensure!(tree.shutdown().await.is_clean());
    Ok(())
}

/// Number of tasks that start and stop sessions side by side, since each waits for its answers.
const HANDS: u64 = 64;

async fn start(pool: &DynamicHandle, sessions: u64) -> anyhow::Result<()> {
    let template = pool.template::<u64>()?;
    each(sessions, move |number| {
        let template = template.clone();
        async move {
            template.start_child(number).await?;
            anyhow::Ok(())
        }
    })
    .await
}

fn handles(tree: &Tree, sessions: u64) -> anyhow::Result<Vec<Handle<Ask>>> {
    (0..sessions).map(|number| Ok(tree.lookup(&format!("app/sessions/{number}"))?)).collect()
}

async fn ask(handles: &[Handle<Ask>]) -> anyhow::Result<()> {
    for (number, session) in handles.iter().enumerate() {
        ensure!(session.call(Ask).await? == number as u64, "the wrong session answered");
    }
    Ok(())
}

async fn kill(handles: &[Handle<Ask>], kills: u64) -> anyhow::Result<()> {
    for _ in 0..kills {
        let victim = &handles[rand::rng().random_range(0..handles.len())];
        let generation = victim.generation();
        victim.kill()?;
        let back = victim.watch().wait_for(|status| status.generation > generation).await.map(drop);
        back.context("it did not come back")?;
    }
    Ok(())
}

async fn stop(pool: &DynamicHandle, sessions: u64) -> anyhow::Result<()> {
    let pool = pool.clone();
    each(sessions, move |number| {
        let pool = pool.clone();
        async move {
            pool.terminate_child(&number.to_string()).await?;
            anyhow::Ok(())
        }
    })
    .await
}

/// Does something for each number, [`HANDS`] at a time.
async fn each<F>(count: u64, work: impl Fn(u64) -> F + Clone + Send + 'static) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send,
{
    let mut hands = tokio::task::JoinSet::new();
    for hand in 0..HANDS {
        let work = work.clone();
        hands.spawn(async move {
            for number in (hand..count).step_by(HANDS as usize) {
                work(number).await?;
            }
            anyhow::Ok(())
        });
    }
    hands.join_all().await.into_iter().collect()
}

fn add(a: Accounting, b: Accounting) -> Accounting {
    Accounting {
        accepted: a.accepted + b.accepted,
        handled: a.handled + b.handled,
        crashed: a.crashed + b.crashed,
        returned: a.returned + b.returned,
        dead_lettered: a.dead_lettered + b.dead_lettered,
        queued: a.queued + b.queued,
        in_hand: a.in_hand + b.in_hand,
        attempts: a.attempts + b.attempts,
        redelivered: a.redelivered + b.redelivered,
    }
}
