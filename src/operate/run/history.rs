//! `regrow history`: the record of a running program, or of a dump.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use crate::admin::wire::history::History;
use crate::admin::wire::query::{DumpQuery, HistoryQuery};
use crate::operate::ask::answer::Answer;
use crate::operate::ask::parameters::address;
use crate::operate::ask::source::Source;
use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::run::dump;
use crate::operate::run::output::Output;
use crate::operate::text::{history, moment, safe};
use crate::operate::trouble::Trouble;

/// Entries that are shown unless a number is given.
const LAST: u32 = 100;
/// Entries at most, which is all that the record can hold.
const ALL: u32 = 8_192;

/// Children of the tree as it was that are read, in pages of 10,000.
const WAS_MAX: usize = 100_000;

/// Options of `regrow history`.
#[derive(Debug, Args)]
pub(crate) struct Past {
    /// A dump, to be read instead of the record of a running program.
    file: Option<PathBuf>,
    /// The tree as it was: `-5m` (five minutes ago), `03:12`, `2026-11-29T03:12:00`. Clock times are UTC.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// Only this path and what is below it.
    #[arg(long, value_name = "PATH")]
    below: Option<String>,
    /// Only failures, parks, give-ups and acts of operators.
    #[arg(long)]
    failures: bool,
    /// Entries that are shown. Default: 100; with `--at`, those around that moment.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8192))]
    limit: Option<u32>,
    /// Name of the tree's root. It may be left out if the program has one tree.
    #[arg(long)]
    tree: Option<String>,
    /// Children of a supervisor that are shown in the tree as it was. What was not well is shown beyond that.
    #[arg(long, default_value_t = 12)]
    fold: usize,
    /// Save the whole record of the running program as a dump, to be read with `history FILE` later.
    #[arg(long, value_name = "NEW_FILE", conflicts_with_all = ["file", "at", "below", "failures", "limit"])]
    save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: Target,
}

impl Past {
    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        if let Some(file) = &self.save {
            return self.save(file);
        }
        let answer = match &self.file {
            Some(file) => {
                let dump = dump::read(file)?;
                let held = &dump.header.tree;
                if let Some(asked) = self.tree.as_ref().filter(|asked| *asked != held) {
                    let file = file.display().to_string();
                    let text = format!("{} holds the tree `{}`, not `{}`", safe(&file), safe(held), safe(asked));
                    return Err(Trouble::new(Code::Unknown, text));
                }
                let data = dump::answer(&dump, &self.query(self.tree.clone(), dump::made_at_ms(&dump))?)?;
                let raw = serde_json::to_value(&data);
                let raw = raw.map_err(|error| Trouble::lost(format!("the dump cannot be printed: {error}")))?;
                Answer { data, raw, issues: Vec::new() }
            }
            None => {
                let source = Source::find(&self.target)?;
                let greeting = source.greeting()?.data;
                let tree = source.tree(self.tree.as_deref())?;
                let now_ms = greeting.now_of(&tree);
                whole(&source, self.query(Some(tree), now_ms)?)?
            }
        };
        output.answer(&answer, |past, screen| history(past, self.fold, screen))?;
        Ok(Code::Done)
    }

    /// Writes the dump into a new file that only this user can read.
    fn save(&self, file: &Path) -> Result<Code, Trouble> {
        let source = Source::find(&self.target)?;
        let tree = source.tree(self.tree.as_deref())?;
        let lines = source.lines(&address("/v1/history/dump", &DumpQuery { tree: Some(tree) }))?;
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let written = opened.and_then(|mut opened| {
            // A part of a dump would be in the way of the next try.
            let all = opened.write_all(&lines).and_then(|()| opened.sync_all());
            all.inspect_err(|_| drop(fs::remove_file(file)))
        });
        written.map_err(|error| {
            let file = file.display().to_string();
            Trouble::usage(match error.kind() {
                ErrorKind::AlreadyExists => format!("{} is there already: name a new file", safe(&file)),
                _ => format!("{} cannot be written: {error}", safe(&file)),
            })
        })?;
        Ok(Code::Done)
    }

    fn query(&self, tree: Option<String>, now_ms: u64) -> Result<HistoryQuery, Trouble> {
        Ok(HistoryQuery {
            tree,
            below: self.below.clone(),
            failures: self.failures,
            limit: Some(self.limit.unwrap_or(if self.at.is_some() { ALL } else { LAST })),
            before: None,
            at_ms: self.at.as_deref().map(|at| moment(at, now_ms)).transpose().map_err(Trouble::usage)?,
            was_after: None,
        })
    }
}

/// Asks for the history, and for the further pages of the tree as it was. If there are more than [`WAS_MAX`] children, the
/// answer still names the next page, and has the remark of the source about those that are left out.
fn whole(source: &Source<'_>, mut query: HistoryQuery) -> Result<Answer<History>, Trouble> {
    let mut whole = source.look::<History>("/v1/history", &query)?;
    // The entries came with the first page.
    query.limit = Some(1);
    while whole.data.as_it_was.len() < WAS_MAX && whole.data.next_was.is_some() {
        query.was_after = whole.data.next_was.take();
        let mut page = source.look::<History>("/v1/history", &query)?;
        // A page that brings nothing would be asked for again and again.
        let is_last = page.data.as_it_was.is_empty();
        whole.data.as_it_was.append(&mut page.data.as_it_was);
        whole.data.next_was = page.data.next_was.filter(|_| !is_last);
        if let (Value::Array(all), Value::Array(more)) = (&mut whole.raw["as_it_was"], &mut page.raw["as_it_was"]) {
            all.append(more);
        }
        whole.raw["next_was"] = page.raw["next_was"].take();
        whole.issues = page.issues;
    }
    Ok(whole)
}
