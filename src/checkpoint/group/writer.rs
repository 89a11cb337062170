//! The writer of a group commit: the task that saves the newest state, and runs what waited for that.
//!
//! The invariants are those of `mod.rs`.

use std::sync::Arc;

use regrow_supervisors::Exit;

use crate::base::panics::{self, drop_here};
use crate::base::sweep;
use crate::checkpoint::claimed::Claimed;
use crate::checkpoint::error::NotSaved;
use crate::checkpoint::group::desk::Desk;
use crate::checkpoint::state::State;
use crate::slot::signals::Signals;

/// The task that saves.
pub(super) struct Writer<T> {
    desk: Arc<Desk<T>>,
    /// Taken when it ends because the service has left.
    claimed: Option<Claimed>,
    /// Error for those that wait when it is dropped.
    ended: NotSaved,
    signals: Arc<Signals>,
    path: Arc<str>,
}

impl<T: State + Sync> Writer<T> {
    /// `ended`: the error for those that wait when it is dropped.
    pub(super) fn new(desk: Arc<Desk<T>>, claimed: Claimed, ended: NotSaved) -> Self {
        let (signals, path) = (claimed.signals.clone(), claimed.slot.path());
        Self { desk, claimed: Some(claimed), ended, signals, path }
    }

    pub(super) async fn write(mut self) {
        if let Err((end, exit)) = self.save_all().await {
            self.desk.end(end);
            self.signals.break_with(exit);
            // The linked task goes on until the incarnation has its exit, and drops what waits then (invariant 3).
            return std::future::pending().await;
        }
        self.desk.hand_back(self.claimed.take());
    }

    /// Saves until the service has left. Returns the error for those that wait, and the exit of the incarnation.
    async fn save_all(&mut self) -> Result<(), (NotSaved, Exit)> {
        let Some(claimed) = &mut self.claimed else { return Ok(()) };
        let panicked = |panic| (self.ended.clone(), Exit::Panicked(panic));
        while let Some((value, number)) = self.desk.next().await {
            let encode = move || {
                let encoded = value.encode();
                drop(value);
                encoded
            };
            let saved = match panics::catch_within(encode).map_err(panicked)? {
                Ok(bytes) => claimed.save(T::SCHEMA, bytes).await,
                Err(wrong) => Err(claimed.not_encoded(wrong)),
            };
            saved.map_err(|error| (NotSaved::of(&error), sweep::failed(error.into())))?;
            self.desk.durable(number);
            while let Some(effect) = self.desk.next_due() {
                // An abandoned incarnation has no effects any more.
                let is_fenced = self.signals.is_fenced();
                let run = || if is_fenced { drop(effect) } else { effect() };
                panics::catch_within(run).map_err(panicked)?;
            }
            self.desk.tell_settled();
        }
        Ok(())
    }
}

/// Drops what waits. That happens in the linked task, when the exit of the incarnation is known.
impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        self.desk.end(self.ended.clone());
        let (value, waiting) = self.desk.close();
        // Invariant 5.
        drop_here(value, &self.path, "a state that was not saved");
        for (_, effect) in waiting {
            drop_here(effect, &self.path, "an effect that waited for a save");
        }
    }
}
