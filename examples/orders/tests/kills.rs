//! kill -9 under load, again and again: what was acknowledged is there, and nothing is there twice.
//!
//! Ten times here, and as often as the variable `KILLS` says: `.ci/long kill-orders` does it 200 times.

mod common;

use common::{PATIENCE, Shop, load, plan, unpromised, until};
use orders::load::check;
use orders::load::figures::Table;

/// Orders that are acknowledged between two kills, at least.
const BETWEEN: usize = 40;

#[tokio::test]
async fn a_process_that_is_killed_under_load_loses_and_doubles_nothing() {
    let kills: usize = std::env::var("KILLS").map_or(10, |kills| kills.parse().expect("KILLS is a number"));
    let mut shop = Shop::new();
    let mut process = shop.start(&[]).await;
    let (running, figures) = load(plan(usize::MAX, 150.0), &process.client);
    for kill in 0..kills {
        // A moment that is never the same: after some orders, and some of a millisecond's work.
        let acknowledged = running.acknowledged() + BETWEEN + kill * 7 % 13;
        until("orders go on", async || running.acknowledged() >= acknowledged).await;
        process.kill().await.unwrap();
        process = shop.start(&[]).await;
    }
    running.stop();
    let figures = figures.await.unwrap();
    check::wait_until_settled(&process.client, PATIENCE).await.unwrap();
    shop.end(process).await;
    let verdict = check::check(&shop.program.database(), &shop.program.warehouse(), &figures.placed).unwrap();
    eprintln!("{kills} kills\n{}{verdict}", Table(&[("kill -9", &figures)]));
    assert_eq!((figures.given_up(), unpromised(&figures)), (0, vec![]), "{:?}", figures.answers);
    assert!(verdict.is_clean() && verdict.orders == figures.placed.len() as u64, "{verdict}\n{}", shop.log());
}
