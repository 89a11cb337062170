//! The command `regrow policy`: it checks, explains and simulates policy files, prints their schema, and makes a running
//! program read its own again.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
#[cfg(unix)]
use regrow::operate::PolicyAct;
use regrow::policy::{ExitScript, Policies, Problem, schema, simulate};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[cfg(unix)]
    #[command(flatten)]
    Act(PolicyAct),
    #[command(flatten)]
    File(OfFile),
}

#[derive(Debug, Subcommand)]
pub(crate) enum OfFile {
    /// Prints all errors and warnings about policy files. The exit code is 2 if there is an error.
    Check {
        /// Policy files to check.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Prints the JSON schema of policy files, for editors.
    Schema,
    /// Prints every setting of a path and where it comes from: the file, the environment (`REGROW_*`), or the default.
    Explain {
        /// Policy file.
        file: PathBuf,
        /// Full path of a service or supervisor, such as `shop/workers/w1`.
        path: String,
    },
    /// Runs a child through a row of lives under its policy, in virtual time. Variables `REGROW_*` count.
    Simulate {
        /// Policy file.
        file: PathBuf,
        /// Steps such as `panic after 2s *20; lives`, or a file with a step on each line.
        scenario: String,
        /// Full path of the child.
        #[arg(long, default_value = "any/child")]
        path: String,
        /// Seed of the random delays: the same seed draws the same ones.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
}

/// Runs the command, and returns whether it found no error.
pub(crate) fn run(command: &OfFile) -> anyhow::Result<bool> {
    match command {
        OfFile::Check { files } => Ok(check(files)),
        OfFile::Schema => print(&schema()),
        OfFile::Explain { file, path } => {
            let explanation = read(file)?.explain(path, None);
            Ok(print(&format!("{explanation}\n"))? && explanation.problems().is_empty())
        }
        OfFile::Simulate { file, scenario, path, seed } => {
            let is_file = Path::new(scenario).is_file();
            let text = if is_file { std::fs::read_to_string(scenario)? } else { scenario.clone() };
            print(&format!("{}\n", simulate(&read(file)?, path, &ExitScript::parse(&text)?, *seed)?))
        }
    }
}

fn print(text: &str) -> anyhow::Result<bool> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // The reader of the output has closed it, which is no error.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(true),
        written => Ok(written.map(|()| true)?),
    }
}

/// Reads a file, with the environment over it, and prints the warnings.
fn read(file: &Path) -> anyhow::Result<Policies> {
    let policies = Policies::read(file)?.with_environment()?;
    policies.warnings().iter().for_each(|warning| eprintln!("{warning}\n"));
    Ok(policies)
}

fn check(files: &[PathBuf]) -> bool {
    let (mut errors, mut warnings) = (0, 0);
    for file in files {
        let problems = match Policies::read(file) {
            Ok(policies) => policies.warnings().to_vec(),
            Err(refused) => refused.problems().to_vec(),
        };
        problems.iter().for_each(|problem| eprintln!("{problem}\n"));
        let found = problems.iter().filter(|problem| Problem::is_error(problem)).count();
        errors += found;
        warnings += problems.len() - found;
    }
    eprintln!("{}: {}, {}", count(files.len(), "file"), count(errors, "error"), count(warnings, "warning"));
    errors == 0
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
