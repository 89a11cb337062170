//! `regrow dead-letters`.

use clap::{Args, Subcommand};

use crate::admin::wire::act::{ActKind, ActRequest};
use crate::admin::wire::letter::{Letter, Letters};
use crate::admin::wire::query::{LetterQuery, LettersQuery};
use crate::operate::ask::source::Source;
use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::run::act::{reason, told};
use crate::operate::run::output::Output;
use crate::operate::text::{letter, letters};
use crate::operate::trouble::Trouble;

/// Options of `regrow dead-letters`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the letters that are kept, oldest first, and counts them by reason and receiver. This is the default.
    List(List),
    /// Shows one letter. Its content is shown only if the service describes it.
    Show(Show),
    /// Puts letters into the mailboxes of their services again.
    Replay(Replay),
}

#[derive(Debug, Args)]
struct List {
    /// Only letters to this path.
    #[arg(long, value_name = "PATH")]
    to: Option<String>,
    /// Only letters with this reason, as the list shows it.
    #[arg(long, value_name = "REASON")]
    because: Option<String>,
    /// Letters that are shown.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Name of the tree's root. It may be left out if the program has one tree.
    #[arg(long)]
    tree: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct Show {
    /// Number of the letter.
    number: u64,
    /// Name of the tree's root. It may be left out if the program has one tree.
    #[arg(long)]
    tree: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct Replay {
    /// Numbers of the letters.
    #[arg(required_unless_present = "to")]
    numbers: Vec<u64>,
    /// All letters to this path.
    #[arg(long, value_name = "PATH", conflicts_with = "numbers")]
    to: Option<String>,
    /// The reason, for the log, the events and the record.
    #[arg(long, short, value_parser = reason)]
    reason: String,
    /// Name of the tree's root. It may be left out if the program has one tree.
    #[arg(long)]
    tree: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl DeadLetters {
    /// Returns the options of the program that is meant.
    pub(crate) fn target(&self) -> &Target {
        match &self.command {
            Some(Command::List(list)) => &list.target,
            Some(Command::Show(show)) => &show.target,
            Some(Command::Replay(replay)) => &replay.target,
            None => &self.list.target,
        }
    }

    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        let source = Source::find(self.target())?;
        match &self.command {
            Some(Command::List(list)) => list.run(&source, output),
            None => self.list.run(&source, output),
            Some(Command::Show(show)) => show.run(&source, output),
            Some(Command::Replay(replay)) => replay.run(&source, output),
        }
    }
}

impl List {
    fn run(&self, source: &Source<'_>, output: &Output) -> Result<Code, Trouble> {
        let query = LettersQuery {
            tree: Some(source.tree(self.tree.as_deref())?),
            receiver: self.to.clone(),
            reason: self.because.clone(),
            limit: Some(self.limit),
            after: None,
        };
        output.answer(&source.look::<Letters>("/v1/dead-letters", &query)?, letters)?;
        Ok(Code::Done)
    }
}

impl Show {
    fn run(&self, source: &Source<'_>, output: &Output) -> Result<Code, Trouble> {
        let query = LetterQuery { tree: Some(source.tree(self.tree.as_deref())?) };
        let answer = source.look::<Letter>(&format!("/v1/dead-letters/{}", self.number), &query)?;
        output.answer(&answer, letter)?;
        Ok(Code::Done)
    }
}

impl Replay {
    fn run(&self, source: &Source<'_>, output: &Output) -> Result<Code, Trouble> {
        let request = ActRequest {
            act: ActKind::Replay,
            path: source.tree(self.tree.as_deref())?,
            reason: self.reason.clone(),
            generation: None,
            letters: self.numbers.clone(),
            receiver: self.to.clone(),
        };
        output.answer(&source.act(&request)?, |acted, _| told(acted))?;
        Ok(Code::Done)
    }
}
