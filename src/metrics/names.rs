//! The names of the metrics, with their help texts.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub(super) const STARTS: &str = "regrow_service_starts_total";
pub(super) const EXITS: &str = "regrow_service_exits_total";
pub(super) const RESTARTS: &str = "regrow_service_restarts_total";
pub(super) const LAST_MINUTE: &str = "regrow_service_restarts_last_minute";
pub(super) const LAST_HOUR: &str = "regrow_service_restarts_last_hour";
pub(super) const GAVE_UP: &str = "regrow_supervisor_gave_up_total";
pub(super) const BUDGET_LEFT: &str = "regrow_budget_left";
pub(super) const ACCEPTED: &str = "regrow_messages_accepted_total";
pub(super) const HANDLED: &str = "regrow_messages_handled_total";
pub(super) const REFUSED: &str = "regrow_messages_refused_total";
pub(super) const REFUSED_BY_GONE: &str = "regrow_messages_refused_by_gone_total";
pub(super) const DEAD_LETTERS: &str = "regrow_dead_letters_total";
pub(super) const REDELIVERIES: &str = "regrow_redeliveries_total";
pub(super) const QUARANTINED: &str = "regrow_quarantined_total";
pub(super) const SERVICES: &str = "regrow_services";
pub(super) const MAILBOX: &str = "regrow_mailbox_messages";
pub(super) const FULLEST: &str = "regrow_mailbox_fullest_ratio";
pub(super) const DIFFERENCE: &str = "regrow_accounting_difference";
pub(super) const OLDEST: &str = "regrow_mailbox_oldest_seconds";
pub(super) const RUNNING: &str = "regrow_handler_running_seconds";
pub(super) const WAIT: &str = "regrow_message_wait_seconds";
pub(super) const HANDLING: &str = "regrow_message_handling_seconds";
pub(super) const RESTART: &str = "regrow_restart_seconds";
pub(super) const READY: &str = "regrow_tree_ready";
pub(super) const RELOADS: &str = "regrow_policy_reloads_total";
pub(super) const EVENTS_MISSED: &str = "regrow_events_missed_total";
pub(super) const ACTS: &str = "regrow_admin_acts_total";
pub(super) const IN_OTHER: &str = "regrow_templates_in_other";

/// The histograms.
pub(super) const TIMES: [&str; 3] = [WAIT, HANDLING, RESTART];

/// Tells the recorder in force what each metric is.
pub(super) fn describe() {
    for (name, help) in [
        (STARTS, "Attempts to start a service, by outcome."),
        (EXITS, "Ends of incarnations, by cause."),
        (RESTARTS, "Restarts because of the service's own end, and with others."),
        (GAVE_UP, "Times that a supervisor gave up."),
        (ACCEPTED, "Messages that entered a mailbox."),
        (HANDLED, "Messages handled to the end without error."),
        (REFUSED, "Messages that came back to their sender, by reason."),
        (REFUSED_BY_GONE, "Messages that came back because the service is gone."),
        (DEAD_LETTERS, "Accepted messages that will not be handled, by reason."),
        (REDELIVERIES, "Messages put back because their incarnation ended."),
        (QUARANTINED, "Messages found to be poison."),
        (RELOADS, "Policies given to the running tree, by outcome."),
        (EVENTS_MISSED, "Events that slow subscribers lost."),
        (ACTS, "Acts of operators, by outcome."),
    ] {
        describe_counter!(name, Unit::Count, help);
    }
    for (name, help) in [
        (LAST_MINUTE, "Restarts in the last minute."),
        (LAST_HOUR, "Restarts in the last hour."),
        (BUDGET_LEFT, "Restarts that the budget of a supervisor still forgives."),
        (SERVICES, "Services in each state."),
        (MAILBOX, "Messages that wait in mailboxes."),
        (FULLEST, "Part of the capacity that is in use, of the fullest mailbox."),
        (DIFFERENCE, "Messages that the counters do not account for; must be 0."),
        (READY, "Whether the tree is ready: 1 or 0."),
        (IN_OTHER, "Templates that are counted as other."),
    ] {
        describe_gauge!(name, Unit::Count, help);
    }
    for (name, help) in [
        (OLDEST, "Age of the oldest message in a mailbox."),
        (RUNNING, "Longest time for which a handler has had its message."),
    ] {
        describe_gauge!(name, Unit::Seconds, help);
    }
    for (name, help) in [
        (WAIT, "Time of a message in the mailbox."),
        (HANDLING, "Time of a message in the handler."),
        (RESTART, "Time from an end until the service is ready again."),
    ] {
        describe_histogram!(name, Unit::Seconds, help);
    }
}
