//! What the walk has found: a short history for each.
