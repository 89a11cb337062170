//! Services that wait for each other: none of their time counts, and none of them will ever go on.
//!
//! A waiter is stuck if every wait that could free it leads to a waiter that is stuck. So a waiter with a wait that may
//! end otherwise is free, and a waiter that waits for a free one is free too. The others are stuck: each leads on to
//! another stuck one, so following them leads into a circle.
//!
//! A time limit that is put around a call from outside cannot be seen here. So a circle counts only when it has stood
//! for as long as a limit of the watchdog. A call under a shorter limit is then never mistaken for an endless one.
//!
//! A wait counts only if it is awaited now (`slot/wait.rs`), and its outcome is not there yet. The supervisor checks
//! the circle once more before it acts.
//!
//! Ending one member is enough to break a circle: the one that closed it by beginning to wait last. Members that are
//! watched are preferred.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use regrow_supervisors::Hang;
use tokio::time::Instant;

use crate::base::sync::lock;
use crate::base::time::part;
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::slot::fact::{Fact, Overdue};
use crate::slot::signals::Signals;
use crate::slot::waits::Endless;
use crate::watchdog::watched::LOOKS;

/// Incarnation that waits without a limit.
struct Waiter {
    signals: Arc<Signals>,
    /// Numbers of its waits.
    numbers: Vec<u64>,
    /// Services that it waits for.
    on: Vec<Arc<dyn AnySlot>>,
    /// Time since which it has waited for all of them.
    since: Instant,
    /// Waiters among those that it waits for, as indices.
    leads_to: Vec<usize>,
}

/// Waits of an incarnation that was found to be stuck. The supervisor acts on a circle later, and then checks whether
/// it still is one.
#[derive(Debug)]
pub(super) struct Stuck {
    signals: Arc<Signals>,
    numbers: Vec<u64>,
}

impl Stuck {
    #[cfg(test)]
    pub(super) fn new(signals: &Arc<Signals>) -> Option<Self> {
        let numbers = lock(&signals.activity()?.waits).endless()?.numbers;
        Some(Self { signals: signals.clone(), numbers })
    }

    /// Whether it still has the same waits, and no other.
    pub(super) fn is_still(&self) -> bool {
        let waits = self.signals.activity().and_then(|activity| lock(&activity.waits).endless());
        !self.signals.is_over() && waits.is_some_and(|now| now.numbers == self.numbers)
    }
}

/// Member of a circle.
struct Member<'a> {
    waiter: &'a Waiter,
    slot: &'a Arc<dyn AnySlot>,
}

impl Member<'_> {
    fn limit(&self) -> Option<Duration> {
        self.waiter.signals.activity().and_then(Activity::limit)
    }
}

/// Reports every circle. `shortest` is the shortest limit in the tree, for circles in which no member is watched.
pub(super) fn look(incarnations: Vec<Arc<Signals>>, now: Instant, shortest: Duration) {
    let pause = part(shortest, LOOKS);
    for signals in &incarnations {
        if let Some(activity) = signals.activity() {
            activity.probe_waits(signals, now, pause, shortest);
        }
    }
    let waiters = waiters(incarnations);
    for circle in circles(&waiters) {
        let stood = circle.iter().map(|member| now.saturating_duration_since(member.waiter.since)).min();
        let limit = circle.iter().filter_map(Member::limit).min().unwrap_or(shortest);
        if let Some(stood) = stood.filter(|stood| *stood >= limit) {
            tell(&waiters, &circle, stood);
        }
    }
}

fn waiters(incarnations: Vec<Arc<Signals>>) -> Vec<Waiter> {
    let endless = |signals: Arc<Signals>| {
        let Endless { numbers, on, since } = lock(&signals.activity()?.waits).endless()?;
        Some(Waiter { signals, numbers, on, since, leads_to: Vec::new() })
    };
    let mut waiters: Vec<_> = incarnations.into_iter().filter_map(endless).collect();
    let places: BTreeMap<_, _> =
        waiters.iter().enumerate().map(|(at, waiter)| (waiter.signals.address(), at)).collect();
    for waiter in &mut waiters {
        let place = |slot: &Arc<dyn AnySlot>| places.get(&slot.life().owner()?.address()).copied();
        // Shorter than `on` if one of them is not a waiter.
        waiter.leads_to = waiter.on.iter().filter_map(place).collect();
    }
    waiters
}

fn circles(waiters: &[Waiter]) -> Vec<Vec<Member<'_>>> {
    let is_stuck = stuck(waiters);
    let mut is_visited = vec![false; waiters.len()];
    let mut circles = Vec::new();
    for start in (0..waiters.len()).filter(|at| is_stuck[*at]) {
        // The waiters on the way, and then the one that the way leads back to.
        let (mut way, mut here) = (Vec::new(), start);
        while !std::mem::replace(&mut is_visited[here], true) {
            way.push(here);
            here = waiters[here].leads_to[0];
        }
        let Some(first) = way.iter().position(|at| *at == here) else { continue };
        let members = way[first..].iter().map(|&at| {
            let before = way[first..].iter().find(|before| waiters[**before].leads_to[0] == at);
            before.map(|&before| Member { waiter: &waiters[at], slot: &waiters[before].on[0] })
        });
        circles.push(members.flatten().collect());
    }
    circles
}

/// Returns the waiters that will never go on: all their waits lead to other stuck ones.
fn stuck(waiters: &[Waiter]) -> Vec<bool> {
    let mut waited_for_by = vec![BTreeSet::new(); waiters.len()];
    for (at, waiter) in waiters.iter().enumerate() {
        for &to in &waiter.leads_to {
            waited_for_by[to].insert(at);
        }
    }
    let mut is_stuck: Vec<_> = waiters.iter().map(|waiter| waiter.leads_to.len() == waiter.on.len()).collect();
    let mut free: Vec<_> = (0..waiters.len()).filter(|at| !is_stuck[*at]).collect();
    while let Some(at) = free.pop() {
        let freed = waited_for_by[at].iter().filter(|by| std::mem::replace(&mut is_stuck[**by], false));
        free.extend(freed);
    }
    is_stuck
}

/// Returns the waiters that make these members stuck: those that they wait for, directly or through others.
fn behind(waiters: &[Waiter], circle: &[Member<'_>]) -> Vec<Stuck> {
    let mut is_behind = vec![false; waiters.len()];
    let mut next: Vec<_> = (0..waiters.len())
        .filter(|at| circle.iter().any(|member| std::ptr::eq(member.waiter, &waiters[*at])))
        .collect();
    while let Some(at) = next.pop() {
        if !std::mem::replace(&mut is_behind[at], true) {
            next.extend(&waiters[at].leads_to);
        }
    }
    let all = waiters.iter().zip(is_behind).filter(|(_, is_behind)| *is_behind);
    all.map(|(waiter, _)| Stuck { signals: waiter.signals.clone(), numbers: waiter.numbers.clone() }).collect()
}

fn tell(waiters: &[Waiter], circle: &[Member<'_>], stood: Duration) {
    let is_watched = |member: &Member<'_>| member.limit().is_some();
    let last = circle.iter().enumerate().max_by_key(|(_, member)| (is_watched(member), member.waiter.since));
    let Some((at, last)) = last else { return };
    let signals = &last.waiter.signals;
    let mut hang = match (last.slot.in_hand(), signals.activity(), signals.is_up()) {
        (Some(_), Some(activity), _) => activity.hang(&**last.slot, stood),
        (_, _, false) => Hang::new(stood, "its start"),
        (_, _, true) => Hang::new(stood, "its end"),
    };
    hang.cycle = circle[at..].iter().chain(&circle[..at]).map(|member| member.slot.path()).collect();
    hang.waiting_for = hang.cycle.get(1).or(hang.cycle.first()).cloned();
    let behind = behind(waiters, circle);
    let seen = Overdue::Circle(Box::new(move || behind.iter().all(Stuck::is_still)));
    signals.tell(Fact::Hung { attempt: signals.attempt(), seen, hang });
}
