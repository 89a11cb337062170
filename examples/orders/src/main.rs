//! The program `orders`: the backend, or a demonstration of it. The library has the documentation.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use orders::demo::{self, Demo};
use orders::operations::Operations;
use orders::options::Options;
use orders::{logs, tree};
use regrow::Tree;

/// A web backend on regrow
#[derive(Parser)]
#[command(name = "orders", version, args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    then: Option<Then>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Then {
    /// Start the backend, order from it, break it, and report what was lost (nothing)
    Demo(Demo),
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Command::parse();
    let outcome = match &command.then {
        Some(Then::Demo(demo)) => demo::run(demo).await,
        None => serve(&command.options).await.map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // The reason is the last line.
        Err(error) => {
            eprintln!("orders: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or Ctrl-C. An end that was not wanted is an error.
async fn serve(options: &Options) -> anyhow::Result<()> {
    logs::open(options.log);
    let operations = Operations::new(options);
    let orders = tree::describe(options, operations.mounted(options))?;
    let mut open = None;
    let when_up = |tree: &Tree| open = Some(operations.open(tree, options));
    // Signals count from here on: one that comes while the tree starts also stops it in order.
    let run = orders.run_until_signal().drain(options.drain).within(options.limit);
    run.sd_notify().when_up(when_up).await?;
    Ok(())
}
