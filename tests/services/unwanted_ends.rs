//! An end that was not wanted does not look like one that was.

use crate::common::tree::{SEC, Slow, hears_of, in_hand, probe, soon, stands, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    AutoShutdown, Child, Context, EventKind, ExitKind, ExitRule, GiveUpReason, Intensity, Policy, Restart, RuleAction,
    RunError, Service, ServiceState, Shutdown, ShutdownReport, Supervisor, TaskContext, Tree,
};

const TAKEN: &str = "Address already in use (os error 98)";

fn no_restart() -> Intensity {
    Intensity::new(0, 5 * SEC)
}

/// A tree of this supervisor, whose service `at` has failed.
async fn failed(app: Supervisor, at: &str) -> Tree {
    let tree = app.start().await.unwrap();
    probe(&tree, at).cast(ProbeMsg::Fail(TAKEN)).unwrap();
    tree
}

// Found with a service whose port was taken: it exited with status 0, and its orchestrator left it dead.
#[tokio::test]
async fn a_root_that_gave_up_is_told_from_one_that_was_asked_to_stop() {
    let app = Supervisor::one_for_one("app").budget(no_restart()).child(Journal::new().probe("http"));
    let tree = app.child(Journal::new().probe("db")).start().await.unwrap();
    let mut events = tree.events();
    probe(&tree, "app/http").cast(ProbeMsg::Fail(TAKEN)).unwrap();

    let end = soon("the end", tree.wait()).await;
    assert!(!end.is_clean() && !end.was_wanted());
    assert_eq!(end.exit.kind(), "shutdown", "OTP rule 28");
    let gave_up = end.gave_up.clone().expect("it gave up");
    assert_eq!((&*gave_up.supervisor, &*gave_up.child), ("app", "app/http"));
    assert!(matches!(gave_up.reason, GiveUpReason::Budget(left) if left.within == 5 * SEC && !left.is_own));
    let text = format!("gave up on `app/http`: failed: {TAKEN} (the budget of 0 restarts in 5s is used up)");
    assert_eq!(gave_up.to_string(), text);
    assert!(end.to_string().starts_with(&format!("{text}; ended (shutdown) after ")), "{end}");

    let event = hears_of(&mut events, "app#1 gave up on `app/http`").await;
    assert!(matches!(event.kind, EventKind::GaveUp { why } if why.exit.kind() == "failed"));
    assert!(!tree.shutdown().await.is_clean(), "nor afterwards");
    let error = tree.run_until_signal().await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("the tree `app` {text}")), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string(), "`main` prints this one");
    assert!(matches!(error, RunError::Ended(end) if end.report().gave_up.is_some()));

    let why = tree.why("app").await.unwrap();
    assert!(why.to_string().ends_with(&format!("It {text}.")), "{why}");
    let why = tree.why("app/http").await.unwrap();
    assert!(why.to_string().contains(&format!("gave up on it: failed: {TAKEN}")), "{why}");
    let why = tree.why("app/db").await.unwrap();
    assert!(why.given_up.is_none(), "it was not the one");
    // Found by a first reader: nothing can start the supervisor of a tree that is over, and the text advised that.
    assert_eq!(why.to_string(), "`app/db` is gone: its supervisor `app` has ended with the tree.");
}

// The failure climbs, and the report leads to where it began.
#[tokio::test]
async fn a_give_up_that_climbed_names_where_it_began() {
    let orders = Supervisor::one_for_one("orders").budget(no_restart()).child(Journal::new().probe("http"));
    let tree = failed(Supervisor::one_for_one("app").budget(no_restart()).child(orders), "app/orders/http").await;
    let end = soon("the end", tree.wait()).await;
    let gave_up = end.gave_up.as_ref().unwrap();
    assert_eq!((&*gave_up.child, &*gave_up.innermost().child), ("app/orders", "app/orders/http"));
    let text = format!("gave up on `app/orders`, which gave up on `app/orders/http`: failed: {TAKEN}");
    assert!(end.to_string().starts_with(&text), "{end}");
    for (path, says) in [
        ("app", "It gave up on `app/orders`, which gave up on"),
        ("app/orders", "It gave up on `app/orders/http`"),
        ("app/orders/http", "That supervisor gave up on it: failed: "),
    ] {
        let why = tree.why(path).await.unwrap().to_string();
        assert!(why.contains(says), "{why}");
    }
}

// To a transient supervisor's parent its giving up is a clean end (OTP rule 99): it stays down, without a word before.
#[tokio::test]
async fn a_supervisor_that_gave_up_and_stays_down_says_why() {
    let sub = Supervisor::one_for_one("sub").budget(no_restart()).restart(Restart::Transient);
    let tree =
        failed(Supervisor::one_for_one("app").child(sub.child(Journal::new().probe("http"))), "app/sub/http").await;
    stands(&tree, "app/sub", ServiceState::Down).await;
    let why = tree.why("app/sub").await.unwrap();
    assert!(why.to_string().contains("It gave up on `app/sub/http`: failed"), "{why}");
    let why = tree.why("app/sub/http").await.unwrap();
    assert!(why.given_up.is_some() && why.to_string().contains("gave up on it"), "{why}");
    assert!(tree.shutdown().await.is_clean(), "that was before");
}

// One that was started again remembers, until a life of it ends otherwise.
#[tokio::test]
async fn a_supervisor_that_gave_up_and_came_back_says_why() {
    let sub = Supervisor::one_for_one("sub").budget(no_restart()).child(Journal::new().probe("http"));
    let tree = failed(Supervisor::one_for_one("app").budget(Intensity::new(9, SEC)).child(sub), "app/sub/http").await;
    up(&tree, "app/sub", 2).await;
    assert!(tree.why("app/sub").await.unwrap().gave_up.is_some());
    tree.kill("app/sub").unwrap();
    up(&tree, "app/sub", 3).await;
    assert!(tree.why("app/sub").await.unwrap().gave_up.is_none());
    assert!(tree.shutdown().await.is_clean());
}

// Found by reading: what a supervisor gave up on in its life before was told as the cause of a start that failed.
#[tokio::test]
async fn a_start_that_fails_is_not_put_down_to_the_life_before() {
    let starts = std::sync::atomic::AtomicU32::new(0);
    let init = move || match starts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Ok(()),
        _ => anyhow::bail!("no licence"),
    };
    let sub = Supervisor::one_for_one("sub").budget(no_restart()).init(init).child(Journal::new().probe("http"));
    let tree = failed(Supervisor::one_for_one("app").child(sub), "app/sub/http").await;
    let end = soon("the end", tree.wait()).await;
    assert!(end.to_string().starts_with("gave up on `app/sub`: failed: no licence (the budget of 1 restart"), "{end}");
}

#[tokio::test]
async fn a_rule_that_escalates_is_named() {
    let policy = Policy::default().rule(ExitRule::new(RuleAction::Escalate).on(ExitKind::Failed));
    let app = Supervisor::one_for_one("app").child(Journal::new().probe("http").policy(policy));
    let end = soon("the end", failed(app, "app/http").await.wait()).await;
    assert!(end.to_string().contains("(rule 1 escalates)") && !end.is_clean(), "{end}");
}

// A batch job whose failure went unnoticed.
#[tokio::test]
async fn a_tree_that_ends_with_a_significant_child_is_clean_if_that_did_its_work() {
    let job = |name: &'static str, result: Result<(), &'static str>| {
        let task = Child::task(name, move |_| async move { result.map_err(anyhow::Error::msg) });
        task.restart(Restart::Temporary).significant()
    };
    for (jobs, auto, told) in [
        (vec![job("a", Ok(()))], AutoShutdown::AnySignificant, None),
        (
            vec![job("a", Err("boom"))],
            AutoShutdown::AnySignificant,
            Some("ended with `app/a`: failed: boom (it is significant)"),
        ),
        (
            vec![job("a", Err("boom")), job("b", Ok(()))],
            AutoShutdown::AllSignificant,
            Some("ended with `app/a`: failed: boom"),
        ),
        (vec![job("a", Ok(())), job("b", Ok(()))], AutoShutdown::AllSignificant, None),
    ] {
        let tree = Supervisor::one_for_one("app").auto_shutdown(auto).children(jobs).start().await.unwrap();
        let end = soon("the end", tree.wait()).await;
        assert_eq!((end.is_clean(), end.exit.kind()), (told.is_none(), "shutdown"), "{end}");
        assert!(told.is_none_or(|told| end.to_string().starts_with(told)), "{end}");
    }
    let sub = Supervisor::one_for_one("sub").budget(no_restart()).child(Journal::new().probe("http"));
    let app = Supervisor::one_for_one("app").auto_shutdown(AutoShutdown::AnySignificant);
    let app = app.child(sub.restart(Restart::Transient).significant());
    let end = soon("the end", failed(app, "app/sub/http").await.wait()).await;
    assert!(end.to_string().starts_with("ended with `app/sub`, which gave up on `app/sub/http`: failed"), "{end}");
}

#[tokio::test]
async fn a_significant_child_that_is_run_again_by_order_and_does_its_work_is_forgiven() {
    let job = Child::task("job", |ctx: TaskContext| async move {
        anyhow::ensure!(ctx.generation() > 1, "boom");
        Ok(())
    });
    let rests = Policy::default().rule(ExitRule::new(RuleAction::Stop).on(ExitKind::Failed));
    let job = job.restart(Restart::Transient).policy(rests).significant();
    let lasts = Child::task("lasts", |_| std::future::pending()).restart(Restart::Transient).significant();
    let app = Supervisor::one_for_one("app").auto_shutdown(AutoShutdown::AllSignificant).child(job).child(lasts);
    let tree = app.start().await.unwrap();
    stands(&tree, "app/job", ServiceState::Down).await;
    let orders = tree.supervisor("app").unwrap();
    orders.restart_child("job").await.unwrap();
    stands(&tree, "app/job", ServiceState::Down).await;
    orders.terminate_child("lasts").await.unwrap();
    orders.restart_child("job").await.unwrap();
    let end = soon("the end", tree.wait()).await;
    assert!(end.is_clean() && end.exit.kind() == "shutdown", "{end}");
}

struct Flusher;

impl Service for Flusher {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }

    async fn stopped(&mut self, _: &mut Context<Self>) -> anyhow::Result<()> {
        anyhow::bail!("flush failed")
    }
}

async fn stopped(child: impl Into<Child>) -> ShutdownReport {
    let tree = Supervisor::one_for_one("app").child(Supervisor::one_for_one("sub").child(child)).start().await.unwrap();
    soon("the end", tree.shutdown()).await
}

// Found by comparing events with reports: the one said "did not stop as asked", the other that all did.
#[tokio::test]
async fn a_child_that_fails_while_it_stops_is_named() {
    let panics = Child::task("a", |ctx: TaskContext| async move {
        ctx.stopping().await;
        panic!("while flushing")
    });
    let fails = Child::task("a", |ctx: TaskContext| async move {
        ctx.stopping().await;
        anyhow::bail!("flush failed")
    });
    let hook = Child::service("a", |_| async { Ok(Flusher) });
    for (child, how) in [(panics.into(), "panicked"), (fails.into(), "failed"), (Child::from(hook), "failed")] {
        let report = stopped(child).await;
        let named: Vec<_> = report.failed.iter().map(|fault| (&*fault.path, fault.exit.kind())).collect();
        assert_eq!(named, [("app/sub/a", how)], "{report}");
        assert!(!report.is_clean() && report.was_wanted(), "{report}");
        assert!(report.to_string().contains("; failed while it stopped: app/sub/a ("), "{report}");
        let error = report.into_result().unwrap_err();
        assert!(error.to_string().starts_with("the tree `app` ended (shutdown) after "), "{error}");
    }
    let slow = Journal::new().probe("a").shutdown(Shutdown::Kill);
    assert!(stopped(slow).await.into_result().is_ok(), "it is to be killed");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_has_to_be_killed_is_named_and_not_as_failed() {
    let hangs = Journal::new().probe("a").shutdown(Shutdown::After(SEC));
    let tree = Supervisor::one_for_one("app").child(hangs).start().await.unwrap();
    probe(&tree, "app/a").cast(ProbeMsg::Hang).unwrap();
    in_hand(&probe(&tree, "app/a")).await;
    let report = tree.shutdown().await;
    assert_eq!((report.killed.len(), report.failed.len(), report.is_clean()), (1, 0, false), "{report}");
    assert_eq!(report.to_string(), "ended (shutdown) after 1.0s; killed: app/a");
}

// A fault that comes while the tree stops is not lost because a supervisor stands between.
#[tokio::test(start_paused = true)]
async fn a_give_up_while_the_tree_stops_is_named() {
    let sub = Supervisor::one_for_one("sub").budget(no_restart()).child(Journal::new().probe("http"));
    let slow = Slow::child("slow", &Journal::new(), SEC);
    let tree = Supervisor::one_for_one("app").child(sub).child(slow).start().await.unwrap();
    let http = probe(&tree, "app/sub/http");
    let stop = async {
        tokio::time::sleep(SEC / 2).await;
        http.cast(ProbeMsg::Fail(TAKEN)).unwrap();
    };
    let (report, ()) = tokio::join!(tree.shutdown(), stop);
    assert!(
        report.to_string().ends_with(&format!("failed while it stopped: app/sub/http (failed: {TAKEN})")),
        "{report}"
    );
    assert!(!report.is_clean() && report.was_wanted());
}

#[tokio::test]
async fn a_root_that_was_killed_is_not_clean() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    tree.kill("app").unwrap();
    let end = soon("the end", tree.wait()).await;
    assert_eq!((end.exit.kind(), end.is_clean(), end.unasked.len()), ("killed", false, 1), "{end}");
    assert!(tree.run_until_signal().await.unwrap_err().to_string().starts_with("the tree `app` ended (killed)"));
}

// A readiness probe has a place to look at.
#[tokio::test]
async fn a_tree_that_ends_is_draining_however_its_end_began() {
    for gives_up in [true, false] {
        let app = Supervisor::one_for_one("app").budget(no_restart()).child(Journal::new().probe("http"));
        let tree = app.start().await.unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let seen = ProbeMsg::Run(Box::new(move |ctx| drop(tell.send(ctx.directory()))));
        probe(&tree, "app/http").cast(seen).unwrap();
        let directory = told.await.unwrap();
        assert!(!tree.is_draining() && !directory.is_draining());
        if gives_up {
            probe(&tree, "app/http").cast(ProbeMsg::Fail(TAKEN)).unwrap();
            soon("the end", tree.wait()).await;
        } else {
            tree.shutdown().await;
        }
        assert!(tree.is_draining() && directory.is_draining());
    }
}

// A million names are no line.
#[tokio::test(start_paused = true)]
async fn a_report_of_many_names_is_short() {
    let journal = Journal::new();
    let children = (0..25).map(|number| journal.probe(&format!("p{number:02}")).shutdown(Shutdown::Wait));
    let tree = Supervisor::one_for_one("app").children(children).start().await.unwrap();
    probe(&tree, "app/p24").cast(ProbeMsg::Hang).unwrap();
    in_hand(&probe(&tree, "app/p24")).await;
    let report = tree.shutdown_within(SEC).await;
    assert_eq!((report.killed.len(), report.unasked.len()), (1, 24), "{report}");
    assert!(report.to_string().ends_with(" and 14 more"), "{report}");
}
