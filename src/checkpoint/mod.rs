//! State that survives the process: the latest value of a service, in a store.

mod error;
mod memory;
mod observed;
mod state;
mod store;
mod typed;

pub use error::{CheckpointError, Problem, StoreError};
pub use memory::MemoryStore;
pub use state::State;
pub use store::{CheckpointStore, Claim, Record, Stamp, StoreFuture};
pub use typed::{Checkpoint, Checkpoints, DEFAULT_STORE_LIMIT};
