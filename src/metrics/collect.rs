//! Reads the figures of the trees, and gives them to the recorder that is in force.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use metrics::{counter, gauge, histogram};

use crate::metrics::label::{OTHER, Templates, clean};
use crate::metrics::{Source, names};
use crate::slot::histogram::Histogram;
use crate::slot::tally::Times;
use crate::tree::figures::{ServiceFigures, TreeFigures};

/// Figures of all trees, by the values of their labels.
pub(super) struct Gathered(BTreeMap<Arc<str>, OfTree>);

struct OfTree {
    services: BTreeMap<Arc<str>, ServiceFigures>,
    own: TreeFigures,
    is_ready: bool,
    in_other: usize,
}

/// Values that a recorder has been given, by tree and service.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// A recorder takes single times, and no sums.
    times: HashMap<(Arc<str>, Arc<str>), Times>,
    /// Supervisors with a budget that was charged. A recorder keeps the last value of a gauge.
    budgets: HashSet<(Arc<str>, Arc<str>)>,
}

/// Reads all trees. Trees with the same name are added up.
pub(super) fn gather(trees: &[Source], templates: &mut Templates) -> Gathered {
    let mut gathered = BTreeMap::<Arc<str>, OfTree>::new();
    for Source { name, directory } in trees {
        let (own, is_ready) = (directory.tree_figures(), directory.shared().is_ready());
        let label = clean(name);
        let tree = match gathered.get_mut(&label) {
            Some(tree) => {
                tree.own.add(&own);
                tree.is_ready &= is_ready;
                tree
            }
            None => gathered.entry(label).or_insert(OfTree { services: BTreeMap::new(), own, is_ready, in_other: 0 }),
        };
        for figures in directory.figures() {
            let (label, is_own) = templates.label(name, figures.template());
            tree.in_other += usize::from(!is_own);
            match tree.services.get_mut(&label) {
                Some(sum) => sum.add(&figures),
                None => drop(tree.services.insert(label.clone(), figures.named(label))),
            }
        }
    }
    Gathered(gathered)
}

/// Gives the figures to the recorder in force.
pub(super) fn publish(Gathered(trees): &Gathered, published: &mut Published) {
    for (name, tree) in trees {
        publish_tree(name, tree);
        for (service, figures) in &tree.services {
            publish_service(name, service, figures);
            publish_budget(name, service, figures.budget_left(), &mut published.budgets);
            if let Some(times) = figures.times() {
                let before = published.times.entry((name.clone(), service.clone())).or_default();
                publish_times(name, service, times, before);
            }
        }
    }
}

fn publish_tree(name: &Arc<str>, OfTree { own, is_ready, in_other, .. }: &OfTree) {
    let tree = || ("tree", name.clone());
    for (outcome, reloads) in [("applied", own.reloads_applied), ("refused", own.reloads_refused)] {
        counter!(names::RELOADS, &[tree(), ("outcome", outcome.into())]).absolute(reloads);
    }
    counter!(names::EVENTS_MISSED, &[tree()]).absolute(own.events_missed);
    counter!(names::REFUSED_BY_GONE, &[tree()]).absolute(own.refused_by_gone);
    for (act, done, refused) in &own.acts {
        for (outcome, acts) in [("done", *done), ("refused", *refused)] {
            counter!(names::ACTS, &[tree(), ("act", (*act).into()), ("outcome", outcome.into())]).absolute(acts);
        }
    }
    gauge!(names::READY, &[tree()]).set(if *is_ready { 1.0 } else { 0.0 });
    gauge!(names::IN_OTHER, &[tree()]).set(*in_other as f64);
}

fn publish_service(tree: &Arc<str>, service: &Arc<str>, figures: &ServiceFigures) {
    let labels = [("tree", tree.clone()), ("service", service.clone())];
    let with = |name: &'static str, value: &'static str| {
        let [tree, service] = labels.clone();
        [tree, service, (name, value.into())]
    };
    let outcomes =
        [("up", figures.starts()), ("failed", figures.starts_failed()), ("ignored", figures.starts_ignored())];
    for (outcome, starts) in outcomes {
        counter!(names::STARTS, &with("outcome", outcome)).absolute(starts);
    }
    for (_, cause, exits) in figures.exits().iter() {
        counter!(names::EXITS, &with("cause", cause)).absolute(exits);
    }
    let restarts = figures.restarts().total();
    for (scope, restarts) in [("own", restarts), ("taken_along", figures.taken_along())] {
        counter!(names::RESTARTS, &with("scope", scope)).absolute(restarts);
    }
    if restarts + figures.taken_along() > 0 {
        gauge!(names::LAST_MINUTE, &labels).set(figures.last_minute() as f64);
        gauge!(names::LAST_HOUR, &labels).set(figures.last_hour() as f64);
    }
    for (state, services) in figures.states() {
        gauge!(names::SERVICES, &with("state", state)).set(services as f64);
    }
    let is_other = **service == *OTHER;
    if figures.kind().is_supervisor() || is_other {
        counter!(names::GAVE_UP, &labels).absolute(figures.gave_up());
    }
    // Supervisors and tasks take no messages.
    if figures.kind().takes_messages() || is_other {
        publish_messages(&labels, figures, with);
    }
}

fn publish_messages(
    labels: &[(&'static str, Arc<str>); 2],
    figures: &ServiceFigures,
    with: impl Fn(&'static str, &'static str) -> [(&'static str, Arc<str>); 3],
) {
    let accounting = figures.accounting();
    counter!(names::ACCEPTED, labels).absolute(accounting.accepted);
    counter!(names::HANDLED, labels).absolute(accounting.handled);
    counter!(names::REDELIVERIES, labels).absolute(accounting.redelivered);
    for (reason, refused) in figures.refused() {
        counter!(names::REFUSED, &with("reason", reason)).absolute(refused);
    }
    for (reason, dead) in figures.dead_letters() {
        counter!(names::DEAD_LETTERS, &with("reason", reason)).absolute(dead);
        if reason == "poison" {
            counter!(names::QUARANTINED, labels).absolute(dead);
        }
    }
    gauge!(names::MAILBOX, labels).set(accounting.queued as f64);
    gauge!(names::FULLEST, labels).set(figures.fullest());
    gauge!(names::DIFFERENCE, labels).set(accounting.difference() as f64);
    if figures.times().is_some() {
        gauge!(names::OLDEST, labels).set(figures.oldest().unwrap_or_default().as_secs_f64());
        gauge!(names::RUNNING, labels).set(figures.running().unwrap_or_default().as_secs_f64());
    }
}

/// Gives the budget of a supervisor. If all that had this label are gone, the value is `NaN`, which no alert takes for
/// zero.
fn publish_budget(tree: &Arc<str>, service: &Arc<str>, left: Option<u32>, known: &mut HashSet<(Arc<str>, Arc<str>)>) {
    if left.is_some() {
        known.insert((tree.clone(), service.clone()));
    } else if !known.contains(&(tree.clone(), service.clone())) {
        return;
    }
    let labels = [("tree", tree.clone()), ("service", service.clone())];
    gauge!(names::BUDGET_LEFT, &labels).set(left.map_or(f64::NAN, f64::from));
}

/// Gives the times since the last collection to the histograms.
fn publish_times(tree: &Arc<str>, service: &Arc<str>, times: &Times, before: &mut Times) {
    let labels = [("tree", tree.clone()), ("service", service.clone())];
    let mut new = *times;
    new.change(before, Histogram::subtract);
    *before = *times;
    for (name, new) in [(names::WAIT, new.wait), (names::HANDLING, new.handling), (names::RESTART, new.restart)] {
        // Made also if nothing is new, so that it is there from the beginning.
        let histogram = histogram!(name, &labels);
        for bucket in new.buckets() {
            histogram.record_many(bucket.mean(), usize::try_from(bucket.count).unwrap_or(usize::MAX));
        }
    }
}
