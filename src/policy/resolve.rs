//! The settings in force for one path, resolved from all sources.
//!
//! The later setting wins, field by field. The order of classes: every service, the children of one supervisor, one
//! child. Within each class: the code, the file, the environment. The rest is layered over the settings in code. So
//! settings of a class below the code's are dropped first.

use regrow_supervisors::{Backoff, ChildSpec, Intensity, NotReady, Policy};

use crate::policy::curve::Curve;
use crate::policy::document::Document;
use crate::policy::durations::Span;
use crate::policy::field::{Field, Group as _, Keyed};
use crate::policy::fields::{ChildFields, MailboxFields, NotReadyFields, SupervisorFields};
use crate::policy::numbers::Restarts;
use crate::policy::rank::{RankClass, is_in_code};
use crate::slot::settings;
use crate::tree::effect;
use crate::tree::overrides::{Coded, Effective, Group};

/// The fields that the documents set for the child at `path`, without those that lose against the code.
pub(crate) fn fields_of(documents: &[Document], path: &str, coded: &Coded) -> ChildFields {
    let supervisor = path.rsplit_once('/').map(|(supervisor, _)| supervisor);
    let mut fields = ChildFields::default();
    // These defaults are for services. A supervisor is none: a `shutdown_timeout` of seconds would be too short for it.
    if !coded.own.kind.is_supervisor() {
        documents.iter().for_each(|document| fields.layer(&document.defaults, RankClass::Defaults));
    }
    fields.forget_fields("", &|field| is_in_code(coded, RankClass::Children, field));
    for (pattern, said) in documents.iter().flat_map(|document| &document.supervisors) {
        if supervisor.is_some_and(|supervisor| pattern.is_match(supervisor)) {
            fields.layer(&said.defaults, RankClass::Children);
        }
    }
    fields.forget_fields("", &|field| {
        is_in_code(coded, RankClass::Child, field) || effect::why_left_out(coded.own.kind, field).is_some()
    });
    for (pattern, said) in documents.iter().flat_map(|document| &document.paths) {
        if pattern.is_match(path) {
            fields.layer(said, RankClass::Child);
        }
    }
    // A field without effect on this kind of child does nothing. There is a warning about it elsewhere.
    fields.forget_fields("", &|field| effect::why_idle(coded.own.kind, field).is_some());
    fields
}

/// The fields that the documents set for the supervisor at `path`; `None` if no table is for it.
pub(crate) fn children_of(documents: &[Document], path: &str) -> Option<SupervisorFields> {
    let mut fields = None;
    let all = documents.iter().flat_map(|document| &document.supervisors);
    for (_, said) in all.filter(|(pattern, _)| pattern.is_match(path)) {
        fields.get_or_insert_with(SupervisorFields::default).layer(said, RankClass::Children);
    }
    fields
}

/// The settings in code with these fields over them.
pub(crate) fn child_over(fields: &ChildFields, group: Option<&SupervisorFields>, coded: &Effective) -> Effective {
    let mut spec = coded.spec.clone();
    if let Some(restart) = fields.restart.get() {
        spec = spec.restart(restart.0);
    }
    if let Some(shutdown) = fields.shutdown_timeout.get() {
        spec = spec.shutdown(shutdown.0);
    }
    let spec = with_policy(spec, fields);
    let mailbox = coded.mailbox.map(|settings| mailbox_over(&fields.mailbox, settings));
    let group = match (coded.group, group) {
        (Some(coded), Some(said)) => Some(group_over(said, coded)),
        (coded, _) => coded,
    };
    Effective { spec, mailbox, group, kind: coded.kind }
}

fn with_policy(spec: ChildSpec, fields: &ChildFields) -> ChildSpec {
    let mut policy: Policy = spec.policy_rule();
    policy.backoff = Curve::from(fields).over(policy.backoff.as_ref());
    policy.budget = budget(&fields.max_restarts, &fields.within, policy.budget);
    policy.reset_after = fields.reset_after.get().map(|time| time.0).or(policy.reset_after);
    policy.reset_on_ready = fields.reset_on_ready.cloned().or(policy.reset_on_ready);
    policy.reset_after_messages =
        fields.reset_after_messages.get().map(|count| count.0).or(policy.reset_after_messages);
    policy.start_timeout = fields.start_timeout.get().map_or(policy.start_timeout, |limit| limit.0);
    policy.readiness = fields.ready.get().map(|ready| ready.0).or(policy.readiness);
    policy.depends_on = fields.depends_on.cloned().map(|needs| needs.0).or(policy.depends_on);
    policy.on_dependency_gone = fields.on_dependency_gone.get().map(|then| then.0).or(policy.on_dependency_gone);
    policy.health = fields.health.get().map(|health| health.0).or(policy.health);
    policy.watchdog = fields.watchdog.get().map_or(policy.watchdog, |limit| limit.0);
    policy.failure_rate = fields.failure_rate.get().map_or(policy.failure_rate, |rate| rate.0);
    policy.kept = fields.kept.cloned().map(|kept| kept.0).or(policy.kept);
    policy.on_give_up = fields.on_give_up.cloned().map(|parting| parting.0).or(policy.on_give_up);
    policy.retry_start = fields.retry_start.cloned().or(policy.retry_start);
    policy.rules = fields.rules.cloned().map(|rules| rules.0).or(policy.rules);
    policy.not_ready = not_ready(&fields.not_ready, policy.not_ready);
    spec.policy(policy)
}

fn not_ready(fields: &NotReadyFields, coded: Option<NotReady>) -> Option<NotReady> {
    if *fields == NotReadyFields::default() {
        return coded;
    }
    let mut not_ready = coded.unwrap_or_default();
    not_ready.budget = budget(&fields.max_restarts, &fields.within, not_ready.budget);
    let backoff: Option<Backoff> = Curve::from(fields).over(not_ready.backoff.as_ref());
    not_ready.backoff = backoff;
    Some(not_ready)
}

/// The budget of these fields. A field that is left open is as in `base`, else as in OTP.
fn budget(max_restarts: &Field<Restarts>, within: &Field<Span>, base: Option<Intensity>) -> Option<Intensity> {
    if !max_restarts.is_said() && !within.is_said() {
        return base;
    }
    let base = base.unwrap_or_default();
    let restarts_max = max_restarts.get().map_or(base.restarts_max(), |restarts| restarts.0);
    let period = within.get().map(|within| within.0).or(base.period()).or(Intensity::default().period());
    Some(match (restarts_max, period) {
        (Some(restarts_max), Some(period)) => Intensity::new(restarts_max, period),
        (None, _) | (_, None) => Intensity::unlimited(),
    })
}

fn mailbox_over(fields: &MailboxFields, coded: settings::Settings) -> settings::Settings {
    settings::Settings {
        capacity: fields.capacity.get().map_or(coded.capacity, |capacity| capacity.0),
        overflow: fields.overflow.get().map_or(coded.overflow, |overflow| overflow.0),
        on_restart: fields.on_restart.get().map_or(coded.on_restart, |on_restart| on_restart.0),
        room_wait: fields.room_wait.get().map_or(coded.room_wait, |room_wait| room_wait.0),
        idle_after: fields.idle_after.get().map_or(coded.idle_after, |limit| limit.0),
        skips_abandoned: coded.skips_abandoned,
        is_measured: coded.is_measured,
    }
}

pub(crate) fn group_over(fields: &SupervisorFields, coded: Group) -> Group {
    Group {
        intensity: budget(&fields.max_restarts, &fields.within, Some(coded.intensity)).unwrap_or(coded.intensity),
        budget_clock: fields.budget_clock.get().map_or(coded.budget_clock, |clock| clock.0),
        starts_max: fields.max_starting.get().map_or(coded.starts_max, |starts| starts.0),
    }
}
