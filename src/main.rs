//! The command line: `regrow trace` tells a scenario's story.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use regrow::trace::{Scenario, play_live, play_on_machine};

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
    Trace {
        /// Play them on the live runtime instead, under a paused clock.
        #[arg(long)]
        live: bool,
        /// With `--live`: workers are bare tasks instead of ractor actors.
        #[arg(long, requires = "live")]
        light: bool,
        /// Scenario files. With several, a line `# NAME` comes before each trace.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let Command::Trace { live, light, files } = Arguments::parse().command;
    let play = |scenario: &Scenario| if live { play_live(scenario, light) } else { Ok(play_on_machine(scenario)) };
    let mut all_good = true;
    let mut out = std::io::stdout().lock();
    for file in &files {
        let told = match trace(file, &play) {
            Ok(trace) if files.len() > 1 => write!(out, "{}{trace}", headline(file)),
            Ok(trace) => write!(out, "{trace}"),
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                all_good = false;
                if files.len() > 1 { write!(out, "{}", headline(file)) } else { Ok(()) }
            }
        };
        // Whoever read has read enough.
        if told.and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    if all_good { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn headline(file: &Path) -> String {
    format!("# {}\n", file.file_stem().unwrap_or(file.as_os_str()).display())
}

fn trace(file: &Path, play: &dyn Fn(&Scenario) -> std::io::Result<String>) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)?;
    Ok(play(&Scenario::parse(&text)?)?)
}
