//! The tree as it was, against what was really there.

use std::collections::BTreeMap;
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, GiveUp, History, HistoryState, Intensity, Policy, Restart, ServiceState, Supervisor, Tree};

use crate::common::tree::{SEC, parked, probe, up};

type Seen = BTreeMap<String, (HistoryState, u64)>;

/// The children and their states at this moment, in a tree in which nothing is under way.
fn seen(tree: &Tree) -> (Duration, Seen) {
    let state = |state| match state {
        ServiceState::Up => HistoryState::Up,
        ServiceState::Down => HistoryState::Down,
        ServiceState::Parked { .. } => HistoryState::Parked,
        ServiceState::Gone => HistoryState::Gone,
        ServiceState::Restarting => HistoryState::Restarting,
        other => panic!("{other}: something is under way"),
    };
    let entries = tree.directory().entries();
    let line =
        |entry: &regrow::DirectoryEntry| (entry.path.to_string(), (state(entry.status.state), entry.status.generation));
    (tree.history().now, entries.iter().map(line).collect())
}

pub(crate) fn past(history: &History, at: Duration) -> Seen {
    let then = history.at(at).expect("nothing was pushed out");
    then.into_iter().map(|line| (line.path.to_string(), (line.state, line.generation))).collect()
}

/// A tree with a supervisor of each kind.
fn forest(journal: &Journal) -> Supervisor {
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(100 * SEC));
    let three = |supervisor: Supervisor| {
        ["x", "y", "z"].into_iter().fold(supervisor, |all, name| all.child(journal.probe(name)))
    };
    let frail = Supervisor::one_for_one("frail").intensity(0, SEC).child(journal.probe("f")).child(journal.probe("g"));
    Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("web"))
        .child(journal.probe("parks").policy(parks))
        .child(journal.probe("once").restart(Restart::Temporary))
        .child(journal.probe("rests").restart(Restart::Transient))
        .child(three(Supervisor::rest_for_one("chain").budget(Intensity::unlimited())))
        .child(three(Supervisor::one_for_all("group").budget(Intensity::unlimited())))
        .child(regrow::DynamicSupervisor::new("pool").intensity(0, SEC))
        .child(frail)
}

#[tokio::test(start_paused = true)]
async fn the_tree_as_it_was_is_what_was_really_there() {
    let journal = Journal::new();
    let tree = forest(&journal).start().await.unwrap();
    let directory = tree.directory();
    let mut moments = Vec::new();
    // Nothing is under way when the clock has stood still for all, and the next step begins later.
    macro_rules! look {
        () => {
            tokio::time::sleep(SEC).await;
            moments.push(seen(&tree));
            tokio::time::sleep(SEC).await;
        };
    }
    look!();
    probe(&tree, "app/web").kill().unwrap();
    up(&tree, "app/web", 2).await;
    look!();
    probe(&tree, "app/parks").cast(ProbeMsg::Panic("boom")).unwrap();
    parked(&probe(&tree, "app/parks")).await;
    look!();
    tree.supervisor("app").unwrap().revive("parks").await.unwrap();
    up(&tree, "app/parks", 2).await;
    look!();
    probe(&tree, "app/once").kill().unwrap();
    probe(&tree, "app/rests").cast(ProbeMsg::Stop).unwrap();
    look!();
    probe(&tree, "app/chain/y").kill().unwrap();
    up(&tree, "app/chain/z", 2).await;
    look!();
    probe(&tree, "app/group/y").kill().unwrap();
    up(&tree, "app/group/z", 2).await;
    look!();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("s1")).await.unwrap();
    let sub = Supervisor::one_for_one("s2").child(journal.probe("deep"));
    pool.start_child(Child::from(sub)).await.unwrap();
    look!();
    pool.terminate_child("s1").await.unwrap();
    look!();
    pool.start_child(journal.probe("s1")).await.unwrap();
    look!();
    // Its supervisor gives up, and what it had been given at run time is lost.
    probe(&tree, "app/pool/s1").kill().unwrap();
    up(&tree, "app/pool", 2).await;
    look!();
    probe(&tree, "app/frail/f").kill().unwrap();
    up(&tree, "app/frail/g", 2).await;
    look!();
    tree.kill("app/group").unwrap();
    up(&tree, "app/group/z", 3).await;
    look!();
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("frail").await.unwrap();
    look!();
    app.delete_child("frail").await.unwrap();
    look!();
    app.terminate_child("chain").await.unwrap();
    app.restart_child("chain").await.unwrap();
    up(&tree, "app/chain/z", 3).await;
    look!();

    for history in [tree.history(), {
        tree.shutdown().await;
        directory.history()
    }] {
        for (number, (at, then)) in moments.iter().enumerate() {
            assert_eq!(past(&history, *at), *then, "moment {number}");
        }
    }
    let history = directory.history();
    assert!(past(&history, history.now).values().all(|(state, _)| *state == HistoryState::Gone));
}

#[tokio::test(start_paused = true)]
async fn at_the_very_time_of_an_event_it_has_happened() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("web")).start().await.unwrap();
    tokio::time::advance(SEC).await;
    probe(&tree, "app/web").kill().unwrap();
    up(&tree, "app/web", 2).await;
    let history = tree.history();
    let web = |at: Duration| past(&history, at)["app/web"];
    assert_eq!(web(SEC), (HistoryState::Up, 2));
    assert_eq!(web(SEC - Duration::from_nanos(1)), (HistoryState::Up, 1));
    tree.shutdown().await;
}
