//! The rows of the timeline: the services that get one, in the tree of their supervisors, as an outline.

use std::collections::{BTreeMap, HashMap};

use crate::chaos::report::{ExperimentReport, FaultRecord, ServiceRecord};
use crate::chaos::summary::touched;

/// The most services with a row: a longer picture would not be read.
pub(super) const SERVICES_MAX: usize = 60;

/// A row of the timeline.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) path: &'a str,
    /// Levels by which it is indented.
    pub(super) depth: usize,
    /// Whether it stands above its children.
    pub(super) is_parent: bool,
    /// `None` for a supervisor that the report does not know.
    pub(super) service: Option<&'a ServiceRecord>,
    /// Its faults, in order.
    pub(super) faults: Vec<&'a FaultRecord>,
}

/// The rows, from top to bottom.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    pub(super) rows: Vec<Row<'a>>,
    /// Number of services without a row to which nothing happened.
    pub(super) untouched: usize,
    /// Number of services without a row to which less happened than to those with one.
    pub(super) less: usize,
}

impl<'a> Rows<'a> {
    /// Chooses the rows: all services if they are few, else those that were touched, longest downtime first. The
    /// supervisors above them have rows too.
    pub(super) fn of(report: &'a ExperimentReport) -> Self {
        let services: HashMap<&str, &ServiceRecord> =
            report.services.iter().map(|service| (service.path.as_str(), service)).collect();
        let touched = touched(report);
        let chosen: Vec<&ServiceRecord> = if services.len() <= SERVICES_MAX {
            services.values().copied().collect()
        } else {
            touched.iter().take(SERVICES_MAX).copied().collect()
        };
        let mut outline = BTreeMap::new();
        for service in &chosen {
            for path in ancestors(&service.path) {
                outline.insert(natural(path), path);
            }
        }
        let mut faults: HashMap<&str, Vec<&FaultRecord>> = HashMap::new();
        for fault in &report.faults {
            for target in &fault.targets {
                faults.entry(target).or_default().push(fault);
            }
        }
        let paths: Vec<&str> = outline.into_values().collect();
        let top = paths.iter().map(|path| depth(path)).min().unwrap_or(0);
        let rows: Vec<Row<'_>> = paths
            .iter()
            .enumerate()
            .map(|(at, path)| Row {
                path,
                depth: depth(path) - top,
                is_parent: paths.get(at + 1).is_some_and(|next| depth(next) > depth(path)),
                service: services.get(path).copied(),
                faults: faults.remove(path).unwrap_or_default(),
            })
            .collect();
        let has_row = |service: &&&ServiceRecord| paths.contains(&service.path.as_str());
        let less = touched.iter().filter(|service| !has_row(service)).count();
        let left_out = services.len() - rows.iter().filter(|row| row.service.is_some()).count();
        Self { rows, untouched: left_out.saturating_sub(less), less }
    }
}

fn depth(path: &str) -> usize {
    path.matches('/').count()
}

/// Returns the path, and every path above it.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let above = path.match_indices('/').map(|(at, _)| &path[..at]);
    above.chain(std::iter::once(path))
}

/// Compares paths. Numbers at the ends of names count as numbers: `worker-9` comes before `worker-10`.
fn natural(path: &str) -> Vec<(&str, u64, &str)> {
    let segments = path.split('/').map(|name| {
        let word = name.trim_end_matches(|letter: char| letter.is_ascii_digit());
        (word, name[word.len()..].parse().unwrap_or(0), name)
    });
    segments.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count() {
        let mut paths = ["app/w-10", "app/w-9/x", "app-2", "app", "app/w-9"];
        paths.sort_by_key(|path| natural(path));
        assert_eq!(paths, ["app", "app/w-9", "app/w-9/x", "app/w-10", "app-2"]);
    }
}
