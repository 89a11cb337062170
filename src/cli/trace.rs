//! The command `regrow trace`: it plays OTP scenarios and prints their traces.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use regrow::otp::{Scenario, play_live, play_on_machine};

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Play the scenarios on the live runtime, under a paused clock, instead of the bare machines.
    #[arg(long)]
    live: bool,
    /// With `--live`: run workers as ractor actors instead of bare tasks.
    #[arg(long, requires = "live")]
    actor: bool,
    /// Accepted for scripts that still pass it: bare tasks are the default.
    #[arg(long, requires = "live", conflicts_with = "actor", hide = true)]
    light: bool,
    /// Scenario files. With several, a line `# NAME` comes before each trace.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Plays the scenarios, and returns whether all could be played.
pub(crate) fn run(Trace { live, actor, light: _, files }: &Trace) -> bool {
    let play = |scenario: &Scenario| if *live { play_live(scenario, *actor) } else { Ok(play_on_machine(scenario)) };
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
        // The reader of the output has closed it.
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Trace;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        trace: Trace,
    }

    #[test]
    fn light_is_accepted_and_changes_nothing() {
        let parse = |flags: &[&str]| Command::try_parse_from([&["trace"], flags, &["a.scn"]].concat());
        let is_actor = |flags: &[&str]| parse(flags).map(|command| command.trace.actor).ok();
        assert_eq!(is_actor(&["--live"]), Some(false));
        assert_eq!(is_actor(&["--live", "--light"]), Some(false));
        assert_eq!(is_actor(&["--live", "--actor"]), Some(true));
        assert_eq!(is_actor(&["--live", "--light", "--actor"]), None);
        assert_eq!(is_actor(&["--actor"]), None);
    }
}
