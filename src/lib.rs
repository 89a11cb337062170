//! Supervised actors for Rust: OTP's restart trees on [`ractor`] and tokio, whose services keep their address, their
//! mailbox and their callers when they die.
//!
//! # Supervision in five minutes
//!
//! A **service** is a value that works on messages, one at a time. It has a mailbox. Code that
//! wants something of the service holds a [`Handle`] to that mailbox, never the service itself.
//!
//! Services fail: a bug panics, a connection drops, a file is not what it should be. The usual answer is to handle each
//! failure where it happens, and the usual result is code in which half of the lines repair state that is wrong in ways
//! that were not foreseen. Erlang's answer is shorter: *let it crash*. The broken state is thrown away, and a **supervisor**
//! starts the service again from a state that is known to be good.
//!
//! ```
//! use regrow::{Child, Context, Handle, Reply, Service, Supervisor};
//! use std::time::Duration;
//!
//! struct Ledger { balance: i64, audit: Handle<AuditMsg> }
//! enum LedgerMsg { Deposit(i64), Balance(Reply<i64>) }
//!
//! impl Service for Ledger {
//!     type Msg = LedgerMsg;
//!     async fn handle(&mut self, msg: LedgerMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
//!         match msg {
//!             LedgerMsg::Deposit(n) => {
//!                 assert!(n > 0, "a deposit of {n}"); // a panic ends this incarnation, and nothing else
//!                 // The audit is optional: if it is busy or down, that is not the end of the ledger.
//!                 self.audit.cast(AuditMsg::Saw(n)).ok();
//!                 self.balance += n;
//!             }
//!             LedgerMsg::Balance(reply) => { reply.send(self.balance); }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! struct Audit { ledger: Handle<LedgerMsg>, seen: u32 }
//! enum AuditMsg { Saw(i64) }
//!
//! impl Service for Audit {
//!     type Msg = AuditMsg;
//!     async fn handle(&mut self, AuditMsg::Saw(_): AuditMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
//!         self.seen += 1;
//!         let _ = &self.ledger; // it could ask back: the two know each other
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
//! // Mailboxes first, then the directory, then the services: a cycle, and no Option anywhere.
//! let tree = Supervisor::one_for_one("bank")
//!     .intensity(3, Duration::from_secs(5))
//!     .child(Child::service("ledger", |ctx| async move { Ok(Ledger { balance: 0, audit: ctx.lookup("audit")? }) }))
//!     .child(Child::service("audit", |ctx| async move { Ok(Audit { seen: 0, ledger: ctx.lookup("ledger")? }) }))
//!     .start()
//!     .await?;
//!
//! let ledger: Handle<LedgerMsg> = tree.lookup("bank/ledger")?;
//! ledger.cast(LedgerMsg::Deposit(5))?;
//! assert_eq!(ledger.call(LedgerMsg::Balance).await?, 5);
//!
//! ledger.cast(LedgerMsg::Deposit(-1))?; // panics
//! ledger.cast(LedgerMsg::Deposit(7))?; // waits in the mailbox for the next incarnation
//! assert_eq!(ledger.call(LedgerMsg::Balance).await?, 7);
//! assert_eq!(ledger.generation(), 2);
//!
//! assert!(tree.shutdown().await.is_clean());
//! # Ok(()) }
//! ```
//!
//! The identity of a service (its path, mailbox, handles, counters) outlives its **incarnations**, which are numbered by
//! their **generation**. A supervisor that sees an incarnation end asks three questions:
//!
//! 1. *Does this end call for a restart?* The child's [`Restart`] says: always, after abnormal ends, never.
//! 2. *Is there budget left?* An [`Intensity`] forgives so many restarts in so long. When it is used up, the supervisor
//!    stops its other children and ends too, which is a fact for the supervisor above it: the failure has climbed, and a
//!    larger part of the system starts again from a good state. When the root gives up, the tree is over.
//! 3. *Which children are restarted?* The [`Strategy`] says: the one, all, or the one and those that were started after it.
//!
//! Children can be listed when the tree is described ([`Supervisor`]), come and go while it runs
//! ([`DynamicSupervisor`]), be equal partitions that share the work by key ([`Partitioned`]), or be tasks that run once and
//! give a value ([`TaskSupervisor`]).
//!
//! The rules are Erlang/OTP's, to the letter where not said otherwise. [The contract](guide::contract) says what a service must
//! and must not do, and [`Child`] has the table of defaults.
//!
//! The [guide] teaches all of this, page by page, with code to copy: begin with its [quick start](guide::quick_start).
//!
//! # Peers that are busy or absent
//!
//! A peer may be busy, restarting, parked or down. That is no reason to crash, unless this life is useless without it:
//!
//! * What is optional gets a [`cast`](Handle::cast), whose refusal is handled (`.ok()`, or count it, or keep the message that
//!   comes back).
//! * A [`call`](Handle::call) and a [`send`](Handle::send) wait for room, up to a [limit](ServiceChild::wait_for_room); those
//!   that must not wait are [`try_call`](Handle::try_call) and `cast`.
//! * `?` is for a peer without which this life is useless. The change of state comes after it, so that a message that is
//!   [redelivered](ServiceChild::redeliver) does not change it twice. An error with a [`PeerUnavailable`] in its chain does not
//!   make that message poison.
//!
//! ```
//! # use regrow::{CallError, Context, Handle, Reply, Service};
//! # struct Order { item: u32 }
//! # struct Orders { stock: Handle<StockMsg>, mail: Handle<u32>, placed: Vec<Order> }
//! # enum StockMsg { Take(u32, Reply<bool>) }
//! # enum OrderMsg { Place(Order, Reply<bool>) }
//! # impl Service for Orders {
//! #     type Msg = OrderMsg;
//! async fn handle(&mut self, msg: OrderMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
//!     let OrderMsg::Place(order, reply) = msg;
//!     let taken = match self.stock.call(|reply| StockMsg::Take(order.item, reply)).await {
//!         Ok(taken) => taken,
//!         // Busy or away, and it has not run: the customer may try again, and nothing has changed here.
//!         Err(CallError::Refused(_) | CallError::NeverRan(_)) => false,
//!         // It may have run. This life does not know what is true any more.
//!         Err(error) => return Err(error.into()),
//!     };
//!     if taken {
//!         self.mail.cast(order.item).ok(); // optional
//!         self.placed.push(order);
//!     }
//!     reply.send(taken);
//!     Ok(())
//! }
//! # }
//! ```
//!
//! # State across restarts
//!
//! A restart throws the state away. What is built again, kept in memory, saved in a store or left to a database is on a page of
//! its own: [`state`].
//!
//! # Running it
//!
//! What an operator sees of a running program, and does, is on a page too, from ten lines of code to the alert: [`operating`].
//!
//! # What a message may rely on
//!
//! * A refused message comes back in the error. A call that never ran says so. Nothing is dropped silently: what is shed
//!   is counted, and [`Accounting`] balances at every instant.
//! * An incarnation that ends loses the one message it has in hand. What is queued reaches the next one, in order.
//!   Services whose messages are `Clone` can have it [redelivered](ServiceChild::redeliver), before newer ones, until it
//!   is found to be poison.
//! * What was accepted and will not be handled (shed, left behind by a service that went down, poison) is a
//!   [dead letter](DeadLetters) if the program asks for those, and can be replayed.
//! * A call completes with its reply or with the reason why none can come. It has no time limit unless asked for.
//! * Never two incarnations of one service at a time, with one exception: code that does not yield cannot be stopped.
//!   After its time it is abandoned: fenced, reported by name, and left behind.
//!
//! What cannot be had: code that never yields holds up a single-threaded runtime as a whole, and on a larger one the
//! task it woke last may wait with it; a destructor that panics while a panic unwinds aborts the process; what a service
//! started outside of its [`Context`] outlives it.
//!
//! # Features
//!
//! None is on by default. [The table](guide::features) has each of them with what it adds, and every environment variable.
//! The small mark beside an item of this documentation names the feature that it needs.
//!
//! # The log lines
//!
#![doc = include_str!("log/lines.md")]
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | service, child | code that a supervisor looks after; a child is a service, a task or another supervisor |
//! | supervisor, tree | starts its children, and decides what follows when one ends; supervisors below supervisors are a tree |
//! | incarnation, life | a service between two starts; the state of one is gone before the next begins |
//! | generation | the number of an incarnation that came up: 1, 2, 3 |
//! | attempt | one try to start a child; it may fail, and then has no generation |
//! | factory | the closure that builds the state of each incarnation |
//! | path, directory | the names from the root down (`bank/ledger`), and the table from path to child |
//! | mailbox, slot | the queue of a service, and what outlives its incarnations: mailbox, status, counters |
//! | handle | the address of a slot: valid for ever, and about the present incarnation |
//! | exit | how an incarnation ended: normally, asked to stop, failed, panicked, killed |
//! | strategy | which children are restarted together |
//! | budget (intensity) | how many restarts a supervisor forgives in which period; more of them, and it gives up |
//! | give up | a supervisor stops its children and ends, which is an exit for the supervisor above |
//! | backoff, park | the delay before a restart; a child that is put away for some time instead of giving up |
//! | ready | a service can do its work, which may be later than its start |
//! | stop, kill, abandon | asked to end; ended at its next await; left behind because it does not yield |
//! | keep, heir | a value that a service keeps in memory, and the next incarnation that gets it from the slot; set aside if lives that begin with it fail |
//! | checkpoint, claim, epoch | the latest state of a service in a store; the right of one incarnation to save there; the number of that claim, by which older ones are refused |
//! | fence | after it nothing that an abandoned incarnation does counts any more |
//! | redelivery, poison | the message in hand is handled again; one that ends every incarnation is set aside |
//! | dead letter | a message that was accepted and that no incarnation will handle |
//! | experiment, fault | what the feature `chaos` does to a running tree, and one thing that it injects |
//!
//! # Layout
//!
//! The decisions are made in the package `regrow-supervisors` (`supervisors/`), plain state machines without a clock or
//! a task. This one does what they decide. The attribute `service` is the package `regrow-macros` (`macros/`), and the code that
//! it makes is what could be written by hand.
//!
//! A room imports from those above it in this table, and never from those below; a check in `.ci/run` keeps that for `slot`,
//! `call`, `tree` and `incarnation`, and no two rooms import each other in a loop but `slot` with `call`, and `child` with
//! `supervisor`.
//!
//! | room | idea |
//! |---|---|
//! | `base/` | what every room uses: locks that outlive a panic (`sync`), arithmetic on time, names, the message that wakes a ractor actor (`wake`), panics of the user's code and the panic hook, tasks of the runtime's own, destructors of the user's run elsewhere (`sweep`), parts made when first asked for (`on_demand`), tables that shrink (`thrift`) |
//! | `log/`, `event.rs`, `error/` | the log lines and how many of them are written; what subscribers see; why a message was refused, a tree not started, a supervisor ended |
//! | `slot/` | the slot: mailbox, status and counters under one roof. `queue`, `line`, `room/`: messages, and senders that wait for room. `consumer`, `in_hand`, `idle`: an incarnation that takes messages, what becomes of the last one, and an end for want of any. `heir`, `kept`: the value that an incarnation keeps for the next. `hold`: messages that others go before. `unwanted`: messages that are left out when their turn comes. `monitors`, `own_monitors`: what is told of an end, in the hands of the peer and of the incarnation that watches. `signals`: how it is woken, stopped, killed, cut off. `erased`: a slot without its type, and its tree. `current`: which incarnation's code a thread runs. `last_work`: what an orderly end waits for. `saves`: the figures of a service's saves. `counting`, `tally`, `restarts`: counters of ends, restarts and refusals, and their sums. `measure`, `histogram`: the times of a service that asked for them. `fact`, `inbox`: what a supervisor is told |
//! | `call/` | calls: the reply, the wait for it, what a mailbox knows of it (`fate`); `request`, a call with one error for its fate and the service's own |
//! | `watchdog/` | services and tasks that hang, and services that wait for each other (`deadlock`): sampled, never per message |
//! | `handle.rs`, `recipient.rs`, `mailbox.rs` | what peers hold, whole and for a part of a protocol; a mailbox that is made before its service |
//! | `recorder/` | what happened to the children, as the events told it: two rings, one lock, and the tree as it was |
//! | `tree/` | a running tree: the directory and its paths in order (`paths`, `lists`, `siblings`), the children that are not up (`unwell`), what all of a tree share (`shared`), dead letters and their replay, how it ends (`shutdown`, `ending`, `report`), its history, readiness, dependencies, restarts of dependents (`renewals`), why a child stands where it does, what is in force (`options`, `overrides`, `in_force`), what services have counted, by template (`templates`, `totals`, `figures`) and for the tree (`counts`), the seam for faults (`inject`) |
//! | `context.rs`, `service.rs`, `running_task.rs` | what an incarnation sees, what it asks about its tree (`observe`), what it keeps for the next one (`keep`), and its timers (`timers`); the trait, and the contract page; tasks that give a value |
//! | `monitor.rs` | the ends of a peer's incarnations, as messages and as a stream (`stream`) |
//! | `incarnation/` | one life of a child: a file for each kind, `actor` for a child that asks for a ractor actor, `redelivery` |
//! | `child/` | how each kind of child is described |
//! | `supervisor/` | the builders (`mod`, `dynamic`, `partitioned`, `subtrees`, `tasks`) and the checked plan; the driver, a machine inside a ractor actor: facts in, actions out; the handles (`manage`, `dynamic_handle`, `get_or_start`, `partitions`); restarts and parks by order (`restart`, `rolling`, `park`), orders about one generation (`meant`), and what an operator may do with each path (`acts`); keys that move to other partitions (`handover`); starting a tree (`tree`) and looking up supervisors (`lookup`) |
//! | `checkpoint/` | state that survives the process. `store`, `contract/`: the contract of a store, and its tests; `files/`, `sqlite`, `memory`: the stores; `turns`, `blocking`: when and in which thread their work is done; `terms`: a store with its time limit. `claims`, `claimed`: the right of an incarnation to save. `typed`: the checkpoint of a service; `group/`: group commit; `state`, `json`: values and their encoding; `observed`: the seam for experiments |
//! | `health/` | whether a tree is live, ready and started: as data (`tree_health`), asked of the tree (`source`), over HTTP (`router`, on an address of their own by `server` and `connections`), and on one line (`status_line`) |
//! | `admin/` | trees seen from outside of them. `builder`, `source`, `door`: what is shown, and what is granted; `serve/`: sockets and connections; `routes/`: a file for each request; `wire/`: the data; `row`, `viewer`, `snapshot`, `record`: what is read of a tree; `dump/`: its history as a file |
//! | `run/` | from a signal of the system to the exit status; what systemd is told meanwhile (`systemd`, `systemd_socket`) |
//! | `policy/` | policy files: read, checked, laid over the code, explained, simulated, followed |
//! | `chaos/` | experiments: faults, scripts, virtual time, shrinking, reports; the judge of supervision (`chaos/judge/`) |
//! | `otp/` | OTP's scenarios played on the machines and live, and compared with OTP itself |
//! | `metrics/` | the figures for the `metrics` facade and as Prometheus text: names, labels, collector, router |
//! | `guide/` | the guide: pages of documentation, and no code but that of its recipes, which `examples/recipes` compiles |
//! | `testing.rs`, `walk/` | a kit for tests of your own trees; in test builds, every management call beside every event of a life |
//! | `operate/` | the commands of an operator. `command`, `options`: the command line; `find`, `ask/`: the source of a running program, and requests to it; `run/`: each command; `text/`: what they print, pure functions from the data of the source; `papers`: completions and the manual; `doors`: inner readers, for the fuzz targets |
//! | `main.rs`, `cli/` | the program `regrow`: the commands of an operator, policy files, experiments on demo trees and the soak, OTP's scenarios |

// On docs.rs each item shows the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// An operator on a time panics when it overflows: `base/time.rs`.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

#[cfg(panic = "abort")]
compile_error!(
    "regrow restarts services that panic, and `panic = \"abort\"` makes that impossible: build with `panic = \"unwind\"`"
);

#[cfg(feature = "admin")]
pub mod admin;
mod base;
mod call;
#[cfg(feature = "chaos")]
pub mod chaos;
#[cfg(feature = "checkpoint")]
pub mod checkpoint;
mod child;
mod context;
mod error;
mod event;
pub mod guide;
mod handle;
pub mod health;
mod incarnation;
mod log;
mod mailbox;
#[cfg(feature = "metrics")]
pub mod metrics;
mod monitor;
#[cfg(all(feature = "cli", unix))]
pub mod operate;
#[doc = include_str!("operating.md")]
#[doc = ""]
// Without the features, its links lead to the table of features.
#[cfg_attr(feature = "admin", doc = "[admin]: crate::admin")]
#[cfg_attr(not(feature = "admin"), doc = "[admin]: crate#features")]
#[cfg_attr(feature = "metrics", doc = "[metrics]: crate::metrics")]
#[cfg_attr(not(feature = "metrics"), doc = "[metrics]: crate#features")]
#[cfg_attr(all(feature = "cli", unix), doc = "[operate]: crate::operate")]
#[cfg_attr(not(all(feature = "cli", unix)), doc = "[operate]: crate#features")]
pub mod operating {}
#[cfg(feature = "otp")]
pub mod otp;
#[cfg(feature = "policy")]
pub mod policy;
mod recipient;
mod recorder;
#[cfg(feature = "signal")]
mod run;
mod running_task;
mod service;
mod slot;
#[doc = include_str!("state.md")]
#[doc = ""]
// Without the feature, its links lead to the table of features.
#[cfg_attr(
    feature = "checkpoint",
    doc = "[Checkpoint]: crate::checkpoint::Checkpoint\n[GroupCommit]: crate::checkpoint::GroupCommit\n[claim]: \
           crate::Context::checkpoint\n[save]: crate::checkpoint::Checkpoint::save\n[store]: \
           crate::checkpoint::CheckpointStore"
)]
#[cfg_attr(
    not(feature = "checkpoint"),
    doc = "[Checkpoint]: crate#features\n[GroupCommit]: crate#features\n[claim]: crate#features\n[save]: \
           crate#features\n[store]: crate#features"
)]
pub mod state {}
mod supervisor;
pub mod testing;
mod tree;
#[cfg(all(test, feature = "otp"))]
mod walk;
mod watchdog;

/// The README's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use ractor;

#[cfg(feature = "macros")]
#[doc(inline)]
#[doc = include_str!("requests.md")]
pub use regrow_macros::service;

/// Names for the code that [`macro@service`] makes. Other code should not use them.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __macros {
    pub use anyhow::Result;
}

// To describe a tree.
pub use child::{Child, OnceChild, ServiceChild, ServiceFn, TaskChild, TaskFn};
pub use error::start::StartError;
pub use supervisor::Supervisor;
pub use supervisor::dynamic::DynamicSupervisor;
pub use supervisor::partitioned::Partitioned;
pub use supervisor::subtrees::{PartitionedSupervisors, SupervisorPartitions};
pub use supervisor::tasks::{TaskSupervisor, Tasks};

// The terms on which children live: data, and the rules of the decision crate.
pub use base::name::{NAME_MAX, NESTING_MAX, NameError, PARTITIONS_MAX};
pub use regrow_supervisors::{
    Abandon, AutoShutdown, Backoff, BackoffError, BudgetClock, BudgetLeft, ChildSpec, ChildState, Dependency,
    DependencyCondition, DependencyGone, Exit, ExitKind, ExitRule, Failure, FailureRate, FailuresSeen, GiveUp,
    GiveUpReason, Hang, Health, Intensity, Jitter, KeptRule, KeptThen, NotReady, Panic, Policy, PolicyError, Readiness,
    Restart, RuleAction, Shutdown, Strategy,
};
pub use slot::settings::{DEFAULT_MAILBOX_CAPACITY, DEFAULT_ROOM_WAIT, OnRestart, Overflow};

// To write a service, a task or a thread.
pub use context::{Context, LinkedTask, TaskContext};
pub use error::kept::{KeptError, NotKept};
pub use incarnation::thread::Inbox;
pub use running_task::RunningTask;
pub use service::{Ignore, Service, ignore};
pub use slot::NoMessages;

// To send and to call.
pub use call::request::Request;
pub use call::{Call, Reply};
pub use error::refusal::Refusal;
pub use error::request::RequestError;
pub use error::task::TaskError;
pub use error::unavailable::PeerUnavailable;
pub use error::{CallError, Returned, SendError};
pub use handle::Handle;
pub use mailbox::{Mailbox, mailbox};
pub use monitor::{Monitor, PeerDown, PeerDowns};
pub use recipient::{Recipient, RecipientError};

// A tree that runs: to look up, to look at, to end.
pub use error::gave_up::GaveUp;
pub use error::not_running::NotRunning;
pub use event::act::{Act, ActKind, ActOutcome};
pub use event::{Event, EventKind, Events, Lagged, Outage};
pub use recorder::entry::{HistoryEntry, HistoryKind};
pub use recorder::history::{History, RingBegins, WordCount};
pub use recorder::rewind::{PastStatus, TooEarly};
pub use recorder::state::HistoryState;
pub use slot::accounting::Accounting;
pub use slot::dead_letter::DeadReason;
pub use slot::kept::KeptInfo;
pub use slot::restarts::{ByCause, RestartCause, Restarts};
pub use slot::saves::{LastSave, SaveFigures};
pub use slot::status::{ServiceState, ServiceStatus};
pub use tree::dead_letters::{DEFAULT_DEAD_LETTER_CAPACITY, DeadLetter, DeadLetters, ReplayError, ReplayFailure};
pub use tree::directory::{ChildKind, DirectoryEntry};
pub use tree::ending::StopFailure;
pub use tree::figures::{ServiceFigures, TreeFigures};
pub use tree::history::HistoryAfter;
pub use tree::lookup::LookupError;
pub use tree::readiness::{NotReadyError, ReadyError, Unready};
pub use tree::report::{ShutdownReport, UncleanEnd};
pub use tree::why::Why;
pub use tree::{Directory, KillError, Tree};

// Supervisors that run: to manage.
pub use error::get_or_start::GetOrStartError;
pub use error::manage::ManageError;
pub use error::orders::{
    DeleteChildError, ParkError, ReconfigureError, RestartChildError, RestartError, ReviveError, StartChildError,
    StopChildError,
};
pub use error::resize::ResizeError;
pub use supervisor::dynamic_handle::{DynamicHandle, Template};
pub use supervisor::manage::SupervisorHandle;
pub use supervisor::outcome::{ChildCount, ChildInfo, StartOutcome, StartedChild};
pub use supervisor::partitions::Partitions;
pub use supervisor::rolling::{RollingCause, RollingError};

#[cfg(feature = "policy")]
pub use policy::apply::{Applied, ApplyError, PolicyChange};
#[cfg(feature = "signal")]
pub use run::run_error::RunError;
#[cfg(feature = "signal")]
pub use run::until_signal::RunUntilSignal;
