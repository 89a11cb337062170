//! The order in which a supervisor takes facts, drawn from a seed. Used by the walk (`walk/`), in test builds only.
//!
//! Every order that is drawn can happen. The driver may run late, and may find only some of the facts. Facts from
//! different sources may change places. What one child did stays in order, and so do the orders.

use std::cell::RefCell;
use std::collections::VecDeque;

use fastrand::Rng;
use regrow_supervisors::ChildKey;

use crate::slot::fact::Fact;

thread_local! {
    static DICE: RefCell<Option<Rng>> = const { RefCell::new(None) };
}

/// Sets the seed on this thread. `None`: the facts keep their order.
pub(crate) fn seed(seed: Option<u64>) {
    DICE.with_borrow_mut(|dice| *dice = seed.map(Rng::with_seed));
}

fn draw<T>(draw: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    DICE.with_borrow_mut(|dice| dice.as_mut().map(draw))
}

/// Delays the driver by some turns of the scheduler.
pub(crate) async fn delay() {
    for _ in 0..draw(|dice| dice.usize(0..4)).unwrap_or(0) {
        tokio::task::yield_now().await;
    }
}

/// Source of a fact.
#[derive(PartialEq)]
enum Source<'a> {
    Child(ChildKey),
    Elsewhere(&'a str),
    Orders,
    Clock,
}

fn source(fact: &Fact) -> Source<'_> {
    match fact {
        Fact::Started { attempt, .. }
        | Fact::Ready(attempt)
        | Fact::Admitted(attempt)
        | Fact::Ignored(attempt)
        | Fact::StartFailed { attempt, .. }
        | Fact::Ended { attempt, .. }
        | Fact::Ending { attempt, .. }
        | Fact::Chosen { attempt, .. }
        | Fact::Leaving { attempt, .. }
        | Fact::Remains { attempt, .. }
        | Fact::Failing { attempt, .. }
        | Fact::Kept { attempt, .. }
        | Fact::KillUnderWay(attempt)
        | Fact::Hung { attempt, .. } => Source::Child(attempt.child()),
        Fact::Dependency { name, .. } => Source::Elsewhere(name),
        Fact::Stop(_) | Fact::Kill | Fact::Abandon | Fact::Order(_) => Source::Orders,
        Fact::Tick => Source::Clock,
    }
}

/// Takes some of the facts, in another order.
pub(crate) fn deal(from: &mut VecDeque<Fact>, into: &mut VecDeque<Fact>) {
    let taken = draw(|dice| {
        for place in 1..from.len() {
            if source(&from[place - 1]) != source(&from[place]) && dice.bool() {
                from.swap(place - 1, place);
            }
        }
        if from.is_empty() { 0 } else { dice.usize(1..=from.len()) }
    });
    match taken {
        Some(taken) => into.extend(from.drain(..taken)),
        None => std::mem::swap(from, into),
    }
}
