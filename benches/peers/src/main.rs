//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick`

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand, ValueEnum};
use peers::host::Host;
use peers::measure::Plan;
use peers::scale::Scale;
use peers::system::SystemName;
use peers::workload::{Mode, Workload};
use peers::{run, table};

/// The same work on regrow, tokio's channels, ractor, ractor-supervisor, kameo, actix and Erlang/OTP.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Hidden>,

    /// Small sizes and three passes: under three minutes.
    #[arg(long)]
    quick: bool,

    /// Measure only this workload; may be given several times.
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<Workload>,

    /// Measure only this system; may be given several times.
    #[arg(long, value_name = "SYSTEM")]
    system: Vec<SystemName>,

    /// Measure only in this mode: on one thread, or on two.
    #[arg(long)]
    mode: Option<Mode>,

    /// How often everything is measured; 5 by default, 3 with --quick.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    passes: Option<u16>,

    /// Messages of the cast workloads; the others are in proportion.
    #[arg(long, value_parser = clap::value_parser!(u64).range(64..=100_000_000))]
    messages: Option<u64>,

    /// Children of the workloads that have many.
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=2_000_000))]
    children: Option<u32>,

    /// Write all figures to this file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// Does one job and prints what came of it.
    #[command(hide = true)]
    Run { job: String },
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Hidden::Run { job }) = &args.command {
        return run::main(job);
    }
    match measure(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing was lost.
fn measure(args: &Args) -> Result<bool> {
    // Opened first: a file that cannot be written should be known before the work is done.
    let json = args.json.as_ref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let json = json.transpose()?;
    let plan = plan(args);
    let host = Host::prepare(&plan.systems)?;
    println!("{}\n{} passes, median (least..most)\n", host.describe(), plan.passes);
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        println!("RUST_BACKTRACE is set; everything is measured without it\n");
    }
    for line in &host.left_out {
        println!("{line}\n");
    }

    let mut summaries = Vec::new();
    let mut failures = Vec::new();
    for workload in all_unless(&args.only) {
        let begun = Instant::now();
        let results = plan.measure(workload, &host);
        eprintln!("{workload} took {:.1?}", begun.elapsed());
        if !results.summaries.is_empty() {
            println!("{}", table::workload(workload, &results.summaries));
        }
        for note in &results.notes {
            println!("note: {note}\n");
        }
        for failure in &results.failures {
            println!("FAILED: {failure}\n");
        }
        summaries.extend(results.summaries);
        failures.extend(results.failures);
    }
    if let Some(file) = json {
        serde_json::to_writer_pretty(file, &summaries)?;
    }
    if summaries.is_empty() && failures.is_empty() {
        anyhow::bail!("none of these systems takes part in these workloads");
    }
    for failure in &failures {
        eprintln!("FAILED: {failure}");
    }
    Ok(failures.is_empty())
}

fn plan(args: &Args) -> Plan {
    Plan {
        systems: all_unless(&args.system),
        modes: args.mode.map_or_else(|| all_unless(&[]), |mode| vec![mode]),
        passes: args.passes.map_or(if args.quick { 3 } else { 5 }, usize::from),
        scale: Scale { is_quick: args.quick, messages: args.messages, children: args.children.map(|n| n as usize) },
        limit: if args.quick { Duration::from_secs(60) } else { Duration::from_secs(900) },
    }
}

fn all_unless<T: ValueEnum + Clone>(some: &[T]) -> Vec<T> {
    if some.is_empty() { T::value_variants().to_vec() } else { some.to_vec() }
}
