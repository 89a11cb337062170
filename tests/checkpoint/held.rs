//! A store in memory that does what a test tells it: it holds saves back, answers late, fails.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use regrow::checkpoint::{CheckpointStore, Checkpoints, Claim, MemoryStore, Record, Stamp, StoreError, StoreFuture};
use tokio::sync::watch;

use crate::common::tree::soon;

#[derive(Clone)]
pub(crate) struct HeldStore {
    memory: MemoryStore,
    script: Arc<Script>,
}

struct Script {
    /// Sequences of the saves that wait before they take place.
    held: watch::Sender<Range<u64>>,
    /// Whether the answer of a save that took place waits.
    is_mute: watch::Sender<bool>,
    /// Whether claims get no answer.
    is_dead: watch::Sender<bool>,
    failure: Mutex<Option<&'static str>>,
    /// Stamps of the saves that the store was asked for.
    asked: watch::Sender<Vec<Stamp>>,
    /// What came of each save, in the order in which they took place.
    done: watch::Sender<Vec<(Stamp, bool)>>,
}

async fn until(flag: &watch::Sender<bool>, wanted: bool) {
    flag.subscribe().wait_for(|is| *is == wanted).await.unwrap();
}

impl HeldStore {
    pub(crate) fn new() -> Self {
        let flag = || watch::Sender::new(false);
        let script = Script {
            held: watch::Sender::new(0..0),
            is_mute: flag(),
            is_dead: flag(),
            failure: Mutex::new(None),
            asked: watch::Sender::new(Vec::new()),
            done: watch::Sender::new(Vec::new()),
        };
        Self { memory: MemoryStore::new(), script: Arc::new(script) }
    }

    pub(crate) fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.clone())
    }

    /// Saves wait from now on, before they take place.
    pub(crate) fn hold(&self) {
        self.hold_from(0);
    }

    /// Saves with this sequence and later ones wait from now on, and those before it do not.
    pub(crate) fn hold_from(&self, sequence: u64) {
        self.script.held.send_replace(sequence..u64::MAX);
    }

    /// Does what `hold` does, for the save with this sequence alone.
    pub(crate) fn hold_save(&self, sequence: u64) {
        self.script.held.send_replace(sequence..sequence + 1);
    }

    pub(crate) fn let_go(&self) {
        self.script.held.send_replace(0..0);
    }

    /// Saves take place from now on, and are not answered.
    pub(crate) fn mute(&self) {
        self.script.is_mute.send_replace(true);
    }

    pub(crate) fn set_dead(&self, is_dead: bool) {
        self.script.is_dead.send_replace(is_dead);
    }

    /// Saves fail with this text; `None`: they do not.
    pub(crate) fn fail(&self, text: Option<&'static str>) {
        *self.script.failure.lock().unwrap() = text;
    }

    /// Number of saves that the store was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.script.asked.borrow().len()
    }

    /// Waits until the store was asked for this number of saves.
    pub(crate) async fn was_asked(&self, number: usize) {
        let mut asked = self.script.asked.subscribe();
        soon("a save", asked.wait_for(|asked| asked.len() >= number)).await.unwrap();
    }

    /// Waits until this number of saves took place or were refused. Returns them.
    pub(crate) async fn has_done(&self, number: usize) -> Vec<(Stamp, bool)> {
        let mut done = self.script.done.subscribe();
        soon("a finished save", done.wait_for(|done| done.len() >= number)).await.unwrap().clone()
    }

    /// The stored value, read by a claim of its own.
    pub(crate) async fn stored(&self, key: &str) -> Option<String> {
        let record = self.memory.claim(key).await.unwrap().latest?;
        Some(String::from_utf8(record.bytes.to_vec()).unwrap())
    }

    /// Stores a value as another program does.
    pub(crate) async fn put(&self, key: &str, schema: u32, bytes: &[u8]) {
        let epoch = self.memory.claim(key).await.unwrap().epoch;
        let stamp = Stamp { epoch, sequence: 1 };
        self.memory.save(key, Record { stamp, schema, bytes: bytes.into() }).await.unwrap();
    }
}

impl CheckpointStore for HeldStore {
    fn claim<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Claim> {
        Box::pin(async move {
            until(&self.script.is_dead, false).await;
            self.memory.claim(key).await
        })
    }

    fn save<'a>(&'a self, key: &'a str, record: Record) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let stamp = record.stamp;
            self.script.asked.send_modify(|asked| asked.push(stamp));
            let mut held = self.script.held.subscribe();
            held.wait_for(|held| !held.contains(&stamp.sequence)).await.unwrap();
            let failure = *self.script.failure.lock().unwrap();
            let done = match failure {
                Some(text) => Err(StoreError::Failed(anyhow::anyhow!(text))),
                None => self.memory.save(key, record).await,
            };
            self.script.done.send_modify(|list| list.push((stamp, done.is_ok())));
            until(&self.script.is_mute, false).await;
            done
        })
    }

    fn discard<'a>(&'a self, key: &'a str, stamp: Stamp) -> StoreFuture<'a, ()> {
        self.memory.discard(key, stamp)
    }

    fn describe(&self) -> String {
        "the store of the test".into()
    }
}
