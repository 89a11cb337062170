//! Services that wait for each other: none of their time counts, and none of them will ever go on.
//!
//! A waiter is stuck when every wait of its that could free it leads to one that is stuck. So whoever has a wait that may end
//! otherwise is free, whoever waits for somebody free is free too, and those who are left are stuck: each leads on to
//! another one, and following them leads into a circle.
//!
//! Not seen from here is a time limit that is put around a call from outside. So a circle counts only when it has stood for
//! as long as a limit of the watchdog: a shorter limit around a call is then never taken for none.
//!
//! A wait counts only if it is awaited now (`wait.rs`), and its outcome is not there yet. The supervisor looks once
//! more before it acts.
//!
//! One is enough to break a circle: the one that closed it, which is the one that began to wait last. Those who are
//! watched themselves come before those who are not.

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

/// Somebody who waits without a limit.
struct Waiter {
    signals: Arc<Signals>,
    /// Its waits.
    numbers: Vec<u64>,
    /// Whom it waits for.
    on: Vec<Arc<dyn AnySlot>>,
    /// Since when it has waited for all of them.
    since: Instant,
    /// Those among the waiters that it waits for.
    leads_to: Vec<usize>,
}

/// The waits of an incarnation that was found to be stuck. What is done about a circle is done later, and looks whether
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

    /// Whether it waits as it did, for the same and for nothing else.
    pub(super) fn is_still(&self) -> bool {
        let waits = self.signals.activity().and_then(|activity| lock(&activity.waits).endless());
        !self.signals.is_over() && waits.is_some_and(|now| now.numbers == self.numbers)
    }
}

/// One member of a circle.
struct Member<'a> {
    waiter: &'a Waiter,
    slot: &'a Arc<dyn AnySlot>,
}

impl Member<'_> {
    fn limit(&self) -> Option<Duration> {
        self.waiter.signals.activity().and_then(Activity::limit)
    }
}

/// Tells of every circle. `shortest` is the shortest limit in the tree, for circles in which nobody is watched.
pub(super) fn look(incarnations: Vec<Arc<Signals>>, now: Instant, shortest: Duration) {
    let pause = part(shortest, LOOKS);
    for signals in &incarnations {
        if let Some(activity) = signals.activity() {
            activity.ask_waits(signals, now, pause, shortest);
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
    let address = |signals: &Arc<Signals>| Arc::as_ptr(signals).addr();
    let places: BTreeMap<_, _> =
        waiters.iter().enumerate().map(|(at, waiter)| (address(&waiter.signals), at)).collect();
    for waiter in &mut waiters {
        let place = |slot: &Arc<dyn AnySlot>| places.get(&address(&slot.life().owner()?)).copied();
        // Shorter than `on` where somebody is not a waiter.
        waiter.leads_to = waiter.on.iter().filter_map(place).collect();
    }
    waiters
}

fn circles(waiters: &[Waiter]) -> Vec<Vec<Member<'_>>> {
    let is_stuck = stuck(waiters);
    let mut is_visited = vec![false; waiters.len()];
    let mut circles = Vec::new();
    for start in (0..waiters.len()).filter(|at| is_stuck[*at]) {
        // Everybody on the way, and the slot of the one that it leads to.
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

/// Who will never go on. All waits of those lead to others of them.
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

/// All whose waits make one of these stuck: those that it waits for, and those that they wait for.
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
