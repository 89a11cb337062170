//! The admin source: what an operator sees of running trees, and what an operator may do, over a unix socket.

mod acts;
mod answer;
mod builder;
mod door;
pub(crate) mod dump;
pub(crate) mod experiments;
mod record;
mod reload;
mod routes;
pub(crate) mod row;
mod schema;
mod serve;
pub(crate) mod services;
mod settings;
pub(crate) mod shown;
mod snapshot;
mod source;
mod stream;
pub(crate) mod template;
mod token;
pub(crate) mod viewer;
pub mod wire;

pub use builder::Admin;
pub use door::Operator;
pub use dump::entry::{DumpAct, DumpEntry, DumpExit};
pub use dump::header::{DumpCount, DumpHeader, DumpRing};
pub use dump::read::{Dump, DumpDamage, DumpError};
pub use schema::schema;
pub use serve::error::ListenError;
pub use serve::listening::Listening;
pub use token::{Token, TokenError};
#[doc(inline)]
pub use wire::greeting::Capability;
