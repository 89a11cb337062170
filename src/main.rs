//! The command line: `regrow trace` tells a scenario's story, `regrow policy` is about policy
//! files, `regrow chaos` about experiments.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Supervised actors: tools around the library.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays scenarios on the bare machines, in virtual time, and prints their traces.
    Trace(cli::trace::Trace),
    /// Checks, explains and simulates policy files.
    #[command(subcommand)]
    Policy(cli::policy::Command),
    /// Experiments: faults in demo trees, live and in virtual time.
    Chaos(cli::chaos::Chaos),
}

fn main() -> ExitCode {
    let went_well = match Arguments::parse().command {
        Command::Trace(trace) => cli::trace::run(&trace),
        Command::Policy(command) => cli::policy::run(&command).unwrap_or_else(|error| {
            eprintln!("{error}");
            false
        }),
        Command::Chaos(command) => return cli::chaos::run(command),
    };
    if went_well { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
