//! Code of the user that panics, blocks or goes on after a panic: changes, encodings, effects, destructors.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use regrow::checkpoint::{Checkpoints, GroupCommit, State};
use regrow::{Call, CallError, Child, Context, Exit, Handle, Reply, Service, Supervisor, Tree};

use crate::common::tree::{soon, up};
use crate::held::HeldStore;

/// A number. Its encoding panics at 13.
#[derive(Clone, Default)]
struct Number(u64);

impl State for Number {
    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        assert!(self.0 != 13, "thirteen");
        Ok(self.0.to_string().into_bytes())
    }

    fn decode(_: u32, bytes: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(std::str::from_utf8(bytes)?.parse()?))
    }
}

type Deed = Box<dyn FnOnce(&mut GroupCommit<Number>, Reply<u64>) + Send>;

/// A service that does with its state, and with the reply, what a message says.
struct Doer(GroupCommit<Number>);

struct Do(Deed, Reply<u64>);

impl Service for Doer {
    type Msg = Do;

    async fn handle(&mut self, Do(deed, reply): Do, _: &mut Context<Self>) -> anyhow::Result<()> {
        deed(&mut self.0, reply);
        Ok(())
    }
}

async fn doer(store: Checkpoints) -> (Tree, Handle<Do>) {
    let child = Child::service_with("doer", store, |store, ctx: Context<Doer>| async move {
        Ok(Doer(ctx.checkpoint(&store).await?.group_commit(Default::default)))
    });
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let doer = tree.lookup("app/doer").unwrap();
    (tree, doer)
}

fn call(doer: &Handle<Do>, deed: impl FnOnce(&mut GroupCommit<Number>, Reply<u64>) + Send + 'static) -> Call<Do, u64> {
    doer.call(|reply| Do(Box::new(deed), reply))
}

/// Does this, and answers with the number at once.
async fn tell(doer: &Handle<Do>, deed: impl FnOnce(&mut GroupCommit<Number>) + Send + 'static) -> u64 {
    let deed = |state: &mut GroupCommit<Number>, reply: Reply<u64>| {
        deed(state);
        reply.send(state.0);
    };
    soon("an answer", call(doer, deed)).await.unwrap()
}

/// Awaits the text of the panic with which the call ends.
async fn panic_of(call: Call<Do, u64>) -> String {
    match soon("the end of a call", call).await {
        Err(CallError::Crashed { exit, .. }) => match &*exit {
            Exit::Panicked(panic) => panic.message.to_string(),
            other => panic!("another exit: {other}"),
        },
        other => panic!("another outcome: {other:?}"),
    }
}

// Found by reading: an effect that was due at once overtook those that the writer was running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_that_is_due_at_once_does_not_overtake_those_that_run() {
    let held = HeldStore::new();
    let (_tree, doer) = doer(held.checkpoints()).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let (began, begins) = mpsc::channel();
    let (go, goes) = mpsc::channel::<()>();
    let (first, second, third) = (order.clone(), order.clone(), order.clone());
    tell(&doer, move |state| {
        state.change(|number| number.0 = 1);
        state.after_save(move || {
            began.send(()).unwrap();
            goes.recv().unwrap();
            first.lock().unwrap().push(1);
        });
        state.after_save(move || second.lock().unwrap().push(2));
    })
    .await;
    tokio::task::spawn_blocking(move || begins.recv().unwrap()).await.unwrap();
    // All changes are durable, and the first effect is running.
    let (told, hears) = tokio::sync::oneshot::channel();
    tell(&doer, move |state| {
        assert!(state.is_saved());
        state.after_save(move || {
            third.lock().unwrap().push(3);
            told.send(()).unwrap();
        });
    })
    .await;
    go.send(()).unwrap();
    soon("the last effect", hears).await.unwrap();
    assert_eq!(*order.lock().unwrap(), [1, 2, 3]);
}

// Found by reading: after a panic that the handler had caught, the next change saved what was half changed.
#[tokio::test]
async fn a_change_that_panics_halfway_is_never_saved_even_if_the_handler_catches_the_panic() {
    let held = HeldStore::new();
    let (tree, doer) = doer(held.checkpoints()).await;
    tell(&doer, |state| state.change(|number| number.0 = 1)).await;
    held.has_done(1).await;
    let (told, hears) = tokio::sync::oneshot::channel();
    let answer = call(&doer, |state, reply| {
        state.change(|number| number.0 = 2);
        let half = || {
            state.change(|number| {
                number.0 = 666;
                panic!("halfway");
            })
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(half)).unwrap_err();
        state.change(|number| number.0 += 1);
        state.reply(reply, state.0);
        told.send(state.saved()).ok().unwrap();
    });
    let error = soon("an end of the wait", soon("it", hears).await.unwrap()).await.unwrap_err();
    assert!(error.to_string().ends_with("a change panicked halfway, and nothing is saved after that"), "{error}");
    assert_eq!(panic_of(answer).await, "halfway");
    up(&tree, "app/doer", 2).await;
    assert_eq!(tell(&doer, |_| {}).await, 1);
    assert_eq!(held.stored("app/doer").await.as_deref(), Some("1"));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

/// Leaves effects that panic when they are dropped, and a reply between them.
fn leave_bombs(state: &mut GroupCommit<Number>, reply: Reply<u64>) {
    let bomb = Bomb;
    state.after_save(move || std::mem::forget(bomb));
    state.reply(reply, 0);
    let bomb = Bomb;
    state.after_save(move || std::mem::forget(bomb));
}

// Found by reading: what waited was dropped while the writer unwound, and a destructor that panics then ends the process.
#[tokio::test]
async fn destructors_of_what_waits_may_panic_when_an_encoding_does() {
    let held = HeldStore::new();
    let (tree, doer) = doer(held.checkpoints()).await;
    let answer = call(&doer, |state, reply| {
        state.change(|number| number.0 = 13);
        leave_bombs(state, reply);
    });
    assert_eq!(panic_of(answer).await, "thirteen");
    up(&tree, "app/doer", 2).await;
    assert_eq!(tell(&doer, |_| {}).await, 0);
}

#[tokio::test]
async fn destructors_of_what_waits_may_panic_when_an_effect_does() {
    let held = HeldStore::new();
    let (tree, doer) = doer(held.checkpoints()).await;
    let answer = call(&doer, |state, reply| {
        state.change(|number| number.0 = 7);
        state.after_save(|| panic!("effect"));
        leave_bombs(state, reply);
    });
    assert_eq!(panic_of(answer).await, "effect");
    up(&tree, "app/doer", 2).await;
    assert_eq!(tell(&doer, |_| {}).await, 7);
}

#[tokio::test]
async fn destructors_of_what_waits_may_panic_when_the_incarnation_is_killed() {
    let held = HeldStore::new();
    let (tree, doer) = doer(held.checkpoints()).await;
    held.hold();
    let answer = call(&doer, |state, reply| {
        state.change(|number| number.0 = 7);
        leave_bombs(state, reply);
    });
    held.was_asked(1).await;
    doer.kill().unwrap();
    let outcome = soon("the end of a call", answer).await;
    assert!(matches!(outcome, Err(CallError::Crashed { exit, .. }) if matches!(*exit, Exit::Killed)));
    up(&tree, "app/doer", 2).await;
    held.let_go();
    assert_eq!(tell(&doer, |_| {}).await, 0);
}

#[test]
fn a_runtime_that_shuts_down_drops_what_waits_and_ends_its_calls() {
    for threads in [false, true] {
        let mut builder = if threads {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        let runtime = builder.enable_all().build().unwrap();
        let held = HeldStore::new();
        let (answer, tree) = runtime.block_on(async {
            let (tree, doer) = doer(held.checkpoints()).await;
            held.hold();
            let answer = call(&doer, |state, reply| {
                state.change(|number| number.0 = 7);
                leave_bombs(state, reply);
            });
            held.was_asked(1).await;
            (answer, tree)
        });
        drop(runtime);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(soon("the end of a call", answer));
        assert!(outcome.is_err(), "{outcome:?}");
        drop(tree);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_because_it_is_idle_saves_last_and_loses_no_call() {
    let held = HeldStore::new();
    let child = crate::tally::grouped("tally", held.checkpoints()).restart(regrow::Restart::Transient);
    let tree = crate::tally::tree([child.idle_after(std::time::Duration::from_secs(1))]).await;
    let tally = crate::tally::find(&tree, "tally");
    held.hold();
    let answer = tally.call(|reply| crate::tally::Msg::Add(1, reply));
    held.was_asked(1).await;
    tally.cast(crate::tally::Msg::Note(2)).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(tally.generation(), 1);
    held.let_go();
    assert_eq!(soon("an answer", answer).await.unwrap(), 1);
    crate::common::tree::stands(&tree, "app/tally", regrow::ServiceState::Down).await;
    assert_eq!(held.stored("app/tally").await.as_deref(), Some("3"));
    assert!(tree.shutdown().await.is_clean());
}

// A service with a checkpoint for each document that it has open.
#[tokio::test]
async fn several_group_commits_of_a_service_are_all_saved_at_its_end() {
    let held = HeldStore::new();
    let store = held.checkpoints();
    let job = Child::task("job", move |ctx: regrow::TaskContext| {
        let store = store.clone();
        async move {
            let mut open = Vec::new();
            for number in 0..50u64 {
                let mut state: GroupCommit<Number> =
                    ctx.checkpoint_at(&store, format!("document-{number}")).await?.group_commit(Default::default);
                state.change(|value| value.0 = number * 100);
                // Some are closed, and some are open at the end.
                if number % 2 == 0 {
                    open.push(state);
                }
            }
            Ok(())
        }
    });
    let tree = Supervisor::one_for_one("app").child(job.restart(regrow::Restart::Transient)).start().await.unwrap();
    crate::common::tree::stands(&tree, "app/job", regrow::ServiceState::Down).await;
    for number in 0..50u64 {
        let stored = held.stored(&format!("document-{number}")).await;
        assert_eq!(stored, Some((number * 100).to_string()), "document {number}");
    }
    assert!(tree.shutdown().await.is_clean());
}
