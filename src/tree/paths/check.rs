//! A look at all paths: whether the shards and the lists say the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;

impl<T: Clone> Paths<T> {
    /// Returns what is wrong with the paths and their lists, seen at one moment.
    pub(crate) fn faults(&self) -> Vec<String> {
        let lists = self.lists();
        let mut faults = Vec::new();
        let mut listed = BTreeSet::new();
        for shard in &self.shards {
            let shard = shard.0.read().unwrap_or_else(PoisonError::into_inner);
            listed.extend(shard.keys().cloned());
        }
        let parents: BTreeSet<_> = lists.parents().cloned().collect();
        // Invariant 1.
        for path in listed.iter().chain(&parents) {
            let Some(up) = path.rsplit_once('/').map(|(up, _)| up) else { continue };
            let times = lists.get(up).map_or(0, |below| below.paths().all().filter(|below| *below == path).count());
            if times != 1 {
                faults.push(format!("`{path}` is {times} times in the list of `{up}`"));
            }
        }
        for up in &parents {
            let Some(below) = lists.get(up).map(List::paths) else { continue };
            let in_order: Vec<Arc<str>> = below.iter().cloned().collect();
            let all: BTreeSet<_> = below.all().cloned().collect();
            if !in_order.iter().eq(&all) || in_order.len() != below.len() || all.is_empty() {
                faults.push(format!("the list of `{up}` is out of order: {in_order:?}, and {} paths", below.len()));
            }
            for path in all {
                if !listed.contains(&path) && !parents.contains(&path) {
                    faults.push(format!("`{path}` is in the list of `{up}`, and nothing has that path"));
                }
                if path.rsplit_once('/').map(|(up, _)| up) != Some(up) {
                    faults.push(format!("`{path}` is in the list of `{up}`"));
                }
            }
        }
        faults
    }
}
