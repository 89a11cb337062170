//! State that survives the process: the latest value of a service, in a store.

pub mod contract;
mod error;
mod files;
mod memory;
mod observed;
#[cfg(feature = "checkpoint-sqlite")]
mod sqlite;
mod state;
mod store;
mod typed;

pub use error::{CheckpointError, Problem, StoreError};
pub use files::FileStore;
pub use memory::MemoryStore;
#[cfg(feature = "checkpoint-sqlite")]
pub use sqlite::SqliteStore;
pub use state::State;
pub use store::{CheckpointStore, Claim, Record, Stamp, StoreFuture};
pub use typed::{Checkpoint, Checkpoints, DEFAULT_STORE_LIMIT};
