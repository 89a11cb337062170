//! A bank under fire: its services know each other in a cycle and are killed at random while they work. No cent is
//! lost.
//!
//! ```text
//! cargo run --release --example bank -- --transfers 200000 --kills-per-second 200
//! printf 'a,b,5\nnonsense\nb,a,2\n' | cargo run -q --release --example bank
//! cargo run --release --example bank -- --transfers 500000 --kills-per-second 200 --policy examples/bank/policy.toml
//! cargo run --release --example bank -- --transfers 200000 --kills-per-second 20 --admin --open
//! ```
//!
//! The first command makes up transfers and shows progress, then a table of the services (lives, restarts, messages,
//! recovery times) and the verdict. The second reports that line 2 is malformed, and prints the balances. The third
//! works under restart policies from a file, and reports each change of the file. The fourth lets an operator look and act
//! from another terminal (`cargo run --features cli -- ps --of bank`), and stays open after the work, under kills, until
//! Ctrl-C. The exit code is 0 if every check holds, and 2 if the options are invalid. It is 1 if a check fails or the bank
//! could not do its work.
//!
//! # What happens when a teller dies in the middle of a transfer
//!
//! ```text
//! bank                     one_for_one
//! ├── ledger               service        1. its state is dropped: sockets, files, timers, tasks
//! ├── audit                service        2. its callers get an error: crashed while it ran, or never ran
//! ├── fx                   service        3. the supervisor charges its budget and starts teller-2 again
//! └── tellers              one_for_one    4. the factory builds a fresh state: generation 2
//!     ├── teller-1         service        5. the queued messages go on, in order, at the same handle
//!     ├── teller-2  ✗ → ↻  service        6. if the budget is used up, `tellers` ends, and `bank` decides
//!     └── teller-3         service
//! ```
//!
//! The mailboxes of the audit and of fx drop the oldest message when they are full. The column `shed` of the table
//! counts these.
//!
//! # How nothing is lost and nothing doubled
//!
//! The line number of a transfer is its id. Callers repeat a call until it is answered, so nothing is lost. The ledger
//! saves its book to a checkpoint, and each incarnation begins with what the one before has saved. It answers when a
//! transfer is saved, and skips ids that are in the book, so nothing is doubled. Every service may die at any moment.
//!
//! A save is synced, so the answers outlive a crash of the machine too. It has the whole book, and all transfers that came
//! while the save before was under way. The line `saves` of the report says how many there were.
//!
//! This has a price. With a journal that appended a line for each transfer and synced none, the first command took
//! 1.4 s to 2.3 s on two cores; with synced saves it takes 12 s to 13 s. Nearly all of that is spent on the disk, so another
//! disk makes another time. A transfer waits for a save with some 120 others, so there are more customers at a time.
//!
//! # Layout
//!
//! | file | one idea |
//! |---|---|
//! | `bank.rs` | the wiring: mailboxes first, then the directory, then the tree |
//! | `ledger.rs`, `book.rs` | the service, and the book that it saves |
//! | `teller.rs`, `audit.rs`, `fx.rs` | the rest of the cycle |
//! | `input.rs` | transfers from a file, from standard input or made up, and their sum, computed another way |
//! | `customers.rs` | callers that repeat until answered |
//! | `chaos.rs`, `watch.rs` | the killer, and the observer |
//! | `policy.rs`, `policy.toml` | restart policies from a file that may change while the bank is open |
//! | `admin.rs` | the source of what an operator sees and does |
//! | `report.rs` | the table and the verdict |

mod admin;
mod audit;
mod bank;
mod book;
mod chaos;
mod customers;
mod fx;
mod input;
mod ledger;
mod policy;
mod report;
mod teller;
mod watch;

use std::future::Future;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use regrow::checkpoint::{Checkpoints, FileStore};
use tokio::sync::{mpsc, oneshot};

use crate::bank::{Bank, ask};
use crate::input::{Expected, Input, Transfer};
use crate::report::{Day, Work};
use crate::watch::Progress;

const CLOSING_TIME: Duration = Duration::from_secs(2);

/// A supervised bank that works while its services are killed at random.
#[derive(Parser)]
#[command(name = "bank", version)]
struct Options {
    /// Transfers to read, one `from,to,amount` per line; `-` is standard input
    file: Option<PathBuf>,
    /// Make up N transfers instead of reading them
    #[arg(long, value_name = "N", conflicts_with = "file", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    transfers: Option<u64>,
    /// Kill K services a second, at random
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    kills_per_second: u32,
    /// Seed of the transfers and of the kills [default: a random one]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Size of the pool of tellers
    #[arg(long, value_name = "T", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    tellers: u32,
    /// Directory of the ledger's book, which is made if it is absent. The book of an earlier run of the same input is
    /// continued [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Restart policies, over those in code: applied now and after each change of the file, each time with a report
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Let the commands of an operator look at the bank and act on it: `regrow ps --of bank`
    #[arg(long)]
    admin: bool,
    /// Stay open after the work, with the kills, until Ctrl-C
    #[arg(long, requires = "admin")]
    open: bool,
    /// Show regrow's log on standard error
    #[arg(long)]
    log: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if options.log {
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .init();
    }
    match run(&options).await {
        Ok(day) => {
            // A reader that closes the output early (`| head`) is no error.
            let _ = write!(std::io::stdout(), "{day}");
            if day.is_balanced() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("bank: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn input(options: &Options, seed: u64) -> anyhow::Result<Input> {
    match (&options.file, options.transfers) {
        (_, Some(transfers)) => Ok(Input::made_up(transfers, seed)),
        (Some(file), None) if file.as_os_str() != "-" => Input::file(file),
        (None, None) if std::io::stdin().is_terminal() => Options::command()
            .error(
                ErrorKind::MissingRequiredArgument,
                "no transfers: name a FILE, pipe them in, or make some up with `--transfers 200000`",
            )
            .exit(),
        (_, None) => Ok(Input::standard()),
    }
}

/// A day of the bank: it opens, serves all customers while services die, closes, and checks the books.
async fn run(options: &Options) -> anyhow::Result<Day> {
    let seed = options.seed.unwrap_or_else(rand::random);
    let input = input(options, seed)?;
    // The directory is deleted, with its contents, when the day is over.
    let scratch = tempfile::tempdir().context("cannot make a temporary directory for the book")?;
    let directory = options.store.clone().unwrap_or_else(|| scratch.path().into());
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    let store = FileStore::open(&directory)?;
    let resumed = ledger::stored(&store).await?.totals().transfers;
    let progress = Progress::new(options.transfers);
    progress.say(&format!(
        "bank: {} tellers, {} kills a second, seed {seed}{}",
        options.tellers,
        options.kills_per_second,
        if resumed > 0 { format!("; the book has {resumed} transfers already") } else { String::new() },
    ));

    let bank = Bank::open(options.tellers, Checkpoints::new(store.clone())).await?;
    let mut listening = None;
    let worked = async {
        if let Some(file) = &options.policy {
            policy::follow(&bank.tree, file, progress.clone()).await?;
        }
        if options.admin {
            listening = Some(admin::open(&bank.tree, options.policy.as_deref(), &progress).await?);
        }
        work(&bank, input, options, seed, &progress).await
    }
    .await;
    progress.finish();
    // Good and bad days end the same way: the tree is shut down, not dropped. On a bad day the ledger may be dead, and
    // services that wait for it are killed after the closing time.
    let shutdown = bank.tree.shutdown_within(CLOSING_TIME).await;
    let entries = bank.tree.directory().entries();
    drop(listening);
    Ok(Day { seed, work: worked?, shutdown, entries, on_disk: ledger::stored(&store).await?, resumed })
}

async fn work(bank: &Bank, input: Input, options: &Options, seed: u64, progress: &Progress) -> anyhow::Result<Work> {
    let begun = Instant::now();
    let (alarm, mut alarms) = mpsc::channel(1);
    let watch = watch::Watch::start(&bank.tree, progress.clone(), alarm);
    let chaos = chaos::Chaos::start(bank, options.kills_per_second, seed, watch.kill_log());

    let served = async {
        let (entrance, queue) = mpsc::channel(1024);
        let summed = in_thread(input, entrance, progress.clone());
        let tally = customers::serve_all(&bank.peers.tellers, queue, progress).await?;
        let expected = summed.await.context("the reader of the input panicked")??;
        anyhow::Ok((tally, expected))
    };
    let (tally, expected) = tokio::select! {
        served = unless_alarmed(bank, &mut alarms, served) => served?,
        closed = interrupted() => {
            closed?;
            anyhow::bail!("interrupted")
        }
    };
    let took = begun.elapsed();
    if options.open {
        progress.say("all customers are served; open until Ctrl-C");
        unless_alarmed(bank, &mut alarms, interrupted()).await?;
    }
    let kills = chaos.stop().await;

    let closing = async {
        let book = ask(&bank.peers.ledger, ledger::LedgerMsg::Book).await?;
        anyhow::Ok((book, ask(&bank.peers.audit, audit::AuditMsg::Close).await?))
    };
    let (book, findings) = unless_given_up(closing, progress).await?;
    let saves = bank.peers.ledger.saves();
    Ok(Work { took, tally, expected, kills, findings, watched: watch.stop().await, book, saves })
}

/// Waits for `done`. An event that nothing explains, and an early end of the bank, are errors.
async fn unless_alarmed<T>(
    bank: &Bank,
    alarms: &mut mpsc::Receiver<String>,
    done: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        done = done => done,
        Some(alarm) = alarms.recv() => anyhow::bail!("{alarm}"),
        end = bank.tree.wait() => anyhow::bail!("the bank ended before its work was done: {end}"),
    }
}

/// Waits for the last answers. Services that an operator has stopped give none, so another Ctrl-C ends the wait.
async fn unless_given_up<T>(
    answers: impl Future<Output = anyhow::Result<T>>,
    progress: &Progress,
) -> anyhow::Result<T> {
    let given_up = async {
        tokio::select! {
            closed = interrupted() => closed,
            () = tokio::time::sleep(CLOSING_TIME) => {
                progress.say("waiting for bank/ledger and bank/audit: start what is stopped, or give up with Ctrl-C");
                interrupted().await
            }
        }
    };
    tokio::select! {
        answered = answers => answered,
        closed = given_up => {
            closed?;
            anyhow::bail!("interrupted: bank/ledger or bank/audit had not answered, so nothing was checked")
        }
    }
}

async fn interrupted() -> anyhow::Result<()> {
    tokio::signal::ctrl_c().await.context("cannot listen for Ctrl-C")
}

/// Reads the input in a separate thread: a read may block for ever, and the process can still end.
fn in_thread(
    input: Input,
    entrance: mpsc::Sender<Transfer>,
    progress: Progress,
) -> oneshot::Receiver<anyhow::Result<Expected>> {
    let (done, summed) = oneshot::channel();
    std::thread::spawn(move || {
        // If the day was broken off, the sum is not received.
        let _ = done
            .send(input.pour(&entrance, |line, malformed| progress.say(&format!("line {line} skipped: {malformed}"))));
    });
    summed
}
