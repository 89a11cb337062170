//! The decisions of an OTP supervisor, as a plain state machine.
//!
//! A supervisor takes *facts* (a child is up, a start failed, a child ended) and *orders* (stop). It answers with
//! *actions* (start this, ask that to stop, kill it) and with *reports*, the history worth telling. It holds no clock,
//! no lock, no task and no source of randomness: time is handed in as `now`, and everything that must be done is handed
//! out. The same machine therefore runs inside an actor, in a test, or in a simulation, and decides the same.
//!
//! ```
//! use regrow_supervisors::{Action, ChildSpec, Exit, Machine, Strategy, StaticMachine};
//! use std::time::Duration;
//!
//! let specs = [ChildSpec::new("db"), ChildSpec::new("web")];
//! let mut machine = StaticMachine::new(Strategy::OneForOne, specs)?;
//! let mut now = Duration::ZERO;
//! let mut ups = Vec::new();
//!
//! // Boot: one child after the other, the next one only when the one before is up.
//! while let Some(action) = machine.poll_action() {
//!     if let Action::Start(attempt) = action {
//!         ups.push(attempt);
//!         machine.handle_started(attempt, now);
//!     }
//! }
//!
//! // The database dies. It, and only it, is started again.
//! now += Duration::from_secs(1);
//! machine.handle_exit(ups[0], Exit::Killed, now);
//! let Some(Action::Start(again)) = machine.poll_action() else { panic!("db is restarted") };
//! assert_eq!(machine.spec(again.child()).unwrap().id(), "db");
//! # Ok::<(), regrow_supervisors::SpecError>(())
//! ```
//!
//! # Rules
//!
//! The semantics are those of Erlang/OTP's `supervisor`. Comments of the form *OTP rule 36* cite the numbered list in
//! [`rules`]. If this crate goes further, the rule and the item say so. Two examples: a child that cannot be killed is
//! *abandoned*, and a killed supervisor first stops its children in order.
//!
//! # Layout
//!
//! | file | idea |
//! |---|---|
//! | `RULES.md`, as [`rules`] | OTP's rules, by the numbers that comments cite |
//! | `spec.rs` | the words: strategy, restart, shutdown, child spec |
//! | `exit.rs` | the ways in which a life ends, and whether they are abnormal |
//! | `intensity.rs`, `rate.rs` | the restart budget, a sliding window; the budget by rate of failing messages |
//! | `policy.rs`, `backoff.rs`, `rule.rs` | more settings for restarts: delays, a child's own budget, parking, rules |
//! | `policy_error.rs` | the checks of a policy |
//! | `action.rs` | actions for the driver, and reports, as data |
//! | `child.rs`, `children.rs` | one child, and the ordered table of children |
//! | `names.rs` | tables by name |
//! | `machine.rs`, `dispatch.rs` | the methods that a driver may call, and their order; the implementation of each |
//! | `transitions.rs` | the course of a child, and the questions that the two supervisors answer differently |
//! | `supervisor.rs`, `dynamic.rs` | the static supervisor, the dynamic supervisor |
//! | `restart.rs`, `history.rs` | the decision about a child that has ended; the history of its failures |
//! | `dependency.rs`, `readiness.rs` | settings about services that a child needs; the conditions of its start |
//! | `kept.rs`, `kept_lives.rs` | the rule about a value that is kept from one life to the next; the lives that fail with it, counted |
//! | `limiter.rs` | a limit for concurrent starts |
//! | `decision.rs`, `give_up.rs` | what becomes of a child that has ended; the end of its restarts, and the reasons |
//! | `why.rs` | the reasons for the state of a child |
//! | `sequence.rs` | ordered work: boot, group restart, ordered stop |
//! | `stops.rs`, `circles.rs` | the order in which an operation stops its children; dependencies that go in a circle |
//! | `order.rs`, `management.rs`, `adjust.rs` | the management orders, and their implementation |
//! | `renewal.rs` | planned restarts: by order, or with a service |
//! | `core.rs` | the state of both supervisors: the table of children, and the parts in the next four rows |
//! | `inbox.rs`, `outbox.rs` | exits and orders that wait for their turn; actions and reports that go out |
//! | `timers.rs`, `meter.rs` | deadlines of children; the clock, the budget, and the time that it leaves out |
//! | `services.rs` | news of services that children depend on and that are not their siblings |
//! | `prompt.rs` | the time for which other events wait for a start or a stop |
//! | `shutdown.rs` | the steps that stop one child: ask, wait, kill, wait, abandon |
//! | `time.rs` | arithmetic on time that cannot overflow |

// An operator on a time panics when it overflows: `time.rs`.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod action;
mod adjust;
mod backoff;
mod child;
mod children;
mod circles;
mod core;
mod decision;
mod dependency;
mod dispatch;
mod dynamic;
mod exit;
mod give_up;
mod history;
mod inbox;
mod intensity;
mod kept;
mod kept_lives;
mod limiter;
mod machine;
mod management;
mod meter;
mod names;
mod order;
mod outbox;
mod policy;
mod policy_error;
mod prompt;
mod rate;
mod readiness;
mod renewal;
mod restart;
mod rule;
mod sequence;
mod services;
mod shutdown;
mod spec;
mod stops;
mod supervisor;
mod time;
mod timers;
mod transitions;
mod why;

#[doc = include_str!("../RULES.md")]
pub mod rules {}

pub use action::{Action, Report};
pub use backoff::{Backoff, BackoffError, Chance, Jitter, LONGEST_TIME};
pub use child::ChildState;
pub use children::{Attempt, ByChild, ChildCounts, ChildKey, KeyHasher};
pub use dependency::{Completion, Dependency, DependencyCondition, DependencyGone, Health, Outlook, Prospect};
pub use dynamic::DynamicMachine;
pub use exit::{Exit, Failure, Hang, Panic};
pub use give_up::{BudgetLeft, GiveUp, GiveUpReason};
pub use intensity::Intensity;
pub use kept::{KeptNews, KeptRule, KeptThen};
pub use limiter::StartLimiter;
pub use machine::{ChildLine, Machine};
pub use names::{ByName, NameHasher, NameHashing};
pub use order::{Adjustment, Answer, Order, OrderError, OrderId};
pub use policy::{NotReady, Policy, Readiness};
pub use policy_error::PolicyError;
pub use rate::{FailureRate, FailuresSeen};
pub use rule::{ExitKind, ExitRule, RuleAction};
pub use spec::{
    Abandon, AutoShutdown, BudgetClock, ChildSpec, Flags, Restart, Shutdown, SpecError, StopOrder, Strategy,
};
pub use supervisor::StaticMachine;
pub use why::Reasons;
