//! Helpers of the tests of dynamic supervisors.

use regrow::{
    Child, Context, DynamicHandle, DynamicSupervisor, ServiceChild, StartChildError, StartOutcome, Supervisor, Tree,
};

use super::tree::{Inert, starting};

pub(crate) async fn app(pool: DynamicSupervisor) -> (Tree, DynamicHandle) {
    let tree = Supervisor::one_for_one("app").child(pool).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    (tree, pool)
}

pub(crate) fn pool() -> DynamicSupervisor {
    DynamicSupervisor::new("pool")
}

pub(crate) fn paths(tree: &Tree) -> Vec<String> {
    tree.directory().entries().iter().map(|entry| entry.path.to_string()).collect()
}

/// A service that never comes up.
pub(crate) fn hung(name: &str) -> ServiceChild<()> {
    Child::service(name, |_: Context<Inert>| std::future::pending::<anyhow::Result<Inert>>())
}

/// Starts a child that hangs in its factory, and returns when it hangs.
pub(crate) async fn hang(
    tree: &Tree,
    pool: &DynamicHandle,
) -> tokio::task::JoinHandle<Result<StartOutcome, StartChildError>> {
    let start = tokio::spawn({
        let pool = pool.clone();
        async move { pool.start_child(hung("hung")).await }
    });
    starting(tree, "app/pool/hung").await;
    start
}
