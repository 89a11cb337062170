//! The log: one line for each event, the same keys everywhere, and few lines in a crash loop.

#[path = "common/log.rs"]
mod log;

#[path = "common/tree.rs"]
mod common;

use common::{Inert, MS, SEC, Starter, Starts, hears, probe, soon, up};
use log::Log;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, Context, Intensity, Restart, ServiceChild, Supervisor};

fn ender() -> ServiceChild<()> {
    Child::service("ender", |ctx: Context<Inert>| async move {
        ctx.info(format!("life {}", ctx.generation()));
        Ok(Inert)
    })
}

#[tokio::test]
async fn every_event_is_a_log_line_with_the_same_keys() {
    let (log, _listening) = Log::listen();
    let (journal, starts) = (Journal::new(), Starts::failing([2]));
    let tree = Supervisor::one_for_one("app")
        .intensity(2, SEC)
        .child(Starter::child("a", &journal, &starts))
        .child(ender())
        .child(journal.probe("rests").restart(Restart::Transient))
        .start()
        .await
        .unwrap();
    let lines = [
        "DEBUG child started path=app/a generation=1 suppressed=0",
        "DEBUG child started path=app/ender generation=1 info=life 1 suppressed=0",
        "DEBUG child started path=app/rests generation=1 suppressed=0",
    ];
    assert_eq!(log.take(), lines);

    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    let lines = [
        "WARN child exited path=app/a generation=1 exit=killed suppressed=0",
        "WARN child failed to start path=app/a generation=1 exit=failed: attempt 2 fails suppressed=0",
        "DEBUG child started path=app/a generation=2 suppressed=0",
    ];
    tokio::task::yield_now().await;
    assert_eq!(log.take(), lines);

    probe(&tree, "app/rests").cast(ProbeMsg::Stop).unwrap();
    hears(&mut tree.events(), "app/rests#1 is down").await;
    let lines = [
        "DEBUG child exited path=app/rests generation=1 exit=normal suppressed=0",
        "INFO child is down path=app/rests generation=1",
    ];
    assert_eq!(log.take(), lines);

    tree.kill("app/ender").unwrap();
    assert_eq!(soon("the end", tree.wait()).await.exit.kind(), "shutdown");
    let lines = [
        "WARN child exited path=app/ender generation=1 exit=killed suppressed=0",
        "ERROR supervisor gave up path=app generation=1 child=app/ender exit=killed \
         why=gave up on `app/ender`: killed (the budget of 2 restarts in 1s is used up) suppressed=0",
        "DEBUG child exited path=app/a generation=2 exit=shutdown suppressed=0",
    ];
    assert_eq!(log.take(), lines);
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_does_not_flood_the_log() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = tree.child(journal.probe("a")).child(journal.probe("b")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    log.take();
    for _ in 0..1000 {
        a.cast(ProbeMsg::Fail("again")).unwrap();
        a.call(ProbeMsg::Generation).await.unwrap();
    }
    let lines = log.take();
    assert!(lines.len() <= 5, "{lines:#?}");
    tree.kill("app/b").unwrap();
    up(&tree, "app/b", 2).await;
    tokio::time::sleep(MS).await;
    assert_eq!(log.take().len(), 2, "the loop of one child does not silence another");

    // What was held back is counted and told.
    tokio::time::sleep(SEC).await;
    a.kill().unwrap();
    up(&tree, "app/a", 1002).await;
    let held_back = 2 * 1000 - lines.len();
    let line = format!("WARN child exited path=app/a generation=1001 exit=killed suppressed={held_back}");
    assert_eq!(log.take()[0], line);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn supervisors_that_give_up_in_a_loop_do_not_flood_the_log() {
    let (log, _listening) = Log::listen();
    let (journal, starts) = (Journal::new(), Starts::failing([]));
    let hot = Starter::child("hot", &journal, &starts);
    let sub = Supervisor::one_for_one("sub").intensity(0, SEC).child(hot);
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).start().await.unwrap();
    for lives in 1..500 {
        tree.kill("app/sub/hot").unwrap();
        up(&tree, "app/sub/hot", lives + 1).await;
        up(&tree, "app/sub", lives + 1).await;
    }
    let lines = log.take();
    assert!(lines.len() < 50, "{} lines, such as {:#?}", lines.len(), &lines[lines.len() - 5..]);
    tree.shutdown().await;
}
