//! The history of a tree: what happened to its children, the tree as it was, and dumps.
//!
//! A sample of the random trees is part of the tests. `.ci/long history` runs 1,000 of them: `REGROW_SEEDS` says how many.

#[path = "../common/mod.rs"]
mod common;
#[path = "../chaos/random_trees.rs"]
mod random_trees;

mod acts;
mod dumps;
mod entries;
mod past;
mod random;
mod redescribed;
mod rings;
mod storm;
mod walk;
