//! Warnings about fields without effect on the kind of child for which a file sets them.
//!
//! A field in a table for a pattern must have an effect on each child that matches. Defaults are for many kinds, so
//! there is a warning only if a field has an effect on none of the children.

use crate::policy::document::Document;
use crate::policy::field::Group;
use crate::policy::fields::ChildFields;
use crate::policy::problem::Problem;
use crate::policy::source::Place;
use crate::tree::directory::ChildKind;
use crate::tree::effect::{why_idle, why_left_out};
use crate::tree::lookup::article;

type Child<'a> = (&'a str, ChildKind);

/// A warning for each field without effect, with its place, the first child for which it is set, and the reason.
pub(crate) fn warnings(documents: &[Document], children: &[Child<'_>]) -> Vec<Problem> {
    let mut warnings = Vec::new();
    for document in documents {
        for (pattern, said) in &document.paths {
            let matched = || children.iter().copied().filter(|(path, _)| pattern.is_match(path));
            // A root is no child.
            let is_about_roots = matched().next().is_some() && matched().all(|(path, _)| !path.contains('/'));
            for (field, place) in places(said) {
                if is_about_roots {
                    let roots: Vec<_> = matched().collect();
                    let why = "it is for a child of a supervisor, and no supervisor is above a root: leave it out";
                    warnings.extend(told(&format!("path.{:?}", pattern.text()), &field, place, &roots, why));
                    continue;
                }
                let idle: Vec<_> = matched().filter(|(_, kind)| why_idle(*kind, &field).is_some()).collect();
                warnings.extend(warning(&format!("path.{:?}", pattern.text()), &field, place, &idle));
            }
        }
        for (pattern, said) in &document.supervisors {
            let matched = || children.iter().copied().filter(|(path, _)| pattern.is_match(path));
            let leaves: Vec<_> = matched().filter(|(_, kind)| !kind.is_supervisor()).collect();
            let shared = places(said).into_iter().filter(|(field, _)| !field.starts_with("defaults."));
            let table = format!("supervisor.{:?}", pattern.text());
            warnings.extend(shared.filter_map(|(field, place)| childless(&table, &field, place, &leaves)));
            let below = children
                .iter()
                .copied()
                .filter(|(path, _)| path.rsplit_once('/').is_some_and(|(supervisor, _)| pattern.is_match(supervisor)));
            warnings.extend(defaults(&format!("{table}.defaults"), &said.defaults, &below.collect::<Vec<_>>()));
        }
        let services: Vec<_> = children.iter().copied().filter(|(_, kind)| !kind.is_supervisor()).collect();
        warnings.extend(defaults("defaults", &document.defaults, &services));
    }
    warnings
}

fn places(said: &impl Group) -> Vec<(String, Place)> {
    let mut places = Vec::new();
    said.field_places("", &mut places);
    places.into_iter().map(|(field, place, _)| (field, place)).collect()
}

/// Warnings about defaults that have an effect on no child. Without children there are none.
fn defaults(table: &str, said: &ChildFields, children: &[Child<'_>]) -> Vec<Problem> {
    let is_for_none = |field: &str| children.iter().all(|(_, kind)| why_left_out(*kind, field).is_some());
    let idle = places(said).into_iter().filter(|(field, _)| is_for_none(field));
    idle.filter_map(|(field, place)| warning(table, &field, place, children)).collect()
}

fn warning(table: &str, field: &str, place: Place, idle: &[Child<'_>]) -> Option<Problem> {
    let (_, kind) = idle.first()?;
    told(table, field, place, idle, why_left_out(*kind, field)?)
}

fn childless(table: &str, field: &str, place: Place, leaves: &[Child<'_>]) -> Option<Problem> {
    told(table, field, place, leaves, "it is for the children of a supervisor, and this child has none")
}

fn told(table: &str, field: &str, place: Place, children: &[Child<'_>], why: &str) -> Option<Problem> {
    let (path, kind) = children.first()?;
    let article = article(*kind);
    let others = match children.len().saturating_sub(1) {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    let what = format!("[{table}]: `{field}` has no effect on `{path}`, {article} {kind}{others}: {why}");
    Some(Problem::warning(place, what))
}
