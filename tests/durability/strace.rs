//! The saving process, alone or under strace.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// The process that saves, under strace with these arguments.
pub(crate) fn traced(log: &Path, arguments: &[&str], store: &str, place: &Path, saves: usize, size: usize) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(log).args(arguments).arg(env::current_exe().unwrap());
    with_arguments(command, store, place, saves, size)
}

/// The process that saves.
pub(crate) fn saver(store: &str, place: &Path, saves: usize, size: usize) -> Command {
    with_arguments(Command::new(env::current_exe().unwrap()), store, place, saves, size)
}

fn with_arguments(mut command: Command, store: &str, place: &Path, saves: usize, size: usize) -> Command {
    command.args(["save", store]).arg(place).args([saves.to_string(), size.to_string()]).stdout(Stdio::piped());
    command
}

/// One system call of a recorded process.
#[derive(Debug, Clone)]
pub(crate) struct SystemCall {
    pub(crate) process: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) result: i64,
}

/// Reads what `strace -f -o` wrote. A call that was begun and not completed is left out.
pub(crate) fn read(log: &Path) -> Vec<SystemCall> {
    let text = String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned();
    let mut begun = std::collections::HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        let mut rest = rest.trim_start().to_owned();
        if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(process.to_owned(), start.to_owned());
            continue;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((_, end)) = resumed.split_once(" resumed>") else { continue };
            rest = begun.remove(process).unwrap_or_default() + end;
        }
        let Some((name, rest)) = rest.split_once('(') else { continue };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { continue };
        let Some(result) = result.split(' ').next().and_then(|result| result.parse().ok()) else { continue };
        let arguments = arguments.trim_end().trim_end_matches(')').to_owned();
        calls.push(SystemCall { process: process.into(), name: name.into(), arguments, result });
    }
    calls
}

/// Fails if there is no strace.
pub(crate) fn is_there() -> bool {
    Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
