//! Blocking work of a store, in a thread for such work.

use crate::checkpoint::error::StoreError;

/// Does blocking work in one of tokio's threads for it. Work that has begun goes on if the caller is dropped.
pub(super) async fn in_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => Err(StoreError::Failed(anyhow::Error::new(ended).context("the work of the store ended early"))),
    }
}
