//! Contents of one source: its tables in the order in which they stand.

use std::sync::Arc;

use toml::de::{DeTable, Error};

use crate::policy::checks;
use crate::policy::field::{Group, Keyed};
use crate::policy::fields::{ChildFields, SupervisorFields};
use crate::policy::pattern::Pattern;
use crate::policy::problem::Problem;
use crate::policy::reader::{Reader, Value, entries, short};
use crate::policy::source::{Place, Source};

/// The tables that a policy file can have.
pub(crate) const TABLES: &[&str] = &["defaults", "supervisor", "path"];

/// Settings of one source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Document {
    pub(crate) defaults: ChildFields,
    pub(crate) supervisors: Vec<(Pattern, SupervisorFields)>,
    pub(crate) paths: Vec<(Pattern, ChildFields)>,
}

impl Document {
    /// Reads a whole source. The document is only valid if none of the problems is an error.
    pub(crate) fn read(source: &Arc<Source>) -> (Self, Vec<Problem>) {
        let mut reader = Reader::new(source);
        let (root, errors) = DeTable::parse_recoverable(source.text());
        let damage = syntax(&errors, &mut reader);
        let mut document = Self::default();
        let mut rest = Reader::new(source);
        document.read_root(root.get_ref(), &mut rest);
        // A damaged line may be read quite differently once it is mended, so its other problems are not reported.
        reader.problems.extend(rest.problems.into_iter().filter(|problem| damage.spares(problem)));
        if errors.is_empty() && root.get_ref().is_empty() {
            let whole = Place::new(source, 0..0);
            reader.push(Problem::warning(whole, "this file sets nothing").label("no table here"));
        }
        // After damage that hides the rest, a contradiction may only be due to the hidden part.
        if damage.from.is_none() {
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

/// Reads tables that have a glob as their name.
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

/// The parts of a source that cannot be trusted because of mistakes in the syntax.
struct Damage {
    /// Lines that cannot be trusted.
    lines: Vec<usize>,
    /// The place from which on nothing can be trusted.
    from: Option<Place>,
}

impl Damage {
    fn spares(&self, problem: &Problem) -> bool {
        let Some(line) = problem.line() else { return true };
        self.from.as_ref().is_none_or(|from| line < from.line()) && !self.lines.contains(&line)
    }
}

/// Notes mistakes in the TOML syntax: each one that spoils only its line, or the first one that may spoil all that
/// follows.
fn syntax(errors: &[Error], reader: &mut Reader) -> Damage {
    let mut damage = Damage { lines: Vec::new(), from: None };
    let mut found: Vec<(Place, &str)> = Vec::new();
    for error in errors {
        let end = reader.source.text().len();
        let place = reader.place(error.span().unwrap_or(end..end));
        // A duplicate key spoils nothing else.
        if error.message().starts_with("duplicate key") {
            let problem = Problem::error(place, "this is set twice").label("already set in the same table");
            reader.push(problem.help("remove one of the two"));
        } else {
            found.push((place, error.message()));
        }
    }
    found.sort_by_key(|(place, _)| place.start());
    // Most mistakes cause several errors of the parser, of which only the first one is worth reporting.
    let all_small =
        found.iter().all(|(_, message)| ["string values must", "key with no"].iter().any(|it| message.starts_with(it)));
    for (place, message) in found {
        if damage.lines.last() == Some(&place.line()) {
            continue;
        }
        damage.lines.push(place.line());
        reader.push(broken(place.clone(), message));
        if !all_small {
            damage.from = Some(place);
            break;
        }
    }
    damage
}

const NOT_TOML: &str = "not TOML: ";

fn broken(place: Place, message: &str) -> Problem {
    let message = message.to_lowercase();
    let message = message.trim_end_matches('.');
    let (line, span) = place.in_line();
    if line[..span.start].trim_end().ends_with('=') && line[span.start..].trim().is_empty() {
        return Problem::error(place, format!("{NOT_TOML}a value is missing"));
    }
    if message.starts_with("string values must be quoted") {
        let label = format!("expected \"{}\"", short(&line[span]));
        return Problem::error(place, format!("{NOT_TOML}quotes are missing")).label(label);
    }
    match message.split_once(", expected ") {
        Some((what, expected)) => {
            Problem::error(place, format!("{NOT_TOML}{what}")).label(format!("expected {expected}"))
        }
        None => Problem::error(place, format!("{NOT_TOML}{message}")),
    }
}
