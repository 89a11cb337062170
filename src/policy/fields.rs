//! Every field that a file can set for a child or a supervisor.
//!
//! The doc comments of the fields are also their descriptions in `.schema/policy.json`.

use regrow_supervisors::{BudgetClock, DependencyGone, Health, Jitter, Readiness, Restart};
use schemars::{Schema, SchemaGenerator};
use toml::de::DeValue;

use crate::policy::durations::{Delay, Delays, Limit, RoomWait, Span, Stop};
use crate::policy::failure_rate::Rate;
use crate::policy::field::{Field, Keyed, Leaf, group};
use crate::policy::give_up::OnGiveUp;
use crate::policy::kept::Kept;
use crate::policy::keywords::OneOf;
use crate::policy::needs::Needs;
use crate::policy::numbers::{Capacity, Count, Factor, Restarts, Starts};
use crate::policy::reader::{Reader, Value};
use crate::policy::rules::Rules;
use crate::slot::settings::{OnRestart, Overflow};

group! {
    /// Fields of a child.
    "field of a child"
    struct ChildFields {
        /// After which ends it is restarted.
        restart: Field<OneOf<Restart>>,
        /// How many restarts a budget of its own forgives. Without one it shares its siblings'.
        max_restarts: Field<Restarts>,
        /// In how long that budget forgives them. Default: 5s.
        within: Field<Span>,
        /// How long to wait before a restart: the first delay, or a list of delays whose last repeats. Default: not at
        /// all.
        delay: Field<Delays>,
        /// No delay is longer. Default: 30s.
        max_delay: Field<Delay>,
        /// By how much each delay is longer than the one before. Default: 2.
        factor: Field<Factor>,
        /// How delays are spread. Default: not at all.
        jitter: Field<OneOf<Jitter>>,
        /// A life that was ready for so long begins the curve anew. Default: the longest delay.
        reset_after: Field<Span>,
        /// Whether a life that became ready begins the curve anew.
        reset_on_ready: Field<bool>,
        /// A life that handled so many messages begins the curve anew.
        reset_after_messages: Field<Count>,
        /// How long it is given to stop when asked; kill: none; wait: without limit.
        shutdown_timeout: Field<Stop>,
        /// How long a start may take until it is ready. Default: for ever.
        start_timeout: Field<Limit>,
        /// When it counts as ready.
        ready: Field<OneOf<Readiness>>,
        /// Services that have to be ready, and jobs that have to be completed, before it is started.
        depends_on: Field<Needs>,
        /// What happens at its start when one of those is gone for good. Default: park.
        on_dependency_gone: Field<OneOf<DependencyGone>>,
        /// Whether the tree counts as ready without it. Default: services are required; tasks, and what is below a
        /// dynamic supervisor, are optional.
        health: Field<OneOf<Health>>,
        /// A message in hand for longer than this means that it hangs.
        watchdog: Field<Limit>,
        /// A budget by rate: how many of its messages may fail within a window.
        failure_rate: Field<Rate>,
        /// What happens when the budget is gone.
        on_give_up: Field<OnGiveUp>,
        /// Whether a first start that fails at the boot is tried again. Default: the boot fails.
        retry_start: Field<bool>,
        /// A budget and a curve for lives that never became ready.
        not_ready: NotReadyFields,
        /// The rule about a kept value: how many lives in a row may fail with it, and what happens then.
        kept: Field<Kept>,
        /// What to do about ends of certain kinds. The first rule that matches wins.
        rules: Field<Rules>,
        /// How its mailbox is set up; a number is short for its capacity.
        mailbox: MailboxFields,
    }

    fn elsewhere(name: &str) -> Option<String> {
        let is_shared = SupervisorFields::NAMES.contains(&name);
        is_shared.then(|| format!("a supervisor has `{name}`: put it into its table, [supervisor.\"PATH\"]"))
    }
}

group! {
    /// Budget and delays for lives that never became ready.
    "field of not_ready"
    struct NotReadyFields {
        /// How many restarts are forgiven.
        max_restarts: Field<Restarts>,
        /// In how long. Default: 5s.
        within: Field<Span>,
        /// How long to wait before a restart.
        delay: Field<Delays>,
        /// By how much each delay is longer than the one before. Default: 2.
        factor: Field<Factor>,
        /// No delay is longer. Default: 30s.
        max_delay: Field<Delay>,
        /// How delays are spread.
        jitter: Field<OneOf<Jitter>>,
    }
}

group! {
    /// Delays between the tries of a parked child.
    "field of park"
    struct ParkFields {
        /// How long to wait before it is tried. Default: 30s.
        delay: Field<Delays>,
        /// By how much each delay is longer than the one before. Default: 2.
        factor: Field<Factor>,
        /// No delay is longer. Default: 1h.
        max_delay: Field<Delay>,
        /// How delays are spread.
        jitter: Field<OneOf<Jitter>>,
    }
}

group! {
    /// Fields of a mailbox.
    "field of a mailbox"
    struct MailboxFields {
        /// How many messages may wait. Default: 1024.
        capacity: Field<Capacity>,
        /// What happens to one message more than there is room for, if it does not wait for room.
        overflow: Field<OneOf<Overflow>>,
        /// How long senders wait for room. Default: 5s.
        room_wait: Field<RoomWait>,
        /// How long a service may have no message before it ends. For a table of a path only. Default: off.
        idle_after: Field<Limit>,
        /// What happens to queued messages at an end that may be followed by a new life.
        on_restart: Field<OneOf<OnRestart>>,
    }

    fn read_short(&mut self, value: &Value<'_>, reader: &mut Reader) -> bool {
        let is_short = matches!(value.get_ref(), DeValue::Integer(_) | DeValue::String(_));
        if is_short {
            self.capacity.read(value, reader);
        }
        is_short
    }

    fn short_schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(Capacity::schema(generator))
    }
}

group! {
    /// Fields of a supervisor, for its children together.
    "field of a supervisor"
    struct SupervisorFields {
        /// How many restarts the budget that its children share forgives. Default: 1.
        max_restarts: Field<Restarts>,
        /// In how long. Default: 5s.
        within: Field<Span>,
        /// What the budget's window is measured in.
        budget_clock: Field<OneOf<BudgetClock>>,
        /// How many of the services below it, at any depth, may be starting at the same time.
        max_starting: Field<Starts>,
        /// Fields of each of its direct children.
        defaults: ChildFields,
    }

    fn elsewhere(name: &str) -> Option<String> {
        let is_childs = ChildFields::NAMES.contains(&name);
        is_childs.then(|| format!("a child has `{name}`: put it into [supervisor.\"PATH\".defaults] or [path.\"PATH\"]"))
    }
}
