//! Helpers of the tests of partitioned supervisors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Child, Context, Handle, Intensity, Partitioned, Partitions, Service, ServiceChild, ServiceState, Supervisor, Tree,
};

use super::tree::turns;

pub(crate) fn cache(journal: &Journal, partitions: usize) -> Partitioned<ProbeMsg> {
    cache_of(partitions, {
        let journal = journal.clone();
        move |_| journal.probe("whatever")
    })
}

pub(crate) fn cache_of<M: Send + 'static>(
    partitions: usize,
    make: impl Fn(usize) -> ServiceChild<M> + Send + Sync + 'static,
) -> Partitioned<M> {
    Partitioned::new("cache", partitions, make).budget(Intensity::unlimited())
}

pub(crate) async fn app<M: Send + 'static>(cache: Partitioned<M>) -> (Tree, Partitions<M>) {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(cache).start().await.unwrap();
    let cache = tree.partitions("app/cache").unwrap();
    (tree, cache)
}

pub(crate) fn names(tree: &Tree) -> Vec<String> {
    let entries = tree.directory().entries();
    entries.iter().filter_map(|entry| entry.path.strip_prefix("app/cache/")).map(Into::into).collect()
}

pub(crate) fn is_gone<M: Send + 'static>(handle: &Handle<M>) -> bool {
    handle.status().state == ServiceState::Gone
}

/// Numbers that partitions have handled, by key, in order.
pub(crate) type Seen = Arc<Mutex<HashMap<u64, Vec<u64>>>>;

/// Message of a [`counting`] partition.
pub(crate) struct Number {
    pub(crate) key: u64,
    pub(crate) number: u64,
}

struct Counting {
    seen: Seen,
    dice: Rng,
    fails: bool,
}

/// A partition that notes the numbers that it gets for each key. It fails now and then if `fails` says so.
pub(crate) fn counting(seen: &Seen, dice: Rng, fails: bool) -> ServiceChild<Number> {
    let (seen, dice) = (seen.clone(), Mutex::new(dice));
    let child = Child::service("p", move |_| {
        let (seen, dice) = (seen.clone(), dice.lock().unwrap().fork());
        async move { Ok(Counting { seen, dice, fails }) }
    });
    child.unbounded()
}

impl Service for Counting {
    type Msg = Number;

    async fn handle(&mut self, Number { key, number }: Number, _: &mut Context<Self>) -> anyhow::Result<()> {
        turns(self.dice.usize(0..4)).await;
        self.seen.lock().unwrap().entry(key).or_default().push(number);
        turns(self.dice.usize(0..2)).await;
        anyhow::ensure!(!self.fails || self.dice.u8(0..30) > 0, "as drawn");
        Ok(())
    }
}
