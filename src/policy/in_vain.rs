//! What a file says in vain about the children of a tree: fields without effect on the kind of child that a pattern matches.
//!
//! A table for one pattern is held to its word for each child. Defaults are for many kinds: they are told of only if none of
//! the children has a use for a field.

use crate::directory::Kind;
use crate::effect::{is_left_out, why_idle};
use crate::policy::document::Document;
use crate::policy::fields::ChildFields;
use crate::policy::problem::Problem;
use crate::policy::said::Group;
use crate::policy::source::Place;

type Child<'a> = (&'a str, Kind);

/// Each field that has no effect, with its place, the first child that it is said for in vain, and the reason.
pub(crate) fn warnings(documents: &[Document], children: &[Child<'_>]) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for document in documents {
        for (pattern, said) in &document.paths {
            let matched = || children.iter().copied().filter(|(path, _)| pattern.is_match(path));
            for (field, place) in places(said) {
                let idle: Vec<_> = matched().filter(|(_, kind)| why_idle(*kind, &field).is_some()).collect();
                warnings.extend(warning(&field, place, &idle));
            }
        }
        for (pattern, said) in &document.supervisors {
            let matched = || children.iter().copied().filter(|(path, _)| pattern.is_match(path));
            let leaves: Vec<_> = matched().filter(|(_, kind)| !kind.is_supervisor()).collect();
            let shared = places(said).into_iter().filter(|(field, _)| !field.starts_with("defaults."));
            warnings.extend(shared.filter_map(|(field, place)| childless(&field, place, &leaves)));
            let below = children
                .iter()
                .copied()
                .filter(|(path, _)| path.rsplit_once('/').is_some_and(|(supervisor, _)| pattern.is_match(supervisor)));
            warnings.extend(defaults(&said.defaults, &below.collect::<Vec<_>>()));
        }
        let services: Vec<_> = children.iter().copied().filter(|(_, kind)| !kind.is_supervisor()).collect();
        warnings.extend(defaults(&document.defaults, &services));
    }
    warnings
}

fn places(said: &impl Group) -> Vec<(String, Place)> {
    let mut places = Vec::new();
    said.field_places("", &mut places);
    places.into_iter().map(|(field, place, _)| (field, place)).collect()
}

/// What no child has a use for. Without children nothing is known.
fn defaults(said: &ChildFields, children: &[Child<'_>]) -> Vec<Problem> {
    let is_for_none = |field: &str| children.iter().all(|(_, kind)| is_left_out(*kind, field));
    let idle = places(said).into_iter().filter(|(field, _)| is_for_none(field));
    idle.filter_map(|(field, place)| warning(&field, place, children)).collect()
}

fn warning(field: &str, place: Place, idle: &[Child<'_>]) -> Option<Problem> {
    let (path, kind) = idle.first()?;
    let why =
        why_idle(*kind, field).unwrap_or("a task gives signs of life if it is written for that: say it for its path");
    Some(Problem::warning(place, format!("`{field}` has no effect on {}", named(path, *kind, idle.len()))).label(why))
}

fn childless(field: &str, place: Place, leaves: &[Child<'_>]) -> Option<Problem> {
    let (path, kind) = leaves.first()?;
    let what = format!("`{field}` has no effect on {}", named(path, *kind, leaves.len()));
    Some(Problem::warning(place, what).label("it is about the children of a supervisor, and this has none"))
}

fn named(path: &str, kind: Kind, all: usize) -> String {
    let article = if kind == Kind::Actor { "an" } else { "a" };
    match all.saturating_sub(1) {
        0 => format!("`{path}`, {article} {kind}"),
        others => format!("`{path}`, {article} {kind}, and {others} more"),
    }
}
