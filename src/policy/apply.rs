//! New policies for a running tree. A comparison finds the changes, and invalid policies change nothing.
//!
//! Invariants:
//! 1. Everything is checked before anything is changed.
//! 2. One change at a time. A child that starts meanwhile starts under the old or the new policies, and the comparison
//!    that follows finds it.
//! 3. Nothing is started, stopped or forgotten for a change: budgets keep their history, delays and probes their time.
//! 4. A change that has begun is completed, even if its caller has stopped waiting for it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use regrow_supervisors::{Adjustment, Policy, Restart};

use crate::error::orders::ReconfigureError;
use crate::error::start::StartError;
use crate::policy::{keywords, log, render};
use crate::supervisor::dependency_watch::resolved;
use crate::supervisor::manage::SupervisorHandle;
use crate::supervisor::reconfigure::{Configuration, Wanted};
use crate::tree::dependencies::Graph;
use crate::tree::directory::ChildKind;
use crate::tree::overrides::{Effective, Group, Overrides};
use crate::tree::paths::path_of;
use crate::tree::shared::Shared;

/// Result of new policies.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// In force now.
    pub live: Vec<PolicyChange>,
    /// In force with the next start of the service.
    pub at_next_start: Vec<PolicyChange>,
    /// Supervisors that do not run at the moment. Settings for their children are in force when they run.
    pub not_running: Vec<Arc<str>>,
    /// Settings without effect, and settings that were hardly meant.
    pub warnings: Vec<String>,
}

/// A setting that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChange {
    /// Path of the child or supervisor.
    pub path: Arc<str>,
    /// Name of the setting in policy files.
    pub field: &'static str,
    /// The value before.
    pub before: String,
    /// The value now.
    pub after: String,
}

/// Refusal of policies that are invalid for this tree. Nothing was changed.
#[derive(Debug, Clone)]
pub struct ApplyError {
    /// All reasons.
    pub problems: Vec<String>,
}

impl Applied {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.at_next_start.is_empty()
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            writeln!(f, "nothing has changed")?;
        }
        self.live.iter().try_for_each(|change| writeln!(f, "in force now: {change}"))?;
        self.at_next_start.iter().try_for_each(|change| writeln!(f, "in force with its next start: {change}"))?;
        self.not_running.iter().try_for_each(|path| writeln!(f, "not running, in force when it runs: `{path}`"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "{warning}"))
    }
}

impl fmt::Display for PolicyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, field, before, after } = self;
        write!(f, "`{path}` {field}: {before} -> {after}")
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing was changed: {}", self.problems.join("\n"))
    }
}

impl std::error::Error for ApplyError {}

/// Time from which a change counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    Now,
    AtNextStart,
}

impl Shared {
    pub(crate) async fn apply(self: &Arc<Self>, overrides: Arc<dyn Overrides>) -> Result<Applied, ApplyError> {
        let shared = self.clone();
        // Invariant 4.
        let answer = match tokio::spawn(async move { shared.change(overrides).await }).await {
            Ok(applied) => applied,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(ApplyError { problems: vec!["the tree's runtime is shutting down".into()] }),
            },
        };
        match &answer {
            Ok(_) => self.counts.reloads_applied.add(1),
            Err(_) => self.counts.reloads_refused.add(1),
        }
        answer
    }

    async fn change(self: &Arc<Self>, overrides: Arc<dyn Overrides>) -> Result<Applied, ApplyError> {
        // Invariant 2.
        let _one_at_a_time = self.options_in_force.changing.lock().await;
        let mut applied = Applied::default();
        self.check(&*overrides, &mut applied).await?;
        self.options_in_force.set_overrides(overrides.clone());
        for supervisor in self.supervisors() {
            let Ok(configurations) = supervisor.configurations().await else { continue };
            let mut wanted = Vec::new();
            for configuration in configurations {
                if let Some(change) = self.changed(&*overrides, supervisor.path(), configuration, &mut applied) {
                    wanted.push(change);
                }
            }
            if !wanted.is_empty() && supervisor.adopt(wanted).await.is_err() {
                applied.not_running.push(supervisor.path().into());
            }
        }
        log::changes(&applied);
        Ok(applied)
    }

    /// Invariant 1.
    async fn check(self: &Arc<Self>, overrides: &dyn Overrides, applied: &mut Applied) -> Result<(), ApplyError> {
        let (mut problems, mut kinds, mut said) = (Vec::new(), HashMap::new(), Vec::new());
        for supervisor in self.supervisors() {
            let Ok(configurations) = supervisor.configurations().await else {
                applied.not_running.push(supervisor.path().into());
                continue;
            };
            let mut specs = Vec::new();
            for Configuration { path, coded, .. } in configurations {
                kinds.entry(path.clone()).or_insert(coded.own.kind);
                match overrides.check(&path, &coded).and_then(|wanted| sensible(&path, wanted)) {
                    Ok(wanted) => {
                        if *path != *supervisor.path() {
                            specs.push(resolved(self, supervisor.path(), wanted.spec.clone()));
                        }
                        said.push((Arc::<str>::from(supervisor.path()), path, wanted.spec));
                    }
                    Err(found) => problems.extend(found),
                }
            }
            if let Ok(Err(error)) = supervisor.check_specs(specs).await {
                problems.push(StartError::from_spec(&supervisor.path().into(), error).to_string());
            }
        }
        let mut graph = Graph::default();
        for (scope, path, spec) in said {
            let exists = |path: &str| self.directory.is_known(path);
            problems.extend(graph.add(&scope, &path, spec.dependencies(), exists).err().map(|error| error.to_string()));
        }
        problems.extend(graph.check().err().map(|error| error.to_string()));
        if problems.is_empty() {
            // The new edges count as in force at once, beside those of orders that came since the children were asked.
            // So an order and this change cannot close a cycle together.
            let edges = kinds.keys().map(|path| (path.clone(), graph.on(path))).collect();
            if let Err(cycle) = self.in_force.take(edges) {
                problems.push(StartError::DependencyCycle { cycle }.to_string());
            }
            self.in_force.keep_only(kinds.keys(), |path| self.directory.is_known(path));
        }
        let mut listed: Vec<_> = kinds.iter().map(|(path, kind)| (&**path, *kind)).collect();
        listed.sort_unstable_by_key(|(path, _)| *path);
        let empty = self.empty_pools();
        let empty: Vec<_> = empty.iter().map(|path| &**path).collect();
        applied.warnings = overrides.warnings(&listed, &empty);
        if problems.is_empty() { Ok(()) } else { Err(ApplyError { problems }) }
    }

    /// The new configuration of a child, if it differs from the present one.
    fn changed(
        self: &Arc<Self>,
        overrides: &dyn Overrides,
        scope: &str,
        Configuration { path, coded, now }: Configuration,
        applied: &mut Applied,
    ) -> Option<Wanted> {
        // A child that came after the check, and for which the policies are invalid, keeps its configuration.
        let mut wanted = overrides.check(&path, &coded).and_then(|wanted| sensible(&path, wanted)).ok()?;
        wanted.spec = resolved(self, scope, wanted.spec);
        let needs = wanted.spec.dependencies().iter().map(|on| path_of(scope, &on.name)).collect();
        // So does a child that came after the check, if its dependencies would close a cycle.
        if wanted.spec.dependencies() != now.spec.dependencies()
            && self.in_force.take(vec![(path.clone(), needs)]).is_err()
        {
            return None;
        }
        if now.group.is_some() {
            // As a child, a supervisor is configured by its parent.
            wanted = Effective { group: wanted.group, ..now.clone() };
        }
        if wanted == now {
            return None;
        }
        for (when, field, before, after) in differences(&now, &wanted) {
            let change = PolicyChange { path: path.clone(), field, before, after };
            match when {
                When::Now => applied.live.push(change),
                When::AtNextStart => applied.at_next_start.push(change),
            }
        }
        Some(Wanted { path, own: coded.own, wanted })
    }

    /// Dynamic supervisors without a child: patterns for their children match nothing so far, which is no mistake.
    fn empty_pools(&self) -> Vec<Arc<str>> {
        let entries = self.directory.entries();
        let has_children = |path: &str| {
            let start = format!("{path}/");
            let first = entries.partition_point(|entry| *entry.path < *start);
            entries.get(first).is_some_and(|entry| entry.path.starts_with(&start))
        };
        let pools = entries.iter().filter(|entry| entry.kind == ChildKind::Dynamic && !has_children(&entry.path));
        pools.map(|entry| entry.path.clone()).collect()
    }

    /// Logs warnings about the policies under which the tree was started.
    pub(crate) fn warn_of_policies(&self) {
        let Some(overrides) = self.options_in_force.overrides() else { return };
        let (entries, empty) = (self.directory.entries(), self.empty_pools());
        let paths: Vec<_> = entries.iter().map(|entry| (&*entry.path, entry.kind)).collect();
        let empty: Vec<_> = empty.iter().map(|path| &**path).collect();
        log::warnings(&overrides.warnings(&paths, &empty));
    }

    fn supervisors(self: &Arc<Self>) -> Vec<SupervisorHandle> {
        let entries = self.directory.entries();
        entries.iter().filter_map(|entry| self.supervisor_of(&entry.path)).collect()
    }
}

impl SupervisorHandle {
    /// Puts the wanted configurations of the children, and of the supervisor itself, in force.
    async fn adopt(&self, wanted: Vec<Wanted>) -> Result<(), ReconfigureError> {
        let (own, children): (Vec<_>, Vec<_>) = wanted.iter().partition(|one| *one.path == *self.path());
        let own = own.first().and_then(|own| own.wanted.group);
        let adjustment = Adjustment {
            specs: children.into_iter().map(|child| child.wanted.spec.clone()).collect(),
            intensity: own.map(|group| group.intensity),
            budget_clock: own.map(|group| group.budget_clock),
        };
        self.adjust(adjustment, move |driver| driver.adopt_wanted(wanted)).await
    }
}

/// Refuses a configuration that is invalid for any child, whatever layer it comes from.
fn sensible(path: &str, wanted: Effective) -> Result<Effective, Vec<String>> {
    let mut problems = Vec::new();
    if let Err(error) = wanted.spec.policy_rule().check() {
        problems.push(format!("the restart policy of `{path}` makes no sense: {error}"));
    }
    if wanted.spec.is_significant() && wanted.spec.restart_type() == Restart::Permanent {
        problems.push(StartError::BadSignificance { path: path.into(), is_permanent: true }.to_string());
    }
    if wanted.mailbox.is_some_and(|mailbox| mailbox.capacity == 0) {
        problems.push(StartError::ZeroCapacity { path: path.into() }.to_string());
    }
    if wanted.group.and_then(|group| group.intensity.period()).is_some_and(|period| period.is_zero()) {
        problems.push(StartError::ZeroPeriod { path: path.into() }.to_string());
    }
    if problems.is_empty() { Ok(wanted) } else { Err(problems) }
}

/// The changes from one configuration to another, field by field.
fn differences(before: &Effective, after: &Effective) -> Vec<(When, &'static str, String, String)> {
    let both = told(before).into_iter().zip(told(after));
    let changed = both.filter(|((.., before), (.., after))| before != after);
    changed.map(|((was, field, before), (is, _, after))| (was.max(is), field, before, after)).collect()
}

/// Every field in the words of policy files, and from when on a change of it counts. Two configurations of the same
/// kind of child have the same fields.
fn told(configured: &Effective) -> Vec<(When, &'static str, String)> {
    let Effective { spec, mailbox, group, kind: _ } = configured;
    let policy: Policy = spec.policy_rule();
    let mut all = vec![
        (When::Now, "restart", keywords::word(spec.restart_type()).into()),
        (When::Now, "shutdown_timeout", render::stop(spec.shutdown_rule())),
        (When::Now, "delay", said(policy.backoff.as_ref().map(render::curve))),
        (When::Now, "reset_after", said(policy.reset_after.map(render::time))),
        (When::Now, "reset_on_ready", said(policy.reset_on_ready)),
        (When::Now, "reset_after_messages", said(policy.reset_after_messages)),
        (When::Now, "max_restarts", render::budget(policy.budget)),
        (When::Now, "failure_rate", said(policy.failure_rate.map(render::failure_rate))),
        (When::Now, "kept", said(policy.kept.as_ref().map(render::kept))),
        (When::Now, "on_give_up", said(policy.on_give_up.as_ref().map(render::parting))),
        (When::Now, "retry_start", said(policy.retry_start)),
        (When::Now, "not_ready", said(policy.not_ready.as_ref().map(render::not_ready))),
        (When::Now, "rules", said(policy.rules.as_deref().map(render::rules))),
        (When::Now, "watchdog", said(policy.watchdog.map(render::time))),
        (When::AtNextStart, "ready", said(policy.readiness.map(keywords::word))),
        (When::AtNextStart, "start_timeout", said(policy.start_timeout.map(render::time))),
        (When::AtNextStart, "depends_on", said(policy.depends_on.as_deref().map(render::needs))),
        (When::Now, "on_dependency_gone", said(policy.on_dependency_gone.map(keywords::word))),
        (When::Now, "health", said(policy.health.map(keywords::word))),
    ];
    all.extend(mailbox.map(|settings| (When::Now, "mailbox", render::mailbox(settings))));
    if let Some(Group { intensity, budget_clock, starts_max }) = *group {
        all.push((When::Now, "max_restarts", render::budget(Some(intensity))));
        all.push((When::Now, "budget_clock", keywords::word(budget_clock).into()));
        // The bound of an existing limiter can change. A missing one is built with the supervisor's next start.
        let when = if starts_max.is_some() { When::Now } else { When::AtNextStart };
        all.push((when, "max_starting", starts_max.map_or_else(|| "unlimited".into(), |most| most.to_string())));
    }
    all
}

fn said(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "not set".into(), |value| value.to_string())
}
