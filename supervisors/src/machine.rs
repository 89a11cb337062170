//! The interface of a supervisor: the methods that its driver may call, their order, and what each call needs.
//!
//! This file has only the promises. Their implementation, for both kinds of supervisor, is in `dispatch.rs`.

use std::fmt;
use std::time::Duration;

use crate::action::{Action, Report};
use crate::backoff::Chance;
use crate::child::ChildState;
use crate::children::{Attempt, ChildCounts, ChildKey};
use crate::dependency::Outlook;
use crate::exit::{Exit, Hang};
use crate::intensity::Intensity;
use crate::kept::KeptNews;
use crate::order::{Order, OrderId};
use crate::spec::{BudgetClock, ChildSpec, SpecError};
use crate::transitions::Kind;
use crate::why::Reasons;

/// A child, its spec, its state, and its present attempt if it has one.
pub type ChildLine<'a> = (ChildKey, &'a ChildSpec, ChildState, Option<Attempt>);

/// A trait without methods, which cannot be named outside. With it, [`Machine`] is implemented in this crate only.
pub trait Closed {}

impl<T: Kind> Closed for T {}

/// A supervisor as its driver sees it: facts and commands in, actions and reports out.
///
/// The driver is what owns a machine: an actor, a test, a simulation. It starts and kills processes and knows the time.
/// The machine decides. Its methods are of four kinds, and no other part of a supervisor can be called:
///
/// 1. **Questions** take `&self` and change nothing: [`is_ending`](Self::is_ending), [`find`](Self::find),
///    [`spec`](Self::spec), [`standing`](Self::standing), [`attempt`](Self::attempt),
///    [`latest_life`](Self::latest_life), [`children`](Self::children),
///    [`children_from`](Self::children_from), [`counts`](Self::counts), [`why`](Self::why), [`outlook`](Self::outlook),
///    [`is_last_life`](Self::is_last_life), [`tables`](Self::tables). They may be asked at any time.
/// 2. **Facts** tell what has happened. Their names begin with `handle_`. The first group answers actions:
///    [`handle_started`](Self::handle_started), [`handle_ignored`](Self::handle_ignored),
///    [`handle_start_failed`](Self::handle_start_failed), [`handle_exit`](Self::handle_exit).
///    The second tells news of an attempt: [`handle_ready`](Self::handle_ready),
///    [`handle_progress`](Self::handle_progress), [`handle_hung`](Self::handle_hung),
///    [`handle_in_line`](Self::handle_in_line), [`handle_kill_under_way`](Self::handle_kill_under_way),
///    [`handle_leaving`](Self::handle_leaving), [`handle_remains`](Self::handle_remains). The third tells of the world:
///    [`handle_timeout`](Self::handle_timeout), [`handle_dependency`](Self::handle_dependency),
///    [`handle_outlook`](Self::handle_outlook), [`handle_retry`](Self::handle_retry).
/// 3. **Commands** say what is wanted: [`order`](Self::order), [`stop`](Self::stop), [`kill`](Self::kill),
///    [`kill_at_once`](Self::kill_at_once), [`abandon`](Self::abandon); and the settings
///    [`set_budget`](Self::set_budget), [`set_chance`](Self::set_chance), [`set_stop_order`](Self::set_stop_order).
/// 4. **Drains** hand out what is to be done: [`poll_action`](Self::poll_action), [`poll_report`](Self::poll_report),
///    [`poll_timeout`](Self::poll_timeout), and [`poll_retry`](Self::poll_retry) for a driver that has its own mailbox.
///
/// # The order of calls
///
/// A new machine has work at once: begin with step 2.
///
/// 1. Hand in one or more facts and commands, in the order in which they happened.
/// 2. Call [`poll_action`](Self::poll_action), perform the action, and repeat until it returns `None`. A fact may be
///    handed in between two actions.
/// 3. Call [`poll_report`](Self::poll_report) until it returns `None`, after each action or after the last. Reports
///    that are never drained stay in memory.
/// 4. Call [`poll_timeout`](Self::poll_timeout), and set a timer that hands in
///    [`handle_timeout`](Self::handle_timeout). The earlier timer, if there is one, is replaced. Then wait for the next
///    fact, command or timer.
///
/// After [`Action::End`] the machine does nothing more: it answers orders with
/// [`OrderError::Over`](crate::OrderError::Over) and drops everything else. After draining it once more, the driver has
/// nothing left to do.
///
/// # What a call needs
///
/// `now` is the time since any fixed moment that the driver chooses. It must not run backwards; if it does, the machine
/// uses the latest time it has seen.
///
/// An [`Attempt`] comes from an action or a question of the same machine. **A fact that comes late is dropped**. That
/// is a fact about an attempt that has ended, was abandoned or was replaced, or one that was handed in before. So a
/// driver need not know what is current, and a race between an exit and a kill harms nothing. An attempt of another
/// machine is not recognised as foreign, because both machines count from one: do not mix them up.
///
/// A [`ChildKey`] of a child that is forgotten is known no more: a question about it returns `None`, and a fact or a
/// setting is dropped.
///
/// No method blocks, panics over what is handed in, or calls the driver. The only foreign code that a machine runs is a
/// [`Chance`].
///
/// # Example
///
/// Two children, driven by hand. Here a start and a stop succeed at once, so the answer follows the action.
///
/// ```
/// use regrow_supervisors::{Action, ChildSpec, Exit, Machine, Strategy, StaticMachine};
/// use std::time::Duration;
///
/// /// Steps 2 to 4: performs what is to be done, and notes it down.
/// fn perform(machine: &mut dyn Machine, now: Duration) -> Vec<String> {
///     let mut done = Vec::new();
///     while let Some(action) = machine.poll_action() {
///         match action {
///             Action::Start(attempt) => {
///                 done.push(format!("start {}", machine.spec(attempt.child()).unwrap().id()));
///                 machine.handle_started(attempt, now);
///             }
///             Action::Ask(attempt) | Action::Kill(attempt) => {
///                 done.push(format!("stop {}", machine.spec(attempt.child()).unwrap().id()));
///                 machine.handle_exit(attempt, Exit::Shutdown, now);
///             }
///             Action::Up => done.push("up".into()),
///             Action::End(exit) => done.push(format!("end: {exit}")),
///             // Answers of orders, and what concerns mailboxes: these children have none.
///             _ => {}
///         }
///         while let Some(report) = machine.poll_report() {
///             println!("{report:?}");
///         }
///     }
///     assert_eq!(machine.poll_timeout(), None); // Nothing is due: no timer is needed.
///     done
/// }
///
/// let mut now = Duration::ZERO;
/// let mut machine = StaticMachine::new(Strategy::OneForAll, [ChildSpec::new("db"), ChildSpec::new("web")])?;
/// assert_eq!(perform(&mut machine, now), ["start db", "start web", "up"]);
///
/// // A fact: the database has died. Under one_for_all the other child is restarted with it.
/// let db = machine.find("db").and_then(|key| machine.attempt(key)).unwrap();
/// now += Duration::from_secs(1);
/// machine.handle_exit(db, Exit::Killed, now);
/// assert_eq!(perform(&mut machine, now), ["stop web", "start db", "start web"]);
///
/// // The same fact once more comes late, and is dropped.
/// machine.handle_exit(db, Exit::Killed, now);
/// assert!(perform(&mut machine, now).is_empty());
///
/// // A command: end, the youngest child first.
/// machine.stop(Exit::Shutdown, now);
/// assert_eq!(perform(&mut machine, now), ["stop web", "stop db", "end: shutdown"]);
/// assert!(machine.is_ending());
/// # Ok::<(), regrow_supervisors::SpecError>(())
/// ```
///
/// # Closed
///
/// [`StaticMachine`](crate::StaticMachine) and [`DynamicMachine`](crate::DynamicMachine) are the only machines. The
/// trait cannot be implemented elsewhere, so that a method can be added to it without breaking a program:
///
/// ```compile_fail,E0277
/// fn is_machine<T: regrow_supervisors::Machine>() {}
///
/// #[derive(Debug)]
/// struct Mine;
/// impl regrow_supervisors::machine::Closed for Mine {}
/// is_machine::<Mine>();
/// ```
///
/// The state inside and the steps of a decision cannot be reached from another crate:
///
/// ```compile_fail,E0599
/// use regrow_supervisors::{Exit, Machine};
///
/// fn skips_the_inbox(machine: &mut dyn Machine) {
///     machine.end(Exit::Normal, true);
/// }
/// ```
pub trait Machine: Closed + fmt::Debug {
    // Facts: outcomes of actions.

    /// The attempt is up: answers [`Action::Start`]. Late, or if the attempt is up already, it is dropped.
    fn handle_started(&mut self, attempt: Attempt, now: Duration);

    /// The attempt decided that the child is not wanted ([OTP rules 10, 30, 81](crate::rules)): answers
    /// [`Action::Start`]. Dropped unless the attempt is being started.
    fn handle_ignored(&mut self, attempt: Attempt, now: Duration);

    /// The start failed, and no process is left of the attempt: answers [`Action::Start`]. Dropped unless the attempt
    /// is being started.
    fn handle_start_failed(&mut self, attempt: Attempt, exit: Exit, now: Duration);

    /// The attempt has ended, and no process is left of it: answers [`Action::Ask`] and [`Action::Kill`], or comes
    /// unasked. During a start it counts as [`handle_start_failed`](Self::handle_start_failed).
    ///
    /// The first exit of an attempt counts. An attempt that was abandoned has ended already: its exit is dropped.
    fn handle_exit(&mut self, attempt: Attempt, exit: Exit, now: Duration);

    // Facts: news of an attempt.

    /// The attempt is ready. Needed if the child's policy says that the child announces it ([`Readiness::WhenSaid`]);
    /// other children are ready as soon as they are up. Dropped before [`handle_started`](Self::handle_started), and if
    /// the attempt is ready already or ending.
    ///
    /// [`Readiness::WhenSaid`]: crate::Readiness::WhenSaid
    fn handle_ready(&mut self, attempt: Attempt, now: Duration);

    /// The number of messages that the attempt has handled so far. Needed before its exit, if the child's policy sets
    /// [`reset_after_messages`](field@crate::Policy::reset_after_messages).
    fn handle_progress(&mut self, attempt: Attempt, messages: u64, now: Duration);

    /// Messages of the attempt, which is up, have failed. Needed if the child's policy sets a
    /// [`failure_rate`](field@crate::Policy::failure_rate), also for the message with which a life crashed, and then
    /// before its exit. `messages`: those since the last call, the failed ones among them. `exit` is the latest failure.
    fn handle_failures(&mut self, attempt: Attempt, messages: u64, failed: u64, exit: Exit, now: Duration);

    /// The attempt begins with a value that its service keeps, or has replaced it. Needed before its exit, if services
    /// keep values: the value is set aside after some failures, as [`Policy::kept`](field@crate::Policy::kept) says.
    fn handle_kept(&mut self, attempt: Attempt, news: KeptNews, now: Duration);

    /// The attempt has worked on one message for too long. It is killed ([`Action::Kill`]), and its exit will be
    /// [`Exit::Hung`].
    fn handle_hung(&mut self, attempt: Attempt, hang: Hang, now: Duration);

    /// The start of this attempt waits for a limiter (see [`StartLimiter`](crate::StartLimiter)), or waits no longer.
    /// Its start time runs from the moment at which it waits no longer.
    fn handle_in_line(&mut self, attempt: Attempt, is_in_line: bool, now: Duration);

    /// A kill that this machine did not order has hit the attempt. Its exit will be an unexpected one. If the exit does
    /// not come in time, the attempt is abandoned and counts as killed.
    fn handle_kill_under_way(&mut self, attempt: Attempt, now: Duration);

    /// The attempt is ending as `exit` without having been told to, and its own code still runs for that (a stop hook,
    /// destructors). It has its shutdown time. Then it is killed, and its exit is `exit` nevertheless.
    fn handle_leaving(&mut self, attempt: Attempt, exit: Exit, now: Duration);

    /// The attempt is a supervisor that gave up and ends the whole tree ([`Report::GaveUp`] with `ends_tree`). Comes
    /// before its exit. When the attempt has ended, this supervisor gives up too, whatever its budget and its policies
    /// say, also if the attempt was told to stop meanwhile.
    fn handle_end_of_tree(&mut self, attempt: Attempt, now: Duration);

    /// The attempt has ended as `exit`, except for work that was killed and may not end. If that work does not end in
    /// time, the attempt is abandoned, and has ended as `exit`.
    fn handle_remains(&mut self, attempt: Attempt, exit: Exit, now: Duration);

    // Facts: news from outside of the supervisor.

    /// Time has passed. Harmless if nothing is due; if it comes late, what is due happens late.
    fn handle_timeout(&mut self, now: Duration);

    /// A service outside of this supervisor, on which children depend under this name, is ready; or is not ready, and
    /// may come back. Does what [`handle_outlook`](Self::handle_outlook) does, for drivers that know no more than that.
    fn handle_dependency(&mut self, name: &str, is_ready: bool, now: Duration);

    /// A service outside of this supervisor, on which children depend under this name, has a new outlook.
    ///
    /// Needed again when a child comes that depends on the service: a service that no child depends on is not
    /// remembered.
    fn handle_outlook(&mut self, name: &str, outlook: Outlook, now: Duration);

    /// The turn of a retry has come that [`poll_retry`](Self::poll_retry) handed out. Dropped if the child no longer
    /// waits for its turn, and after the end has begun. Hand it in once for each retry.
    fn handle_retry(&mut self, child: ChildKey, now: Duration);

    // Commands.

    /// Gives a management order. It is answered by an [`Action::Answer`] with this `call`, at once if possible. The
    /// driver chooses `call`, different for each order that is not answered yet.
    ///
    /// Under one_for_one, and in a dynamic supervisor, an order never waits for another child that hangs. Under the
    /// ordered strategies it queues behind the running group operation. A read does not wait for a start that hangs,
    /// and neither does the termination of the child that hangs in it. After the end has begun, the answer is
    /// [`OrderError::Over`](crate::OrderError::Over).
    fn order(&mut self, call: OrderId, order: Order, now: Duration);

    /// Orders the supervisor to end with `exit`, after its children ([OTP rules 54, 55, 88](crate::rules)). The last
    /// action is [`Action::End`]. Dropped after the end has begun: the first `exit` counts.
    ///
    /// Waits its turn behind what was handed in before it, but not for a start that hangs: that is cut short.
    fn stop(&mut self, exit: Exit, now: Duration);

    /// Kills the supervisor together with its children, and it ends as [`Exit::Killed`]. Replaces a
    /// [`stop`](Self::stop) that is under way; dropped after [`Action::End`].
    ///
    /// In OTP the children of a killed supervisor die by their links, in no order, and slow ones overlap their
    /// replacements (OTP rules 57, 58). Here they are gone before the parent gets the exit.
    fn kill(&mut self, now: Duration);

    /// Kills every child at once, in no order, and ends as [`Exit::Killed`] when all are gone: a bounded shutdown has
    /// reached its limit. A child that hangs does not keep the others alive, as it does after [`kill`](Self::kill).
    fn kill_at_once(&mut self, now: Duration);

    /// Goes on without the children that a kill did not end: the last resort of a bounded shutdown. Children that were
    /// not killed yet are killed, and not waited for.
    fn abandon(&mut self, now: Duration);

    // Commands: settings.

    /// Sets the restart budget, and the clock that its window is measured by. Spent units stay spent. Takes effect at
    /// the next charge.
    ///
    /// # Errors
    ///
    /// [`SpecError::ZeroPeriod`], if the period is zero. Nothing is changed then.
    fn set_budget(&mut self, intensity: Intensity, clock: BudgetClock) -> Result<(), SpecError>;

    /// Gives the child its own source of chance, for the jitter of its delays. Without one its delays have no jitter.
    fn set_chance(&mut self, child: ChildKey, chance: Box<dyn Chance>);

    /// Sets which children are to be stopped before others: something below the first of a pair depends on something
    /// below the second. Specs that name a sibling count without this call. The pairs of an earlier call are replaced.
    /// Takes effect at the next operation that stops children.
    ///
    /// Returns the circles that there are now, each child before the next and the last before the first. Pairs within a
    /// circle are ignored: the order of their starts decides.
    fn set_stop_order(&mut self, before: Vec<(ChildKey, ChildKey)>) -> Vec<Vec<ChildKey>>;

    // Drains.

    /// Returns the next action, or `None` for now. Takes the next exit or order when the one before is done. Call it
    /// until it returns `None`.
    fn poll_action(&mut self) -> Option<Action>;

    /// Returns the next report. Reports are in order among themselves. Those that are there after a
    /// [`poll_action`](Self::poll_action) happened before the action it returned is performed.
    fn poll_report(&mut self) -> Option<Report>;

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) is needed, or `None` if nothing is due. Any
    /// other call may change it.
    fn poll_timeout(&self) -> Option<Duration>;

    /// Takes out the retry that was queued last, for a driver that keeps the queue of exits and orders itself.
    /// An automatic restart that failed is tried again behind what already waits ([OTP rule 31](crate::rules)). A
    /// driver that hands in each exit and order at once can ignore this method. A driver that holds them back calls it
    /// after each failed start, and queues the child behind what it holds. When the child's turn has come, it calls
    /// [`handle_retry`](Self::handle_retry). Without that call the child waits until an order or a group restart starts
    /// it.
    /// when its turn has come. Without that call the child waits until an order or a group restart starts it.
    fn poll_retry(&mut self) -> Option<ChildKey>;

    // Questions.

    /// Whether the supervisor is ending or has ended: no child is started any more.
    fn is_ending(&self) -> bool;

    /// Returns the child of this name.
    fn find(&self, id: &str) -> Option<ChildKey>;

    /// Returns the spec of a child, while the supervisor has one.
    fn spec(&self, child: ChildKey) -> Option<&ChildSpec>;

    /// Returns the state of a child: down, being started, up and so on.
    fn standing(&self, child: ChildKey) -> Option<ChildState>;

    /// Returns the present attempt of a child, if it has one.
    fn attempt(&self, child: ChildKey) -> Option<Attempt>;

    /// The latest attempt of the child that came up, which may be over. If none did, an attempt with the number zero: an
    /// order that [means](crate::Order::Meant) it is about a child that has not come up yet.
    fn latest_life(&self, child: ChildKey) -> Option<Attempt>;

    /// Lists the children in start order, each with its state, and its present attempt if it has one.
    fn children(&self) -> Vec<ChildLine<'_>>;

    /// Lists at most `max` children from the place `first` on, as [`children`](Self::children) does. Returns the place
    /// of the next child too, if there is one. The first place is 0.
    fn children_from(&self, first: u64, max: usize) -> (Vec<ChildLine<'_>>, Option<u64>);

    /// Returns the number of children. It is kept, so that the call is cheap.
    fn counts(&self) -> ChildCounts;

    /// Returns the reasons for the state of the child, and what is left for it as of `now`.
    fn why(&self, child: ChildKey, now: Duration) -> Option<Reasons>;

    /// Returns what dependents of the child can count on.
    fn outlook(&self, child: ChildKey) -> Option<Outlook>;

    /// Checks specs for children that are in the table, as [`Order::Adjust`] does, and changes nothing.
    ///
    /// # Errors
    ///
    /// The first fault of the specs, alone or together with the others in the table.
    fn check_specs(&self, specs: &[ChildSpec]) -> Result<(), SpecError>;

    /// Whether the machine would not start the child again without an order, if this attempt, which is up, ended as
    /// `exit`. The attempt may still end with another exit. `false` for an attempt that is not up.
    fn is_last_life(&self, attempt: Attempt, exit: &Exit) -> bool;

    /// Returns the name and the number of entries of each table that lives as long as the supervisor, for tests that
    /// look for leaks. The names may change.
    fn tables(&self) -> Vec<(&'static str, usize)>;
}
