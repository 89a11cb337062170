//! `regrow ps` and `regrow tree`.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::admin::wire::greeting::{Greeting, Tree as GreetedTree, TreeState};
use crate::admin::wire::query::{ServicesQuery, Sort};
use crate::admin::wire::services::{Services, State};
use crate::operate::ask::answer::Answer;
use crate::operate::ask::source::Source;
use crate::operate::ask::viewer::viewer;
use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::run::output::Output;
use crate::operate::text::{dot, ps, tree};
use crate::operate::trouble::Trouble;

/// Rows of a page, when all are read.
const PAGE: u32 = 1_000;
/// Rows that `tree` reads unless all are asked for.
const TREE_ROWS: u64 = 10_000;

/// Options of `regrow ps`.
#[derive(Debug, Args)]
pub(crate) struct Ps {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    filter: Filter,
    /// Only children in this state.
    #[arg(long)]
    state: Option<StateName>,
    /// Only children of this kind: `service`, `task`, `thread`, `actor`, `supervisor`, ...
    #[arg(long)]
    kind: Option<String>,
    /// Order of the rows. What is not well comes first in any order.
    #[arg(long, default_value = "path")]
    sort: SortName,
    /// Turn the order round.
    #[arg(long)]
    reverse: bool,
    /// Rows that are shown.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Show all rows.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Show groups by template instead of rows: `shop/sessions/*`.
    #[arg(long)]
    group: bool,
    /// End with exit code 1 if a child is not well, or a tree is over that was not asked to end.
    #[arg(long)]
    check: bool,
}

/// Options of `regrow tree`.
#[derive(Debug, Args)]
pub(crate) struct Tree {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    filter: Filter,
    /// Children of a supervisor that are shown. What is not well is shown beyond that.
    #[arg(long, default_value_t = 12)]
    fold: usize,
    /// Read and show all children.
    #[arg(long, conflicts_with = "fold")]
    all: bool,
    /// Print a graph for Graphviz: `regrow tree --dot | dot -Tsvg > tree.svg`.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

/// Children that are meant.
#[derive(Debug, Args)]
struct Filter {
    /// Only paths that match this pattern (`shop/*/db`, `**/pool`) or contain this text.
    filter: Option<String>,
    /// Only this tree, by the name of its root.
    #[arg(long)]
    tree: Option<String>,
    /// Only this path and what is below it.
    #[arg(long, value_name = "PATH")]
    below: Option<String>,
}

/// State, as it is written on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum StateName {
    Waiting,
    Starting,
    Up,
    Restarting,
    Parked,
    Down,
    Gone,
}

/// Order, as it is written on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SortName {
    /// By path.
    Path,
    /// Most restarts in the last hour first.
    Restarts,
    /// Longest mailbox first.
    Mailbox,
    /// Mailbox that grew most since the last look first.
    Growth,
    /// Highest generation first.
    Generation,
    /// Longest in its state first.
    Since,
}

impl Ps {
    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        let source = Source::find(&self.target)?;
        let greeting = source.greeting()?.data;
        let query = ServicesQuery {
            state: self.state.map(StateName::state),
            kind: self.kind.clone(),
            sort: self.sort.sort(),
            reverse: self.reverse,
            limit: Some(if self.all { PAGE } else { self.limit }),
            group: self.group,
            ..self.filter.query()
        };
        let services = pages(&source, query, if self.all { u64::MAX } else { u64::from(self.limit) })?;
        output.answer(&services, |services, screen| ps(services, Some(&greeting), screen))?;
        if self.check { self.verdict(&services.data, &greeting) } else { Ok(Code::Done) }
    }

    /// Says whether what was asked for is well. A filter that matches nothing has checked nothing.
    fn verdict(&self, services: &Services, greeting: &Greeting) -> Result<Code, Trouble> {
        let is_meant = |tree: &&GreetedTree| self.filter.tree.as_ref().is_none_or(|named| *named == tree.name);
        let mut trees = greeting.trees.iter().filter(is_meant);
        let is_about_all = self.filter.is_empty() && self.state.is_none() && self.kind.is_none();
        let is_failed = trees.any(|tree| match tree.state {
            TreeState::Failed => true,
            TreeState::Up | TreeState::Starting => is_about_all && !tree.ready,
            TreeState::Draining | TreeState::Ended => false,
        });
        let is_unwell = !services.unwell.is_empty()
            || services.totals.by_state.iter().any(|(state, count)| state.is_unwell() && *count > 0);
        if is_failed || is_unwell {
            return Ok(Code::NotWell);
        }
        if services.totals.children == 0 && !greeting.trees.is_empty() && !is_about_all {
            return Err(Trouble::new(Code::Unknown, "no child matches: nothing was checked"));
        }
        Ok(Code::Done)
    }
}

impl Tree {
    pub(crate) fn run(&self, output: &Output) -> Result<Code, Trouble> {
        let source = Source::find(&self.target)?;
        let greeting = source.greeting()?.data;
        let query = ServicesQuery { limit: Some(PAGE), ..self.filter.query() };
        let services = pages(&source, query, if self.all { u64::MAX } else { TREE_ROWS })?;
        if self.dot {
            output.text(&dot(&services.data))?;
        } else {
            let fold = if self.all { usize::MAX } else { self.fold };
            output.answer(&services, |services, screen| tree(services, Some(&greeting), fold, screen))?;
        }
        Ok(Code::Done)
    }
}

impl Filter {
    /// Whether it lets every child of a tree through.
    fn is_empty(&self) -> bool {
        self.filter.is_none() && self.below.is_none()
    }

    fn query(&self) -> ServicesQuery {
        ServicesQuery {
            tree: self.tree.clone(),
            below: self.below.clone(),
            filter: self.filter.clone(),
            viewer: Some(viewer()),
            // A command is no page that is open all day: it may look at all.
            doubtful: true,
            ..ServicesQuery::default()
        }
    }
}

/// Reads pages until there are this many rows, and returns them as one.
fn pages(source: &Source<'_>, mut query: ServicesQuery, rows: u64) -> Result<Answer<Services>, Trouble> {
    let mut whole: Answer<Services> = source.look("/v1/services", &query)?;
    while let Some(after) = whole.data.next.take() {
        let seen = whole.data.rows.len().max(whole.data.groups.len());
        if u64::try_from(seen).unwrap_or(u64::MAX) >= rows {
            whole.data.next = Some(after);
            break;
        }
        query.after = Some(after);
        // They came with the first page.
        query.doubtful = false;
        let mut page: Answer<Services> = source.look("/v1/services", &query)?;
        // A page that brings nothing would be asked for again and again.
        let is_last = page.data.rows.is_empty() && page.data.groups.is_empty();
        whole.data.rows.append(&mut page.data.rows);
        whole.data.groups.append(&mut page.data.groups);
        whole.data.next = page.data.next.filter(|_| !is_last);
        for list in ["rows", "groups"] {
            if let (Value::Array(all), Value::Array(more)) = (&mut whole.raw[list], &mut page.raw[list]) {
                all.append(more);
            }
        }
        whole.raw["next"] = page.raw["next"].take();
    }
    Ok(whole)
}

impl StateName {
    fn state(self) -> State {
        match self {
            Self::Waiting => State::Waiting,
            Self::Starting => State::Starting,
            Self::Up => State::Up,
            Self::Restarting => State::Restarting,
            Self::Parked => State::Parked,
            Self::Down => State::Down,
            Self::Gone => State::Gone,
        }
    }
}

impl SortName {
    fn sort(self) -> Sort {
        match self {
            Self::Path => Sort::Path,
            Self::Restarts => Sort::Restarts,
            Self::Mailbox => Sort::Mailbox,
            Self::Growth => Sort::Growth,
            Self::Generation => Sort::Generation,
            Self::Since => Sort::Since,
        }
    }
}
