//! One source, read: its entries in the order in which they stand.

use std::sync::Arc;

use toml::de::{DeTable, Error};

use crate::policy::checks;
use crate::policy::fields::{ChildFields, SupervisorFields};
use crate::policy::pattern::Pattern;
use crate::policy::problem::Problem;
use crate::policy::reader::{Reader, Value, entries};
use crate::policy::said::{Field, Group};
use crate::policy::source::{Place, Source};

/// The tables that a policy file can have.
pub(crate) const TABLES: &[&str] = &["defaults", "supervisor", "path"];

/// What one source says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) defaults: ChildFields,
    pub(crate) supervisors: Vec<(Pattern, SupervisorFields)>,
    pub(crate) paths: Vec<(Pattern, ChildFields)>,
}

impl Document {
    /// Reads a whole source. The document is only worth something if none of the problems is an error.
    pub(crate) fn read(source: &Arc<Source>) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(source);
        let (root, errors) = DeTable::parse_recoverable(source.text());
        let broken_at = syntax(&errors, &mut reader);
        let mut document = Self::default();
        document.read_root(root.get_ref(), &mut reader);
        if let Some(broken_at) = broken_at {
            // What comes after the break may be read quite differently once it is mended.
            let is_sure = |problem: &Problem| problem.place().is_none_or(|place| place.start() <= broken_at);
            reader.problems.retain(is_sure);
        } else if root.get_ref().is_empty() {
            let whole = Place::new(source, 0..0);
            reader.push(Problem::warning(whole, "this file says nothing").label("no table stands here"));
        } else {
            checks::document(&document, &mut reader.problems);
        }
        let mut problems = reader.problems;
        problems.sort_by_key(|problem| problem.place().map(Place::start));
        problems.dedup();
        (document, problems)
    }

    fn read_root(&mut self, root: &DeTable<'_>, reader: &mut Reader) {
        for (key, value) in entries(root) {
            match key.get_ref().as_ref() {
                "defaults" => self.defaults.read(value, reader),
                "supervisor" => {
                    self.supervisors =
                        named(value, reader, "a table for each supervisor: [supervisor.\"shop/workers\"]");
                }
                "path" => {
                    self.paths = named(value, reader, "a table for each glob over paths: [path.\"shop/workers/*\"]")
                }
                _ => reader.unknown(key, "table", TABLES, None),
            }
        }
    }
}

/// The tables that stand under globs.
fn named<G: Group>(value: &Value<'_>, reader: &mut Reader, expected: &str) -> Vec<(Pattern, G)> {
    let mut all = Vec::new();
    for (key, value) in reader.table(value, expected).unwrap_or_default() {
        let pattern = Pattern::read(key, reader);
        let mut fields = G::default();
        fields.read(value, reader);
        all.extend(pattern.map(|pattern| (pattern, fields)));
    }
    all
}

/// Notes what is no TOML. The place from which on nothing is sure, if any: a key that is there twice breaks nothing.
fn syntax(errors: &[Error], reader: &mut Reader) -> Option<usize> {
    let mut broken_at = None;
    for error in errors {
        let end = reader.source.text().len();
        let place = reader.place(error.span().unwrap_or(end..end));
        let message = error.message().to_lowercase();
        let message = message.trim_end_matches('.');
        if message.starts_with("duplicate key") {
            let problem = Problem::error(place, "this is said twice").label("said before in the same table");
            reader.push(problem.help("say it once: which of the two is meant?"));
            continue;
        }
        // One mistake makes several: the first is the one to mend.
        if broken_at.is_none_or(|at| place.start() < at) {
            broken_at = Some(place.start());
            reader.problems.retain(|problem| problem.message().starts_with("this is said twice"));
            let (problem, rest) = (message.split_once(", expected "), message);
            let problem = match problem {
                Some((what, expected)) => {
                    Problem::error(place, format!("not TOML: {what}")).label(format!("expected {expected}"))
                }
                None => Problem::error(place, format!("not TOML: {rest}")),
            };
            reader.push(problem);
        }
    }
    broken_at
}
