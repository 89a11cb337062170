//! `regrow completions` and `regrow man`: generated from the command line itself.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::generate_to;

use crate::operate::code::Code;
use crate::operate::run::output::Output;
use crate::operate::text::safe;
use crate::operate::trouble::Trouble;

/// Options of `regrow completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

/// Options of `regrow man`.
#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// The folder that the pages are written to. It is made if it is not there.
    folder: PathBuf,
}

impl Completions {
    pub(crate) fn run(&self, mut whole: Command, output: &Output) -> Result<Code, Trouble> {
        let name = whole.get_name().to_owned();
        let mut script = Vec::new();
        generate(self.shell, &mut whole, name, &mut script);
        output.text(&String::from_utf8_lossy(&script))?;
        Ok(Code::Done)
    }
}

impl Manual {
    /// Writes a page for the program and for each of its commands.
    pub(crate) fn run(&self, whole: Command) -> Result<Code, Trouble> {
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| generate_to(whole, &self.folder));
        written.map_err(|error| {
            Trouble::usage(format!("{} cannot be written to: {error}", safe(&self.folder.display().to_string())))
        })?;
        Ok(Code::Done)
    }
}
