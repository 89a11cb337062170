//! Health of a tree: live, ready and started, as data, over HTTP for an orchestrator, and for systemd.
#![doc = ""]
#![doc = include_str!("guide.md")]

#[cfg(feature = "health")]
mod connections;
#[cfg(feature = "health")]
mod router;
#[cfg(feature = "health")]
mod server;
mod source;
#[cfg(all(feature = "sd-notify", target_os = "linux"))]
pub(crate) mod status_line;
mod tree_health;

#[cfg(feature = "health")]
pub use router::health_router;
#[cfg(feature = "health")]
pub use server::{HealthServer, ServeHealthError, serve_health};
pub use source::{DEFAULT_ANSWER_LIMIT, HealthSource};
pub use tree_health::{Life, MissingService, TreeHealth};
