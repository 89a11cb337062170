//! The runtime goes away under a running tree: every slot closes, every call ends, and no caller is left waiting.

use std::sync::mpsc;

use crate::common::tree::{Census, SEC, in_hand, soon};
use regrow::testing::{Journal, Probe, ProbeMsg};
use regrow::{CallError, Child, Context, Exit, Inbox, Refusal, ServiceState, Supervisor, Tree};
use tokio::runtime::{Builder, Runtime};

fn runtimes() -> [Runtime; 2] {
    [
        Builder::new_current_thread().enable_all().build().unwrap(),
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    ]
}

/// Something of every kind, with linked tasks, some of them finished.
async fn tree(journal: &Journal, census: &Census, ended: &mpsc::Sender<()>) -> Tree {
    let (on_thread, on_task, ended) = (census.clone(), census.clone(), ended.clone());
    let thread = Child::thread("thread", move |inbox: Inbox<()>| {
        let _resident = on_thread.enter();
        inbox.for_each(drop);
        let _ = ended.send(());
        Ok(())
    });
    let task = Child::task("task", move |ctx| {
        let (resident, linked) = (on_task.enter(), on_task.enter());
        async move {
            let _resident = resident;
            ctx.spawn(async move {
                let _linked = linked;
                std::future::pending().await
            });
            ctx.spawn(async {});
            std::future::pending().await
        }
    });
    let sub = Supervisor::one_for_one("sub").child(journal.probe("hangs")).child(thread).child(task);
    let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(sub).start().await.unwrap();
    let linked = census.enter();
    let order = move |ctx: &Context<Probe>| {
        ctx.spawn(async move {
            let _linked = linked;
            std::future::pending().await
        });
        ctx.spawn(async {});
    };
    let a = tree.lookup::<ProbeMsg>("app/a").unwrap();
    a.cast(ProbeMsg::Run(Box::new(order))).unwrap();
    a.call(ProbeMsg::Generation).await.unwrap();
    tree
}

#[test]
fn every_slot_closes_and_every_call_ends() {
    for runtime in runtimes() {
        let (journal, census, (ended, has_ended)) = (Journal::new(), Census::default(), mpsc::channel());
        let (tree, calls) = runtime.block_on(async {
            let tree = tree(&journal, &census, &ended).await;
            let hangs = tree.lookup::<ProbeMsg>("app/sub/hangs").unwrap();
            let deferred = hangs.call(ProbeMsg::Keep);
            let running = hangs.call(ProbeMsg::HangOn);
            in_hand(&hangs).await;
            while hangs.accounting().handled == 0 {
                tokio::task::yield_now().await;
            }
            let queued = hangs.call(ProbeMsg::Generation);
            (tree, [deferred, running, queued])
        });
        drop(runtime);

        let later = Builder::new_current_thread().enable_all().build().unwrap();
        let [deferred, running, queued] = later.block_on(async {
            let [deferred, running, queued] = calls;
            [soon("deferred", deferred).await, soon("running", running).await, soon("queued", queued).await]
        });
        assert!(matches!(deferred, Err(CallError::Crashed { .. })), "{deferred:?}");
        assert!(matches!(running, Err(CallError::Crashed { .. })), "{running:?}");
        assert!(matches!(queued, Err(CallError::NeverRan(_))), "{queued:?}");

        has_ended.recv_timeout(20 * SEC).expect("the thread ends, too");
        for entry in tree.directory().entries() {
            assert_eq!(entry.status.state, ServiceState::Gone, "{}", entry.path);
            assert!(
                entry.accounting.is_balanced() && entry.accounting.in_hand == 0,
                "{}: {}",
                entry.path,
                entry.accounting
            );
        }
        let a = tree.lookup::<ProbeMsg>("app/a").unwrap();
        assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
        assert!(a.blocking_call(ProbeMsg::Generation).unwrap_err().is_safe_to_repeat());
        // Killed; or it gave up, when it was quick enough to see its children die first.
        let end = later.block_on(soon("the end", tree.wait()));
        assert!(!end.is_clean(), "{end}");
        let exit = end.exit;
        assert!(matches!(exit, Exit::Killed | Exit::Shutdown), "{exit}");
        assert_eq!(later.block_on(soon("the report", tree.shutdown())).exit.kind(), exit.kind());
        drop(tree);
        assert_eq!(journal.lines().iter().filter(|line| line.starts_with("end")).count(), 2);
        // The thread's is dropped when its closure returns, a moment after it has said so.
        while census.alive() > 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_tree_can_be_dropped_after_its_runtime() {
    for runtime in runtimes() {
        let journal = Journal::new();
        let tree = runtime.block_on(Supervisor::one_for_one("app").child(journal.probe("a")).start()).unwrap();
        drop(runtime);
        drop(tree);
        assert_eq!(journal.lines(), ["start a#1", "end a#1"]);
    }
}

// The last handle may be dropped on any thread.
#[test]
fn a_tree_can_be_dropped_and_killed_outside_of_its_runtime() {
    for runtime in runtimes() {
        let journal = Journal::new();
        let tree = runtime.block_on(Supervisor::one_for_one("app").child(journal.probe("a")).start()).unwrap();
        tree.kill("app/a").unwrap();
        let (directory, mut events) = (tree.directory(), tree.events());
        drop(tree);
        runtime.block_on(async { while soon("the end", events.next()).await.is_some() {} });
        assert_eq!(directory.status("app/a").unwrap().state, ServiceState::Gone);
    }
}
