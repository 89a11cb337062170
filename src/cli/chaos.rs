//! `regrow chaos` carries experiments out on demo trees, and soaks the larger of them.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use regrow::chaos::cli;

use super::demo;
use super::soak::soak;

#[derive(Debug, Args)]
pub(crate) struct Chaos {
    /// The demo tree that the experiment is for: shop, forest or market. Default: shop.
    #[arg(long, global = true)]
    tree: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Experiment(cli::Command),
    /// Keeps the forest, several hundred services, under all faults, live, and watches the invariants.
    Soak {
        /// The length of the soak, in minutes.
        #[arg(long, default_value_t = 1.0)]
        minutes: f64,
        /// The seed. Default: a random one.
        #[arg(long)]
        seed: Option<u64>,
        #[command(flatten)]
        output: cli::Output,
    },
}

pub(crate) fn run(Chaos { tree, command }: Chaos) -> ExitCode {
    match command {
        Command::Experiment(command) => run_on(tree, command),
        Command::Soak { minutes, seed, output } => {
            let soaked = if tree.is_some() {
                Err(anyhow::anyhow!("`soak` takes no `--tree`: it soaks the forest"))
            } else {
                soak_for(minutes, seed, &output)
            };
            cli::exit_code(soaked)
        }
    }
}

fn run_on(tree: Option<String>, command: cli::Command) -> ExitCode {
    let name: Arc<str> = tree.as_deref().unwrap_or("shop").into();
    if !demo::TREES.contains(&&*name) {
        return cli::exit_code(Err(anyhow::anyhow!("there is no demo tree `{name}`: use {}", demo::TREES.join(", "))));
    }
    let program = tree.map_or("regrow chaos".to_owned(), |tree| format!("regrow chaos --tree {tree}"));
    command.run(&program, move |seed| {
        let name = name.clone();
        async move { Ok(demo::start(&name, seed).await?.0) }
    })
}

/// Whether all invariants held.
fn soak_for(minutes: f64, seed: Option<u64>, output: &cli::Output) -> anyhow::Result<bool> {
    let year = 366.0 * 24.0 * 60.0;
    anyhow::ensure!(
        minutes > 0.0 && minutes <= year,
        "--minutes {minutes}: a soak takes more than 0 minutes and at most a year"
    );
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    let duration = Duration::try_from_secs_f64(minutes * 60.0)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let soak = runtime.block_on(soak(duration, seed))?;
    // The reader of the output may have closed it.
    let _ = writeln!(std::io::stdout(), "{soak}");
    output.save(&soak.report)?;
    Ok(soak.complaints().is_empty())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Chaos;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        chaos: Chaos,
    }

    #[test]
    fn the_tree_is_named_before_or_after_the_subcommand() {
        let tree = |line: &str| Program::try_parse_from(line.split(' ')).map(|program| program.chaos.tree).ok();
        let forest = Some(Some("forest".to_owned()));
        assert_eq!(tree("chaos run a.toml --tree forest"), forest);
        assert_eq!(tree("chaos --tree forest replay a.toml --seed 7"), forest);
        assert_eq!(tree("chaos check a.toml"), Some(None));
    }
}
