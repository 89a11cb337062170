//! `GET /v1/services`: rows of services, or groups of them by template.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A page of services. What is failed, parked, waiting or restarting comes first, whatever the order asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Services {
    /// Moment of the look.
    pub now_ms: u64,
    /// Totals of all that the filter lets through, without supervisors' own mailboxes.
    pub totals: Totals,
    /// Rows that are not well: parked, restarting, waiting, starting, failed. Capped; `unwell_left_out` says how many more.
    pub unwell: Vec<Service>,
    /// Number of rows that are not well and were left out. There may be more if `totals.is_partial`.
    pub unwell_left_out: u64,
    /// Rows that are up and yet not in order, if the query asks for them: those that wait in a circle first. Capped.
    #[serde(default)]
    pub doubtful: Vec<Doubtful>,
    /// Number of those that were left out.
    #[serde(default)]
    pub doubtful_left_out: u64,
    /// The rows of this page, in the order asked for. The well and the others.
    pub rows: Vec<Service>,
    /// Groups, if grouping was asked for: then `rows` is empty.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Where the next page begins: the value for `after`. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// Totals of services.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Number of children that the filter lets through.
    pub children: u64,
    /// Number of children by state.
    pub by_state: BTreeMap<State, u64>,
    /// Restarts in the last minute.
    pub restarts_minute: u64,
    /// Restarts in the last hour.
    pub restarts_hour: u64,
    /// Dead letters since the tree began, of listed services and ended ones. Ended ones are left out if the query has a
    /// `filter` or a `state`, which are not known of them any more.
    pub dead_letters: u64,
    /// Messages that wait.
    pub queued: u64,
    /// Age of the sums of restarts, dead letters and messages. They come from an earlier look at all services if the tree
    /// is large and neither a filter nor an order asks for a look at all of them now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sums_age_ms: Option<u64>,
    /// Whether there are no such sums yet: they are zero, and a look has begun that the next request can use.
    #[serde(default)]
    pub are_sums_missing: bool,
    /// Whether so many children are not up that only a part of them was looked at: those counted as up may be in any state.
    #[serde(default)]
    pub is_partial: bool,
}

/// State of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not started yet: its turn has not come, or it waits for what it depends on.
    Waiting,
    /// An incarnation is being started.
    Starting,
    /// Up.
    Up,
    /// Between two incarnations.
    Restarting,
    /// Set aside.
    Parked,
    /// Terminated, ended cleanly, or not wanted.
    Down,
    /// Deleted, or its tree is over.
    Gone,
}

impl State {
    /// Whether an operator should look at it: it is not up, and is not meant to stay so.
    pub fn is_unwell(self) -> bool {
        match self {
            Self::Waiting | Self::Starting | Self::Restarting | Self::Parked => true,
            Self::Up | Self::Down | Self::Gone => false,
        }
    }
}

/// Row of a child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// Name of its tree's root.
    pub tree: String,
    /// Full path.
    pub path: String,
    /// The path with `*` for each name that a dynamic or partitioned supervisor gave.
    pub template: String,
    /// Kind of child: `service`, `task`, `thread`, `actor`, `supervisor`, `dynamic supervisor`, `partitioned supervisor`.
    pub kind: String,
    /// State.
    pub state: State,
    /// Whether it is up and ready.
    pub ready: bool,
    /// Moment since which it is in this state, if the record still holds that change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since_ms: Option<u64>,
    /// Number of incarnations that came up.
    pub generation: u64,
    /// Restarts: windows and causes. Absent if it was never restarted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub restarts: Option<Restarts>,
    /// Restarts that its budget still forgives, if one is set and its supervisor was asked (`unwell` rows and `GET /v1/service`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub budget_left: Option<u32>,
    /// Time until the next try, if one is set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_try_in_ms: Option<u64>,
    /// Messages that wait.
    pub queued: u64,
    /// Capacity of its mailbox; absent without a limit, and for a child without a mailbox.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub capacity: Option<u64>,
    /// Age of its oldest waiting message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub oldest: Option<Age>,
    /// Time for which it has had its present message in hand.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub in_hand: Option<Age>,
    /// Its last exit that was not ordered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_exit: Option<LastExit>,
    /// Reason of the order that parked it, if an order did and its supervisor was asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub parked_by_order: Option<String>,
    /// Whether it is down because an order terminated it, if its supervisor was asked.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub was_terminated: bool,
    /// Paths that it waits for: services before its start, an answer, room in a mailbox, its supervisor if that does not run.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// Messages: accepted, handled, crashed, returned, dead-lettered, in hand.
    pub messages: Messages,
    /// The command that acts now, for a row that is not well: `regrow revive PATH --reason ...`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<String>,
}

/// Child that is up and yet not in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Doubtful {
    /// Its row.
    pub service: Service,
    /// Whether no more messages fit into its mailbox.
    #[serde(default)]
    pub is_full: bool,
    /// Whether it was restarted twice or more in the last minute. One that waits longer between its tries is not up.
    #[serde(default)]
    pub is_looping: bool,
    /// The services that wait for each other in a circle, this one first. Empty if it is in none. The circle was there at the
    /// moment of the look; if its calls have no time limit, it stays. Waits for answers are known in trees in which a child has
    /// a watchdog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub circle: Vec<String>,
}

/// A time that is exact, or at least this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Age {
    /// The time.
    pub ms: u64,
    /// Whether it may be longer: the bound follows from the viewer's last look.
    pub is_lower_bound: bool,
}

/// Restarts of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restarts {
    /// In all.
    pub total: u64,
    /// In the last minute.
    pub minute: u64,
    /// In the last hour.
    pub hour: u64,
    /// By the cause of the end before: `normal`, `shutdown`, `killed`, `failed`, `panicked`, `hung`. A start that failed counts
    /// by its exit.
    pub by_cause: BTreeMap<String, u64>,
    /// Those of which the cause was a sibling: the strategy took it along.
    pub taken_along: u64,
}

/// The last exit of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastExit {
    /// Its kind.
    pub cause: String,
    /// Its text.
    pub text: String,
    /// Moment of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at_ms: Option<u64>,
}

/// Counters of a mailbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Messages {
    /// Messages that were ever enqueued.
    pub accepted: u64,
    /// Messages that were handled.
    pub handled: u64,
    /// Messages lost with their incarnation.
    pub crashed: u64,
    /// Calls given back to their callers.
    pub returned: u64,
    /// Messages that were shed.
    pub dead_lettered: u64,
    /// Messages in hand: 0 or 1.
    pub in_hand: u64,
}

/// All children of one template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Name of the tree's root.
    pub tree: String,
    /// The template.
    pub template: String,
    /// Kind of its children.
    pub kind: String,
    /// Its totals.
    pub totals: Totals,
    /// Its counters, those of ended children included (see `Totals::dead_letters`).
    pub messages: Messages,
    /// Restarts, those of ended children included (see `Totals::dead_letters`).
    pub restarts: u64,
}
