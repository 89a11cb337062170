//! Contradictions between fields that are each valid.

use std::collections::HashMap;
use std::slice;

use regrow_supervisors::Restart;

use crate::policy::curve::{self, Curve, note};
use crate::policy::document::Document;
use crate::policy::explain::library_defaults;
use crate::policy::fields::ChildFields;
use crate::policy::problem::Problem;
use crate::policy::resolve::{children_of, fields_of};
use crate::policy::source::Place;
use crate::tree::directory::{ChildKind, full_path};

/// Checks everything that one source says against itself.
pub(crate) fn document(document: &Document, problems: &mut Vec<Problem>) {
    table(&document.defaults, problems);
    document.supervisors.iter().for_each(|(_, fields)| table(&fields.defaults, problems));
    document.paths.iter().for_each(|(_, fields)| table(fields, problems));
    // The settings of a path are known only if the file names the path in full.
    let mut needs = HashMap::new();
    let mut order = Vec::new();
    // Each name is compared with each glob. Of a file that names thousands, only the first 500 are checked.
    for (pattern, _) in document.paths.iter().filter(|(pattern, _)| pattern.is_literal()).take(500) {
        let is_supervisor = children_of(slice::from_ref(document), pattern.text()).is_some();
        let coded =
            library_defaults(pattern.text(), if is_supervisor { ChildKind::Supervisor } else { ChildKind::Service });
        let fields = fields_of(slice::from_ref(document), pattern.text(), &coded);
        child(&fields, problems);
        if let (Some(names), Some(place)) = (fields.depends_on.get(), fields.depends_on.place()) {
            let is_named = |path: &str| document.paths.iter().any(|(pattern, _)| pattern.text() == path);
            let names: Vec<_> = names.0.iter().map(|on| resolve(pattern.text(), &on.name, is_named)).collect();
            needs.insert(pattern.text(), (names, place.clone()));
            order.push(pattern.text());
        }
    }
    cycles(&needs, &order, problems);
}

/// Checks the fields of one table.
fn table(fields: &ChildFields, problems: &mut Vec<Problem>) {
    child(fields, problems);
    curve::check_idle(&Curve::from(fields), problems);
    curve::check_idle(&Curve::from(&fields.not_ready), problems);
}

/// Checks the fields of one child, or of many.
pub(crate) fn child(fields: &ChildFields, problems: &mut Vec<Problem>) {
    curve::check(&Curve::from(fields), problems);
    curve::check(&Curve::from(&fields.not_ready), problems);
    let is_temporary = fields.restart.get().is_some_and(|restart| restart.0 == Restart::Temporary);
    if let (true, Some(place)) = (is_temporary, fields.rules.place()) {
        note(problems, || {
            Problem::warning(place.clone(), "rules for a temporary child")
                .label("they never fire: it is never restarted")
        });
    }
}

/// The full path of a service that `path` calls by this name, as a tree resolves it: one of the paths that the file
/// names, else a sibling.
fn resolve(path: &str, name: &str, is_named: impl Fn(&str) -> bool) -> String {
    let scope = path.rsplit_once('/').map_or("", |(scope, _)| scope);
    match full_path(scope, name, &is_named) {
        found if is_named(&found) || name.starts_with('/') || scope.is_empty() => found,
        _ => format!("{scope}/{name}"),
    }
}

type Needs<'a> = HashMap<&'a str, (Vec<String>, Place)>;

/// Finds services that wait for each other in a cycle: none of them would ever start.
fn cycles(needs: &Needs<'_>, order: &[&str], problems: &mut Vec<Problem>) {
    let mut done: HashMap<&str, ()> = HashMap::new();
    for &from in order {
        // The path that is being walked, and at each step the index of the next dependency.
        let mut way: Vec<(&str, usize)> = if done.contains_key(from) { Vec::new() } else { vec![(from, 0)] };
        while let Some(&(at, next)) = way.last() {
            let to = needs.get(at).and_then(|(names, _)| names.get(next)).map(String::as_str);
            if let Some((_, next)) = way.last_mut() {
                *next += 1;
            }
            match to {
                None => {
                    done.insert(at, ());
                    way.pop();
                }
                Some(to) => {
                    if let Some(begin) = way.iter().position(|(known, _)| *known == to) {
                        let names: Vec<_> = way[begin..].iter().map(|(name, _)| format!("`{name}`")).collect();
                        if let Some((_, place)) = needs.get(to) {
                            note(problems, || {
                                Problem::error(place.clone(), "these services wait for each other in a circle")
                                    .label(format!("{} -> `{to}`", names.join(" -> ")))
                                    .help("leave one of these dependencies out")
                            });
                        }
                    } else if let (Some((known, _)), false) = (needs.get_key_value(to), done.contains_key(to)) {
                        way.push((known, 0));
                    }
                }
            }
        }
    }
}
