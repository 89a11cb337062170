//! The log: one line for each event, the same keys everywhere, and few lines in a crash loop.

use std::sync::{Arc, Mutex};

use crate::common::log::Log;
use crate::common::tree::{Inert, SEC, Starter, Starts, hears, probe, soon, up};
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Backoff, Child, Context, GiveUp, Intensity, Policy, Restart, ServiceChild, ServiceState, Shutdown, Supervisor, Tree,
};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

fn ender() -> ServiceChild<()> {
    Child::service("ender", |ctx: Context<Inert>| async move {
        ctx.info(format!("life {}", ctx.generation()));
        Ok(Inert)
    })
}

#[tokio::test(start_paused = true)]
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
        "DEBUG child started path=app/a generation=1",
        "DEBUG child started path=app/ender generation=1 info=life 1",
        "DEBUG child started path=app/rests generation=1",
    ];
    let mut told = log.take();
    assert!(told.pop().is_some_and(|line| line.starts_with("INFO tree is up path=app start_ms=")), "{told:#?}");
    assert_eq!(told, lines);

    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    let lines = [
        "WARN child exited path=app/a generation=1 exit.kind=killed exit.text=killed",
        "WARN child failed to start path=app/a generation=1 exit.kind=failed exit.text=failed: attempt 2 fails",
        "INFO child is back path=app/a generation=2 down_ms=0 attempts=2",
    ];
    tokio::task::yield_now().await;
    assert_eq!(log.take(), lines);

    probe(&tree, "app/rests").cast(ProbeMsg::Stop).unwrap();
    hears(&mut tree.events(), "app/rests#1 is down").await;
    let lines = [
        "DEBUG child exited path=app/rests generation=1 exit.kind=normal exit.text=normal",
        "INFO child is down path=app/rests generation=1 exit.kind=normal exit.text=normal",
    ];
    assert_eq!(log.take(), lines);

    tree.kill("app/ender").unwrap();
    assert_eq!(soon("the end", tree.wait()).await.exit.kind(), "shutdown");
    let lines = [
        "WARN child exited path=app/ender generation=1 exit.kind=killed exit.text=killed",
        "ERROR supervisor gave up path=app generation=1 child=app/ender exit.kind=killed exit.text=killed \
         why=gave up on `app/ender`: killed (the budget of 2 restarts in 1s is used up)",
        "DEBUG child exited path=app/a generation=2 exit.kind=shutdown exit.text=shutdown",
    ];
    let mut told = log.take();
    let over = told.pop().unwrap();
    assert_eq!(told, lines);
    // Found by a newcomer: this line read as if all was well.
    let said = "WARN tree is over path=app exit.kind=shutdown exit.text=shutdown was_up=true \
                report=gave up on `app/ender`: killed (the budget of 2 restarts in 1s is used up); ended (shutdown) after ";
    assert!(over.starts_with(said), "{over}");
}

/// Crashes the probe so many times, without a pause.
async fn crash(tree: &Tree, path: &str, times: usize) {
    let probe = probe(tree, path);
    for _ in 0..times {
        probe.cast(ProbeMsg::Fail("again")).unwrap();
        probe.call(ProbeMsg::Generation).await.unwrap();
    }
}

// The lines of the first fault were lost for ever if no other followed: newcomer `r01`.
#[tokio::test(start_paused = true)]
async fn a_crash_loop_writes_few_lines_and_its_count_within_a_second() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = tree.child(journal.probe("a")).child(journal.probe("b")).start().await.unwrap();
    log.take();
    crash(&tree, "app/a", 1000).await;
    assert_eq!(log.take().len(), 10, "five that it exited, and five that it is back");
    tree.kill("app/b").unwrap();
    up(&tree, "app/b", 2).await;
    tokio::task::yield_now().await;
    assert_eq!(log.take().len(), 2, "the loop of one child does not silence another");

    // Nothing else happens.
    tokio::time::sleep(SEC).await;
    tokio::task::yield_now().await;
    let lines = [
        "INFO child is back path=app/a generation=1001 down_ms=0 attempts=1",
        "INFO lines about this child were held back path=app/a held_back=995",
        "WARN lines about this child were held back path=app/a held_back=995 exits=995 \
         exit.kind=failed exit.text=failed: again",
    ];
    assert_eq!(sorted(log.take()), lines);
    tokio::time::sleep(60 * SEC).await;
    assert!(log.take().is_empty(), "what was told is not told again");
    tree.shutdown().await;
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[tokio::test(start_paused = true)]
async fn the_count_runs_only_while_something_is_held_back_and_ends_with_the_tree() {
    let (log, _listening) = Log::listen();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(Journal::new().probe("a"));
    let tree = tree.start().await.unwrap();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // The supervisor's own timer: it limits the stop hook of a service that fails.
    crash(&tree, "app/a", 1).await;
    let quiet = tasks();
    crash(&tree, "app/a", 3).await;
    assert_eq!(tasks(), quiet, "nothing is held back");
    crash(&tree, "app/a", 29).await;
    assert_eq!(tasks(), quiet + 1);
    tokio::time::sleep(2 * SEC).await;
    assert_eq!(tasks(), quiet);

    crash(&tree, "app/a", 30).await;
    log.take();
    tree.shutdown().await;
    let lines = log.take();
    assert!(lines.iter().any(|line| line.contains("exited path=app/a") && line.contains("exit.kind=shutdown")));
    assert_eq!(lines.iter().filter(|line| line.contains("held_back=25")).count(), 2, "{lines:#?}");
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}

// `newcomer/r01`: the line that says `parked` was the sixth within a second.
#[tokio::test(start_paused = true)]
async fn a_line_that_calls_for_an_operator_is_written_in_any_flood_after_the_count_of_the_others() {
    let (log, _listening) = Log::listen();
    let policy = Policy::default().budget(Intensity::new(7, 60 * SEC)).on_give_up(GiveUp::park(3600 * SEC));
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(policy)).start().await.unwrap();
    let a = probe(&tree, "app/a");
    (0..8).for_each(|_| a.cast(ProbeMsg::Fail("boom")).unwrap());
    let watch = tree.directory().watch("app/a").unwrap();
    soon("parked", until(watch, |status| matches!(status.state, ServiceState::Parked { .. }))).await;
    let lines: Vec<_> = log.take().into_iter().filter(|line| !line.starts_with("INFO")).collect();
    let story = [
        "WARN lines about this child were held back path=app/a held_back=3 exits=3 \
         exit.kind=failed exit.text=failed: boom",
        "ERROR child is parked path=app/a generation=8 probe_in_ms=3600000",
    ];
    assert_eq!(lines[lines.len() - 2..], story, "{lines:#?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn every_supervisor_that_gives_up_says_so_and_the_lines_around_it_are_few() {
    let (log, _listening) = Log::listen();
    let (journal, starts) = (Journal::new(), Starts::failing([]));
    let hot = Starter::child("hot", &journal, &starts);
    let sub = Supervisor::one_for_one("sub").intensity(0, SEC).child(hot);
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).start().await.unwrap();
    for lives in 1..100 {
        tree.kill("app/sub/hot").unwrap();
        up(&tree, "app/sub/hot", lives + 1).await;
        up(&tree, "app/sub", lives + 1).await;
    }
    let (urgent, others): (Vec<_>, Vec<_>) = log.take().into_iter().partition(|line| line.starts_with("ERROR"));
    assert_eq!(urgent.len(), 99);
    let counts: usize = others.iter().filter(|line| line.contains("held_back")).count();
    assert!(others.len() - counts < 50, "{:#?}", &others[others.len() - 5..]);
    assert!(others.iter().any(|line| line.starts_with("INFO child is back path=app/sub generation=2")), "{others:#?}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_return_tells_how_long_the_child_was_away_and_what_it_took() {
    let (log, _listening) = Log::listen();
    let (journal, starts) = (Journal::new(), Starts::failing([2, 3]));
    let policy = Policy::default().backoff(Backoff::new(2 * SEC));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = tree.child(Starter::child("a", &journal, &starts).policy(policy)).start().await.unwrap();
    log.take();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    tokio::task::yield_now().await;
    let back = log.take().pop().unwrap();
    assert!(back.starts_with("INFO child is back path=app/a generation=2 down_ms=14"), "{back}");
    assert!(back.ends_with(" attempts=3"), "{back}");

    // An order is no failure.
    tree.supervisor("app").unwrap().terminate_child("a").await.unwrap();
    tree.supervisor("app").unwrap().restart_child("a").await.unwrap();
    assert_eq!(log.take().pop().unwrap(), "DEBUG child started path=app/a generation=3");
    tree.shutdown().await;
}

// Found by a test backend: the limiter counted lines that only a detailed log would have written.
#[test]
fn a_detailed_log_takes_nothing_from_the_quota_of_the_others() {
    let (warnings, everything) = (Lines::default(), Lines::default());
    let subscriber = tracing_subscriber::registry()
        .with(warnings.clone().with_filter(LevelFilter::WARN))
        .with(everything.clone().with_filter(LevelFilter::TRACE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(Journal::new().probe("a"));
            let tree = tree.start().await.unwrap();
            crash(&tree, "app/a", 4).await;
            tokio::time::sleep(2 * SEC).await;
            tree.shutdown().await;
        });
    });
    assert_eq!(warnings.of_children(), ["child exited"; 4]);
    assert_eq!(everything.of_children().len(), 2 * 4 + 2);
}

/// The messages about children, on whatever thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of_children(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().filter(|line| line.starts_with("child")).cloned().collect()
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kill_that_is_how_a_child_is_stopped_alarms_no_operator() {
    let (log, _listening) = Log::listen();
    let (journal, starts) = (Journal::new(), Starts::failing([]));
    let brutal = journal.probe("brutal").shutdown(Shutdown::Kill);
    let tree = Supervisor::one_for_all("app").budget(Intensity::unlimited());
    let tree = tree.child(brutal).child(Starter::child("a", &journal, &starts)).start().await.unwrap();
    log.take();
    tree.kill("app/a").unwrap();
    up(&tree, "app/a", 2).await;
    tokio::task::yield_now().await;
    let lines = [
        "WARN child exited path=app/a generation=1 exit.kind=killed exit.text=killed",
        "DEBUG child exited path=app/brutal generation=1 exit.kind=killed exit.text=killed",
        "DEBUG child started path=app/brutal generation=2",
        "INFO child is back path=app/a generation=2 down_ms=0 attempts=1",
    ];
    assert_eq!(log.take(), lines);
    tree.shutdown().await;
    assert!(log.take().iter().all(|line| !line.starts_with("WARN")));
}
