//! The views of a tree at rest that must agree: what a supervisor says of its children, what the directory lists, what
//! handles say, which children are alive, and what the record tells of the present.

use std::collections::{BTreeMap, BTreeSet};

use regrow_supervisors::{ChildState, Restart};

use crate::slot::status::{ServiceState, ServiceStatus};
use crate::supervisor::description::PathKind;
use crate::tree::directory::ChildKind;
use crate::walk::actors::Stage;
use crate::walk::trees::SUP;
use crate::{ChildInfo, HistoryState, Tree};

/// Compares all views, and returns their differences.
pub(super) async fn agree(tree: &Tree, stage: &Stage) -> Vec<String> {
    let mut faults = Vec::new();
    let directory = tree.directory();
    for entry in directory.entries() {
        if !entry.accounting.is_balanced() {
            faults.push(format!("the books of `{}` do not balance", entry.path));
        }
        if entry.status.state == ServiceState::Gone {
            faults.push(format!("`{}` is listed and gone", entry.path));
        }
        if entry.kind == ChildKind::Service {
            lives_as_listed(tree, stage, &mut faults, &entry.path, entry.status.state);
        }
        if entry.kind.is_supervisor() {
            supervisor_agrees(tree, &mut faults, &entry.path, entry.status.state).await;
        }
    }
    for path in stage.all_alive() {
        if directory.entry(&path).is_none() {
            faults.push(format!("`{path}` lives, and is not listed"));
        }
    }
    ring_agrees(tree, stage, &mut faults).await;
    directory_agrees(tree, &mut faults);
    record_agrees(tree, &mut faults);
    faults
}

/// Checks that all readers of the directory see the same children, each once.
fn directory_agrees(tree: &Tree, faults: &mut Vec<String>) {
    let directory = &tree.shared.directory;
    faults.extend(directory.faults());
    let entries = tree.directory().entries();
    let paths = || entries.iter().map(|entry| &entry.path);
    let page = directory.page("app", None, usize::from(u16::MAX));
    let in_tree_order: BTreeSet<_> = page.iter().map(|(path, _)| path).collect();
    if page.len() != entries.len() || !in_tree_order.into_iter().eq(paths()) {
        faults.push("a page has other children than the directory".into());
    }
    let counted: u64 = tree.directory().figures().iter().map(crate::ServiceFigures::services).sum();
    if counted != entries.len() as u64 || directory.len() != entries.len() {
        faults.push(format!("{} children are listed, and {counted} counted", entries.len()));
    }
    for entry in entries.iter().filter(|entry| !entry.kind.is_supervisor()) {
        // While it is not up, the last life of an older description may be a supervisor.
        let below = directory.under(&entry.path).len() - 1;
        if below > 0 && entry.status.state == ServiceState::Up {
            faults.push(format!("{below} children are listed below the {} `{}`", entry.kind, entry.path));
        }
    }
}

fn lives_as_listed(tree: &Tree, stage: &Stage, faults: &mut Vec<String>, path: &str, state: ServiceState) {
    let has_control = tree.shared.directory.get(path).is_some_and(|listed| listed.slot.control().is_some());
    let alive = stage.alive(path);
    if (state == ServiceState::Up) != (alive == 1) {
        faults.push(format!("`{path}` is {state}, and {alive} live"));
    }
    let is_there = matches!(state, ServiceState::Up | ServiceState::Starting);
    if has_control != is_there && !matches!(state, ServiceState::Parked { .. }) {
        faults.push(format!("`{path}` is {state}, with an incarnation: {has_control}"));
    }
}

async fn supervisor_agrees(tree: &Tree, faults: &mut Vec<String>, path: &str, state: ServiceState) {
    let directory = tree.directory();
    let below = |child: &str| child.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')).map(str::to_owned);
    let entries = directory.entries();
    let listed: BTreeSet<_> = entries.iter().filter_map(|entry| below(&entry.path)).collect();
    let Some(supervisor) = tree.shared.supervisor_of(path) else { return };
    let Ok(children) = supervisor.which_children().await else {
        if matches!(state, ServiceState::Up) {
            faults.push(format!("`{path}` is up, and does not answer"));
        }
        for name in listed {
            let child = directory.status(&format!("{path}/{name}")).map(|status| status.state);
            let is_closed = |state| matches!(state, ServiceState::Down | ServiceState::Parked { .. });
            if child.is_some_and(|child| is_closed(state) != is_closed(child) && child != ServiceState::Down) {
                faults.push(format!("`{path}` is {state}, and `{name}` below it {child:?}"));
            }
        }
        return;
    };
    let known: BTreeSet<_> = children.iter().map(|child| child.name.to_string()).collect();
    let direct: BTreeSet<_> = listed.into_iter().filter(|name| !name.contains('/')).collect();
    if known != direct {
        faults.push(format!("`{path}` knows {known:?}, and the directory {direct:?}"));
    }
    // While a group is being started, its members have no process yet but take messages.
    let is_moving = |standing| !matches!(standing, ChildState::Up | ChildState::Down | ChildState::Parked);
    let is_group_moving = children.iter().any(|child| is_moving(child.standing));
    for child in children {
        let Some(status) = directory.status(&child.path) else { continue };
        let is_in_line = child.standing == ChildState::Down && is_group_moving && status.state.refusal().is_none();
        if !goes_with(child.standing, status.state) && !is_in_line {
            faults.push(format!("`{}` is {:?} to its supervisor, and {}", child.path, child.standing, status.state));
        }
        if child.generation != status.generation {
            faults.push(format!("`{}` has two generations", child.path));
        }
        let why = tree.why(&child.path).await.map(|why| why.to_string());
        if why.is_err() {
            faults.push(format!("`{}`: {why:?}", child.path));
        }
    }
}

fn goes_with(standing: ChildState, state: ServiceState) -> bool {
    match standing {
        ChildState::Down => state == ServiceState::Down,
        ChildState::Retrying | ChildState::Waiting => matches!(state, ServiceState::Waiting | ServiceState::Restarting),
        ChildState::Parked => matches!(state, ServiceState::Parked { .. }),
        // The mailbox of a parked child stays closed until its probe is up.
        ChildState::Starting => !matches!(state, ServiceState::Up | ServiceState::Down | ServiceState::Gone),
        ChildState::Up => state == ServiceState::Up,
        ChildState::Stopping => !matches!(state, ServiceState::Down | ServiceState::Gone),
    }
}

/// Checks that the record tells of the present what is listed. No event tells that a start is under way, or that a child was
/// added that has to wait before its first start.
fn record_agrees(tree: &Tree, faults: &mut Vec<String>) {
    let history = tree.history();
    let Ok(now) = history.at(history.now) else {
        return faults.push("the record does not know the present".into());
    };
    let mut told: BTreeMap<_, _> = now.into_iter().map(|line| (line.path, (line.state, line.generation))).collect();
    let mut starting: Option<String> = None;
    let directory = tree.directory();
    for entry in directory.entries() {
        let ServiceStatus { state, generation, .. } = entry.status;
        let said = told.remove(&entry.path);
        // What is described again with a supervisor that was deleted comes back with the start of that one.
        let is_above_up = entry.path.rsplit_once('/').and_then(|(above, _)| directory.status(above));
        let is_above_up = is_above_up.is_none_or(|above| above.state == ServiceState::Up);
        let is_starting = starting.as_ref().is_some_and(|above| entry.path.starts_with(above));
        if is_starting || (said.is_none() && (generation == 0 || !is_above_up)) {
            continue;
        }
        starting = (entry.kind.is_supervisor() && state == ServiceState::Starting).then(|| format!("{}/", entry.path));
        let listed = match state {
            ServiceState::Waiting => HistoryState::Waiting,
            ServiceState::Up => HistoryState::Up,
            // The record tells a wait for services from a delay.
            ServiceState::Restarting => match said {
                Some((HistoryState::Waiting, _)) => HistoryState::Waiting,
                _ => HistoryState::Restarting,
            },
            ServiceState::Parked { .. } => HistoryState::Parked,
            ServiceState::Down => HistoryState::Down,
            ServiceState::Gone => HistoryState::Gone,
            ServiceState::Starting => match said {
                Some((HistoryState::Up, _)) => HistoryState::Restarting,
                Some((before, _)) => before,
                None => continue,
            },
        };
        if said != Some((listed, generation)) {
            faults
                .push(format!("`{}` is {state} in generation {generation}, and the record says {said:?}", entry.path));
        }
    }
    if !told.is_empty() {
        faults.push(format!("the record tells of {told:?}, which are not listed"));
    }
}

/// Checks that the partitions with keys are the children.
async fn ring_agrees(tree: &Tree, stage: &Stage, faults: &mut Vec<String>) {
    let Some(listed) = tree.shared.directory.get(SUP) else { return };
    let Some(PathKind::Partitioned(_)) = PathKind::of(listed.facet.as_ref()) else { return };
    let Ok(partitions) = tree.partitions::<super::actors::Msg>(SUP) else { return };
    let Ok(children) = partitions.which_children().await else { return };
    // A new partition gets keys when it is up.
    let is_coming = |child: &ChildInfo| child.generation == 0;
    let names: BTreeSet<_> =
        children.iter().filter(|child| !is_coming(child)).map(|child| child.name.to_string()).collect();
    let wanted: BTreeSet<_> = (0..partitions.len()).map(|index| index.to_string()).collect();
    // A temporary partition is forgotten when it ends, and its keys are refused.
    let may_end = stage.1.restart == Restart::Temporary;
    // A partition that leaves gets no keys, and its removal waits for a boot that is under way.
    let may_leave = listed.slot.status().state != ServiceState::Up;
    let is_allowed = (may_end && names.is_subset(&wanted)) || (may_leave && names.is_superset(&wanted));
    if names != wanted && !is_allowed {
        faults.push(format!("keys are mapped to {wanted:?}, and there are {names:?}"));
    }
    for handle in partitions.handles() {
        if handle.status().state == ServiceState::Gone && !may_end {
            faults.push(format!("keys are mapped to `{}`, which is gone", handle.path()));
        }
    }
}
