//! The limit of a wait for room.

/// Limit of a wait for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    OfMailbox,
    None,
}
