//! `regrow trace` tells a scenario's story.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use regrow::trace::{Scenario, play_live, play_on_machine};

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Play them on the live runtime instead, under a paused clock.
    #[arg(long)]
    live: bool,
    /// With `--live`: workers are bare tasks instead of ractor actors.
    #[arg(long, requires = "live")]
    light: bool,
    /// Scenario files. With several, a line `# NAME` comes before each trace.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Whether all went well.
pub(crate) fn run(Trace { live, light, files }: &Trace) -> bool {
    let play = |scenario: &Scenario| if *live { play_live(scenario, *light) } else { Ok(play_on_machine(scenario)) };
    let mut all_good = true;
    let mut out = std::io::stdout().lock();
    for file in files {
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
    all_good
}

fn headline(file: &Path) -> String {
    format!("# {}\n", file.file_stem().unwrap_or(file.as_os_str()).display())
}

fn trace(file: &Path, play: &dyn Fn(&Scenario) -> std::io::Result<String>) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)?;
    Ok(play(&Scenario::parse(&text)?)?)
}
