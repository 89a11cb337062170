//! Supervised actors for Rust: OTP's restart trees on [`ractor`] and [`tokio`], whose services keep their address, their
//! mailbox and their callers when they die.
//!
//! # Layout
//!
//! (to be written)

#[cfg(panic = "abort")]
compile_error!(
    "regrow restarts services that panic, which `panic = \"abort\"` makes impossible: build with `panic = \"unwind\"`"
);

mod blocking;
mod call;
mod child;
mod context;
mod current;
mod directory;
mod error;
mod event;
mod handle;
mod incarnation;
mod log;
mod mailbox;
mod port;
mod service;
mod slot;
mod supervisor;
mod sync;
pub mod testing;
mod tree;
mod world;

pub use ractor;
pub use regrow_supervisors::{Abandon, Exit, Failure, Intensity, Panic, Restart, Shutdown, Strategy};

pub use call::{Call, Reply};
pub use child::{Child, ServiceChild, TaskChild};
pub use context::{Context, LinkedTask, NoMessages, TaskContext};
pub use directory::{Entry, Kind, LookupError};
pub use error::{CallError, Refusal, Returned, SendError};
pub use event::{Event, EventKind, Events, Missed};
pub use handle::{Handle, NotRunning};
pub use incarnation::thread::Inbox;
pub use mailbox::{DEFAULT_CAPACITY, Mailbox, OnRestart, Overflow, mailbox};
pub use service::{Ignore, Service, ignore};
pub use slot::accounting::Accounting;
pub use slot::status::{State, Status};
pub use supervisor::{StartError, Supervisor};
pub use tree::{Directory, KillError, ShutdownReport, Tree};
