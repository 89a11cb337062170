//! The public views of a tree, which must agree whatever has happened to it.

use std::collections::{BTreeMap, BTreeSet};

use regrow::{ChildInfo, DirectoryEntry, ServiceState, Tree};
use tokio::time::Instant;

/// The children of a running supervisor; `None` for one that does not run.
async fn children_of(tree: &Tree, path: &str) -> Option<Vec<ChildInfo>> {
    if let Ok(supervisor) = tree.supervisor(path) {
        return supervisor.which_children().await.ok();
    }
    if let Ok(pool) = tree.dynamic(path) {
        return pool.which_children().await.ok();
    }
    None
}

/// Compares what the directory lists, what the supervisors know and what the figures count, on a paused clock.
///
/// A supervisor that is stopping answers when it has stopped, and then the clock has moved. What was listed before is not
/// compared with that answer, nor with later ones.
pub(crate) async fn check_views(tree: &Tree, what: &str) {
    let directory = tree.directory();
    let begun = Instant::now();
    let entries: BTreeMap<_, DirectoryEntry> =
        directory.entries().into_iter().map(|entry| (entry.path.clone(), entry)).collect();
    let root = entries.keys().next().expect("the root").clone();
    let below: Vec<_> = directory.entries_below(&root).into_iter().map(|entry| entry.path).collect();
    assert!(below.iter().eq(entries.keys()), "{what}: {below:#?} and not {:#?}", entries.keys());
    let counted: u64 = directory.figures().iter().map(regrow::ServiceFigures::services).sum();
    assert_eq!(counted, entries.len() as u64, "{what}: the figures count other children");
    for (path, entry) in &entries {
        assert_ne!(entry.status.state, ServiceState::Gone, "{what}: `{path}` is listed");
        assert!(entry.accounting.is_balanced(), "{what}: `{path}` {}", entry.accounting);
        let name_of = |child: &str| child.strip_prefix(&**path)?.strip_prefix('/').map(str::to_owned);
        let direct = entries.keys().filter_map(|child| name_of(child)).filter(|name| !name.contains('/'));
        let direct: BTreeSet<_> = direct.collect();
        if !entry.kind.is_supervisor() {
            // While it is not up, the last life of an older description may be a supervisor.
            let is_leaf = direct.is_empty() || entry.status.state != ServiceState::Up;
            assert!(is_leaf, "{what}: {direct:?} below the {} `{path}`", entry.kind);
            continue;
        }
        let children = children_of(tree, path).await;
        if Instant::now() != begun {
            return;
        }
        let Some(children) = children else { continue };
        let known: BTreeSet<_> = children.iter().map(|child| child.name.to_string()).collect();
        assert_eq!(known, direct, "{what}: `{path}` knows others than are listed");
        for child in children {
            let listed = entries[&child.path].status.generation;
            assert_eq!(child.generation, listed, "{what}: `{}` has two generations", child.path);
        }
    }
}
