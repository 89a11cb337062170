//! Restart policies in a file: which ends are followed by a restart, after which delay, and within which budget.
//!
//! [`Policy`](crate::Policy) explains what the settings mean, and sets the same ones in code. A file serves the
//! operators of a program. It also serves a program that must not be stopped for a change of its settings.
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
//! max_restarts = 3                        # a separate budget for each child
//! within = "30s"
//! on_give_up = "park"
//! ```
//!
//! # Precedence
//!
//! A more specific setting wins over a more general one, in whichever layer each of them stands. Within one class, a
//! layer further to the right in this table wins. Each field is decided separately. The classes, from the weakest:
//!
//! | [class](RankClass) | applies to | in code | in the file | in the environment |
//! |---|---|---|---|---|
//! | library | everything | | | |
//! | defaults | every service of the tree | `.defaults` of the root | `[defaults]` | `[defaults]` in `REGROW_POLICY`, `REGROW_DEFAULTS_FIELD` |
//! | children | the direct children of one supervisor | `.defaults` of a nested supervisor | `[supervisor.X.defaults]` | the same in `REGROW_POLICY` |
//! | child | one child, or all with a path like that | the description of the child, or the template that makes it | `[path.GLOB]` | the same in `REGROW_POLICY` |
//!
//! Tables of one class apply in the order in which they stand. `REGROW_POLICY` holds text in the format of a file.
//! `REGROW_DEFAULTS_DELAY=50ms` sets one field of every service for which nothing more specific sets it. What the
//! children of a supervisor share (the budget in `[supervisor.X]`, for example) is of the class *children*.
//!
//! A value in code such as a [`Backoff`](crate::Backoff) or an [`Intensity`](crate::Intensity) sets all of its fields.
//! So a `jitter` in `[defaults]` does not reach a child that has a backoff in code, but one in `[path.GLOB]` does.
//! [`Setting::rank`] and `regrow policy explain` tell from which class and layer each value comes.
//!
//! # From code
//!
//! [`Policies::read`] reads a file and reports all of its mistakes at once.
//! [`Supervisor::policies`](crate::Supervisor::policies) starts a tree under it. [`Tree::apply`](crate::Tree::apply)
//! applies it to a running tree. [`Tree::follow_policies`](crate::Tree::follow_policies) applies it whenever the file
//! changes. Settings about starts hold for the first starts only if the tree is started under the file.
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
//! The command `regrow` is `cargo run --features cli --`. `policy check` finds a mistake before the file is in force:
//! it names the line and suggests what may have been meant. A tree that follows a file keeps its settings if the new
//! text has a mistake.
//!
//! ```text
//! regrow policy check shop.toml
//! regrow policy explain shop.toml shop/workers/w1
//! regrow policy simulate shop.toml 'panic after 2s *4; lives' --path shop/workers/w1
//! ```
//!
//! `explain` prints each setting of a child, with the line or the layer that it comes from. `simulate` plays a row of
//! lives in virtual time: each restart, the rest of the budget, and the time at which the child is parked.
//!
//! A running tree logs a warning for a pattern that matches nothing, and for a setting without effect on its children.
//! [`why`](crate::Tree::why) tells the state of a child and the reason for it. The bank of `examples/bank` runs under a
//! file that can be edited meanwhile: `--policy examples/bank/policy.toml`.
//!
//! # Fields
//!
//! For a child, in `[defaults]`, `[supervisor.X.defaults]` and `[path.GLOB]`:
//!
//! | field | values | default |
//! |---|---|---|
//! | `restart` | `"permanent"`, `"transient"`, `"temporary"` | as in the code |
//! | `delay` | `"100ms"`, or a list, the last of which repeats | no wait |
//! | `factor`, `max_delay`, `jitter` | `2.0`; `"30s"`; `"none"`, `"full"`, `"decorrelated"` | 2, 30 s, none |
//! | `reset_after`, `reset_on_ready`, `reset_after_messages` | `"1m"`, `true`, `1000` | the longest delay |
//! | `max_restarts`, `within` | `3` or `"unlimited"`; `"30s"` | no separate budget; 5 s |
//! | `failure_rate` | `{ percent = 50, messages = 20, within = "10s" }`, `"off"` | failing messages end no life |
//! | `on_give_up` | `"escalate"`, `"park"`, `{ park = { delay = "30s" } }`, `"stop"`, `"end_tree"` | escalate |
//! | `kept` | `{ lives = 3, then = "begin_empty" }`, `then = "park"`, `then = { park = { delay = "30s" } }` | as shown first |
//! | `retry_start` | `true`: a first start that fails is tried again | the boot fails |
//! | `not_ready` | a table with a budget and delays | as for other lives |
//! | `ready`, `start_timeout` | `"when_up"`, `"when_said"`; `"10s"`, `"off"` | when it is up; no limit |
//! | `depends_on` | `["db", { name = "/shop/cache", restart = true }, { completed = "migrate" }]` | nothing |
//! | `on_dependency_gone` | `"park"`, `"fail"`, `"go_on"` | park |
//! | `health` | `"required"`, `"optional"` | by its kind |
//! | `rules` | `[{ on = ["failed"], text = "licence", then = "stop" }]` | the restart type decides |
//! | `watchdog` | `"10s"`, `"off"`; of a task only in `[path.GLOB]` | no limit |
//! | `shutdown_timeout` | `"5s"`, `"kill"`, `"wait"` | as in the code |
//! | `mailbox` | `1024`, or `{ capacity, overflow, on_restart, room_wait }`; in `[path.GLOB]` also `idle_after` | as in the code |
//!
//! A rule has the kinds of end that it is about (`on`: `panicked`, `failed`, `killed`, `hung`, `normal`, `shutdown`, `start_failed`,
//! `not_ready`; every kind if it has none), and what to do (`then`: `restart`, `restart_group`, `park`, `stop`, `escalate`). It may be
//! about errors with a certain `text`, or about those of the type that is registered as `error`. With `counts = false` its restarts are
//! not charged to the budget.
//!
//! In `mailbox`, `capacity` is a number or `"unbounded"`, `overflow` is `"refuse"`, `"drop_oldest"` or `"drop_newest"`, and
//! `on_restart` is `"keep"` or `"drop"`.
//!
//! For a supervisor, in `[supervisor.X]`: `max_restarts` and `within` of the budget that its children share. Its `budget_clock`
//! counts `"all"` time, or the time `"without_stops"`. `max_starting` is the number of services below it that may be starting at
//! the same time. `regrow policy schema` prints the whole format for editors.
//!
//! # Layout
//!
//! | file | idea |
//! |---|---|
//! | `policies.rs`, `environment.rs` | the questions that a file answers; the layer that the environment adds |
//! | `source.rs`, `problem.rs` | a place in a text; a mistake there |
//! | `reader.rs`, `field.rs` | reading that goes on after a mistake; fields, set or left open |
//! | `fields.rs` | every field there is |
//! | `durations.rs`, `numbers.rs`, `texts.rs`, `keywords.rs`, `rules.rs`, `give_up.rs`, `needs.rs`, `pattern.rs` | the values of fields |
//! | `curve.rs` | delays, put together from several layers |
//! | `document.rs`, `checks.rs`, `in_vain.rs` | a source as a whole; contradictions in it; settings without effect |
//! | `rank.rs`, `resolve.rs` | precedence; the settings in force for one path |
//! | `attach.rs`, `apply.rs` | policies for a tree that is being described; policies for a running tree |
//! | `reading.rs`, `settling.rs`, `follow.rs` | a file that may hang; a text that may be incomplete; a file that is applied whenever it changes |
//! | `log.rs` | log lines about policies that were applied or refused |
//! | `explain.rs`, `render.rs`, `schema.rs` | the origin of each setting; settings as phrases; the format, for editors |
//! | `script.rs`, `simulate.rs`, `chart.rs` | a row of lives under a policy, in virtual time |

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
mod failure_rate;
mod field;
mod fields;
mod follow;
mod give_up;
mod in_vain;
mod kept;
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
