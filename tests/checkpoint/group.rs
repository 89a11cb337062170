//! Group commit: replies wait for a save, and a save has many changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use regrow::checkpoint::{Checkpoints, GroupCommit, Json, MemoryStore, State};
use regrow::{Call, CallError, Child, Context, Exit, Handle, Reply, Service, Supervisor, Tree};

use crate::common::tree::{SEC, hears_of, soon, turns, up};
use crate::held::HeldStore;
use crate::tally::{Msg, add, count, error_in, find, grouped, tree};

/// Calls that add 1, 10, 100 and so on, for these powers of ten. None waits for another.
fn adds(tally: &Handle<Msg>, powers: std::ops::Range<u32>) -> Vec<Call<Msg, u64>> {
    powers.map(|place| tally.call(|reply| Msg::Add(10_u64.pow(place), reply))).collect()
}

async fn answered<M: Send + 'static, T>(call: &mut Call<M, T>) -> bool {
    let mut call = std::pin::Pin::new(call);
    std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_ready())).await
}

#[tokio::test]
async fn changes_during_a_save_are_saved_together_by_the_next() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    held.hold();
    let mut calls = adds(&tally, 0..1);
    held.was_asked(1).await;
    calls.extend(adds(&tally, 1..5));
    // The handler does not wait for the store.
    assert_eq!(count(&tally).await, 11_111);
    for call in &mut calls {
        assert!(!answered(call).await);
    }
    held.let_go();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(soon("an answer", call).await.unwrap());
    }
    assert_eq!(answers, [1, 11, 111, 1_111, 11_111]);
    assert_eq!(held.asked(), 2, "the first change, and then the four others");
    assert_eq!(held.stored("app/tally").await.as_deref(), Some("11111"));
}

#[tokio::test]
async fn a_reply_waits_for_its_own_change_and_not_for_an_older_one() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    held.hold();
    let first = tally.call(|reply| Msg::Add(1, reply));
    held.was_asked(1).await;
    let mut second = tally.call(|reply| Msg::Add(1, reply));
    assert_eq!(count(&tally).await, 2);
    // The save of the first change goes through, and the next one is held.
    held.hold_from(2);
    held.was_asked(2).await;
    assert_eq!(first.await.unwrap(), 1);
    assert!(!answered(&mut second).await);
    held.let_go();
    assert_eq!(second.await.unwrap(), 2);
}

#[tokio::test]
async fn a_kill_before_the_save_drops_the_replies_with_the_incarnation() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    assert_eq!(add(&tally, 1).await, 1);
    held.hold();
    let calls = adds(&tally, 0..3);
    held.was_asked(2).await;
    assert_eq!(count(&tally).await, 112);
    tally.kill().unwrap();
    for call in calls {
        let outcome = soon("the end of a call", call).await;
        assert!(
            matches!(&outcome, Err(CallError::Crashed { exit, .. }) if matches!(**exit, Exit::Killed)),
            "{outcome:?}"
        );
    }
    up(&tree, "app/tally", 2).await;
    held.let_go();
    assert_eq!(count(&tally).await, 1, "what was not answered is gone");
    assert!(!held.has_done(2).await[1].1, "the late save of the old epoch is refused");
    assert_eq!(add(&tally, 1).await, 2);
}

#[tokio::test]
async fn a_panic_after_the_change_sends_no_reply_for_it() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    held.hold();
    let outcome = soon("the end of a call", tally.call(|reply| Msg::AddAndPanic(5, reply))).await;
    assert!(matches!(&outcome, Err(CallError::Crashed { exit, .. }) if matches!(**exit, Exit::Panicked(_))));
    held.let_go();
    assert_eq!(count(&tally).await, 0);
}

#[tokio::test]
async fn a_failed_save_ends_the_incarnation_and_its_callers_get_the_error() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let (tally, mut events) = (find(&tree, "tally"), tree.events());
    assert_eq!(add(&tally, 1).await, 1);
    held.fail(Some("no space left"));
    held.hold();
    let calls = adds(&tally, 0..3);
    held.was_asked(2).await;
    held.let_go();
    for call in calls {
        let Err(CallError::Crashed { exit, .. }) = soon("the end of a call", call).await else { panic!("answered") };
        let text = error_in(&exit).to_string();
        assert_eq!(text, "checkpoint `app/tally` in the store of the test: no space left");
    }
    hears_of(&mut events, "app/tally#1 exited: failed: checkpoint `app/tally` in the store of the test").await;
    held.fail(None);
    assert_eq!(soon("the next life", tally.call(Msg::Count)).await.unwrap(), 1);
    assert_eq!(add(&tally, 1).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_ends_the_incarnation_after_the_limit() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints().limit(3 * SEC))]).await;
    let tally = find(&tree, "tally");
    held.mute();
    let began = tokio::time::Instant::now();
    let Err(CallError::Crashed { exit, .. }) = tally.call(|reply| Msg::Add(1, reply)).await else { panic!("answered") };
    assert_eq!(began.elapsed(), 3 * SEC);
    let text = error_in(&exit).to_string();
    assert_eq!(text, "checkpoint `app/tally` in the store of the test: no answer within 3s");
    // It took place, and was not acknowledged: the next life begins with it.
    assert_eq!(count(&tally).await, 1);
}

#[tokio::test]
async fn a_superseded_save_releases_nothing() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    assert_eq!(add(&tally, 1).await, 1);
    held.stored("app/tally").await; // claims it, as another process would
    let outcome = soon("the end of a call", tally.call(|reply| Msg::Add(1, reply))).await;
    let Err(CallError::Crashed { exit, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(error_in(&exit).to_string().contains("superseded"));
    assert_eq!(count(&tally).await, 1);
}

#[tokio::test]
async fn a_cast_is_saved_without_a_word() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    tally.cast(Msg::Note(4)).unwrap();
    held.has_done(1).await;
    tally.kill().unwrap();
    up(&tree, "app/tally", 2).await;
    assert_eq!(count(&tally).await, 4);
}

/// A value that counts how often it is encoded and cloned.
#[derive(Default)]
struct Counted {
    items: BTreeMap<u64, u64>,
    counts: Arc<(AtomicUsize, AtomicUsize)>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.counts.1.fetch_add(1, SeqCst);
        Self { items: self.items.clone(), counts: self.counts.clone() }
    }
}

impl State for Counted {
    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        self.counts.0.fetch_add(1, SeqCst);
        Ok(serde_json::to_vec(&self.items)?)
    }

    fn decode(_: u32, bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self { items: serde_json::from_slice(bytes)?, ..Self::default() })
    }
}

struct Table {
    rows: GroupCommit<Counted>,
}

enum TableMsg {
    Put(u64, Reply<()>),
    /// Effects in the order in which they were given.
    Effects(tokio::sync::mpsc::UnboundedSender<u64>),
    Idle(Reply<(bool, usize)>),
}

impl Service for Table {
    type Msg = TableMsg;

    async fn handle(&mut self, msg: TableMsg, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            TableMsg::Put(key, reply) => {
                self.rows.change(|rows| rows.items.insert(key, key));
                self.rows.reply(reply, ());
            }
            TableMsg::Effects(told) => {
                for number in 0..3 {
                    self.rows.change(|rows| rows.items.insert(number, number));
                    let told = told.clone();
                    self.rows.after_save(move || told.send(number).unwrap());
                }
            }
            TableMsg::Idle(reply) => {
                self.rows.saved().await?;
                let answer = (self.rows.is_saved(), self.rows.items.len());
                // All is saved: it goes out at once.
                self.rows.reply(reply, answer);
            }
        }
        Ok(())
    }
}

fn table(store: Checkpoints, counts: Arc<(AtomicUsize, AtomicUsize)>) -> regrow::ServiceChild<TableMsg> {
    Child::service_with("table", (store, counts), |(store, counts), ctx: Context<Table>| async move {
        let checkpoint = ctx.checkpoint(&store).await?;
        Ok(Table { rows: checkpoint.group_commit(|| Counted { items: BTreeMap::new(), counts }) })
    })
}

#[tokio::test]
async fn the_state_is_encoded_once_per_save_and_not_cloned_for_a_message() {
    let (held, counts) = (HeldStore::new(), Arc::<(AtomicUsize, AtomicUsize)>::default());
    let app = Supervisor::one_for_one("app").child(table(held.checkpoints(), counts.clone()));
    let tree = app.start().await.unwrap();
    let table: Handle<TableMsg> = tree.lookup("app/table").unwrap();
    held.hold();
    let mut calls = vec![table.call(|reply| TableMsg::Put(0, reply))];
    held.was_asked(1).await;
    calls.extend((1..100).map(|key| table.call(|reply| TableMsg::Put(key, reply))));
    turns(20).await;
    held.let_go();
    for call in calls {
        soon("an answer", call).await.unwrap();
    }
    let (encoded, cloned) = (counts.0.load(SeqCst), counts.1.load(SeqCst));
    assert_eq!((encoded, held.asked(), cloned), (2, 2, 0));
    assert_eq!(table.call(TableMsg::Idle).await.unwrap(), (true, 100));
}

#[tokio::test]
async fn effects_after_a_save_run_in_their_order_and_not_before_it() {
    let held = HeldStore::new();
    let app = Supervisor::one_for_one("app").child(table(held.checkpoints(), Arc::default()));
    let tree = app.start().await.unwrap();
    let table: Handle<TableMsg> = tree.lookup("app/table").unwrap();
    held.hold();
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    table.cast(TableMsg::Effects(told)).unwrap();
    held.was_asked(1).await;
    turns(20).await;
    assert!(hears.try_recv().is_err());
    held.let_go();
    for number in 0..3 {
        assert_eq!(soon("an effect", hears.recv()).await, Some(number));
    }
}

/// A service that gives its state away, or drops it.
struct Leaves(Option<GroupCommit<Json<u64>>>);

enum Leave {
    Add(Reply<u64>),
    Out(Reply<GroupCommit<Json<u64>>>),
    Drop,
    Discard(Reply<()>),
}

impl Service for Leaves {
    type Msg = Leave;

    async fn handle(&mut self, msg: Leave, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Leave::Add(reply) => {
                let count = self.0.as_mut().unwrap();
                let sum = count.change(|count| {
                    count.0 += 1;
                    count.0
                });
                count.reply(reply, sum);
            }
            Leave::Out(reply) => drop(reply.send(self.0.take().unwrap())),
            Leave::Drop => drop(self.0.take()),
            Leave::Discard(reply) => {
                self.0.take().unwrap().discard().await?;
                reply.send(());
            }
        }
        Ok(())
    }
}

async fn leaves(held: &HeldStore) -> (Tree, Handle<Leave>) {
    let child = Child::service_with("leaves", held.checkpoints(), |store, ctx: Context<Leaves>| async move {
        Ok(Leaves(Some(ctx.checkpoint(&store).await?.group_commit(Default::default))))
    });
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let leaves = tree.lookup("app/leaves").unwrap();
    (tree, leaves)
}

#[tokio::test]
async fn a_state_that_is_kept_elsewhere_releases_nothing_after_the_end() {
    let held = HeldStore::new();
    let (_tree, leaves) = leaves(&held).await;
    held.hold();
    let call = leaves.call(Leave::Add);
    held.was_asked(1).await;
    let mut state = leaves.call(Leave::Out).await.unwrap();
    leaves.kill().unwrap();
    assert!(matches!(soon("the end of a call", call).await, Err(CallError::Crashed { .. })));
    state.change(|count| count.0 += 1);
    let error = state.saved().await.unwrap_err();
    let told =
        "checkpoint `app/leaves` in the store of the test: the incarnation ended before its last change was saved";
    assert_eq!(error.to_string(), told);
    assert!(!state.is_saved());
}

#[tokio::test]
async fn a_state_that_is_dropped_is_saved_before_its_task_ends() {
    let held = HeldStore::new();
    let (tree, leaves) = leaves(&held).await;
    held.hold();
    let calls = [leaves.call(Leave::Add), leaves.call(Leave::Add)];
    held.was_asked(1).await;
    leaves.cast(Leave::Drop).unwrap();
    held.let_go();
    for (place, call) in calls.into_iter().enumerate() {
        assert_eq!(soon("an answer", call).await.unwrap(), place as u64 + 1);
    }
    assert_eq!(leaves.generation(), 1);
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(held.stored("app/leaves").await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_discard_answers_what_waits_and_removes_the_value() {
    let held = HeldStore::new();
    let (tree, leaves) = leaves(&held).await;
    held.hold();
    let call = leaves.call(Leave::Add);
    held.was_asked(1).await;
    let discard = leaves.call(Leave::Discard);
    held.let_go();
    assert_eq!(soon("an answer", call).await.unwrap(), 1);
    soon("the discard", discard).await.unwrap();
    assert_eq!(held.stored("app/leaves").await, None);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_thousand_calls_take_few_saves() {
    let tree = tree([grouped("tally", Checkpoints::new(MemoryStore::new()))]).await;
    let tally = find(&tree, "tally");
    let calls: Vec<_> = (0..1_000).map(|_| tally.call(|reply| Msg::Add(1, reply))).collect();
    for call in calls {
        soon("an answer", call).await.unwrap();
    }
    let saves = tally.saves().unwrap().saves;
    assert!(count(&tally).await == 1_000 && saves < 100, "{saves} saves");
}
