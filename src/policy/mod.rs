//! Restart policies in a file: who is restarted, how soon, how often, and what happens then, without a word of code.
//!
//! What the settings mean is told by [`Policy`](crate::Policy), which says the same in code. A file is for those who run a
//! program rather than write it, and for a program that must not be stopped to be told otherwise.
//!
//! ```toml
//! [defaults]                              # every service
//! delay = "100ms"
//! max_delay = "30s"
//! jitter = "full"
//!
//! [supervisor."shop/workers"]             # what the children of this supervisor share
//! max_restarts = 10
//! within = "1m"
//!
//! [path."shop/workers/*"]                 # globs over paths: `*` within one name, `**` across names
//! max_restarts = 3                        # a budget of each child's own
//! within = "30s"
//! on_give_up = "park"
//! ```
//!
//! # Who wins
//!
//! The special wins over the general, wherever the two are said; within one row, what stands further right. That holds for
//! each field by itself. The classes, from the weakest:
//!
//! | [class](RankClass) | about | in code | in the file | in the environment |
//! |---|---|---|---|---|
//! | library | everything | | | |
//! | defaults | every service of the tree | `.defaults` of the root | `[defaults]` | `[defaults]` in `REGROW_POLICY`, `REGROW_DEFAULTS_FIELD` |
//! | children | what is directly below one supervisor | `.defaults` of a nested supervisor | `[supervisor.X.defaults]` | the same in `REGROW_POLICY` |
//! | child | one child, or all whose path is like that | what the child, or the template that makes it, says | `[path.GLOB]` | the same in `REGROW_POLICY` |
//!
//! Tables of one class apply in the order in which they stand. `REGROW_POLICY` holds text of the same format as a file;
//! `REGROW_DEFAULTS_DELAY=50ms` sets one field of every service, as far as nothing more special is said about it. What a
//! supervisor's children share (the budget in `[supervisor.X]`, and the like) is of the class *children*.
//!
//! A value of code such as a [`Backoff`](crate::Backoff) or an [`Intensity`](crate::Intensity) says all of its fields: a
//! `jitter` in `[defaults]` does not reach a child whose code sets a backoff, one in `[path.GLOB]` does.
//! [`Setting::rank`] and `regrow policy explain` tell which class and layer each value has come from.
//!
//! # From code
//!
//! [`Policies::read`] reads a file, and tells everything that is wrong with it at once.
//! [`Supervisor::policies`](crate::Supervisor::policies) starts a tree under it, [`Tree::apply`](crate::Tree::apply) puts
//! a running one under it, and [`Tree::follow_policies`](crate::Tree::follow_policies) does that whenever the file changes.
//! The order matters once: what is said about starts holds for the first ones only if the tree is started under it.
//!
//! ```
//! use regrow::Supervisor;
//! use regrow::policy::Policies;
//! use regrow::testing::Journal;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
//! let policies = Policies::parse("[path.\"shop/*\"]\ndelay = \"100ms\"\n", "shop.toml")?;
//! let tree = Supervisor::one_for_one("shop").policies(&policies).child(Journal::new().probe("till")).start().await?;
//!
//! let calmer = Policies::parse("[path.\"shop/*\"]\ndelay = \"2s\"\n", "shop.toml")?;
//! let applied = tree.apply(&calmer).await?;
//! assert_eq!((&*applied.live[0].path, applied.live[0].field), ("shop/till", "delay"));
//! # tree.shutdown().await; Ok(()) }
//! ```
//!
//! # From the command line
//!
//! The command `regrow` is `cargo run --features cli --`. A mistake is found before it is in force: `policy check` names its
//! line and what may have been meant, and a tree that follows the file stays as it was.
//!
//! ```text
//! regrow policy check shop.toml
//! regrow policy explain shop.toml shop/workers/w1
//! regrow policy simulate shop.toml 'panic after 2s *4; lives' --path shop/workers/w1
//! ```
//!
//! `explain` prints each setting of a child, with the line or the layer that it comes from. `simulate` plays a row of lives
//! in virtual time: what is restarted when, what is left of the budget, when the child is parked. In a tree that runs, a pattern
//! that matches nothing and a setting without effect on its children are warnings in the log, and
//! [`why`](crate::Tree::why) says where a child stands. The bank of `examples/bank` runs under a file that can be edited meanwhile:
//! `--policy examples/bank/policy.toml`.
//!
//! # What can be said
//!
//! About a child, in `[defaults]`, `[supervisor.X.defaults]` and `[path.GLOB]`:
//!
//! | field | values | not said |
//! |---|---|---|
//! | `restart` | `"permanent"`, `"transient"`, `"temporary"` | as in the code |
//! | `delay` | `"100ms"`, or a list whose last repeats | no wait |
//! | `factor`, `max_delay`, `jitter` | `2.0`; `"30s"`; `"none"`, `"full"`, `"decorrelated"` | 2, 30 s, none |
//! | `reset_after`, `reset_on_ready`, `reset_after_messages` | `"1m"`, `true`, `1000` | the longest delay |
//! | `max_restarts`, `within` | `3` or `"unlimited"`; `"30s"` | no budget of its own; 5 s |
//! | `on_give_up` | `"escalate"`, `"park"`, `{ park = { delay = "30s" } }` | escalate |
//! | `not_ready` | a table with a budget and delays | as for other lives |
//! | `ready`, `start_timeout` | `"when_up"`, `"when_said"`; `"10s"`, `"off"` | when it is up; no limit |
//! | `depends_on` | `["db", "/shop/cache", { completed = "migrate" }]` | nobody |
//! | `on_dependency_gone` | `"park"`, `"fail"`, `"go_on"` | park |
//! | `health` | `"required"`, `"optional"` | by its kind |
//! | `rules` | `[{ on = ["failed"], text = "licence", then = "stop" }]` | the restart type decides |
//! | `watchdog` | `"10s"`, `"off"`; of a task only in `[path.GLOB]` | no limit |
//! | `shutdown_timeout` | `"5s"`, `"kill"`, `"wait"` | as in the code |
//! | `mailbox` | `1024`, or `{ capacity, overflow, on_restart, room_wait }` | as in the code |
//!
//! About a supervisor, in `[supervisor.X]`: `max_restarts` and `within` of the budget that its children share,
//! `budget_clock`, and `max_starting`, how many services below it may be starting at the same time. `regrow policy schema`
//! prints all of it for editors.
//!
//! # Layout
//!
//! | file | idea |
//! |---|---|
//! | `policies.rs`, `environment.rs` | what may be asked of a file; what the environment adds |
//! | `source.rs`, `problem.rs` | a place in a text; what is wrong there |
//! | `reader.rs`, `said.rs` | reading that goes on behind a mistake; fields, said or left open |
//! | `fields.rs` | every field there is |
//! | `durations.rs`, `numbers.rs`, `texts.rs`, `words.rs`, `rules.rs`, `give_up.rs`, `needs.rs`, `pattern.rs` | the values of fields |
//! | `curve.rs` | delays, put together from several layers |
//! | `document.rs`, `checks.rs`, `in_vain.rs` | a source as a whole; what does not fit together in it; what has no effect on what it is said for |
//! | `rank.rs`, `layering.rs` | what wins over what; what all of it comes to for one path |
//! | `reading.rs`, `settling.rs`, `follow.rs` | a file that may hang; a text that may not be whole yet; a file that is applied whenever it changes |
//! | `log.rs` | what came of a file that is followed, in the log |
//! | `explain.rs`, `phrases.rs`, `schema.rs` | where each setting comes from; settings as phrases; the format, for editors |
//! | `script.rs`, `simulate.rs`, `picture.rs` | what a policy does with a row of lives, in virtual time |

#[cfg(feature = "policy")]
pub(crate) mod apply;
mod attach;
mod chart;
mod checks;
mod curve;
mod document;
mod durations;
mod environment;
mod explain;
mod field;
mod fields;
mod follow;
mod give_up;
mod in_vain;
pub(crate) mod keywords;
pub(crate) mod log;
mod needs;
mod numbers;
mod pattern;
mod policies;
mod problem;
mod rank;
mod reader;
mod reading;
pub(crate) mod render;
mod resolve;
mod rules;
mod schema;
mod script;
mod settling;
mod simulate;
mod source;
mod texts;

#[cfg(test)]
mod tests;

pub use explain::{Explanation, Setting};
pub use follow::{PolicyWatcher, ReloadError};
pub use policies::Policies;
pub use problem::{PolicyFileErrors, Problem};
pub use rank::{Origin, Rank, RankClass};
pub use schema::schema;
pub use script::{ExitScript, ExitScriptError, ExitStep};
pub use simulate::{LIVES_MAX, PolicySimulation, SimulationEvent, simulate};
