//! A demonstration: the backend under load, in peace, under an experiment, and killed again and again.
//!
//! It starts the backend as a separate process, with databases in a folder for this run, and plays the customers. At the
//! end each order that a customer was promised is looked for in the databases. On two cores of a busy machine:
//!
//! ```text
//!                                   calm         chaos       kill -9
//!   orders                          4000          4000          4000
//!   acknowledged                    4000          4000          4000
//!   given up                           0             0             0
//!   orders a second                  200           200           200
//! requests by outcome
//!   200 taken before                   -             4             1
//!   201 taken                       4000          3996          3999
//!   no answer                          -             -             9
//! time until acknowledged, repetitions included
//!   half                          1.2 ms        2.0 ms        2.6 ms
//!   99 %                          8.7 ms     1838.1 ms       21.6 ms
//!   99.9 %                       20.8 ms     2018.3 ms      104.2 ms
//!   the slowest                  26.6 ms     2038.8 ms      112.1 ms
//!
//! in the databases: 12000 orders
//!   orders: 0 lost, 0 doubled, 0 not settled
//!   events: 0 lost, 0 doubled, 0 sent again and dropped
//! the experiment passed: see experiment.txt
//! after SIGTERM the process ended with exit status: 0
//! ```
//!
//! The two seconds are those in which another program has the lock of the database: no order is refused for that.

pub mod operator;
pub mod process;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::time::sleep;

use crate::database;
use crate::load::client::Client;
use crate::load::figures::{Figures, Table};
use crate::load::{self, Plan, Running, check};
use operator::Operator;
use process::Program;

/// The experiment if the command line names no file.
pub const EXPERIMENT: &str = include_str!("../../chaos.toml");

#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// Orders a second
    #[arg(long, value_name = "N", default_value = "200", value_parser = crate::options::rate)]
    pub rate: f64,
    /// Length of each part, in seconds; the experiment is 20 s long
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = crate::options::seconds)]
    pub lasts: Duration,
    /// How often the process is killed in the third part
    #[arg(long, value_name = "N", default_value = "5")]
    pub kills: u32,
    /// Another experiment
    #[arg(long, value_name = "FILE")]
    pub experiment: Option<PathBuf>,
    /// Where the databases and the log are left [default: a new folder in the one for temporary files]
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

impl Demo {
    fn plan(&self, name: &str) -> Plan {
        let orders = (self.rate * self.lasts.as_secs_f64()) as usize;
        let patience = Duration::from_secs(60);
        Plan { name: name.to_owned(), orders, rate: self.rate, customers: 100, patience }
    }

    async fn load(&self, name: &str, client: &Client) -> Figures {
        let plan = self.plan(name);
        load::run(&plan, client, &Running::default(), &load::bar(name, plan.orders)).await
    }
}

/// Returns whether nothing was lost or doubled, and the experiment passed.
pub async fn run(demo: &Demo) -> anyhow::Result<bool> {
    let folder = demo.folder.clone().unwrap_or_else(new_folder);
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let experiment = match &demo.experiment {
        Some(file) => std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?,
        None => EXPERIMENT.to_owned(),
    };
    println!("the databases and the log are in {}", folder.display());
    let mut program = Program::new(std::env::current_exe()?, &folder);

    let process = program.start(&[]).await?;
    let calm = demo.load("calm", &process.client).await;
    process.terminate().await?;
    let status = process.end().await?;
    anyhow::ensure!(status.success(), "after SIGTERM it ended with {status}");

    // What is outside of the shop fails, too: the gateway is down for a while, and the database is locked.
    let options = ["--experiments", "--gateway-down-after", "8", "--gateway-down-for", "4"];
    let process = program.start(&options).await?;
    let operator = Operator(process.client.clone());
    let (chaos, outcome, locked) = tokio::join!(
        demo.load("chaos", &process.client),
        experiment_under_load(&operator, &experiment),
        lock(program.database()),
    );
    locked.context("cannot lock the database")?;
    let (has_passed, report) = outcome?;
    std::fs::write(folder.join("experiment.txt"), report)?;
    drop(process);

    let killed = kill_again_and_again(demo, &mut program).await?;

    let process = program.start(&[]).await?;
    check::wait_until_settled(&process.client, Duration::from_secs(60)).await?;
    process.terminate().await?;
    let status = process.end().await?;

    let placed = [&calm, &chaos, &killed].into_iter().flat_map(|run| &run.placed);
    let verdict = check::check(&program.database(), &program.warehouse(), placed)?;
    println!("\n{}", Table(&[("calm", &calm), ("chaos", &chaos), ("kill -9", &killed)]));
    println!("{verdict}");
    println!("the experiment {}: see experiment.txt", if has_passed { "passed" } else { "did not pass" });
    println!("after SIGTERM the process ended with {status}");
    let is_answered = [&calm, &chaos, &killed].iter().all(|run| run.given_up() == 0);
    Ok(verdict.is_clean() && has_passed && status.success() && is_answered)
}

/// Kills the process under load, and starts it again at once, as an orchestrator does.
async fn kill_again_and_again(demo: &Demo, program: &mut Program) -> anyhow::Result<Figures> {
    let mut process = program.start(&[]).await?;
    let client = process.client.clone();
    let load = tokio::spawn({
        let demo = demo.clone();
        async move { demo.load("kill -9", &client).await }
    });
    for _ in 0..demo.kills {
        sleep(demo.lasts / (demo.kills + 1)).await;
        process.kill().await?;
        process = program.start(&[]).await?;
    }
    Ok(load.await?)
}

/// Waits until each customer has a session, and runs the experiment.
async fn experiment_under_load(operator: &Operator, experiment: &str) -> anyhow::Result<(bool, String)> {
    sleep(Duration::from_secs(2)).await;
    operator.experiment(experiment).await
}

/// Writes in the database for two seconds, as a backup does or a person with a shell. The shop has to wait.
async fn lock(database: PathBuf) -> anyhow::Result<()> {
    sleep(Duration::from_secs(4)).await;
    let locked = tokio::task::spawn_blocking(move || {
        let connection = database::open(&database)?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        std::thread::sleep(Duration::from_secs(2));
        connection.execute_batch("COMMIT")
    });
    Ok(locked.await??)
}

fn new_folder() -> PathBuf {
    let name = format!("regrow-orders-{}", std::process::id());
    Path::new(&std::env::temp_dir()).join(name)
}
