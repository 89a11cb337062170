//! Stopping a tree: in order, in time, and whatever the stopped do.

#[path = "common/log.rs"]
mod log;

#[path = "common/tree.rs"]
mod common;

use std::time::Duration;

use common::{MS, SEC, Slow, Starts, heard_to_the_end, in_hand, probe, soon, stands, up};
use log::Log;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{CallError, Child, Context, Exit, Intensity, KillError, OnRestart, Overflow, Refusal, Reply, Service};
use regrow::{ServiceChild, Shutdown, State, Strategy, Supervisor};
use tokio::time::Instant;

// OTP rules 55 and 103.
#[tokio::test]
async fn a_tree_stops_youngest_first_and_depth_first() {
    let journal = Journal::new();
    let deep = Supervisor::one_for_one("deep").child(journal.probe("c")).child(journal.probe("d"));
    let sub = Supervisor::rest_for_one("sub").child(journal.probe("b")).child(deep).child(journal.probe("e"));
    let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(sub).child(journal.probe("f"));
    let tree = tree.start().await.unwrap();
    for entry in tree.directory().entries() {
        if let Ok(probe) = tree.lookup::<ProbeMsg>(&entry.path) {
            probe.cast(ProbeMsg::Announce).unwrap();
            probe.call(ProbeMsg::Generation).await.unwrap();
        }
    }
    journal.take();
    let report = tree.shutdown().await;
    assert!(report.is_clean() && matches!(report.exit, Exit::Shutdown), "{report}");
    let order = ["f", "e", "d", "c", "b", "a"].map(|name| [format!("stop {name}#1"), format!("end {name}#1")]);
    assert_eq!(journal.take(), order.concat());
}

/// Panics wherever it is told to.
struct Clumsy(Option<Where>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    StopHook,
    Drop,
    /// In a destructor of a local of the handler, which is hung.
    Local,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb went off");
    }
}

impl Service for Clumsy {
    type Msg = Where;

    async fn handle(&mut self, place: Where, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.0 = Some(place);
        if place == Where::Local {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if self.0 == Some(Where::StopHook) {
            panic!("the stop hook is clumsy");
        }
        Ok(())
    }
}

impl Drop for Clumsy {
    fn drop(&mut self) {
        if self.0 == Some(Where::Drop) {
            panic!("the drop is clumsy");
        }
    }
}

fn clumsy() -> ServiceChild<Where> {
    Child::service("clumsy", |_| async { Ok(Clumsy(None)) })
}

async fn told(handle: &regrow::Handle<Where>, place: Where) {
    handle.cast(place).unwrap();
    let taken = async {
        while handle.accounting().queued > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the message to be taken", taken).await;
}

#[tokio::test]
async fn a_panic_on_the_way_out_is_told_by_name_and_stops_nobody_else_from_stopping() {
    for (place, says) in [(Where::StopHook, "the stop hook is clumsy"), (Where::Drop, "the drop is clumsy")] {
        let journal = Journal::new();
        let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(clumsy()).child(journal.probe("b"));
        let tree = tree.start().await.unwrap();
        let mut events = tree.events();
        told(&tree.lookup("app/clumsy").unwrap(), place).await;
        journal.take();
        let report = soon("the end", tree.shutdown()).await;
        assert!(report.is_clean() && matches!(report.exit, Exit::Shutdown), "{report}");
        assert_eq!(journal.take(), ["end b#1", "end a#1"]);
        let story = heard_to_the_end(&mut events).await;
        for what in ["exited", "did not stop as asked"] {
            let start = format!("app/clumsy#1 {what}: panicked: {says} at tests/stopping.rs:");
            assert!(story.iter().any(|line| line.starts_with(&start)), "{start} is not in {story:#?}");
        }
    }
}

#[tokio::test]
async fn a_panic_in_a_destructor_during_a_kill_hurts_nobody_and_is_logged_by_name() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(clumsy()).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let (handle, mut events) = (tree.lookup::<Where>("app/clumsy").unwrap(), tree.events());
    for (generation, place, says) in [(2, Where::Local, "a bomb went off"), (3, Where::Drop, "the drop is clumsy")] {
        told(&handle, place).await;
        handle.kill().unwrap();
        up(&tree, "app/clumsy", generation).await;
        let lines = log.take();
        let names = |line: &&String| line.contains("app/clumsy") && line.contains(says);
        assert!(lines.iter().find(names).is_some_and(|line| line.starts_with("ERROR")), "{lines:#?}");
    }
    assert_eq!(probe(&tree, "app/a").call(ProbeMsg::Generation).await.unwrap(), 1);
    tree.shutdown().await;
    let exits: Vec<_> =
        heard_to_the_end(&mut events).await.into_iter().filter(|line| line.contains("exited")).collect();
    assert_eq!(exits[..2], ["app/clumsy#1 exited: killed", "app/clumsy#2 exited: killed"]);
}

#[tokio::test]
async fn a_group_restart_goes_on_over_panics_on_the_way_out() {
    for place in [Where::StopHook, Where::Drop] {
        let journal = Journal::new();
        let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(clumsy()).start().await.unwrap();
        told(&tree.lookup("app/clumsy").unwrap(), place).await;
        tree.kill("app/a").unwrap();
        up(&tree, "app/clumsy", 2).await;
        tree.shutdown().await;
    }
}

/// A message that cannot be dropped without a panic. Handling defuses it.
struct Grenade(Option<Reply<()>>, bool);

impl Drop for Grenade {
    fn drop(&mut self) {
        if self.1 {
            panic!("a grenade went off");
        }
    }
}

struct Catcher;

impl Service for Catcher {
    type Msg = Grenade;

    async fn handle(&mut self, mut grenade: Grenade, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        grenade.1 = false;
        match grenade.0.take() {
            Some(reply) => drop(reply.send(())),
            None => std::future::pending().await,
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_panics_when_it_is_shed_hurts_nobody_and_is_logged_with_its_service() {
    let (log, _listening) = Log::listen();
    let catcher = |name: &str| Child::service(name, |_| async { Ok(Catcher) });
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(catcher("full").capacity(1).overflow(Overflow::DropOldest))
        .child(catcher("newest").capacity(1).overflow(Overflow::DropNewest))
        .child(catcher("drops").on_restart(OnRestart::Drop))
        .child(catcher("closes"))
        .start()
        .await
        .unwrap();
    for name in ["full", "newest", "drops", "closes"] {
        let path = format!("app/{name}");
        let handle = tree.lookup::<Grenade>(&path).unwrap();
        handle.cast(Grenade(None, true)).unwrap();
        in_hand(&handle).await;
        handle.cast(Grenade(None, true)).unwrap();
        match name {
            "full" | "newest" => handle.cast(Grenade(None, true)).unwrap(),
            "drops" => {
                handle.kill().unwrap();
                up(&tree, &path, 2).await;
                soon("an answer", handle.call(|reply| Grenade(Some(reply), true))).await.unwrap();
            }
            _ => {
                soon("the end", tree.shutdown()).await;
                assert_eq!(handle.status().state, State::Gone);
            }
        }
        let lines = log.take();
        let says = |line: &String| line.contains("a grenade went off") && line.contains(&path);
        assert!(lines.iter().any(says), "{lines:#?}");
        assert!(handle.accounting().is_balanced() && handle.accounting().dead_lettered >= 1, "{}", handle.accounting());
    }
}

// OTP rules 47 to 49.
#[tokio::test]
async fn a_child_is_stopped_by_its_own_rule() {
    let journal = Journal::new();
    for (shutdown, ends) in [
        (Shutdown::Kill, "exited: killed"),
        (Shutdown::After(Duration::ZERO), "exited: shutdown"),
        (Shutdown::Wait, "exited: shutdown"),
    ] {
        let tree = Supervisor::one_for_one("app").child(journal.probe("a").shutdown(shutdown)).start().await.unwrap();
        let (a, mut events) = (probe(&tree, "app/a"), tree.events());
        a.cast(ProbeMsg::Announce).unwrap();
        a.call(ProbeMsg::Generation).await.unwrap();
        journal.take();
        assert!(tree.shutdown().await.is_clean(), "a child that is to be killed did not fail to stop");
        assert_eq!(heard_to_the_end(&mut events).await, [format!("app/a#1 {ends}")]);
        match shutdown {
            Shutdown::Kill => assert_eq!(journal.take(), ["end a#1"]),
            Shutdown::After(_) | Shutdown::Wait => assert_eq!(journal.take(), ["stop a#1", "end a#1"]),
        }
    }
}

// The order of ask and kill must not depend on who is quicker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_time_to_stop_is_time_enough_to_see_the_request() {
    for _ in 0..100 {
        let journal = Journal::new();
        let child = journal.probe("a").shutdown(Shutdown::After(Duration::ZERO));
        let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
        let mut events = tree.events();
        let report = tree.shutdown().await;
        assert_eq!(heard_to_the_end(&mut events).await, ["app/a#1 exited: shutdown"], "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_overruns_its_time_is_killed_and_named() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app")
        .child(Slow::child("slow", &journal, 70 * MS).shutdown(Shutdown::After(100 * MS)))
        .child(Slow::child("late", &journal, 3600 * SEC).shutdown(Shutdown::After(100 * MS)))
        .start()
        .await
        .unwrap();
    let mut events = tree.events();
    let report = tree.shutdown().await;
    assert_eq!((&*report.killed, &*report.abandoned), (&["app/late".into()][..], &[][..]));
    assert_eq!(report.took, 170 * MS);
    assert_eq!(report.to_string(), "ended (shutdown) after 170.0ms; killed: app/late");
    let story =
        ["app/late#1 exited: killed", "app/late#1 did not stop as asked: killed", "app/slow#1 exited: shutdown"];
    assert_eq!(heard_to_the_end(&mut events).await, story);
}

// suture #41: adding to a stopped supervisor deadlocked.
#[tokio::test]
async fn whatever_is_asked_of_a_stopped_tree_is_answered_at_once() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).start().await.unwrap();
    let before = probe(&tree, "app/a");
    let (one, two) = tokio::join!(tree.shutdown(), tree.shutdown());
    assert_eq!((one.exit.kind(), two.exit.kind()), ("shutdown", "shutdown"));
    let again = soon("one more", tree.shutdown()).await;
    let bounded = soon("a bounded one", tree.shutdown_within(SEC)).await;
    assert_eq!((again.exit.kind(), bounded.exit.kind()), ("shutdown", "shutdown"));
    assert_eq!(soon("the end", tree.wait()).await.kind(), "shutdown");

    for handle in [before, probe(&tree, "app/a")] {
        assert_eq!(handle.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
        assert_eq!(soon("send", handle.send(ProbeMsg::Note(1))).await.unwrap_err().refusal(), Refusal::Gone);
        let refused = soon("call", handle.call(ProbeMsg::Generation)).await;
        assert!(matches!(refused, Err(CallError::Refused(error)) if error.refusal() == Refusal::Gone));
        let refused = soon("call", handle.call_within(SEC, ProbeMsg::Generation)).await;
        assert!(matches!(refused, Err(CallError::Refused(_))));
        assert_eq!(handle.kill().unwrap_err().to_string(), "`app/a` has no running incarnation");
        assert_eq!(handle.watch().borrow().state, State::Gone);
    }
    assert!(matches!(tree.kill("app/a"), Err(KillError::NotRunning(_))));
    assert!(soon("events", tree.events().next()).await.is_none());
    let directory = tree.directory();
    drop(tree);
    assert_eq!(directory.status("app/a").unwrap().state, State::Gone);
    assert_eq!(directory.entries().len(), 2);
}

// Nobody starts again what a shutdown has stopped, so its mail never runs, and its callers are told so in the end.
#[tokio::test(start_paused = true)]
async fn a_call_to_one_that_was_stopped_earlier_in_the_shutdown_never_runs() {
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").child(Slow::child("slow", &journal, SEC)).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let a = probe(&tree, "app/a");
    let late = async {
        stands(&tree, "app/a", State::Restarting).await;
        a.call(ProbeMsg::Generation).await
    };
    let (report, outcome) = tokio::join!(tree.shutdown(), late);
    assert!(report.is_clean());
    assert!(outcome.unwrap_err().is_safe_to_repeat());
}

#[tokio::test]
async fn a_dropped_tree_is_killed() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("b"));
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(sub).start().await.unwrap();
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    a.cast(ProbeMsg::Announce).unwrap();
    a.call(ProbeMsg::Generation).await.unwrap();
    journal.take();
    drop(tree);
    let story = heard_to_the_end(&mut events).await;
    assert_eq!(story, ["app/sub/b#1 exited: killed", "app/sub#1 exited: killed", "app/a#1 exited: killed"]);
    assert_eq!(journal.take(), ["end b#1", "end a#1"]);
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert!(log.take().iter().any(|line| line.starts_with("WARN the tree was dropped while it ran and is killed")));
}

// A factory that hangs in a restart is cut short: at once, or after the millisecond that a prompt one is given.
#[tokio::test(start_paused = true)]
async fn a_hung_factory_does_not_hold_up_a_shutdown() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let (journal, starts) = (Journal::new(), Starts::default());
        let counted = starts.clone();
        let hangs = Child::service("hangs", move |_: Context<Catcher>| {
            let starts = counted.clone();
            async move {
                if starts.attempt()? > 1 {
                    std::future::pending::<()>().await;
                }
                Ok(Catcher)
            }
        });
        let sub = Supervisor::new("sub", strategy).child(hangs).child(journal.probe("b"));
        let tree = Supervisor::new("app", strategy).child(journal.probe("a")).child(sub).start().await.unwrap();
        tree.kill("app/sub/hangs").unwrap();
        stands(&tree, "app/sub/hangs", State::Starting).await;
        let begun = Instant::now();
        let report = tree.shutdown().await;
        assert!(begun.elapsed() <= MS, "{:?}", begun.elapsed());
        assert!(report.is_clean() && matches!(report.exit, Exit::Shutdown), "{report}");
        assert_eq!(journal.take().last().unwrap(), "end a#1");
    }
}
