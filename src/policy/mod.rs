//! Restart policies in a file: who is restarted, how soon, how often, and what happens then, without a word of code.
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
//! Later wins, field by field: the code, `[defaults]`, `[supervisor.X.defaults]` (for everything directly below it),
//! `[path.GLOB]` in the order of the file, and last the environment: `REGROW_POLICY` holds more of the same format, and
//! `REGROW_DEFAULTS_DELAY=50ms` sets one field of every service.
//!
//! | file | idea |
//! |---|---|
//! | `policies.rs`, `environment.rs` | what may be asked of a file; what the environment adds |
//! | `source.rs`, `problem.rs` | a place in a text; what is wrong there |
//! | `reader.rs`, `said.rs` | reading that goes on behind a mistake; fields, said or left open |
//! | `fields.rs` | every field there is |
//! | `durations.rs`, `numbers.rs`, `texts.rs`, `words.rs`, `rules.rs`, `give_up.rs`, `pattern.rs` | the values of fields |
//! | `curve.rs` | delays, put together from several layers |
//! | `document.rs`, `checks.rs` | a source as a whole, and what does not fit together in it |
//! | `layering.rs` | what all of it comes to for one path |
//! | `follow.rs` | a file that is applied whenever it changes |
//! | `explain.rs`, `schema.rs` | where each setting comes from; the format, for editors |
//! | `script.rs`, `simulate.rs`, `picture.rs` | what a policy does with a row of lives, in virtual time |

mod checks;
mod curve;
mod document;
mod durations;
mod environment;
mod explain;
mod fields;
mod follow;
mod give_up;
mod layering;
mod numbers;
mod pattern;
mod picture;
mod policies;
mod problem;
mod reader;
mod rules;
mod said;
mod schema;
mod script;
mod simulate;
mod source;
mod texts;
mod words;

#[cfg(test)]
mod tests;

pub use explain::{Explanation, Setting};
pub use follow::{Followed, ReloadError};
pub use policies::Policies;
pub use problem::{PolicyFileErrors, Problem};
pub use schema::schema;
pub use script::{Script, ScriptError, Step};
pub use simulate::{Happening, LIVES_MAX, Simulation, simulate};
