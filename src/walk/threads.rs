//! The walk on several threads, in real time. It finds what only happens when a supervisor, its children and its
//! observers run beside each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::slot::status::ServiceState;
use crate::walk::actors::{Msg, Stage, Variety};
use crate::walk::calls::{CALLS, Call};
use crate::walk::events::Event;
use crate::walk::trees::{SHAPES, SUP, Shape};
use crate::walk::{be_quiet, is_over, views};
use crate::{Directory, Tree};

/// The events that need no time.
const EVENTS: [Event; 9] = [
    Event::Panics,
    Event::Leaves,
    Event::IsKilled,
    Event::InitFails,
    Event::SiblingFails,
    Event::SupervisorIsKilled,
    Event::SupervisorStops,
    Event::ParentIsKilled,
    Event::ParentStops,
];

const LIMIT: Duration = Duration::from_secs(20);

/// Looks up paths without a pause. A service that is found must not be gone, unless the tree is ending.
fn look_up(directory: &Directory, shape: Shape, stage: &Stage, is_done: &AtomicBool) {
    let paths = [shape.target(), format!("{SUP}/new"), format!("{SUP}/2"), format!("{SUP}/4")];
    while !is_done.load(Ordering::Acquire) {
        for path in &paths {
            let Ok(found) = directory.lookup::<Msg>(path) else { continue };
            let is_gone = || found.status().state == ServiceState::Gone;
            // The service may go after it was found, and then it is not found again.
            let again = is_gone().then(|| directory.lookup::<Msg>(path).ok()).flatten();
            if again.is_some_and(|again| again == found) && !directory.shared().is_ending() {
                stage.fault(format!("`{path}` is found, and is gone"));
            }
        }
        std::thread::yield_now();
    }
}

async fn walk(shape: Shape, event: Event, call: Call, dice: &mut Rng) -> Vec<String> {
    let stage = Stage::new(Variety::of(dice.u64(0..12)));
    // The supervisor takes some time to start again.
    let is_again = AtomicBool::new(false);
    let init = move || {
        if is_again.swap(true, Ordering::AcqRel) {
            std::thread::sleep(Duration::from_millis(4));
        }
        Ok(())
    };
    let tree = Arc::new(shape.plant_with(&stage, event, init).await);
    let is_done = Arc::new(AtomicBool::new(false));
    let looking = std::thread::spawn({
        let (directory, stage, is_done) = (tree.directory(), stage.clone(), is_done.clone());
        move || look_up(&directory, shape, &stage, &is_done)
    });
    let (first, second) = (dice.u32(0..200), dice.u32(0..200));
    let late = dice.bool().then(|| Duration::from_micros(dice.u64(0..5000)));
    let (one, two) = ((tree.clone(), stage.clone()), (tree.clone(), stage.clone()));
    let happening = tokio::spawn(async move {
        spin(first).await;
        event.happen(&one.0, shape, &one.1).await;
    });
    let given = tokio::spawn(async move {
        match late {
            Some(late) => tokio::time::sleep(late).await,
            None => spin(second).await,
        }
        call.give(&two.0, shape, event, &two.1, true).await;
    });
    for (what, task) in [("the event", happening), ("the order", given)] {
        if tokio::time::timeout(LIMIT, task).await.is_err() {
            stage.fault(format!("{what} is not over"));
        }
    }
    settle(&tree, &stage).await.into_iter().for_each(|fault| stage.fault(fault));
    is_done.store(true, Ordering::Release);
    if tokio::time::timeout(LIMIT, tree.shutdown()).await.is_err() {
        stage.fault("the tree does not end".into());
    }
    if !stage.all_alive().is_empty() {
        stage.fault(format!("{:?} live after the end", stage.all_alive()));
    }
    drop(looking.join());
    stage.faults()
}

async fn spin(turns: u32) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

/// Waits until all views agree.
async fn settle(tree: &Tree, stage: &Stage) -> Vec<String> {
    let begun = Instant::now();
    loop {
        if is_over(tree) {
            return Vec::new();
        }
        let faults = views::agree(tree, stage).await;
        if faults.is_empty() || begun.elapsed() > LIMIT / 4 {
            return faults;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn on_several_threads_all_views_come_to_agree_and_nothing_that_is_found_is_gone() {
    be_quiet();
    let rounds = std::env::var("REGROW_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_time().build().expect("a runtime");
    let (mut walked, mut found) = (0, Vec::new());
    for seed in 0..rounds {
        let mut dice = Rng::with_seed(seed);
        for shape in SHAPES {
            let calls: Vec<_> = CALLS.into_iter().filter(|call| call.fits(shape) && *call != Call::WaitReady).collect();
            for (event, call) in EVENTS.into_iter().flat_map(|event| calls.iter().map(move |call| (event, *call))) {
                walked += 1;
                let faults = runtime.block_on(walk(shape, event, call, &mut dice));
                found.extend(faults.into_iter().map(|fault| format!("{shape:?}/{event:?}/{call:?}: {fault}")));
            }
        }
    }
    println!("{walked} pairs, {} faults", found.len());
    assert!(found.is_empty(), "{} faults in {walked} pairs:\n{}", found.len(), found[..found.len().min(60)].join("\n"));
}
