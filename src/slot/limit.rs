//! How long a sender waits for room.

/// How long a sender waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    OfMailbox,
    None,
}
