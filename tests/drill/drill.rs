//! The drill as a program of its own: `.ci/drill` builds it once for each planted bug, with no more than it needs.

#[path = "../chaos/drill.rs"]
mod drill;
#[path = "../chaos/drill_trees.rs"]
mod drill_trees;
#[path = "../../src/cli/tills.rs"]
mod tills;
#[path = "../common/tree.rs"]
#[allow(dead_code, reason = "the drill uses a part of it")]
mod tree;

/// The place where a test program has what is shared.
mod common {
    pub(crate) use crate::tree;
}
