//! State that survives the process: the latest value of a service, in a store.
//!
//! [`regrow::state`](crate::state) says which state needs a checkpoint, what it costs, and what can be lost.
//!
//! | to | use |
//! |---|---|
//! | claim and load the state in a factory | [`Context::checkpoint`](crate::Context::checkpoint), [`checkpoint_at`](crate::Context::checkpoint_at) |
//! | save it, and wait until it is durable | [`Checkpoint::save`] |
//! | save many changes at once, and answer after that | [`GroupCommit`] |
//! | choose the encoding, and read older versions | [`Json`], [`State`] |
//! | choose a store and its time limit | [`Checkpoints`], [`FileStore`], `SqliteStore`, [`MemoryStore`] |
//! | write a store of your own, and test it | [`CheckpointStore`], [`contract`] |
//! | see number, size, cost and age of saves | [`Handle::saves`](crate::Handle::saves), [`Why`](crate::Why) |
//!
//! | file | idea |
//! |---|---|
//! | `store`, `contract/` | what a store does, and the tests of that |
//! | `files/`, `sqlite`, `memory` | the stores |
//! | `terms` | a store with its time limit, as services use it |
//! | `claims`, `claimed` | the right of one incarnation to save, and the epochs of it |
//! | `turns` | work on one key, one piece after the other |
//! | `typed`, `group` | the checkpoint of a service; group commit |
//! | `state`, `json` | values and their encoding |
//! | `observed` | the seam for experiments |

mod blocking;
mod claimed;
mod claims;
pub mod contract;
mod error;
mod files;
mod group;
mod json;
mod memory;
mod observed;
#[cfg(feature = "checkpoint-sqlite")]
mod sqlite;
mod state;
mod store;
mod terms;
mod turns;
mod typed;

pub use error::{CheckpointError, NotSaved, Problem, StoreError, SupersededBy};
pub use files::FileStore;
pub use group::GroupCommit;
pub use json::Json;
pub use memory::MemoryStore;
#[cfg(feature = "checkpoint-sqlite")]
pub use sqlite::SqliteStore;
pub use state::State;
pub use store::{CheckpointStore, Claim, Record, Stamp, StoreFuture};
pub use terms::{Checkpoints, DEFAULT_STORE_LIMIT};
pub use typed::Checkpoint;
