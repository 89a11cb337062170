//! The program `regrow`, run as an operator runs it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// End of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Prepares a run: sockets are searched for in `folder`, standard input is empty.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regrow"));
    command.args(arguments).env("XDG_RUNTIME_DIR", folder).env("TMPDIR", folder).env_remove("REGROW_OF");
    command.stdin(Stdio::null());
    command
}

/// Runs `regrow` to its end.
pub(crate) fn regrow(folder: &Path, arguments: &[&str]) -> Ran {
    ran(&command(folder, arguments).output().expect("the program runs"))
}

pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout.clone()).expect("UTF-8"),
        err: String::from_utf8(output.stderr.clone()).expect("UTF-8"),
    }
}
