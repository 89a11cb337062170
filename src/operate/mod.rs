//! The commands of an operator: look at the trees of a running program and act on them, over its admin source.
//!
//! `regrow` has them, and any binary gets them by one call: [`main`], or [`Operate`] as subcommands among others. They
//! know nothing that the source does not say ([`crate::admin::wire`]).
//!
//! | command | shows or does |
//! |---|---|
//! | `ps`, `tree` | all children: what is not well first, with its cause and the command that acts now |
//! | `status PATH`, `why PATH` | one child on one screen; the reason for its state |
//! | `events`, `history` | what happened, live and recorded; the tree as it was at a moment |
//! | `dead-letters` | messages that were not handled: list, show, replay |
//! | `kill`, `restart`, `terminate`, `start`, `park`, `revive` | acts on a child, with a reason |
//! | `policy reload`, `experiment` | policy files read again; faults injected |
//! | `completions`, `man` | for the shell and the manual |
//!
//! # What a command costs the program
//!
//! | grade | commands |
//! |---|---|
//! | free: reads what is asked for | `status`, `why`, `events`, `dead-letters`, `experiment list` |
//! | scans: reads every child once, in short slices, on a thread that may block | `ps`, `tree`, `history` |
//! | acts: with a reason | `start`, `revive`, `dead-letters replay`, `policy reload`, `experiment run`, `experiment stop` |
//! | disturbs: as above, and it asks first, unless `--yes` says that it was meant | `kill`, `restart`, `terminate`, `park` |
//!
//! # Exit codes
//!
//! They are stable: [`Code`].
//!
//! # Text and JSON
//!
//! Text is for people. It fits the terminal (120 columns elsewhere), is coloured on a terminal only and never with
//! `NO_COLOR` or `--no-color`, and shows control characters as such. With `--json` the data are printed as the source gave
//! them, raw, and a program reads these.

#[doc(hidden)]
pub mod doors;
pub mod text;

mod ask;
mod code;
mod command;
mod find;
mod options;
mod papers;
mod run;
mod trouble;

pub use code::{Code, EXIT_CODES};
pub use command::{Operate, PolicyAct, main};
