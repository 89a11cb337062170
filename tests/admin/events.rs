//! Events as a stream: snapshots, positions, gaps.

use std::collections::BTreeMap;

use regrow::admin::Admin;
use regrow::admin::wire::event::Message;
use regrow::admin::wire::history::History;
use regrow::admin::wire::services::State;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, Intensity, Restart, Supervisor, Tree};

use crate::client::{Follower, Served, serve};
use crate::common::tree::{probe, soon, up};

async fn pool(children: usize) -> Tree {
    let tree = Supervisor::one_for_one("shop").budget(Intensity::unlimited());
    let tree = tree.child(Journal::new().probe("db")).child(DynamicSupervisor::new("pool")).start().await.unwrap();
    let pool = tree.dynamic("shop/pool").unwrap();
    let journal = Journal::new();
    for number in 0..children {
        pool.start_child(journal.probe(&format!("c{number}"))).await.unwrap();
    }
    tree
}

/// What a follower knows of a tree.
#[derive(Default)]
struct View {
    children: BTreeMap<String, (State, u64)>,
    gaps: usize,
    snapshots: usize,
    is_whole: bool,
    reason: Option<String>,
}

impl View {
    fn take(&mut self, message: Message) {
        match message {
            Message::SnapshotBegins { .. } => {
                self.children.clear();
                self.is_whole = false;
            }
            Message::Snapshot { children, .. } => {
                self.children.extend(children.into_iter().map(|child| (child.path, (child.state, child.generation))));
            }
            Message::SnapshotEnds { children, .. } => {
                assert_eq!(self.children.len() as u64, children);
                (self.is_whole, self.snapshots) = (true, self.snapshots + 1);
            }
            Message::Resumed { .. } => self.is_whole = true,
            Message::Event { entry, after, .. } => match after {
                None | Some(State::Gone) => drop(self.children.remove(&entry.path)),
                Some(state) => drop(self.children.insert(entry.path, (state, entry.generation))),
            },
            Message::Gap { .. } => self.gaps += 1,
            Message::TreeOver { reason, .. } => self.reason = Some(reason),
        }
    }

    async fn until(&mut self, follower: &mut Follower, test: impl Fn(&Self) -> bool) {
        let view = async {
            while !test(self) {
                self.take(follower.next().await.expect("the stream goes on"));
            }
        };
        soon("the view", view).await;
    }
}

async fn begin(served: &Served) -> (Follower, View) {
    let (mut follower, mut view) = (served.follow("/v1/events", None).await, View::default());
    view.until(&mut follower, |view| view.is_whole).await;
    (follower, view)
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_and_goes_on_with_events() {
    let tree = pool(3).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let (mut follower, mut view) = begin(&served).await;
    assert_eq!(view.children.len(), 6);
    assert_eq!(view.children["shop/db"], (State::Up, 1));
    probe(&tree, "shop/db").cast(ProbeMsg::Panic("boom")).unwrap();
    view.until(&mut follower, |view| view.children["shop/db"] == (State::Restarting, 1)).await;
    view.until(&mut follower, |view| view.children["shop/db"] == (State::Up, 2)).await;
    tree.dynamic("shop/pool").unwrap().terminate_child("c1").await.unwrap();
    view.until(&mut follower, |view| !view.children.contains_key("shop/pool/c1")).await;
    assert_eq!(view.snapshots, 1);
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let tree = pool(0).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let (mut follower, mut view) = begin(&served).await;
    for generation in 2..12 {
        let id = follower.id.clone().unwrap();
        drop(follower);
        probe(&tree, "shop/db").cast(ProbeMsg::Panic("boom")).unwrap();
        up(&tree, "shop/db", generation).await;
        follower = served.follow("/v1/events", Some(&id)).await;
        let first = follower.next().await.unwrap();
        let position: u64 = id.rsplit(':').next().unwrap().parse().unwrap();
        assert!(matches!(first, Message::Resumed { seq, .. } if seq == position), "{first:?}");
        let mut before = position;
        while view.children["shop/db"] != (State::Up, generation) {
            let message = follower.next().await.unwrap();
            if let Message::Event { entry, .. } = &message {
                assert_eq!(entry.seq, before + 1);
                before = entry.seq;
            }
            view.take(message);
        }
    }
    assert_eq!((view.snapshots, view.gaps), (1, 0));
}

#[tokio::test]
async fn a_position_that_is_not_held_gives_a_gap_and_a_new_snapshot() {
    let tree = pool(0).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let (follower, _) = begin(&served).await;
    let held = follower.id.clone().unwrap();
    // More ordinary starts and ends than the record holds.
    let pool = tree.dynamic("shop/pool").unwrap();
    let journal = Journal::new();
    for _ in 0..1500 {
        pool.start_child(journal.probe("x")).await.unwrap();
        pool.terminate_child("x").await.unwrap();
    }
    let boot = held.split(':').next().unwrap();
    let beyond = format!("{boot}:shop:999999999");
    for from in [&*held, "0000000000000000:shop:5", &beyond] {
        let (mut follower, mut view) = (served.follow("/v1/events?tree=shop", Some(from)).await, View::default());
        view.until(&mut follower, |view| view.is_whole).await;
        assert_eq!((view.gaps, view.snapshots, view.children.len()), (1, 1, 3), "{from}");
    }
}

#[tokio::test]
async fn the_end_of_a_tree_is_told_with_its_reason_and_ends_the_stream() {
    let tree = pool(2).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let (mut follower, mut view) = begin(&served).await;
    tree.shutdown().await;
    view.until(&mut follower, |view| view.reason.is_some()).await;
    assert!(view.children.values().all(|(state, _)| *state != State::Up), "{:?}", view.children);
    assert!(follower.next().await.is_none());
    // A client that comes now gets the same reason.
    let (mut follower, mut view) = (served.follow("/v1/events", None).await, View::default());
    view.until(&mut follower, |view| view.reason.is_some()).await;
    assert!(view.children.values().all(|(state, _)| *state != State::Up), "{:?}", view.children);
}

#[tokio::test]
async fn a_runtime_that_goes_away_is_the_end_of_the_tree() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tree = runtime.spawn(pool(1)).await.unwrap();
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let (mut follower, mut view) = begin(&served).await;
    runtime.shutdown_background();
    view.until(&mut follower, |view| view.reason.is_some()).await;
    drop(tree);
}

#[tokio::test]
async fn only_failures_come_if_only_failures_are_asked_for() {
    let tree = pool(0).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let mut follower = served.follow("/v1/events?failures=true", None).await;
    let mut view = View::default();
    view.until(&mut follower, |view| view.is_whole).await;
    let pool = tree.dynamic("shop/pool").unwrap();
    let comes_and_goes = async |name: &str| {
        pool.start_child(Journal::new().probe(name).restart(Restart::Temporary)).await.unwrap();
        pool.terminate_child(name).await.unwrap();
    };
    comes_and_goes("x").await;
    probe(&tree, "shop/db").cast(ProbeMsg::Panic("boom")).unwrap();
    let mut position = String::new();
    for kind in ["exited", "started"] {
        let Some(Message::Event { entry, .. }) = follower.next().await else { panic!("no event") };
        assert_eq!((&*entry.path, &*entry.kind), ("shop/db", kind));
    }
    // Found by review: what comes and goes in order was told, and `tree is up` counted as a failure.
    pool.start_child(Journal::new().probe("y").restart(Restart::Temporary)).await.unwrap();
    probe(&tree, "shop/pool/y").cast(ProbeMsg::Panic("boom")).unwrap();
    for _ in 0..2 {
        let Some(Message::Event { entry, .. }) = follower.next().await else { panic!("no event") };
        assert_eq!(&*entry.path, "shop/pool/y");
        if entry.kind == "exited" {
            position = follower.id.clone().unwrap();
        }
    }
    // A client that resumes between a failure and its end still gets that end.
    let mut follower = served.follow("/v1/events?failures=true", Some(&position)).await;
    assert!(matches!(follower.next().await, Some(Message::Resumed { .. })));
    let Some(Message::Event { entry, .. }) = follower.next().await else { panic!("no event") };
    assert_eq!((&*entry.path, &*entry.kind), ("shop/pool/y", "gone"));
    comes_and_goes("z").await;
    let history: History = served.get("/v1/history?failures=true").await;
    let failures: Vec<_> = history.entries.iter().map(|entry| (&*entry.path, &*entry.kind)).collect();
    assert_eq!(failures, [("shop/pool/y", "exited"), ("shop/db", "exited")]);
}

#[tokio::test]
async fn a_position_that_is_no_position_is_refused() {
    let tree = pool(0).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    for from in ["5", "a:b", "a:b:c", ""] {
        let answer = served.ask("GET", &format!("/v1/events?from={from}"), &[], "").await;
        assert_eq!(answer.status, 400, "{from}");
    }
}

/// Number of times that the follower is cut off. `.ci/long` asks for more.
fn cuts() -> u64 {
    std::env::var("REGROW_CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(100)
}

// Each view is compared with what the entries up to its position tell, replayed from the begin of the record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_is_cut_off_again_and_again_never_shows_a_dead_service_as_alive() {
    let tree = pool(10).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let (mut follower, mut view) = begin(&served).await;
    let mut views = Vec::new();
    for cut in 0..cuts() {
        let id = follower.id.clone().unwrap();
        drop(follower);
        // The dead are on their way while the next stream begins.
        for path in ["shop/db".into(), format!("shop/pool/c{}", cut % 10)] {
            let _ = tree.kill(&path);
        }
        let from = match cut % 3 {
            0 => None,
            1 => Some("0123456789abcdef:shop:1"),
            _ => Some(&*id),
        };
        follower = served.follow("/v1/events?tree=shop", from).await;
        view.is_whole = false;
        view.until(&mut follower, |view| view.is_whole).await;
        let position = follower.id.clone().unwrap();
        views.push((position.rsplit(':').next().unwrap().parse::<u64>().unwrap(), view.children.clone()));
    }
    let history = tree.history();
    assert!(!history.failures.is_cut && !history.ordinary.is_cut, "the record holds the whole story");
    views.sort_by_key(|(seq, _)| *seq);
    let mut entries = history.entries.iter().peekable();
    let mut told: BTreeMap<&str, (bool, u64)> = BTreeMap::new();
    for (seq, children) in &views {
        while let Some(entry) = entries.next_if(|entry| entry.seq <= *seq) {
            told.insert(&entry.path, (entry.after() == regrow::HistoryState::Up, entry.generation));
        }
        for (path, (state, generation)) in children.iter().filter(|(_, (state, _))| *state == State::Up) {
            assert_eq!(told.get(&**path), Some(&(true, *generation)), "{path} is shown as {state:?} at {seq}");
        }
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn what_a_follower_missed_because_it_was_slow_is_told_and_counted() {
    let tree = pool(1).await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let (mut follower, mut view) = begin(&served).await;
    let (journal, children) = (Journal::new(), tree.dynamic("shop/pool").unwrap());
    // The follower does not read, and the record turns over.
    for _ in 0..4_000 {
        children.start_child(journal.probe("x")).await.unwrap();
        children.terminate_child("x").await.unwrap();
    }
    view.until(&mut follower, |view| view.gaps > 0 && view.is_whole).await;
    assert!(tree.directory().tree_figures().events_missed > 0);
}
