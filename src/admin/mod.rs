//! The admin source: what an operator sees of running trees, and what an operator may do, over a unix socket.
//!
//! ```no_run
//! use regrow::Supervisor;
//! use regrow::admin::{Admin, Capability};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let tree = Supervisor::one_for_one("shop").start().await?;
//! let _listening = Admin::new("shop").tree(&tree).grant(Capability::Control).listen_unix().await?;
//! # tree.wait().await; Ok(()) }
//! ```
//!
//! Then `regrow ps` shows the tree, also through `ssh`. So does
//! `curl --unix-socket $XDG_RUNTIME_DIR/regrow/shop.*.sock http://x/v1/services`.
//!
//! # Routes
//!
//! Every answer is an [`Envelope`](wire::envelope::Envelope) of JSON; [`schema`] describes all of them.
//!
//! | request | answer | needs |
//! |---|---|---|
//! | `GET /v1` | what runs, and what the client may do | `read` |
//! | `GET /v1/services` | a page of children, with those that are not well before all others | `read` |
//! | `GET /v1/service?path=` | one child in full | `read` |
//! | `GET /v1/history`, `GET /v1/history/dump` | the record, and the tree as it was | `read` |
//! | `GET /v1/events` | server-sent events: a snapshot and what follows, or what follows a position | `read` |
//! | `GET /v1/dead-letters`, `GET /v1/dead-letters/NUMBER` | dead letters, without their contents | `read` |
//! | `GET /v1/experiments`, `GET /v1/schema` | experiments; the schema | `read` |
//! | `GET /metrics` | Prometheus text, if the program gave the source a collector | `read` |
//! | `POST /v1/acts` | kill, restart, terminate, start, park, revive, replay, reload a policy | `control` |
//! | `POST /v1/experiments`, `DELETE /v1/experiments/NUMBER` | run and stop an experiment | `chaos` |
//!
//! # Safety
//!
//! * The unix socket has mode 0600 in a directory of mode 0700 that belongs to this user, is no link, and can be replaced
//!   by no other user. The user of each client is checked: this user, root, and those on a [list](Admin::allow_uid).
//! * TCP is used only if the program asks for it, on the loopback interface unless it [says otherwise](Admin::allow_remote).
//!   Every request needs a [token](Token) of 32 random bytes, an [allowed](Admin::allow_host) host name, and no foreign origin.
//! * Clients may only look. The program [grants](Admin::grant) more in code.
//! * An act needs a header that a form cannot send, and a reason. It may name the generation that is meant. It becomes an
//!   [event](crate::EventKind::Acted), a log line and an entry of the record, with its operator.
//! * The contents of messages and states are shown only if the service describes them:
//!   [`describe_message`](crate::Service::describe_message), [`describe`](crate::Context::describe).
//! * Texts of the program (exits, labels, reasons) come as they are, as JSON. A client that shows them in a terminal has to
//!   escape control characters, as the commands of regrow do.
//! * Requests are bounded in size and time, and 64 clients may be connected. A client that takes nothing for 30 seconds is
//!   closed. One that follows events too slowly is told of the gap and gets a new snapshot.

mod acts;
mod answer;
mod aside;
mod builder;
mod door;
pub(crate) mod dump;
pub(crate) mod experiments;
mod lengths;
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
mod unpermitted;
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
