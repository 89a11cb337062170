//! A storm of ends while the history is read in every way: each reader gets one story without a hole, and each dump is one.
//!
//! `REGROW_ENDS` says how many children end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use regrow::admin::Dump;
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Directory, DynamicSupervisor, HistoryKind, HistoryState, Intensity, Restart, ServiceState, Supervisor, Tree,
};

use crate::common::tree::{MS, soon};

/// The state and the generation that each path was told to have.
#[derive(Default)]
struct Story(BTreeMap<String, (String, u64)>);

impl Story {
    /// Takes the next entry. Its state before is what the last one of its path told.
    fn goes_on(&mut self, seq: u64, path: &str, generation: u64, before: &str, after: &str, word: &str) {
        let known = self.0.get(path);
        if let Some((state, latest)) = known {
            // A name may come back after its child was gone.
            let state = if state == "gone" && before == "absent" { "absent" } else { state };
            assert_eq!(before, state, "{seq} {path}#{generation} {word}");
            let next = if before == "absent" { 1 } else { latest + u64::from(word == "started") };
            assert_eq!(generation, next, "{seq} {path} {word}");
        }
        self.0.insert(path.to_owned(), (after.to_owned(), generation));
    }
}

async fn tree(journal: &Journal) -> Tree {
    let sessions = journal.clone();
    let pool = DynamicSupervisor::new("pool")
        .budget(Intensity::unlimited())
        .template(move |name: String| sessions.probe(&name).restart(Restart::Temporary));
    let services = (0..4).map(|number| journal.probe(&number.to_string()));
    Supervisor::one_for_one("app").budget(Intensity::unlimited()).children(services).child(pool).start().await.unwrap()
}

/// Ends services and sessions until this number of them has ended. Some services are parked and revived.
async fn ends(tree: &Tree, lane: u64, left: &AtomicU64) {
    let mut random = fastrand::Rng::with_seed(lane);
    let path = format!("app/{lane}");
    let service = tree.lookup::<ProbeMsg>(&path).unwrap();
    let sessions = tree.dynamic("app/pool").unwrap().template::<String>().unwrap();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        match random.u32(..8) {
            0..4 => {
                let generation = service.generation();
                service.kill().unwrap();
                until(service.watch(), |now| now.state == ServiceState::Up && now.generation > generation).await;
            }
            4 => {
                let generation = service.generation();
                service.park("storm").await.unwrap();
                tree.revive(&path).await.unwrap();
                until(service.watch(), |now| now.state == ServiceState::Up && now.generation > generation).await;
            }
            _ => {
                let name = format!("{lane}-{}", random.u32(..3));
                sessions.start_child(name.clone()).await.unwrap();
                let session = tree.lookup::<ProbeMsg>(&format!("app/pool/{name}")).unwrap();
                let mut watch = session.watch();
                if random.bool() {
                    session.kill().unwrap();
                } else {
                    session.cast(ProbeMsg::Stop).unwrap();
                }
                watch.wait_for(|status| status.state == ServiceState::Gone).await.unwrap();
            }
        }
    }
}

/// Reads a page each millisecond, as a follower does, until the storm is over. Returns the numbers of entries and of gaps.
fn follow(directory: &Directory, is_over: &AtomicBool) -> (u64, u64) {
    let (mut seen, mut story, mut entries, mut gaps) = (directory.history_after(0).latest, Story::default(), 0, 0);
    loop {
        let last = is_over.load(Ordering::Acquire);
        let page = directory.history_after(seen);
        if page.is_complete {
            for entry in &page.entries {
                seen += 1;
                assert_eq!(entry.seq, seen, "no entry is missing");
                let (before, after) = (entry.before.word(), entry.after().word());
                story.goes_on(entry.seq, &entry.path, entry.generation, before, after, entry.kind.word());
            }
            entries += page.entries.len() as u64;
        } else {
            (gaps, story) = (gaps + 1, Story::default());
        }
        seen = page.latest;
        std::thread::sleep(MS);
        if last {
            return (entries, gaps);
        }
    }
}

/// Writes dumps and reads them back, and looks at the past, with pauses that leave the storm its turns.
fn dump(directory: &Directory, is_over: &AtomicBool) -> u64 {
    let mut dumps = 0;
    while !is_over.load(Ordering::Acquire) {
        let history = directory.history();
        let mut lines = Vec::new();
        history.write_to(&mut lines).unwrap();
        let dump = Dump::read(&lines[..]).unwrap();
        assert_eq!((&dump.damage, dump.entries.len()), (&None, history.entries.len()));
        let begins = history.failures.seq.max(history.ordinary.seq);
        let mut story = Story::default();
        for (entry, next) in dump.entries.iter().filter(|entry| entry.seq >= begins).zip(begins..) {
            assert_eq!(entry.seq, next, "no entry is missing");
            story.goes_on(entry.seq, &entry.path, entry.generation, &entry.before, &entry.after, &entry.event);
        }
        // What the entries told last is what the look at the present says, of the dump and of the history.
        for (what, lines) in [("history", history.at(history.now).unwrap()), ("dump", dump.at(history.now).unwrap())] {
            let now: BTreeMap<_, _> = lines.iter().map(|line| (&*line.path, (line.state, line.generation))).collect();
            for (path, (state, generation)) in &story.0 {
                match now.get(&**path) {
                    Some((now, of)) => assert_eq!((now.word(), *of), (&**state, *generation), "{what}: {path}"),
                    None => assert!(["gone", "absent"].contains(&&**state), "{what}: {path} was {state}"),
                }
            }
        }
        // All the way back, step by step. Each step is one that could be: nothing is up twice or gone and up.
        let up = history.entries.iter().find(|entry| matches!(entry.kind, HistoryKind::TreeUp));
        let from = history.failures.at.max(history.ordinary.at).max(up.map_or(Duration::ZERO, |up| up.at));
        for part in 0..=8 {
            let at = from + (history.now - from) * part / 8;
            let then = history.at(at).unwrap();
            assert!(then.is_sorted_by(|one, other| one.path < other.path));
            assert!(then.iter().all(|line| line.state != HistoryState::Gone && line.state != HistoryState::Absent));
            assert!(then.iter().any(|line| &*line.path == "app" && line.state == HistoryState::Up), "{at:?} {then:?}");
        }
        dumps += 1;
        std::thread::sleep(20 * MS);
    }
    dumps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_and_dumps_are_one_story_while_children_end() {
    let number: u64 = std::env::var("REGROW_ENDS").map_or(3_000, |number| number.parse().unwrap());
    let journal = Journal::new();
    let tree = Arc::new(tree(&journal).await);
    let (left, is_over) = (Arc::new(AtomicU64::new(number)), Arc::new(AtomicBool::new(false)));
    let begun = std::time::Instant::now();
    let followers: Vec<_> = (0..2)
        .map(|_| {
            let (directory, is_over) = (tree.directory(), is_over.clone());
            std::thread::spawn(move || follow(&directory, &is_over))
        })
        .collect();
    let dumping = std::thread::spawn({
        let (directory, is_over) = (tree.directory(), is_over.clone());
        move || dump(&directory, &is_over)
    });
    let storm: Vec<_> = (0..4)
        .map(|lane| {
            let (tree, left) = (tree.clone(), left.clone());
            tokio::spawn(async move { ends(&tree, lane, &left).await })
        })
        .collect();
    for lane in storm {
        lane.await.unwrap();
    }
    is_over.store(true, Ordering::Release);
    let took = begun.elapsed();
    let followed: Vec<_> = followers.into_iter().map(|follower| follower.join().unwrap()).collect();
    let dumps = dumping.join().unwrap();

    let history = tree.history();
    let count =
        |kind: &str| -> u64 { history.counts.iter().filter(|count| count.kind == kind).map(|count| count.count).sum() };
    assert_eq!(count("exited"), number, "each end is counted once");
    assert_eq!(count("started"), number + 5, "what ended was started, and so was what is up");
    let all: u64 = history.counts.iter().map(|count| count.count).sum();
    let evicted = history.failures.evicted + history.ordinary.evicted;
    assert_eq!(all, history.entries.len() as u64 + evicted, "an entry is held or was pushed out");
    assert_eq!(all, tree.directory().history_after(0).latest);
    let gaps: u64 = followed.iter().map(|(_, gaps)| gaps).sum();
    assert!(dumps > 0 && followed.iter().all(|(entries, _)| *entries > 0), "{dumps} {followed:?}");
    println!("{number} ends in {took:.1?}, {all} entries, {followed:?} followed, {gaps} gaps, {dumps} dumps");
    soon("the end", tree.shutdown()).await;
}
