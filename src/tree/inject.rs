//! The one seam at which an experiment injects faults into the services of a tree.
//!
//! A service without faults looks nowhere: that it has some is a signal of its incarnation, beside stop and kill, for which the
//! pump looks anyway. What the faults are, and how they strike, stands above, in `chaos/`.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;

use crate::call::outcomes::Outcomes;
use crate::slot::erased::AnySlot;
use crate::slot::signals::Signals;
use crate::tree::statements::Statement;

/// A future of a hook.
pub(crate) type Hook<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The incarnation that a hook is about.
#[allow(dead_code, reason = "only experiments call it, and they are a feature")]
pub(crate) struct Target {
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) signals: Arc<Signals>,
}

/// The faults of a tree. The hooks run as code of the incarnation: a panic in one is its panic.
pub(crate) trait Inject: Any + Send + Sync {
    /// Returns the number of the experiment that goes on, zero for none.
    fn armed(&self) -> u64;
    /// Runs before the factory, when the incarnation has moved into its slot. An error is one of the factory.
    fn before_start(&self, target: Target) -> Hook<'_, anyhow::Result<()>>;
    /// Runs before a message is taken: waits until there is one that may be taken, or until something else wants attention.
    /// `true`: that message is to be handed over twice.
    fn before_take(&self, target: Target) -> Hook<'_, bool>;
    /// Runs with a message in hand, before the handler gets it. An error is one of the handler.
    fn before_handle(&self, target: Target) -> Hook<'_, anyhow::Result<()>>;
    /// Runs when the incarnation was told to stop, before its stop hook.
    fn before_stop(&self, target: Target) -> Hook<'_, ()>;
    /// Says something to the judge of the experiment.
    fn say(&self, what: Statement);
    /// Where the outcomes of calls are counted.
    fn outcomes(&self) -> Option<Arc<Outcomes>>;
    /// The number of services that are remembered because they have faults, or had some.
    fn remembered(&self) -> usize;
}
