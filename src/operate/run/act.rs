//! `regrow kill`, `restart`, `terminate`, `start`, `park`, `revive`, and `policy reload`.
//!
//! An act that disturbs (kill, restart, terminate, park) asks once, and strikes only the generation that it showed.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use crate::admin::wire::act::{ActKind, ActRequest, Acted};
use crate::operate::ask::source::Source;
use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::run::one::in_full;
use crate::operate::run::output::Output;
use crate::operate::text::{safe, safe_lines, verb, word};
use crate::operate::trouble::Trouble;

/// Options of an act on a child.
#[derive(Debug, Args)]
pub(crate) struct OnChild {
    /// Full path of the child, such as `shop/db`.
    path: String,
    /// The reason, for the log, the events and the record.
    #[arg(long, short, value_parser = reason)]
    reason: String,
    /// The generation that is meant: if a newer one is up, the act is refused.
    #[arg(long)]
    generation: Option<u64>,
    /// Do not ask. Needed if standard input is no terminal.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Options of `regrow policy reload`.
#[derive(Debug, Args)]
pub struct Reload {
    /// Name of the tree's root. It may be left out if the program has one tree.
    tree: Option<String>,
    /// The reason, for the log, the events and the record.
    #[arg(long, short, value_parser = reason)]
    reason: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Reads the reason of an act, which is not empty.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a reason is needed: it goes into the log, the events and the record".to_owned()),
        reason => Ok(reason.to_owned()),
    }
}

impl OnChild {
    pub(crate) fn run(&self, act: ActKind, output: &Output) -> Result<Code, Trouble> {
        let mut request = ActRequest {
            act,
            path: self.path.clone(),
            reason: self.reason.clone(),
            generation: self.generation,
            letters: Vec::new(),
            receiver: None,
        };
        let asks = disturbs(act) && !self.yes;
        if asks && !io::stdin().is_terminal() {
            let verb = verb(act);
            return Err(Trouble::usage(format!(
                "`{verb}` disturbs, and there is no terminal to ask on: `--yes` does it without asking"
            )));
        }
        let source = Source::find(&self.target)?;
        if asks && !self.is_confirmed(&source, &mut request)? {
            return Err(Trouble::new(Code::Refused, "not confirmed: nothing was done"));
        }
        output.answer(&source.act(&request)?, |acted, _| told(acted))?;
        Ok(Code::Done)
    }

    /// Shows the child and asks. The act is for the generation that is shown.
    fn is_confirmed(&self, source: &Source<'_>, request: &mut ActRequest) -> Result<bool, Trouble> {
        let service = in_full(source, &self.path)?.data.service;
        let generation = *request.generation.get_or_insert(service.generation);
        let verb = verb(request.act);
        let capital: String = verb.chars().take(1).flat_map(char::to_uppercase).chain(verb.chars().skip(1)).collect();
        let (path, state) = (safe(&self.path), word(service.state));
        eprint!("{capital} {path} (generation {generation}, {state})? [y/N] ");
        io::stderr().flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(matches!(line.trim(), "y" | "Y" | "yes"))
    }
}

impl Reload {
    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        let source = Source::find(&self.target)?;
        let request = ActRequest {
            act: ActKind::ReloadPolicy,
            path: source.tree(self.tree.as_deref())?,
            reason: self.reason.clone(),
            generation: None,
            letters: Vec::new(),
            receiver: None,
        };
        output.answer(&source.act(&request)?, |acted, _| told(acted))?;
        Ok(Code::Done)
    }
}

/// Returns the text about an act that was carried out.
pub(crate) fn told(acted: &Acted) -> String {
    // An outcome of several lines, as of a reload, is shown below.
    let mut text = format!("{} {}:", verb(acted.act), safe(&acted.path));
    let lines: Vec<_> = safe_lines(&acted.outcome).collect();
    match lines.as_slice() {
        [line] => text.push_str(&format!(" {line}\n")),
        lines => {
            text.push('\n');
            lines.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
    }
    text
}

/// Whether it takes a child away from its callers for a while.
fn disturbs(act: ActKind) -> bool {
    match act {
        ActKind::Kill | ActKind::Restart | ActKind::Terminate | ActKind::Park => true,
        ActKind::Start
        | ActKind::Revive
        | ActKind::Replay
        | ActKind::ReloadPolicy
        | ActKind::RunExperiment
        | ActKind::StopExperiment => false,
    }
}
