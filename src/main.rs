//! The command line: `regrow ps` and its kin for running programs, `regrow policy` for policy files, `regrow chaos` for
//! experiments with faults, `regrow trace` for OTP scenarios.

mod cli;

use std::process::ExitCode;

#[cfg(unix)]
use clap::CommandFactory;
use clap::{Parser, Subcommand};
#[cfg(unix)]
use regrow::operate::{EXIT_CODES, Operate};

/// Tools for regrow, a library of supervised actors: running programs, policy files, experiments with faults, OTP scenarios.
#[derive(Debug, Parser)]
#[command(version)]
#[cfg_attr(unix, command(after_help = EXIT_CODES))]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(unix)]
    #[command(flatten)]
    Operate(Operate),
    /// Plays OTP scenarios and prints their traces, to be compared with those of Erlang.
    Trace(cli::trace::Trace),
    /// Checks, explains and simulates restart policies in files, and makes a running program read its own again.
    #[command(subcommand)]
    Policy(cli::policy::Command),
    /// Runs experiments: injects faults into demo trees, live or in virtual time.
    Chaos(cli::chaos::Chaos),
}

fn main() -> ExitCode {
    let is_ok = match Arguments::parse().command {
        #[cfg(unix)]
        Command::Operate(command) => return command.run(Arguments::command()),
        #[cfg(unix)]
        Command::Policy(cli::policy::Command::Act(command)) => return command.run(&Arguments::command()),
        Command::Trace(trace) => cli::trace::run(&trace),
        Command::Policy(cli::policy::Command::File(command)) => cli::policy::run(&command).unwrap_or_else(|error| {
            eprintln!("{error}");
            false
        }),
        Command::Chaos(command) => return cli::chaos::run(command),
    };
    if is_ok { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
