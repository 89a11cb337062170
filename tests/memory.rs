//! What has come and gone leaves nothing behind, whatever it lived in.

#[path = "common/mod.rs"]
mod common;

use common::kinds::{HOMES, Home};
use peak_alloc::PeakAlloc;
use regrow::testing::Journal;
use regrow::{DynamicHandle, DynamicSupervisor, Intensity};

/// Counts the bytes that are in use: this file has one test.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const HANDS: usize = 64;
const TIMES: usize = 60;

/// Many hands start and terminate children without a pause.
async fn come_and_go(pool: &DynamicHandle, home: Home) {
    let mut hands = tokio::task::JoinSet::new();
    for _ in 0..HANDS {
        let pool = pool.clone();
        hands.spawn(async move {
            for _ in 0..TIMES {
                let child = home.of(Journal::new().probe("any"));
                let up = pool.start_child(child).await.unwrap().up().expect("it is wanted");
                let name = up.path.rsplit('/').next().expect("a name");
                pool.terminate_child(name).await.unwrap();
            }
        });
    }
    hands.join_all().await;
}

// Found with `examples/million.rs`: ractor's own events piled up behind what the supervisor had to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn children_that_come_and_go_leave_nothing_behind() {
    for home in HOMES {
        let tree = DynamicSupervisor::new("pool").budget(Intensity::unlimited()).numbered().start().await.unwrap();
        let pool = tree.dynamic("pool").unwrap();
        come_and_go(&pool, home).await;
        let before = MEMORY.current_usage();
        for _ in 0..3 {
            come_and_go(&pool, home).await;
        }
        assert_eq!(pool.count_children().await.unwrap().specs, 0);
        let grown = MEMORY.current_usage().saturating_sub(before);
        // An actor weighs eight kilobytes, a bare task two.
        assert!(grown < 3 * HANDS * TIMES * 256, "{home:?}: {grown} bytes more than after the first round");
        tree.shutdown().await;
    }
}
