//! Texts that the commands print: pure functions from the data of the admin source to text.
//!
//! A program can show the same texts itself. Each function returns whole lines, made [`safe`] for a terminal, and fitted
//! to a [`Screen`].
//!
//! ```
//! use regrow::admin::wire::services::Services;
//! use regrow::operate::text::{self, Screen};
//!
//! let shown = text::ps(&Services::default(), None, &Screen::plain(80));
//! assert!(shown.starts_with("0 children"), "{shown}");
//! ```

mod branches;
mod dot;
mod event;
mod experiment;
mod headline;
mod history;
mod letter;
mod moments;
mod notice;
mod ps;
mod safe;
mod screen;
mod status;
mod table;
mod tree;

pub use dot::dot;
pub use event::{entry, message};
pub use experiment::experiments;
pub use history::history;
pub use letter::{letter, letters};
pub use moments::{length, moment};
pub use ps::ps;
pub use safe::safe;
pub use screen::Screen;
pub use status::{status, why};
pub use tree::tree;

pub(crate) use event::verb;
pub(crate) use moments::{ago, clock};
pub(crate) use safe::{safe_lines, shell_word};
pub(crate) use screen::word;
