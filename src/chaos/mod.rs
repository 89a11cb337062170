//! Chaos: experiments on trees, in real and in virtual time, that can be replayed, shrunk and believed.
//!
//! An [`Experiment`] says whom faults may hit (nobody, unless named as a target), which [`Fault`]s strike [`When`], and what
//! is claimed all the while: that the books of every mailbox balance, that supervision does what strategies and policies say,
//! that everybody is up before and after, and whatever [probes](Experiment::probe) look at. It is made in Rust or
//! [read](Experiment::read) from a file.
//!
//! * [`Chaos::run`] carries it out on a running tree, live. When it ends, or its future is dropped, nothing is left armed.
//! * A [`Simulation`] carries it out in virtual time: the same tree on one thread under a paused clock. One seed tells one
//!   story, line by line, and [`Simulation::check_repeatable`] refuses a scene that does not.
//! * [`Simulation::explore`] tries many seeds; [`Simulation::shrink`] takes away what a failure does not need, and
//!   [`FailingSeed::to_rust_test`] prints what is left as a test.
//! * A [`ExperimentReport`] has the times to detect and to recover, what became of messages and calls, who was touched, and a verdict for each
//!   claim: as text (`Display`), as [JSON](ExperimentReport::to_json), as a [page](ExperimentReport::to_html).
//!
//! ```
//! use regrow::chaos::{Experiment, Fault, SimulatedTree, Simulation, When};
//! use regrow::testing::Journal;
//! use regrow::{Intensity, Supervisor};
//! use std::time::Duration;
//!
//! const SEC: Duration = Duration::from_secs(1);
//!
//! // In a test of yours: the tree, and what is done to it, for a seed.
//! let simulation = Simulation::new(|seed| async move {
//!     let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited());
//!     let tree = app.child(Journal::new().probe("a")).start().await?;
//!     Ok(SimulatedTree::new(tree, Experiment::new("kills").target("app/*").fault(Fault::Kill, "app/*", When::Rate(2.0)).duration(10 * SEC)))
//! });
//! assert!(simulation.explore(0, 20).failures.is_empty());
//! ```
//!
//! # What is claimed of supervision
//!
//! Five claims are made of every tree, unless an experiment [does without](Experiment::supervision_is_not_judged). A claim that
//! does not hold names the path, the first moment, and the rule that was broken.
//!
//! * **Radius.** A child is stopped or started only if its end, its group, an order or the end of its supervisor calls for it;
//!   with one child its whole group is restarted.
//! * **Order.** Children start eldest first, one after the other, and stop youngest first; one that depends on a sibling stops
//!   before it.
//! * **Delay.** No start comes before the least delay that the policy allows for that end, and none after the greatest and a
//!   margin: 50 ms in virtual time, 10 s live and more on a runtime that is late. Waiting for dependencies, and for others of an ordered group, is no delay.
//! * **Budget.** A supervisor gives up, and a child is parked, at the restart that is one more than the budget forgives.
//! * **Alive.** No incarnation moves into a service while the one before still lives there.
//!
//! What is judged is told by the supervisors while an experiment is armed; what ought to have happened is read from specs and
//! policies, and from nothing that decided it. What is not certain is not held against a tree: what was before the experiment,
//! an end that a group restart may have swallowed, a policy that an order has just replaced.
//!
//! # What is repeatable, and what is not
//!
//! In virtual time everything that regrow does follows from the seed. What a service does of its own accord has to as well:
//! `HashMap`s that are iterated, `select!` without `biased`, the system's clock, threads and `spawn_blocking` break it, and the
//! check says where. Threads as children are refused. Live, the faults are the same and strike at the same times; what they
//! meet is another matter.
//!
//! # From the command line
//!
//! An experiment in a file runs on a demo tree, or, by one call of [`cli::main`], on a tree of your own:
//!
//! ```text
//! cargo run -q --features cli -- chaos run --virtual examples/chaos/workers.toml --html report.html
//! cargo run -q --features cli -- chaos explore examples/chaos/workers.toml --seeds 200
//! cargo run -q --features cli -- chaos soak --minutes 1
//! ```
//!
//! The page of HTML shows the lives of each service as bars, the faults as marks, availability and recovery times. It needs no
//! network. `examples/chaos` finds a bug from Rust: a customer who is charged twice.
//!
//! # What it costs
//!
//! The faults get in at one seam (`seam.rs`): a signal on the port of an incarnation, beside stop and kill, for which the
//! pump looks anyway. With the feature and nothing armed, no difference to a build without it was measured (`benches/README.md`,
//! "What chaos costs"), but for 1 % of the memory of a child. Without the feature nothing of it is in the program.
//!
//! | file | idea |
//! |---|---|
//! | `fault.rs`, `experiment.rs`, `error.rs`, `file.rs` | what can go wrong, what is done and claimed, and when that makes no sense; the same in TOML |
//! | `script.rs` | everything drawn that can be drawn before the run |
//! | `seam.rs`, `suffering.rs` | how faults get into the runtime; what an incarnation suffers |
//! | `run.rs`, `course.rs`, `armed.rs`, `rollback.rs` | carrying it out: what is due when, what is at work, what is undone |
//! | `observer.rs`, `book.rs`, `at_work.rs`, `log.rs`, `tally.rs` | what happened: to whom, because of what, line by line, to calls |
//! | `looks.rs` | whether the claims hold |
//! | `testimony.rs`, `judge/` | what supervisors say of themselves; whether that is what specs and policies say |
//! | `simulation.rs`, `explore.rs`, `rust.rs` | virtual time; many seeds, and shrinking; a failure as a test |
//! | `report.rs`, `text.rs`, `json.rs`, `html/`, `figures.rs`, `summary.rs` | what was found, and how it is written |
//! | `cli.rs` | the command line, for any tree |

pub(crate) mod active;
mod checks;
#[cfg(feature = "cli")]
pub mod cli;
mod error;
mod experiment;
mod explore;
mod fault;
mod fault_log;
mod file;
mod format;
pub(crate) mod hooks;
mod html;
mod injector;
mod json;
mod judge;
mod log;
mod observer;
mod recorder;
mod report;
mod rollback;
mod run;
mod schedule;
mod script;
mod simulation;
mod summary;
mod text;
mod to_rust;

pub use error::ExperimentError;
pub use experiment::Experiment;
pub use explore::{Exploration, FailingSeed, Shrunk};
pub use fault::{Fault, Scope, Times, Trigger, When};
pub use file::ExperimentFileError;
pub use report::{
    BudgetRecord, CheckResult, ExperimentReport, FaultRecord, LifeRecord, LogLine, MessageCounts, ServiceRecord, Totals,
};
pub use run::Chaos;
pub use script::{Script, ScriptStep, ScriptTime};
pub use simulation::{SimulatedTree, Simulation, SimulationError};
