//! Each event is an entry, with the state before it.

use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Child, Context, Events, GiveUp, HistoryEntry, HistoryKind, HistoryState, Intensity, Policy, Restart, Shutdown,
    Supervisor, Tree,
};

use crate::common::tree::{MS, SEC, Starter, Starts, heard_to_the_end, parked, probe, up};

/// The entries that are events, as the subscribers see them.
fn events_of(entries: &[HistoryEntry]) -> Vec<String> {
    let events = entries.iter().filter(|entry| matches!(entry.kind, HistoryKind::Event(_)));
    events.map(|entry| entry.to_string()).collect()
}

/// Subscribes before anything happens to the tree that is up.
fn follow(tree: &Tree) -> (Events, u64) {
    (tree.events(), tree.directory().history_after(0).latest)
}

#[tokio::test(start_paused = true)]
async fn the_entries_are_the_events_in_their_order() {
    let (journal, starts) = (Journal::new(), Starts::failing([2, 3]));
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(SEC));
    let frail = Supervisor::one_for_one("frail").intensity(0, SEC).child(journal.probe("f"));
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("a"))
        .child(journal.probe("parks").policy(parks))
        .child(journal.probe("rests").restart(Restart::Transient))
        .child(journal.probe("job").restart(Restart::Temporary))
        .child(Starter::child("fails", &journal, &starts))
        .child(journal.probe("slow").shutdown(Shutdown::After(10 * MS)))
        .child(frail)
        .start()
        .await
        .unwrap();
    let (mut events, seen) = follow(&tree);
    let directory = tree.directory();
    probe(&tree, "app/a").cast(ProbeMsg::Panic("boom")).unwrap();
    up(&tree, "app/a", 2).await;
    probe(&tree, "app/parks").kill().unwrap();
    parked(&probe(&tree, "app/parks")).await;
    up(&tree, "app/parks", 2).await;
    probe(&tree, "app/rests").cast(ProbeMsg::Stop).unwrap();
    probe(&tree, "app/job").cast(ProbeMsg::Fail("as told")).unwrap();
    tree.kill("app/fails").unwrap();
    up(&tree, "app/fails", 2).await;
    probe(&tree, "app/a").restart("upgrade").await.unwrap();
    probe(&tree, "app/frail/f").kill().unwrap();
    up(&tree, "app/frail/f", 2).await;
    probe(&tree, "app/slow").cast(ProbeMsg::Hang).unwrap();
    tree.shutdown().await;

    let told = heard_to_the_end(&mut events).await;
    assert_eq!(events_of(&directory.history_after(seen).entries), told);
    for word in ["panicked: boom", "is parked", "is down", "is gone", "failed to start", "by order: upgrade", "gave up"]
    {
        assert!(told.iter().any(|line| line.contains(word)), "{word}: {told:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_has_the_state_before_it_and_after_it() {
    let journal = Journal::new();
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(SEC));
    let tree = Supervisor::one_for_one("app").child(journal.probe("web").policy(parks)).start().await.unwrap();
    probe(&tree, "app/web").kill().unwrap();
    parked(&probe(&tree, "app/web")).await;
    up(&tree, "app/web", 2).await;
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("web").await.unwrap();
    app.delete_child("web").await.unwrap();
    app.start_child(journal.probe("web")).await.unwrap();

    let history = tree.history();
    let states: Vec<_> = history.of("app/web").map(|entry| (entry.kind.word(), entry.before, entry.after())).collect();
    use HistoryState::{Absent, Down, Gone, Parked, Restarting, Up, Waiting};
    assert_eq!(
        states,
        [
            ("started", Waiting, Up),
            ("exited", Up, Restarting),
            ("parked", Restarting, Parked),
            ("started", Parked, Up),
            ("exited", Up, Restarting),
            ("down", Restarting, Down),
            ("gone", Down, Gone),
            ("started", Absent, Up),
        ]
    );
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_root_has_entries_of_its_own() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let directory = tree.directory();
    tokio::time::advance(SEC).await;
    tree.shutdown().await;
    let history = directory.history();
    let of_root: Vec<_> = history.of("app").map(|entry| (entry.to_string(), entry.at)).collect();
    assert_eq!(of_root[0].0, "app#1 tree is up");
    assert_eq!(of_root[1], ("app#1 tree is over: shutdown".to_owned(), SEC));
    assert_eq!(of_root.len(), 2);
    assert_eq!(history.system_time(SEC), history.boot + SEC);
    assert_eq!(history.tree_time(history.boot + SEC), SEC);
}

#[tokio::test]
async fn a_root_that_does_not_come_up_is_over() {
    let fails = Child::service("fails", |_: Context<regrow::testing::Probe>| async { anyhow::bail!("no disk") });
    let tree = Supervisor::one_for_one("app").child(fails);
    let error = tree.start().await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("no disk"), "{error}");
}
