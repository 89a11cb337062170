//! Every setting of a path, and where it comes from.

use std::fmt;

use comfy_table::{Table, presets};
use regrow_supervisors::{BudgetClock, ChildSpec, GiveUp, Intensity, Policy};

use crate::policy::durations::time;
use crate::policy::field::{Group as _, Placed};
use crate::policy::fields::{ChildFields, SupervisorFields};
use crate::policy::keywords::word;
use crate::policy::problem::Problem;
use crate::policy::rank::{Origin, Rank, RankClass, class_in_code};
use crate::policy::render;
use crate::slot::settings::Settings;
use crate::tree::directory::ChildKind;
use crate::tree::overrides::{Coded, Defaults, Effective, Group, Named};

/// Every setting of the child at one path, in the order of the documentation. It prints as a table.
#[derive(Debug, Clone)]
pub struct Explanation {
    path: String,
    settings: Vec<Setting>,
    problems: Vec<Problem>,
}

/// A setting: a field, its value, the place where that is set, and its rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    field: String,
    value: String,
    rank: Rank,
    origin: String,
}

impl Setting {
    /// The name of the field. A setting that the children of a supervisor share is called `children.FIELD`.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value in force, as text.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The rank of the place that gave the value: its class and its layer.
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// `FILE:LINE`, `environment VARIABLE`, `the code` or `default`.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Explanation {
    pub(crate) fn new(
        path: &str,
        coded: &Coded,
        configured: &Effective,
        fields: &ChildFields,
        group: Option<&SupervisorFields>,
    ) -> Self {
        let mut places = Vec::new();
        fields.field_places("", &mut places);
        if let Some(group) = group {
            let mut shared = Vec::new();
            group.field_places("children.", &mut shared);
            // Defaults are settings of each child, not of the group.
            places.extend(shared.into_iter().filter(|(name, ..)| !name.starts_with("children.defaults.")));
        }
        let settings = shown(configured).into_iter().map(|(field, value)| {
            let said = places.iter().find(|(name, ..)| name == field).or_else(|| derived(field, &places));
            let (rank, origin) = match said {
                Some((_, place, rank)) => (*rank, place.to_string()),
                None => in_code(path, coded, field, &value),
            };
            Setting { field: field.into(), value, rank, origin }
        });
        Self { path: path.into(), settings: settings.collect(), problems: Vec::new() }
    }

    /// Explains a path for which the layers together are invalid, so that the settings in code are in force.
    pub(crate) fn refused(path: &str, coded: &Coded, problems: Vec<Problem>) -> Self {
        let mut explanation = Self::new(path, coded, &coded.whole(), &ChildFields::default(), None);
        for setting in &mut explanation.settings {
            setting.origin = "refused: as in the code".into();
        }
        Self { problems, ..explanation }
    }

    /// The reasons why the layers together are invalid for this path, if they are. The settings are then those in code.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The path that is explained.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// All settings.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// The setting with this field name.
    pub fn setting(&self, field: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.field == field)
    }
}

/// The place of a field that was set as part of its group, not separately.
fn derived<'p>(field: &str, places: &'p [Placed]) -> Option<&'p Placed> {
    let is_group = |name: &str| name.strip_prefix(field).is_some_and(|rest| rest.starts_with('.'));
    places.iter().find(|(name, ..)| is_group(name))
}

/// The origin of a value that neither file nor environment sets.
fn in_code(path: &str, coded: &Coded, field: &str, value: &str) -> (Rank, String) {
    // Code leaves no mark on a shared setting. It counts as set in code if it differs from the library's default.
    let shared = || {
        let is_library = |shown: &Shown| *shown == (field, value.to_owned());
        let library = shown(&library_defaults(path, coded.own.kind).own);
        (field.starts_with("children.") && !library.iter().any(is_library)).then_some(RankClass::Children)
    };
    match class_in_code(coded, field).or_else(shared) {
        Some(class) => (Rank { class, by: Origin::Code }, "the code".into()),
        None => (Rank::LIBRARY, "default".into()),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["field", "value", "where from", "rank"]);
        for Setting { field, value, origin, rank } in &self.settings {
            table.add_row([field, value, origin, &rank.to_string()]);
        }
        write!(f, "{}", table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n\n{problem}"))
    }
}

/// The settings in force for a path that neither code nor file mention.
pub(crate) fn library_defaults(path: &str, kind: ChildKind) -> Coded {
    let id = path.rsplit('/').next().unwrap_or(path);
    if kind.is_supervisor() {
        let group = Group { intensity: Intensity::default(), budget_clock: BudgetClock::All, starts_max: None };
        return Coded::of_group(id, group);
    }
    let mailbox = Some(Settings::default());
    let own = Effective { spec: ChildSpec::new(id), mailbox, group: None, kind };
    Coded { own, named: Named::default(), defaults: Defaults::default() }
}

type Shown = (&'static str, String);

/// All settings as text.
fn shown(configured: &Effective) -> Vec<Shown> {
    let policy = configured.spec.policy_rule();
    let mut all = vec![("restart", word(configured.spec.restart_type()).into())];
    all.extend(budget(policy.budget, ["max_restarts", "within"], "shared with its siblings"));
    all.extend(render::curve_fields(policy.backoff.as_ref(), ["delay", "factor", "max_delay", "jitter"]));
    all.extend(lives(configured, &policy));
    let not_ready = policy.not_ready.clone().unwrap_or_default();
    let names = ["not_ready.max_restarts", "not_ready.within"];
    all.extend(budget(not_ready.budget, names, "as for all lives"));
    if not_ready.backoff.is_some() {
        let names = ["not_ready.delay", "not_ready.factor", "not_ready.max_delay", "not_ready.jitter"];
        all.extend(render::curve_fields(not_ready.backoff.as_ref(), names));
    }
    all.push(("rules", render::rules(policy.rules.as_deref().unwrap_or_default())));
    if let Some(mailbox) = configured.mailbox {
        let capacity = if mailbox.capacity == usize::MAX { "unbounded".into() } else { mailbox.capacity.to_string() };
        all.push(("mailbox.capacity", capacity));
        all.push(("mailbox.overflow", word(mailbox.overflow).into()));
        all.push(("mailbox.on_restart", word(mailbox.on_restart).into()));
        all.push(("mailbox.room_wait", mailbox.room_wait.map_or("unlimited".into(), time)));
        all.push(("mailbox.idle_after", mailbox.idle_after.map_or("off".into(), time)));
    }
    if let Some(group) = configured.group {
        all.extend(budget(Some(group.intensity), ["children.max_restarts", "children.within"], ""));
        all.push(("children.budget_clock", word(group.budget_clock).into()));
        let starts = group.starts_max.map_or("unlimited".into(), |starts| starts.to_string());
        all.push(("children.max_starting", starts));
    }
    all
}

fn budget(budget: Option<Intensity>, [max_restarts, within]: [&'static str; 2], none: &str) -> Vec<Shown> {
    let Some(budget) = budget else { return vec![(max_restarts, none.into())] };
    let mut shown = vec![(max_restarts, budget.restarts_max().map_or("unlimited".into(), |most| most.to_string()))];
    shown.extend(budget.period().map(|period| (within, time(period))));
    shown
}

/// The settings about the end of a life, and about its success.
fn lives(configured: &Effective, policy: &Policy) -> Vec<Shown> {
    let limit = |limit: Option<_>| limit.map_or("off".into(), time);
    let reset_after = match (policy.reset_after, policy.reset_time()) {
        (Some(said), _) => time(said),
        (None, Some(longest)) if policy.backoff.is_some() => format!("{} (the longest delay)", time(longest)),
        (None, Some(period)) => format!("{} (the budget's period)", time(period)),
        (None, None) => "the period of the budget it shares".into(),
    };
    let depends_on = match policy.depends_on.as_deref().unwrap_or_default() {
        [] => "nothing".into(),
        all => render::needs(all),
    };
    let on_give_up = render::parting(policy.on_give_up.as_ref().unwrap_or(&GiveUp::Escalate));
    vec![
        ("reset_after", reset_after),
        ("reset_on_ready", policy.reset_on_ready.unwrap_or_default().to_string()),
        ("reset_after_messages", policy.reset_after_messages.map_or("off".into(), |messages| messages.to_string())),
        ("shutdown_timeout", render::stop(configured.spec.shutdown_rule())),
        ("start_timeout", limit(policy.start_timeout)),
        ("ready", word(policy.readiness.unwrap_or_default()).into()),
        ("depends_on", depends_on),
        ("on_dependency_gone", word(policy.on_dependency_gone.unwrap_or_default()).into()),
        ("health", policy.health.map_or("by its kind", word).into()),
        ("watchdog", limit(policy.watchdog)),
        ("failure_rate", policy.failure_rate.map_or("off".into(), render::failure_rate)),
        ("on_give_up", on_give_up),
        ("kept", render::kept(&policy.kept.clone().unwrap_or_default())),
        ("retry_start", policy.retry_start.unwrap_or_default().to_string()),
    ]
}
