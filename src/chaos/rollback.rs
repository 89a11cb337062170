//! What the user undoes when the faults are over.
//!
//! Invariant: each rollback runs once, however the run ends. One whose run was dropped half way runs in a task of its own.

use crate::chaos::experiment::Probe;
use crate::chaos::looks::ask;

pub(super) struct Rollbacks(Vec<Probe>);

impl Rollbacks {
    pub(super) fn new(rollbacks: &[Probe]) -> Self {
        Self(rollbacks.to_vec())
    }

    /// All of them, in the order in which they were added; what went wrong with which.
    pub(super) async fn run(&mut self) -> Vec<(String, Option<String>)> {
        let mut results = Vec::new();
        while !self.0.is_empty() {
            let Probe { name, look, .. } = self.0.remove(0);
            results.push((format!("rollback: {name}"), ask(&look).await.err()));
        }
        results
    }
}

impl Drop for Rollbacks {
    fn drop(&mut self) {
        let left = std::mem::take(&mut self.0);
        if left.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    for (what, failure) in Self(left).run().await {
                        if let Some(why) = failure {
                            tracing::error!("{what}, of an experiment that was dropped: {why}");
                        }
                    }
                });
            }
            Err(_) => tracing::error!("an experiment was dropped outside of a runtime, and cannot be rolled back"),
        }
    }
}
