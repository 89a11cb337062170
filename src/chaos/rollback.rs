//! Rollbacks: user's code that undoes something when the faults are over.
//!
//! Invariant: each rollback runs once and to its end, however the run ends. It runs in a task, so that dropping the run
//! does not stop it.

use crate::chaos::checks::ask;
use crate::chaos::experiment::Probe;
use crate::log::{line, one_line};

pub(super) struct Rollbacks(Vec<Probe>);

impl Rollbacks {
    pub(super) fn new(rollbacks: &[Probe]) -> Self {
        Self(rollbacks.to_vec())
    }

    /// Runs all of them, in the order in which they were added. Returns their names, each with its error if it failed.
    pub(super) async fn run(&mut self) -> Vec<(String, Option<String>)> {
        let undone = tokio::spawn(undo(std::mem::take(&mut self.0))).await;
        undone.unwrap_or_else(|error| vec![("rollbacks".to_owned(), Some(error.to_string()))])
    }
}

async fn undo(rollbacks: Vec<Probe>) -> Vec<(String, Option<String>)> {
    let mut results = Vec::new();
    for Probe { name, look, .. } in rollbacks {
        let failure = ask(&look).await.err();
        if let Some(why) = &failure {
            line!(ERROR, { rollback = %one_line(&name), error = %one_line(why) }, "the rollback of an experiment failed");
        }
        results.push((format!("rollback: {name}"), failure));
    }
    results
}

impl Drop for Rollbacks {
    fn drop(&mut self) {
        let left = std::mem::take(&mut self.0);
        if left.is_empty() {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(undo(left))),
            Err(_) => line!(
                ERROR,
                { rollbacks = left.len() },
                "an experiment was dropped outside of a runtime: its rollbacks did not run"
            ),
        }
    }
}
