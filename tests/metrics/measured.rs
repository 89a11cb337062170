//! Services that asked for their times.

use regrow::metrics::Metrics;
use regrow::{Child, Inbox, StartError, Supervisor, Tree};

use crate::common::tree::{MS, SEC, up};
use crate::common::worker::{Job, idle, run, worker};
use crate::scrape::Scrape;

fn times(metrics: &Metrics, name: &str) -> (f64, f64) {
    let scrape = Scrape::read(&metrics.render());
    let of = |end: &str| scrape.sum(&format!("regrow_{name}_seconds_{end}"), &[("service", "app/w")]);
    (of("count"), (of("sum") * 1000.0).round())
}

fn sleeps(ms: u32) -> Job {
    run(async move |_| {
        tokio::time::sleep(ms * MS).await;
        Ok(())
    })
}

async fn tree() -> (Tree, Metrics) {
    let tree = Supervisor::one_for_one("app").child(worker("w").measured().capacity(4)).start().await.unwrap();
    let metrics = Metrics::new().tree(&tree);
    (tree, metrics)
}

#[tokio::test(start_paused = true)]
async fn waits_and_handling_are_measured_to_the_millisecond() {
    let (tree, metrics) = tree().await;
    let w = tree.lookup::<Job>("app/w").unwrap();
    w.cast(sleeps(100)).unwrap();
    w.cast(sleeps(20)).unwrap();
    w.send(sleeps(3)).await.unwrap();
    tokio::time::sleep(60 * MS).await;
    let scrape = Scrape::read(&metrics.render());
    let gauge = |name: &str| (scrape.sum(name, &[("service", "app/w")]) * 1000.0).round();
    assert_eq!((gauge("regrow_mailbox_oldest_seconds"), gauge("regrow_handler_running_seconds")), (60.0, 60.0));
    tokio::time::sleep(SEC).await;
    // 0, 100 and 120 ms in the mailbox; 100, 20 and 3 ms in the handler.
    assert_eq!(times(&metrics, "message_wait"), (3.0, 220.0));
    assert_eq!(times(&metrics, "message_handling"), (3.0, 123.0));
    // A second scrape counts nothing twice.
    assert_eq!(times(&metrics, "message_wait"), (3.0, 220.0));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_leave_unread_do_not_shift_the_times_of_others() {
    let tree = Supervisor::one_for_one("app")
        .child(worker("w").measured().capacity(2).overflow(regrow::Overflow::DropOldest))
        .start()
        .await
        .unwrap();
    let metrics = Metrics::new().tree(&tree);
    let w = tree.lookup::<Job>("app/w").unwrap();
    w.cast(sleeps(100)).unwrap();
    tokio::time::sleep(10 * MS).await;
    for _ in 0..20 {
        w.cast(idle()).unwrap();
        tokio::time::sleep(MS).await;
    }
    tokio::time::sleep(SEC).await;
    // The first waited for nothing. Of the others only the last two were left: they came after 28 and 29 ms.
    assert_eq!(times(&metrics, "message_wait"), (3.0, 72.0 + 71.0));
    assert!(w.accounting().is_balanced());
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_time_from_an_end_until_ready_includes_the_delay() {
    let policy = regrow::Policy::default().backoff(regrow::Backoff::listed([300 * MS]));
    let tree = Supervisor::one_for_one("app").child(worker("w").measured().policy(policy)).start().await.unwrap();
    let metrics = Metrics::new().tree(&tree);
    let w = tree.lookup::<Job>("app/w").unwrap();
    assert_eq!(times(&metrics, "restart"), (0.0, 0.0));
    w.cast(run(async |_| anyhow::bail!("it fails"))).unwrap();
    up(&tree, "app/w", 2).await;
    assert_eq!(times(&metrics, "restart"), (1.0, 300.0));
    // A message that fails was in the handler, too.
    assert_eq!(times(&metrics, "message_handling").0, 1.0);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_measured_mailbox_obeys_its_capacity_and_wakes_its_senders() {
    let (tree, metrics) = tree().await;
    let w = tree.lookup::<Job>("app/w").unwrap();
    w.cast(sleeps(50)).unwrap();
    tokio::time::sleep(MS).await;
    for _ in 0..4 {
        w.cast(idle()).unwrap();
    }
    w.cast(idle()).unwrap_err();
    let waits = tokio::spawn({
        let w = w.clone();
        async move { w.send(idle()).await.map_err(|error| error.to_string()) }
    });
    tokio::time::sleep(10 * MS).await;
    assert!(!waits.is_finished());
    waits.await.unwrap().unwrap();
    assert_eq!(w.call(mail_answer).await.unwrap(), 7);
    assert_eq!(times(&metrics, "message_wait").0, 7.0);
    tree.shutdown().await;
}

fn mail_answer(reply: regrow::Reply<u32>) -> Job {
    crate::common::worker::answers(reply, 7)
}

#[tokio::test]
async fn a_thread_and_a_service_that_did_not_ask_have_no_times() {
    let thread = Child::thread("thread", |inbox: Inbox<u8>| {
        inbox.for_each(drop);
        Ok(())
    });
    let refused = Supervisor::one_for_one("app").child(thread.measured()).start().await;
    assert!(matches!(refused, Err(StartError::NoEffect { setting: "measured", .. })), "{refused:?}");
    let tree = Supervisor::one_for_one("app").child(worker("w")).start().await.unwrap();
    tree.lookup::<Job>("app/w").unwrap().cast(idle()).unwrap();
    let scrape = Scrape::read(&Metrics::new().tree(&tree).render());
    for name in ["regrow_message_wait_seconds_count", "regrow_mailbox_oldest_seconds"] {
        assert!(!scrape.has(name, &[]), "{name}");
    }
    tree.shutdown().await;
}
