//! Helpers of the tests of partitioned supervisors.

use regrow::testing::{Journal, ProbeMsg};
use regrow::{Handle, Intensity, Partitioned, Partitions, ServiceChild, ServiceState, Supervisor, Tree};

pub(crate) fn cache(journal: &Journal, partitions: usize) -> Partitioned<ProbeMsg> {
    cache_of(partitions, {
        let journal = journal.clone();
        move |_| journal.probe("whatever")
    })
}

pub(crate) fn cache_of<M: Send + 'static>(
    partitions: usize,
    make: impl Fn(usize) -> ServiceChild<M> + Send + Sync + 'static,
) -> Partitioned<M> {
    Partitioned::new("cache", partitions, make).budget(Intensity::unlimited())
}

pub(crate) async fn app<M: Send + 'static>(cache: Partitioned<M>) -> (Tree, Partitions<M>) {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(cache).start().await.unwrap();
    let cache = tree.partitions("app/cache").unwrap();
    (tree, cache)
}

pub(crate) fn names(tree: &Tree) -> Vec<String> {
    let entries = tree.directory().entries();
    entries.iter().filter_map(|entry| entry.path.strip_prefix("app/cache/")).map(Into::into).collect()
}

pub(crate) fn is_gone<M: Send + 'static>(handle: &Handle<M>) -> bool {
    handle.status().state == ServiceState::Gone
}
