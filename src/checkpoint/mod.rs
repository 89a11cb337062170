//! State that survives the process: the latest value of a service, in a store.

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
