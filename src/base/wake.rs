//! The message of regrow's own ractor actors.

/// Wakes an actor. The payload, if any, is in the actor's queue or state.
///
/// A `()` in its place would be serializable when ractor's feature `cluster` is on. Every supervisor would then accept
/// messages from the network, and ractor would announce each start and stop to all connected nodes.
#[derive(Debug)]
pub(crate) struct Wake;

// Without the feature, ractor implements it for every type.
#[cfg(feature = "cluster")]
impl ractor::Message for Wake {}
