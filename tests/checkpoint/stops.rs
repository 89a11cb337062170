//! The end of an incarnation: in order it saves last, and otherwise it saves nothing.

use regrow::checkpoint::{GroupCommit, Json};
use regrow::{CallError, Child, Exit, Inbox, Reply, Restart, Shutdown, Supervisor};

use crate::common::tree::{SEC, soon, stands, turns, up, worked_off};
use crate::held::HeldStore;
use crate::tally::{Count, Msg, adding_at_stop, count, find, grouped, tree};

#[tokio::test]
async fn an_orderly_stop_saves_the_last_change_after_the_stop_hook() {
    let held = HeldStore::new();
    let tree = tree([adding_at_stop("tally", held.checkpoints(), 100)]).await;
    let tally = find(&tree, "tally");
    held.hold();
    let answer = tally.call(|reply| Msg::Add(1, reply));
    held.was_asked(1).await;
    tally.cast(Msg::Note(10)).unwrap();
    assert_eq!(count(&tally).await, 11);
    let lets_go = async {
        stopping(&tally).await;
        held.let_go();
    };
    let (report, ()) = tokio::join!(tree.shutdown(), lets_go);
    assert!(report.is_clean(), "{report}");
    assert_eq!(answer.await.unwrap(), 1);
    assert_eq!(held.stored("app/tally").await.as_deref(), Some("111"));
}

/// Lets the service see that it must stop, and run its stop hook.
async fn stopping(tally: &regrow::Handle<Msg>) {
    worked_off(tally).await;
    turns(50).await;
}

#[tokio::test]
async fn a_service_that_stops_itself_saves_last() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints()).restart(Restart::Transient)]).await;
    let tally = find(&tree, "tally");
    held.hold();
    tally.cast(Msg::Note(3)).unwrap();
    held.was_asked(1).await;
    tally.cast(Msg::Note(4)).unwrap();
    tally.cast(Msg::Stop).unwrap();
    held.let_go();
    stands(&tree, "app/tally", regrow::ServiceState::Down).await;
    assert_eq!(held.stored("app/tally").await.as_deref(), Some("7"));
}

#[tokio::test]
async fn a_restart_by_order_saves_last() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    for number in 1..=10 {
        tally.cast(Msg::Note(1)).unwrap();
        tally.restart("a new build").await.unwrap();
        assert_eq!(count(&tally).await, number);
    }
}

#[tokio::test]
async fn a_kill_a_panic_and_an_error_save_nothing() {
    for end in [None, Some(Msg::Panic), Some(Msg::Fail)] {
        let held = HeldStore::new();
        let tree = tree([grouped("tally", held.checkpoints())]).await;
        let tally = find(&tree, "tally");
        held.hold();
        tally.cast(Msg::Note(1)).unwrap();
        held.was_asked(1).await;
        tally.cast(Msg::Note(10)).unwrap();
        assert_eq!(count(&tally).await, 11);
        match end {
            None => tally.kill().unwrap(),
            Some(message) => tally.cast(message).unwrap(),
        }
        up(&tree, "app/tally", 2).await;
        held.let_go();
        held.has_done(1).await;
        assert_eq!(held.asked(), 1, "the second change was never given to the store");
        assert_eq!(count(&tally).await, 0, "the first one came too late");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_at_the_stop_costs_no_more_than_the_shutdown_time() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints()).shutdown(Shutdown::After(2 * SEC))]).await;
    let tally = find(&tree, "tally");
    held.hold();
    let call = tally.call(|reply| Msg::Add(1, reply));
    held.was_asked(1).await;
    let began = tokio::time::Instant::now();
    let report = tree.shutdown().await;
    assert_eq!(began.elapsed(), 2 * SEC);
    assert!(!report.is_clean());
    assert!(matches!(call.await, Err(CallError::Crashed { exit, .. }) if matches!(*exit, Exit::Killed)));
}

#[tokio::test]
async fn a_last_save_that_fails_makes_the_end_a_failure() {
    let held = HeldStore::new();
    let tree = tree([grouped("tally", held.checkpoints())]).await;
    let tally = find(&tree, "tally");
    let mut events = tree.events();
    held.hold();
    let call = tally.call(|reply| Msg::Add(1, reply));
    held.was_asked(1).await;
    held.fail(Some("no space left"));
    let lets_go = async {
        stopping(&tally).await;
        held.let_go();
    };
    let (report, ()) = tokio::join!(tree.shutdown(), lets_go);
    assert!(!report.is_clean(), "{report}");
    let Err(CallError::Crashed { exit, .. }) = call.await else { panic!("answered") };
    assert!(exit.to_string().contains("no space left"), "{exit}");
    let end = crate::common::tree::heard_to_the_end(&mut events).await;
    assert!(end.iter().any(|line| line.contains("no space left")), "{end:#?}");
}

#[tokio::test]
async fn a_task_that_ends_in_order_saves_last() {
    let held = HeldStore::new();
    let store = held.checkpoints();
    let work = Child::task("job", move |ctx| {
        let store = store.clone();
        async move {
            let mut pages: GroupCommit<Count> = ctx.checkpoint(&store).await?.group_commit(Default::default);
            for _ in 0..5 {
                pages.change(|pages| pages.0 += 1);
            }
            Ok(())
        }
    });
    let tree = Supervisor::one_for_one("app").child(work).start().await.unwrap();
    stands(&tree, "app/job", regrow::ServiceState::Down).await;
    assert_eq!(held.stored("app/job").await.as_deref(), Some("5"));
    tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_ends_in_order_saves_last_and_a_failed_save_ends_it() {
    let held = HeldStore::new();
    let store = held.checkpoints();
    let counter = Child::thread("counter", move |inbox: Inbox<Reply<u64>>| {
        let mut count: GroupCommit<Json<u64>> = inbox.checkpoint(&store)?.group_commit(Default::default);
        for reply in inbox {
            let sum = count.change(|count| {
                count.0 += 1;
                count.0
            });
            count.reply(reply, sum);
        }
        count.change(|count| count.0 += 100);
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(counter).start().await.unwrap();
    let counter = tree.lookup::<Reply<u64>>("app/counter").unwrap();
    assert_eq!(soon("an answer", counter.call(|reply| reply)).await.unwrap(), 1);
    held.fail(Some("no space left"));
    let Err(CallError::Crashed { exit, .. }) = soon("an end", counter.call(|reply| reply)).await else { panic!() };
    assert!(exit.to_string().contains("no space left"), "{exit}");
    held.fail(None);
    assert_eq!(soon("an answer", counter.call(|reply| reply)).await.unwrap(), 2);
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(held.stored("app/counter").await.as_deref(), Some("102"));
}
