//! The required children of a tree: wakes the tasks that wait for them, and knows whether all were ready once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::base::sync::lock;

/// Wakes the tasks that wait for a tree to be ready. Each slot knows whether its child is required.
#[derive(Default)]
pub(crate) struct Required {
    /// Notified when the set of required children changes, and when one of them goes down.
    pub(super) changed: Notify,
    /// Whether all of them were seen ready at the same time, once.
    were_ready: AtomicBool,
    /// Paths of children whose own policy says that they are required. They count wherever they are, so a reader does not
    /// look for them among the children that do not count.
    said: Mutex<BTreeSet<Arc<str>>>,
    /// Number of those paths. It is read without the lock, as most trees have none.
    said_len: AtomicUsize,
}

impl Required {
    /// Wakes the waiting tasks, as the set of required children or the state of one has changed.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Notes whether the policy of a listed child says that it is required. Its slot knows it already.
    #[inline]
    pub(crate) fn say(&self, path: &Arc<str>, is_said: bool) {
        if is_said || self.said_len.load(Ordering::Relaxed) > 0 {
            self.change(|said| if is_said { said.insert(path.clone()) } else { said.remove(path) });
        }
    }

    /// Forgets a path that has left the directory. `is_said`: another child has the path by now, and it is required.
    pub(crate) fn forget(&self, path: &str, is_said: impl FnOnce() -> bool) {
        if self.said_len.load(Ordering::Relaxed) > 0 {
            self.change(|said| !is_said() && said.remove(path));
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<Arc<str>>) -> bool) {
        let mut said = lock(&self.said);
        change(&mut said);
        self.said_len.store(said.len(), Ordering::Relaxed);
    }

    /// Returns the paths of the children whose own policy says that they are required.
    pub(crate) fn said(&self) -> Vec<Arc<str>> {
        lock(&self.said).iter().cloned().collect()
    }

    /// Remembers that all were seen ready.
    pub(crate) fn note_ready(&self) {
        self.were_ready.store(true, Ordering::Release);
    }

    /// Whether all were seen ready at the same time, now or earlier.
    pub(crate) fn were_ready(&self) -> bool {
        self.were_ready.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use regrow_supervisors::{Health, Policy};

    use crate::supervisor::Supervisor;
    use crate::supervisor::dynamic::DynamicSupervisor;
    use crate::testing::Journal;
    use crate::tree::Tree;

    fn required(tree: &Tree) -> Vec<String> {
        tree.shared.required().into_iter().map(|(path, _)| path.to_string()).collect()
    }

    // A reader does not look at the children of a dynamic supervisor, except for those that say that they count.
    #[tokio::test]
    async fn a_child_that_says_that_it_is_required_counts_wherever_it_is_until_it_leaves() {
        let journal = Journal::new();
        let says = |name: &str| journal.probe(name).policy(Policy::default().health(Health::Required));
        let shy = |name: &str| journal.probe(name).policy(Policy::default().health(Health::Optional));
        let team = |name: &str| Supervisor::one_for_one(name).children([journal.probe("plain"), says("lead")]);
        let tree = Supervisor::one_for_one("app")
            .children([journal.probe("db"), shy("cache")])
            .child(team("office"))
            .child(DynamicSupervisor::new("pool"))
            .start()
            .await
            .unwrap();
        let pool = tree.dynamic("app/pool").unwrap();
        let described = ["app/db", "app/office", "app/office/lead", "app/office/plain", "app/pool"];
        assert_eq!(required(&tree), described);

        pool.start_child(journal.probe("1")).await.unwrap();
        pool.start_child(says("2")).await.unwrap();
        // The policy of the supervisor counts for its children.
        let vip = team("4").policy(Policy::default().health(Health::Required));
        pool.start_child(team("3")).await.unwrap();
        pool.start_child(vip).await.unwrap();
        let added = ["app/pool/2", "app/pool/3/lead", "app/pool/4", "app/pool/4/lead", "app/pool/4/plain"];
        assert_eq!(required(&tree), [&described[..], &added].concat());

        for name in ["1", "2", "3", "4"] {
            pool.terminate_child(name).await.unwrap();
        }
        assert_eq!(required(&tree), described);
        assert_eq!(tree.shared.required.said(), ["app/office/lead".into()]);
        // A name that comes back without the setting does not count.
        pool.start_child(journal.probe("2")).await.unwrap();
        assert_eq!(required(&tree), described);
        tree.shutdown().await;
    }
}
