//! `regrow events`: what happened, and with `--follow` what happens.

use clap::Args;

use crate::admin::wire::history::History;
use crate::admin::wire::query::HistoryQuery;
use crate::operate::ask::source::Source;
use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::run::follow::Follower;
use crate::operate::run::output::Output;
use crate::operate::text::{entry, moment};
use crate::operate::trouble::Trouble;

/// Entries of a look at the past, unless a moment is given.
const LAST: u32 = 20;
/// Entries at most, which is all that the record can hold.
const ALL: u32 = 8_192;

/// Options of `regrow events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Print events as they happen, until the tree is over or the command is stopped.
    #[arg(long, short)]
    follow: bool,
    /// Begin with the events since this moment: `-5m`, `03:12`, `2026-11-29T03:12:00` (UTC). Default: the last 20.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only failures, parks, give-ups and acts of operators. With `--follow`, what undoes them from then on, too.
    #[arg(long)]
    failures: bool,
    /// Name of the tree's root. It may be left out if the program has one tree.
    #[arg(long)]
    tree: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

impl Events {
    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        let mut source = Source::find(&self.target)?;
        let greeting = source.greeting()?.data;
        let tree = source.tree(self.tree.as_deref())?;
        let greeted = greeting.trees.iter().find(|known| known.name == tree);
        let (boot, newest) = greeted.map_or(("", None), |known| (&*known.boot, Some(known.newest)));
        let past = self.past(&source, &tree, greeting.now_of(&tree), output)?;
        if !self.follow {
            return Ok(Code::Done);
        }
        // The events go on behind the last entry that was printed, or behind the greeting.
        let seq = past.or(newest).unwrap_or(0);
        let position = format!("{boot}:{tree}:{seq}");
        Follower::new(greeting.program.clone(), tree, self.failures, position).follow(&mut source, output)
    }

    /// Prints the entries until now, and returns the number of the last one.
    fn past(&self, source: &Source<'_>, tree: &str, now_ms: u64, output: &Output) -> Result<Option<u64>, Trouble> {
        let since = self.since.as_deref().map(|since| moment(since, now_ms)).transpose().map_err(Trouble::usage)?;
        let query = HistoryQuery {
            tree: Some(tree.to_owned()),
            failures: self.failures,
            limit: Some(if since.is_some() { ALL } else { LAST }),
            ..HistoryQuery::default()
        };
        let answer = source.look::<History>("/v1/history", &query)?;
        let raw = answer.raw["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(since) = since {
            let begin = answer.data.failures_begin.at_ms.max(answer.data.ordinary_begin.at_ms);
            if since < begin && answer.data.failures_begin.evicted + answer.data.ordinary_begin.evicted > 0 {
                eprintln!("the record is whole since {} only", crate::operate::text::clock(begin));
            }
        }
        // The newest entry comes first over the wire.
        for (event, raw) in answer.data.entries.iter().zip(raw).rev() {
            if since.is_some_and(|since| event.at_ms < since) {
                continue;
            }
            if output.is_json { output.json(raw)? } else { output.text(&entry(event, &output.screen))? }
        }
        Ok(answer.data.entries.first().map(|newest| newest.seq))
    }
}
