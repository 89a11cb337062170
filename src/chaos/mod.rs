//! Chaos: experiments on trees, in real and in virtual time, that can be replayed and shrunk.
//!
//! An [`Experiment`] names the children that faults may hit, and no other child is hit. It lists [`Fault`]s and says
//! [`When`] each of them strikes. It also makes claims, which are checked before, during and after the faults: the
//! message counts of every mailbox add up, supervision does what strategies and policies say, no acknowledged save is
//! lost, and all targets are up before and after. [Probes](Experiment::probe) add claims of your own. An experiment is made in Rust or
//! [read](Experiment::read) from a file.
//!
//! * [`Chaos::run`] carries it out on a running tree, live. When it ends, or its future is dropped, no fault stays
//!   active.
//! * A [`Simulation`] carries it out in virtual time: the same tree on one thread under a paused clock. Each run of one
//!   seed writes the same log, and [`Simulation::check_repeatable`] refuses a scene that does not.
//! * [`Simulation::explore`] tries many seeds; [`Simulation::shrink`] takes away what a failure does not need, and
//!   [`FailingSeed::to_rust_test`] prints what is left as a test.
//! * An [`ExperimentReport`] has the times to detect and to recover, the outcomes of messages and calls, the children
//!   that were touched, and a verdict for each claim: as text (`Display`), as [JSON](ExperimentReport::to_json), as a
//!   [page](ExperimentReport::to_html).
//!
//! ```
//! use regrow::chaos::{Experiment, Fault, SimulatedTree, Simulation, When};
//! use regrow::testing::Journal;
//! use regrow::{Intensity, Supervisor};
//! use std::time::Duration;
//!
//! const SEC: Duration = Duration::from_secs(1);
//!
//! // In a test of yours: the tree, and the experiment on it, for a seed.
//! let simulation = Simulation::new(|seed| async move {
//!     let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited());
//!     let tree = app.child(Journal::new().probe("a")).start().await?;
//!     let kills = Experiment::new("kills").target("app/*").fault(Fault::Kill, "app/*", When::Rate(2.0));
//!     Ok(SimulatedTree::new(tree, kills.duration(10 * SEC)))
//! });
//! assert!(simulation.explore(0, 20).failures.is_empty());
//! ```
//!
//! # Claims about supervision
//!
//! Five claims about supervision are checked for every tree, unless an experiment [turns them
//! off](Experiment::supervision_is_not_judged). A claim that does not hold names the path, the first moment, and the
//! rule that was broken.
//!
//! * **Radius.** A child is stopped or started only because of its own end, its group, an order or the end of its
//!   supervisor. If one child of a group is restarted, the whole group is.
//! * **Order.** Children start eldest first, one after the other, and stop youngest first. A child that depends on a
//!   sibling stops before that sibling.
//! * **Delay.** No start comes before the least delay that the policy allows for that end. None comes later than the
//!   greatest delay and a margin: 50 ms in virtual time, 10 s live, and more on a runtime that is late. Waits for
//!   dependencies, and for other children of an ordered group, do not count as delay.
//! * **Budget.** A supervisor gives up, and a child is parked, at the restart that is one more than the budget
//!   forgives.
//! * **Alive.** No incarnation moves into a service while the one before is still alive there.
//!
//! The judge hears from the supervisors what they do while an experiment is active. It reads from specs and policies
//! what they should have done, and shares no code with what decided it. It finds no fault in what it cannot know: the
//! time before the experiment, an end that a group restart may have swallowed, a policy that an order has just
//! replaced.
//!
//! # Faults of saves, and the claim about them
//!
//! A service that saves to a checkpoint (feature `checkpoint`) can be struck where it saves: a save
//! [fails](Fault::SaveFail), [breaks off](Fault::SaveTear), comes [late](Fault::SaveDelay), or is
//! [lost](Fault::SaveLose) by a store that acknowledges it. A save goes on when its incarnation is killed, so a late one may
//! come after the next incarnation has begun. The epoch of its claim has to refuse it then.
//!
//! The claim *no acknowledged save is lost* is checked in every experiment. While one is running, each checkpoint tells
//! the judge what it loaded when it was claimed, and which saves and discards its store acknowledged. The claim does not
//! hold if a checkpoint loads an older value than the newest that was acknowledged, one that was discarded, or another one
//! than was saved with its stamp; if two claims get one epoch; or if a save of an older epoch is acknowledged that the newer claim did not load. The report
//! names the services, the stamps and the time between. `save_lose` breaks the claim, unless a later save makes it good.
//!
//! Values are told apart by the name that their store gives itself and by their key. What happened before the experiment
//! is not known. A value that is gone is no loss if another process may have discarded it.
//!
//! # Repeatability
//!
//! In virtual time everything that regrow does follows from the seed. What your services do has to follow from it as
//! well. `HashMap`s that are iterated, `select!` without `biased`, the system's clock, threads and `spawn_blocking`
//! break that, and the check prints the first line that differs. Threads as children are refused. Live, the faults are
//! the same and strike at the same times, but the tree may be in another state when they do.
//!
//! # From the command line
//!
//! An experiment in a file runs on a demo tree of the `regrow` command, or on a tree of your own in a program that
//! calls `cli::main` (feature `cli`):
//!
//! ```text
//! cargo run -q --features cli -- chaos run --virtual examples/chaos/workers.toml --html report.html
//! cargo run -q --features cli -- chaos explore examples/chaos/workers.toml --seeds 200
//! cargo run -q --features cli -- chaos explore --tree market examples/chaos/saves.toml --seeds 200
//! cargo run -q --features cli -- chaos soak --minutes 1
//! ```
//!
//! The page of HTML shows the lives of each service as bars, the faults as marks, availability and recovery times. It
//! needs no network. `examples/chaos` finds a bug from Rust: a customer that is charged twice.
//!
//! # Cost
//!
//! The core has one seam for faults, `tree/inject.rs`, with five hooks. Those of a start and of a save are called only
//! during an experiment, the others only while a signal of the incarnation says that it has faults. The pump looks at its signals
//! anyway. With the feature and no experiment, the only measured difference to a build without it was 1 % of the memory
//! of a child (`benches/README.md`, "What chaos costs").
//!
//! | file | idea |
//! |---|---|
//! | `fault.rs`, `scope.rs`, `experiment.rs`, `error.rs`, `file.rs` | faults; the children they may hit; faults and claims together; why they are refused; the same in TOML |
//! | `script.rs` | everything drawn that can be drawn before the run |
//! | `active.rs`, `hooks.rs` | the faults that are active in a tree; what they do to an incarnation, hook by hook |
//! | `run.rs`, `schedule.rs`, `injector.rs`, `rollback.rs` | carrying it out: what is due when; injecting and clearing faults; undoing |
//! | `observer.rs`, `recorder.rs`, `fault_log.rs`, `log.rs` | the events of a run: heard, recorded, put down to faults, written line by line |
//! | `checks.rs` | whether the claims hold |
//! | `judge/` | whether supervisors do what specs and policies say |
//! | `simulation.rs`, `explore.rs`, `to_rust.rs` | virtual time; many seeds, and shrinking; a failure as a test |
//! | `report.rs`, `text.rs`, `json.rs`, `html/`, `format.rs`, `summary.rs` | the report as data, and how it is written |
//! | `cli.rs`, `operate.rs` | the command line, for any tree; experiments that operators send to a running program |

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
#[cfg(feature = "admin")]
mod operate;
mod recorder;
mod report;
mod rollback;
mod run;
mod schedule;
mod scope;
mod script;
mod simulation;
mod summary;
mod text;
mod to_rust;

pub use error::ExperimentError;
pub use experiment::Experiment;
pub use explore::{Exploration, FailingSeed, Shrunk};
pub use fault::{Fault, Times, Trigger, When};
pub use file::ExperimentFileError;
pub use report::{
    BudgetRecord, CheckResult, ExperimentReport, FaultRecord, LifeRecord, LogLine, MessageCounts, ServiceRecord, Totals,
};
pub use run::Chaos;
pub use scope::Scope;
pub use script::{Script, ScriptStep, ScriptTime};
pub use simulation::{SimulatedTree, Simulation, SimulationError};
