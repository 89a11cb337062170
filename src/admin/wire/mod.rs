//! The data of the admin source, as it goes over the wire: JSON, one envelope, one schema with a version.
//!
//! The server makes these types and the commands read them, so neither has words of its own. A field is only added, never
//! removed or given another meaning, as long as [`SCHEMA`] stays the same; a reader ignores fields that it does not know.
//!
//! Times are milliseconds; a moment is milliseconds since 1970-01-01 UTC. Texts that come from a program (exits, labels,
//! reasons) are as the program gave them: a program that shows them in a terminal has to escape control characters.

pub mod act;
pub mod envelope;
pub mod event;
pub mod experiment;
pub mod greeting;
pub mod history;
pub mod letter;
pub mod query;
pub mod service;
pub mod services;

/// Version of the data. It grows if a field is removed or gets another meaning.
pub const SCHEMA: u32 = 1;
