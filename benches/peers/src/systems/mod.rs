//! A file per system.

pub mod actix;
pub mod erlang;
pub mod kameo;
pub mod ractor;
#[cfg(feature = "ractor-supervisor")]
pub mod ractor_supervisor;
pub mod regrow;
pub mod tokio;
