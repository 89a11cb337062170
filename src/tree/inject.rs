//! The one seam at which an experiment injects faults into the services of a tree.
//!
//! A service without faults looks nowhere. An incarnation with faults has a signal beside stop and kill, which the pump
//! reads anyway. The faults and their effects are defined above, in `chaos/`.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

use crate::call::outcomes::Outcomes;
use crate::slot::erased::AnySlot;
use crate::slot::signals::Signals;
use crate::tree::statements::Statement;

/// The future of a hook.
pub(crate) type Hook<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The incarnation that a hook is called for.
#[allow(dead_code, reason = "only experiments call it, and they are a feature")]
pub(crate) struct Target {
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) signals: Arc<Signals>,
}

/// Fault of a save: what happens to it instead of the store's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "only experiments make them, and they are a feature")]
pub(crate) enum SaveFault {
    /// Nothing is stored, and the save fails.
    Fail,
    /// The store breaks off in the middle of its write, and the save fails.
    Tear,
    /// Nothing is stored, and the save is acknowledged.
    Lose,
}

/// The faults of a tree. The hooks run as code of the incarnation: a panic in one is a panic of the incarnation.
pub(crate) trait Inject: Any + Send + Sync {
    /// Returns the number of the running experiment, zero for none.
    fn armed(&self) -> u64;
    /// Runs before the factory, when the incarnation has moved into its slot. An error counts as an error of the
    /// factory.
    fn before_start(&self, target: Target) -> Hook<'_, anyhow::Result<()>>;
    /// Runs before a message is taken. It waits until there is a message to take, or until something else wants
    /// attention. Returns `true` if that message is to be handed over twice.
    fn before_take(&self, target: Target) -> Hook<'_, bool>;
    /// Runs with a message in hand, before the handler gets it. An error counts as an error of the handler.
    fn before_handle(&self, target: Target) -> Hook<'_, anyhow::Result<()>>;
    /// Runs before the stop hook, when the incarnation was asked to stop.
    fn before_stop(&self, target: Target) -> Hook<'_, ()>;
    /// Runs before a store is asked to save a value of the child at this path, or to discard it. It may take its time. The
    /// incarnation with this generation may be over by then.
    #[allow(dead_code, reason = "only checkpoints call it, and they are a feature")]
    fn before_save(&self, path: Arc<str>, generation: u64) -> Hook<'_, Option<SaveFault>>;
    /// Reports a statement to the judge of the experiment.
    fn say(&self, what: Statement);
    /// The counters for the outcomes of calls.
    fn outcomes(&self) -> Option<Arc<Outcomes>>;
    /// Number of services that are remembered because they have faults, or had some.
    fn remembered(&self) -> usize;
}
