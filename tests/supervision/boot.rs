//! Boot: bad input starts nothing, a failure takes back what was started, and every mailbox is there before all of it
//! (OTP rules 4 to 13).

use std::pin::pin;
use std::task::{Context as Poller, Poll, Waker};
use std::time::Duration;

use crate::common::tree::{Census, Inert, MS, SEC, Starts, probe, soon, up};
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    AutoShutdown, Child, Context, Exit, Handle, Refusal, Restart, ServiceChild, ServiceState, StartError, Supervisor,
    ignore, mailbox,
};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

fn inert(name: &str, starts: &Starts) -> ServiceChild<()> {
    Child::service_with(name, starts.clone(), |starts, _ctx| async move {
        starts.attempt()?;
        Ok(Inert)
    })
}

/// What the tree says when it does not start, and that nothing of it has.
async fn refusal(starts: &Starts, tree: Supervisor) -> String {
    let error = tree.start().await.unwrap_err();
    assert!(!matches!(error, StartError::Boot { .. }), "{error}");
    assert_eq!(starts.made(), 0, "{error}");
    error.to_string()
}

// OTP rules 4 and 5.
#[tokio::test]
async fn a_description_that_makes_no_sense_starts_nothing_and_names_the_culprit() {
    let starts = Starts::default();
    let app = |name: &str| Supervisor::one_for_one(name).child(inert("a", &starts));
    let sub = |name: &str| Supervisor::one_for_one(name).child(inert("b", &starts));
    let twins = || sub("sub").child(inert("b", &starts));
    let empty = || sub("sub").child(inert("c", &starts).capacity(0));
    let cases = [
        (app("app").child(inert("a", &starts)), "two children are named `app/a`: rename one"),
        (app("app").child(sub("a")), "two children are named `app/a`: rename one"),
        (app("app").child(twins()), "two children are named `app/sub/b`: rename one"),
        (app(""), "the root's name `` is empty: choose another"),
        (app("a/b"), "the root's name `a/b` contains a slash, which separates the names of a path: choose another"),
        (app("app").child(inert("", &starts)), "a child of `app` has the name ``, which is empty: choose another"),
        (
            app("app").child(inert("/b", &starts)),
            "a child of `app` has the name `/b`, which contains a slash, which separates the names of a path: choose another",
        ),
        (
            app("app").child(sub("s/b")),
            "a child of `app` has the name `s/b`, which contains a slash, which separates the names of a path: choose another",
        ),
        (
            app("app").child(sub("sub").child(inert("x/", &starts))),
            "a child of `app/sub` has the name `x/`, which contains a slash, which separates the names of a path: choose another",
        ),
        (
            app("app").child(inert("c", &starts).capacity(0)),
            "the mailbox of `app/c` has capacity zero: give it one or more",
        ),
        (app("app").child(empty()), "the mailbox of `app/sub/c` has capacity zero: give it one or more"),
        (
            app("app").child(inert("c", &starts).significant()),
            "`app/c` is significant, and its supervisor has no automatic shutdown: set `auto_shutdown` there",
        ),
        (
            app("app").auto_shutdown(AutoShutdown::AnySignificant).child(inert("c", &starts).significant()),
            "`app/c` is significant and permanent, which cannot both be: make it transient or temporary",
        ),
        (
            app("app").intensity(1, Duration::ZERO),
            "the restart budget of `app` has a period of zero: give it a longer one",
        ),
        (
            app("app").child(sub("sub").intensity(9, Duration::ZERO)),
            "the restart budget of `app/sub` has a period of zero: give it a longer one",
        ),
        (
            app("app").child(Child::supervisor("sub", {
                let starts = starts.clone();
                move || Supervisor::one_for_one("?").child(inert("b", &starts)).child(inert("b", &starts))
            })),
            "two children are named `app/sub/b`: rename one",
        ),
    ];
    for (tree, says) in cases {
        assert_eq!(refusal(&starts, tree).await, says);
    }
}

#[test]
fn outside_of_a_runtime_nothing_starts() {
    let starts = Starts::default();
    let mut start = pin!(Supervisor::one_for_one("app").child(inert("a", &starts)).start());
    match start.as_mut().poll(&mut Poller::from_waker(Waker::noop())) {
        Poll::Ready(Err(StartError::NoRuntime)) => assert_eq!(starts.made(), 0),
        other => panic!("{other:?}"),
    }
}

// Found by a runtime without `enable_time`: the tree started, its timer panicked, and a shutdown was not bounded any more.
#[test]
fn in_a_runtime_without_a_timer_nothing_starts() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let starts = Starts::default();
        let runtime = builder.enable_io().build().unwrap();
        let error = runtime.block_on(Supervisor::one_for_one("app").child(inert("a", &starts)).start()).unwrap_err();
        assert!(matches!(error, StartError::NoTimer) && error.to_string().contains("`enable_time`"), "{error}");
        assert_eq!(starts.made(), 0);
    }
}

#[test]
fn any_runtime_with_a_timer_will_do() {
    async fn lives() {
        let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
        assert!(soon("the end", tree.shutdown()).await.is_clean());
    }
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(lives());
    runtime.block_on(LocalSet::new().run_until(async { tokio::task::spawn_local(lives()).await.unwrap() }));
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let outside = runtime.handle().clone();
    std::thread::spawn(move || outside.block_on(lives())).join().unwrap();
}

// No call waits for what cannot come.
#[tokio::test]
async fn a_mailbox_given_to_a_tree_that_was_refused_is_gone() {
    let (inbox, handle) = mailbox::<ProbeMsg>();
    let call = handle.call(ProbeMsg::Generation);
    let child = Journal::new().probe("a").mailbox(inbox).capacity(0);
    Supervisor::one_for_one("app").child(child).start().await.unwrap_err();
    assert_eq!(handle.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert!(soon("the call", call).await.unwrap_err().is_safe_to_repeat());
}

// OTP rules 11 and 12: no retry, whatever the budget.
#[tokio::test]
async fn a_failed_start_takes_back_the_elders_in_reverse_and_says_why_nested() {
    let journal = Journal::new();
    let starts = Starts::failing([1]);
    let sub = Supervisor::one_for_one("sub")
        .intensity(100, SEC)
        .child(journal.probe("c"))
        .child(inert("disk", &starts))
        .child(journal.probe("d"));
    let tree = Supervisor::one_for_one("app").intensity(100, SEC).child(journal.probe("a")).child(journal.probe("b"));
    let error = tree.child(sub).child(journal.probe("e")).start().await.unwrap_err();

    let lines = ["start a#1", "start b#1", "start c#1", "end c#1", "end b#1", "end a#1"];
    assert_eq!(journal.lines(), lines);
    assert_eq!(starts.made(), 1);
    let says =
        "`app` did not start: child `sub` failed to start: child `disk` failed to start: failed: attempt 1 fails";
    assert_eq!(error.to_string(), says);
    let StartError::Boot { path, exit: Exit::ChildFailedToStart { child, cause } } = error else { panic!("{error}") };
    assert_eq!((&*path, &*child), ("app", "sub"));
    let Exit::ChildFailedToStart { child, cause } = &*cause else { panic!("{cause}") };
    assert_eq!(&**child, "disk");
    let Exit::Failed(failure) = &**cause else { panic!("{cause}") };
    assert!(failure.cause::<anyhow::Error>().is_some(), "the error itself is there");
}

#[tokio::test]
async fn a_panic_in_a_factory_is_a_failed_start_with_its_text_and_place() {
    let journal = Journal::new();
    let line = line!() + 1;
    let broken = Child::service("broken", |_: Context<Inert>| async { panic!("no {}", "disk") });
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(broken);
    let error = tree.start().await.unwrap_err();
    assert_eq!(journal.lines(), ["start a#1", "end a#1"]);
    let StartError::Boot { exit: Exit::ChildFailedToStart { cause, .. }, .. } = error else { panic!("{error}") };
    let Exit::Panicked(panic) = &*cause else { panic!("{cause}") };
    assert_eq!(&*panic.message, "no disk");
    let place = panic.location.as_deref().unwrap();
    assert!(place.starts_with(&format!("tests/supervision/boot.rs:{line}:")), "{place}");
}

// A factory is a closure that makes a future: it can panic before there is one.
#[tokio::test]
async fn a_factory_that_panics_before_it_has_made_its_future_is_a_failed_start() {
    let broken =
        Child::service("broken", |_: Context<Inert>| -> std::future::Ready<anyhow::Result<Inert>> { panic!("early") });
    let error = Supervisor::one_for_one("app").child(broken).start().await.unwrap_err();
    assert!(error.to_string().contains("child `broken` failed to start: panicked: early at "), "{error}");
}

// Found with a signal during the start: what was up never ran its stop hook.
#[tokio::test(start_paused = true)]
async fn dropping_the_start_of_a_tree_that_hangs_stops_in_order_what_is_up() {
    let journal = Journal::new();
    let census = Census::default();
    let counted = census.clone();
    let hung = Child::service("hung", move |_: Context<Inert>| {
        let resident = counted.enter();
        async move {
            std::future::pending::<()>().await;
            drop(resident);
            Ok(Inert)
        }
    });
    let (inbox, handle) = mailbox::<ProbeMsg>();
    handle.cast(ProbeMsg::Announce).unwrap();
    let sub = Supervisor::one_for_one("sub").child(journal.probe("b").mailbox(inbox)).child(hung);
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(sub).child(journal.probe("c"));
    assert!(tokio::time::timeout(SEC, tree.start()).await.is_err());

    soon("the end", until(handle.watch(), |status| status.state == ServiceState::Gone)).await;
    assert_eq!(journal.lines(), ["start a#1", "start b#1", "stop b#1", "end b#1", "end a#1"]);
    assert_eq!((census.ever(), census.alive()), (1, 0));
}

// OTP rule 10.
#[tokio::test]
async fn a_child_that_is_not_wanted_rests_and_boot_goes_on() {
    let journal = Journal::new();
    let unwanted = |name: &str| Child::service(name, |_: Context<Inert>| async { ignore() });
    let tree = Supervisor::one_for_one("app")
        .child(journal.probe("a"))
        .child(unwanted("job").restart(Restart::Temporary))
        .child(unwanted("metrics"))
        .child(journal.probe("b"));
    let tree = tree.start().await.unwrap();
    assert_eq!(journal.lines(), ["start a#1", "start b#1"]);
    assert_eq!(tree.directory().status("app/metrics").unwrap().state, ServiceState::Down);
    assert_eq!(tree.lookup::<()>("app/metrics").unwrap().cast(()).unwrap_err().refusal(), Refusal::Down);
    assert!(tree.lookup::<()>("app/job").is_err(), "a temporary one is forgotten");
    tree.shutdown().await;
}

// OTP rule 13.
#[tokio::test]
async fn a_child_that_dies_during_boot_does_not_fail_it_and_is_restarted_after_it() {
    let journal = Journal::new();
    let killer = Child::service("killer", {
        let journal = journal.clone();
        move |ctx: Context<Inert>| {
            let journal = journal.clone();
            async move {
                let victim = ctx.lookup::<ProbeMsg>("victim")?;
                victim.kill()?;
                // It is dead before this factory is done.
                until(victim.watch(), |status| status.state == ServiceState::Restarting).await;
                journal.write("start killer");
                Ok(Inert)
            }
        }
    });
    let tree = Supervisor::one_for_one("app").child(journal.probe("victim")).child(killer).child(journal.probe("b"));
    let tree = soon("boot", tree.start()).await.unwrap();
    up(&tree, "app/victim", 2).await;
    let lines = ["start victim#1", "end victim#1", "start killer", "start b#1", "start victim#2"];
    assert_eq!(journal.lines(), lines);
    tree.shutdown().await;
}

// What was up did not fail to start, however short it lived.
#[tokio::test]
async fn a_tree_that_gives_up_right_after_its_boot_has_started() {
    let brief = Child::task("brief", |_| async { anyhow::bail!("enough") });
    let tree = Supervisor::one_for_one("app").child(brief).start().await.unwrap();
    assert!(matches!(tree.wait().await.exit, Exit::Shutdown));
}

// The answer to the cycle: mailboxes first, then the directory, then the services.
#[tokio::test]
async fn every_mailbox_can_be_reached_before_anything_starts() {
    let journal = Journal::new();
    let early = Child::service("early", |ctx: Context<Inert>| async move {
        for (number, name) in ["late", "sub/deep", "app/sub/deep", "/app/late"].into_iter().enumerate() {
            let peer: Handle<ProbeMsg> = ctx.lookup(name)?;
            anyhow::ensure!(peer.status().state == ServiceState::Waiting);
            peer.cast(ProbeMsg::Note(number as u64))?;
        }
        Ok(Inert)
    });
    let sub = Supervisor::one_for_one("sub").child(journal.probe("deep"));
    let tree = Supervisor::one_for_one("app").child(early).child(sub).child(journal.probe("late"));
    let tree = tree.start().await.unwrap();
    assert_eq!(probe(&tree, "app/late").call(ProbeMsg::Noted).await.unwrap(), [0, 3]);
    assert_eq!(probe(&tree, "app/sub/deep").call(ProbeMsg::Noted).await.unwrap(), [1, 2]);
    tree.shutdown().await;
}

// OTP rule 8.
#[tokio::test(start_paused = true)]
async fn children_start_one_after_the_other() {
    let journal = Journal::new();
    let slow = |name: &str| {
        Child::service_with(name, journal.clone(), |journal, ctx: Context<Inert>| async move {
            journal.write(format!("begin {}", ctx.path()));
            tokio::time::sleep(50 * MS).await;
            journal.write(format!("done {}", ctx.path()));
            Ok(Inert)
        })
    };
    let sub = Supervisor::one_for_one("sub").child(slow("b"));
    let tree = Supervisor::one_for_one("app").child(slow("a")).child(sub).child(slow("c")).start().await.unwrap();
    let lines = ["begin app/a", "done app/a", "begin app/sub/b", "done app/sub/b", "begin app/c", "done app/c"];
    assert_eq!(journal.lines(), lines);
    tree.shutdown().await;
}
