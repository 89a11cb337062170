//! Children that are up and yet not in order: a full mailbox, restarts again and again, waits in a circle.
//!
//! No table has them, so a walk finds candidates, and each is looked at again before it is shown. The walk reads one child
//! after the other, and waits that it saw at different moments make circles that never were. So the waits of a circle are
//! read twice: those that are the same both times were open at the moment between, all of them at once. Without a watched
//! child in its tree a service does not note for which answer it waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use crate::admin::row::{capacity, is_looping};
use crate::admin::services::listing::Listing;
use crate::admin::services::scan::Look;
use crate::admin::wire::services::State;
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::tree::directory::Listed;

/// Most rows that are shown.
const ROWS: usize = 200;
/// Most candidates that a walk keeps. More are counted.
const CANDIDATES: usize = 2_000;
/// Most services of which a walk keeps the waits.
const WAITING: usize = 20_000;

/// Candidates of a walk.
#[derive(Clone, Default)]
pub(super) struct Candidates {
    /// Full, or restarted again and again.
    paths: Vec<Arc<str>>,
    more: u64,
    waits: Waits,
}

/// Peers that each service waits for.
type Waits = HashMap<Arc<str>, Vec<Wait>>;

/// A wait: the peer, the generation that waits, and the begin. Two that are equal are the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wait {
    on: Arc<str>,
    generation: u64,
    since: Instant,
}

/// Child that is up and not in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: Arc<str>,
    pub(super) is_full: bool,
    pub(super) is_looping: bool,
    pub(super) circle: Vec<Arc<str>>,
}

impl Candidates {
    pub(super) fn add(&mut self, look: &Look<'_>, listed: &Listed) {
        let (is_full, is_looping) = doubts(look, listed);
        match is_full || is_looping {
            true if self.paths.len() < CANDIDATES => self.paths.push(look.path.clone()),
            true => self.more = self.more.saturating_add(1),
            false => {}
        }
        // A start may wait for a peer, too. Tasks wait as well, but nothing waits for them.
        let may_wait = look.accounting.in_hand > 0 || look.state == State::Starting;
        if may_wait && self.waits.len() < WAITING {
            let waits = waits_of(&*listed.slot);
            if !waits.is_empty() {
                self.waits.insert(look.path.clone(), waits);
            }
        }
    }

    /// Looks at the candidates again. Returns those of them that are still not in order, circles first, and the number of
    /// those that were left out.
    pub(super) fn look_again(&self, trees: &[&Listing]) -> (Vec<Found>, u64) {
        let at = |path: &str| trees.iter().find_map(|tree| Some((*tree, tree.shared.directory.get(path)?)));
        let mut found = BTreeMap::new();
        for path in &self.paths {
            let Some((tree, listed)) = at(path) else { continue };
            let (is_full, is_looping) = doubts(&Look::at(path, &listed, tree), &listed);
            if is_full || is_looping {
                found.insert(path.clone(), Found { path: path.clone(), is_full, is_looping, circle: Vec::new() });
            }
        }
        let read = |path: &Arc<str>| at(path).map(|(_, listed)| waits_of(&*listed.slot)).unwrap_or_default();
        for circle in circles(self.waits.clone(), read) {
            for (place, path) in circle.iter().enumerate() {
                let of_path = || Found { path: path.clone(), is_full: false, is_looping: false, circle: Vec::new() };
                let mut circle = circle.clone();
                circle.rotate_left(place);
                found.entry(path.clone()).or_insert_with(of_path).circle = circle;
            }
        }
        let mut found = Vec::from_iter(found.into_values());
        found.sort_by_key(|found| found.circle.is_empty());
        let left_out = found.len().saturating_sub(ROWS) as u64;
        found.truncate(ROWS);
        (found, left_out.saturating_add(self.more))
    }
}

/// Whether no more messages fit into the mailbox of a child that is up, and whether it was restarted again and again.
fn doubts(look: &Look<'_>, listed: &Listed) -> (bool, bool) {
    if look.state != State::Up {
        return (false, false);
    }
    // Most mailboxes are empty: their settings are not read.
    let is_full = look.accounting.queued > 0
        && capacity(&*listed.slot).is_some_and(|capacity| capacity > 0 && look.accounting.queued >= capacity);
    (is_full, is_looping(look.restarts.last_minute))
}

/// The waits of the present incarnation for an answer, and for room in a mailbox.
fn waits_of(slot: &dyn AnySlot) -> Vec<Wait> {
    let Some(incarnation) = slot.life().owner() else { return Vec::new() };
    let generation = incarnation.origin().generation;
    let answer = incarnation.activity().and_then(Activity::waits_for_answer);
    let rooms = incarnation.room_waits().into_iter().map(|wait| (wait.slot.path(), wait.since));
    answer.into_iter().chain(rooms).map(|(on, since)| Wait { on, generation, since }).collect()
}

/// Returns the circles of these waits that are still there, each once.
fn circles(mut waits: Waits, read: impl Fn(&Arc<str>) -> Vec<Wait>) -> Vec<Vec<Arc<str>>> {
    peel(&mut waits);
    if waits.is_empty() {
        return Vec::new();
    }
    let look = |paths: &Waits| Waits::from_iter(paths.keys().map(|path| (path.clone(), read(path))));
    let first = look(&waits);
    let second = look(&waits);
    waits = first;
    for (path, of_path) in &mut waits {
        of_path.retain(|wait| second.get(path).is_some_and(|again| again.contains(wait)));
    }
    peel(&mut waits);
    let mut seen = BTreeSet::new();
    let mut circles = Vec::new();
    for begin in BTreeSet::from_iter(waits.keys().cloned()) {
        let mut walk: Vec<Arc<str>> = Vec::new();
        let mut at = begin;
        while seen.insert(at.clone()) {
            let Some(wait) = waits.get(&at).and_then(|of_path| of_path.first()) else { break };
            walk.push(std::mem::replace(&mut at, wait.on.clone()));
        }
        if let Some(place) = walk.iter().position(|path| *path == at) {
            circles.push(walk.split_off(place));
        }
    }
    circles
}

/// Takes out, again and again, the services that wait for none of the others, and those for which none of them waits.
/// Circles remain, and what is between two of them. The time is linear in the number of waits.
fn peel(waits: &mut Waits) {
    let waiting = HashSet::<Arc<str>>::from_iter(waits.keys().cloned());
    let mut waiters: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
    for (path, of_path) in waits.iter_mut() {
        of_path.retain(|wait| waiting.contains(&wait.on));
        of_path.iter().for_each(|wait| waiters.entry(wait.on.clone()).or_default().push(path.clone()));
    }
    let mut free = Vec::from_iter(waits.iter().filter(|(_, of_path)| of_path.is_empty()).map(|(path, _)| path.clone()));
    while let Some(path) = free.pop() {
        waits.remove(&path);
        for waiter in waiters.get(&path).into_iter().flatten() {
            let Some(of_waiter) = waits.get_mut(waiter).filter(|of_waiter| !of_waiter.is_empty()) else { continue };
            of_waiter.retain(|wait| wait.on != path);
            if of_waiter.is_empty() {
                free.push(waiter.clone());
            }
        }
    }
    let mut awaited: HashMap<Arc<str>, usize> = HashMap::new();
    for wait in waits.values().flatten() {
        *awaited.entry(wait.on.clone()).or_default() += 1;
    }
    let mut idle = Vec::from_iter(waits.keys().filter(|path| !awaited.contains_key(*path)).cloned());
    while let Some(path) = idle.pop() {
        for wait in waits.remove(&path).unwrap_or_default() {
            let Some(waiters) = awaited.get_mut(&wait.on) else { continue };
            *waiters = waiters.saturating_sub(1);
            if *waiters == 0 {
                idle.push(wait.on);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn waits(pairs: &[(&str, &str)], since: Instant) -> Waits {
        let mut waits = Waits::new();
        for (path, on) in pairs {
            waits.entry((*path).into()).or_default().push(Wait { on: (*on).into(), generation: 1, since });
        }
        waits
    }

    #[test]
    fn circles_are_found_and_lines_that_lead_to_them_are_left_out() {
        let all = waits(
            &[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("e", "d"), ("c", "x"), ("p", "p")],
            Instant::now(),
        );
        let found = circles(all.clone(), |path| all.get(path).cloned().unwrap_or_default());
        let found: Vec<Vec<&str>> = found.iter().map(|circle| circle.iter().map(|path| &**path).collect()).collect();
        assert_eq!(found, [vec!["a", "b", "c"], vec!["p"]]);
    }

    #[test]
    fn waits_that_were_not_open_together_are_no_circle() {
        let now = Instant::now();
        let all = waits(&[("a", "b"), ("b", "a")], now);
        let looks = Cell::new(0_u32);
        let changing = |path: &Arc<str>| {
            looks.set(looks.get() + 1);
            // The wait of `b` is a new one at each look.
            let since = now + std::time::Duration::from_millis(u64::from(looks.get()));
            all[path].iter().map(|wait| Wait { since, ..wait.clone() }).collect()
        };
        assert!(circles(all.clone(), changing).is_empty());
    }

    #[test]
    fn a_long_line_is_taken_apart_in_time() {
        let names: Vec<String> = (0..WAITING).map(|number| format!("{number:05}")).collect();
        let pairs: Vec<(&str, &str)> = names.windows(2).map(|pair| (&*pair[0], &*pair[1])).collect();
        assert!(circles(waits(&pairs, Instant::now()), |_| Vec::new()).is_empty());
    }
}
