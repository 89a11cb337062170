//! The command line: `regrow policy` for policy files, `regrow chaos` for experiments with faults, `regrow trace` for
//! OTP scenarios.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tools for regrow, a library of supervised actors: policy files, experiments with faults, OTP scenarios.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays OTP scenarios and prints their traces, to be compared with those of Erlang.
    Trace(cli::trace::Trace),
    /// Checks, explains and simulates restart policies in files.
    #[command(subcommand)]
    Policy(cli::policy::Command),
    /// Runs experiments: injects faults into demo trees, live or in virtual time.
    Chaos(cli::chaos::Chaos),
}

fn main() -> ExitCode {
    let is_ok = match Arguments::parse().command {
        Command::Trace(trace) => cli::trace::run(&trace),
        Command::Policy(command) => cli::policy::run(&command).unwrap_or_else(|error| {
            eprintln!("{error}");
            false
        }),
        Command::Chaos(command) => return cli::chaos::run(command),
    };
    if is_ok { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
