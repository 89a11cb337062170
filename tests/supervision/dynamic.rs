//! The dynamic supervisor: children that come and go at run time, by spec and from a template (OTP rules 79 to 91),
//! live.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use crate::common::pool::{self, paths, pool};
use crate::common::tree::{Inert, MS, Starter, Starts, probe, soon, stands, up};
use regrow::testing::{Journal, Probe, ProbeMsg};
use regrow::{
    Child, ChildState, Context, DynamicHandle, DynamicSupervisor, Intensity, LookupError, Refusal, Restart,
    ServiceChild, ServiceState, StartChildError, StartError, StartOutcome, StartedChild, StopChildError, Supervisor,
    Tree, ignore, mailbox,
};

async fn app(pool: DynamicSupervisor) -> (Tree, DynamicHandle) {
    pool::app(pool.budget(Intensity::unlimited())).await
}

fn is_up(outcome: StartOutcome) -> StartedChild {
    match outcome {
        StartOutcome::Up(up) => up,
        StartOutcome::Ignored => panic!("it is wanted"),
    }
}

async fn assert_empty(tree: &Tree, pool: &DynamicHandle) {
    assert_eq!(paths(tree), ["app", "app/pool"]);
    assert!(pool.which_children().await.unwrap().is_empty());
    let count = pool.count_children().await.unwrap();
    assert_eq!((count.specs, count.active, count.workers, count.supervisors), (0, 0, 0, 0));
}

#[tokio::test]
async fn a_child_is_started_by_its_spec_and_is_gone_once_terminated() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    let up = is_up(pool.start_child(journal.probe("a")).await.unwrap());
    assert_eq!((&*up.path, up.generation), ("app/pool/a", 1));
    let a = probe(&tree, "app/pool/a");
    a.call(ProbeMsg::Generation).await.unwrap();
    assert_eq!(pool.child_spec("a").await.unwrap().unwrap().id(), "a");

    pool.terminate_child("a").await.unwrap();
    assert_eq!(a.status().state, ServiceState::Gone);
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    assert_empty(&tree, &pool).await;
    let error = pool.terminate_child("a").await.unwrap_err();
    assert!(matches!(&error, StopChildError::NotFound { path } if &**path == "app/pool/a"), "{error:?}");
    assert!(pool.child_spec("a").await.unwrap().is_none());
    tree.shutdown().await;
}

#[tokio::test]
async fn a_template_makes_children_whose_restarts_get_the_same_value() {
    let journal = Journal::new();
    let seen = journal.clone();
    let template = move |(name, number): (String, u32)| {
        let seen = seen.clone();
        Child::service(name, move |ctx: Context<Inert>| {
            seen.write(format!("{} {number} #{}", ctx.path(), ctx.generation()));
            async { Ok(Inert) }
        })
    };
    let (tree, pool) = app(pool().template(template)).await;
    let users = pool.template::<(String, u32)>().unwrap();
    users.start_child(("ada".into(), 7)).await.unwrap();
    users.start_child(("bob".into(), 8)).await.unwrap();
    tree.lookup::<()>("app/pool/ada").unwrap().kill().unwrap();
    up(&tree, "app/pool/ada", 2).await;
    assert_eq!(journal.lines(), ["app/pool/ada 7 #1", "app/pool/bob 8 #1", "app/pool/ada 7 #2"]);
    // By spec, too.
    users.supervisor().start_child(journal.probe("eve")).await.unwrap();
    assert_eq!(pool.count_children().await.unwrap().active, 3);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_template_that_is_not_there_or_is_another_one_is_a_typed_error() {
    let (tree, without) = app(pool()).await;
    let error = without.template::<u32>().unwrap_err();
    assert!(matches!(&error, LookupError::NoTemplate { path } if &**path == "app/pool"), "{error:?}");
    assert_eq!(error.to_string(), "`app/pool` has no template: start its children by their specs");
    tree.shutdown().await;

    let journal = Journal::new();
    let (tree, with) = app(pool().template(move |name: String| journal.probe(&name))).await;
    let error = with.template::<&str>().unwrap_err();
    assert!(matches!(&error, LookupError::WrongTemplate { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the template of `app/pool` takes values of type `alloc::string::String`, not `&str`"
    );
    tree.shutdown().await;
}

#[tokio::test]
async fn a_template_that_panics_does_so_at_its_caller_and_starts_nothing() {
    let (tree, pool) = app(pool().template(|n: u32| {
        assert!(n > 0, "no zeros");
        Journal::new().probe("n")
    }))
    .await;
    let numbers = pool.template::<u32>().unwrap();
    let panic = tokio::spawn(async move { numbers.start_child(0).await }).await.unwrap_err();
    assert!(panic.is_panic());
    assert_empty(&tree, &pool).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn numbered_children_are_counted_up_and_no_number_is_given_twice() {
    let journal = Journal::new();
    let of = journal.clone();
    let (tree, pool) = app(pool().numbered().template(move |()| of.probe("whatever"))).await;
    let any = pool.template::<()>().unwrap();
    for number in 1..=3 {
        let up = is_up(any.start_child(()).await.unwrap());
        assert_eq!(*up.path, format!("app/pool/{number}"));
    }
    pool.terminate_child("3").await.unwrap();
    let up_4 = is_up(pool.start_child(journal.probe("its own name")).await.unwrap());
    assert_eq!(&*up_4.path, "app/pool/4");

    tree.kill("app/pool").unwrap();
    up(&tree, "app/pool", 2).await;
    assert_eq!(&*is_up(any.start_child(()).await.unwrap()).path, "app/pool/5");
    tree.shutdown().await;
}

#[tokio::test]
async fn numbered_subtrees_have_their_number_in_every_path() {
    let journal = Journal::new();
    let of = journal.clone();
    let room = move |_: ()| Supervisor::one_for_one("room").child(of.probe("x"));
    let (tree, pool) = app(pool().numbered().template(room)).await;
    for _ in 0..2 {
        pool.template::<()>().unwrap().start_child(()).await.unwrap();
    }
    assert_eq!(paths(&tree)[2..], ["app/pool/1", "app/pool/1/x", "app/pool/2", "app/pool/2/x"]);
    tree.kill("app/pool/2").unwrap();
    up(&tree, "app/pool/2/x", 2).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn a_name_in_use_is_refused_and_its_owner_is_untouched() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    pool.start_child(journal.probe("a")).await.unwrap();
    let a = probe(&tree, "app/pool/a");
    a.cast(ProbeMsg::Note(7)).unwrap();
    let (theirs, twin) = mailbox();
    let error = pool.start_child(journal.probe("a").mailbox(theirs)).await.unwrap_err();
    assert!(matches!(&error, StartChildError::AlreadyStarted { path } if &**path == "app/pool/a"), "{error:?}");
    assert_eq!(twin.status().state, ServiceState::Gone, "whoever holds a handle to the refused one is told");
    assert_eq!(a.call(ProbeMsg::Noted).await.unwrap(), [7]);
    assert_eq!((a.generation(), journal.lines()), (1, vec!["start a#1".to_owned()]));

    pool.terminate_child("a").await.unwrap();
    pool.start_child(journal.probe("a")).await.unwrap();
    assert_eq!(a.status().state, ServiceState::Gone, "another child of the same name is another child");
    assert!(probe(&tree, "app/pool/a").call(ProbeMsg::Noted).await.unwrap().is_empty());
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_children_than_allowed_and_one_being_retried_counts() {
    let journal = Journal::new();
    let (tree, pool) = app(pool().max_children(1)).await;
    let is_broken = Arc::new(AtomicBool::new(false));
    let flaky = Child::service_with("flaky", is_broken.clone(), |is_broken, _| async move {
        tokio::time::sleep(MS).await;
        anyhow::ensure!(!is_broken.load(SeqCst), "broken");
        Ok(Inert)
    });
    pool.start_child(flaky).await.unwrap();
    let is_full = async || {
        let error = pool.start_child(journal.probe("b")).await.unwrap_err();
        assert!(matches!(&error, StartChildError::MaxChildren { path } if &**path == "app/pool"), "{error:?}");
        assert!(tree.lookup::<ProbeMsg>("app/pool/b").is_err());
    };
    is_full().await;
    is_broken.store(true, SeqCst);
    tree.kill("app/pool/flaky").unwrap();
    for _ in 0..20 {
        is_full().await;
        tokio::time::sleep(MS / 3).await;
    }
    pool.terminate_child("flaky").await.unwrap();
    pool.start_child(journal.probe("b")).await.unwrap();
    tree.shutdown().await;
}

#[tokio::test]
async fn a_pool_that_may_have_no_children_is_refused_by_its_path() {
    let none = || pool().max_children(0);
    for (error, path) in [
        (Supervisor::one_for_one("app").child(none()).start().await.unwrap_err(), "app/pool"),
        (none().start().await.unwrap_err(), "pool"),
    ] {
        assert!(matches!(&error, StartError::ZeroChildren { path: p } if &**p == path), "{error:?}");
        assert_eq!(
            error.to_string(),
            format!("the dynamic supervisor `{path}` may have no children at all: raise `max_children`")
        );
    }
    let error = pool().intensity(1, Duration::ZERO).start().await.unwrap_err();
    assert!(matches!(&error, StartError::ZeroPeriod { path } if &**path == "pool"), "{error:?}");

    let (tree, pool) = app(pool()).await;
    let error = pool.start_child(DynamicSupervisor::new("sub").max_children(0)).await.unwrap_err();
    assert!(error.to_string().contains("`app/pool/sub`"), "{error}");
    assert_empty(&tree, &pool).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn what_fails_or_ignores_its_start_or_makes_no_sense_leaves_nothing_behind() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    let error = pool.start_child(Starter::child("a", &journal, &Starts::failing([1]))).await.unwrap_err();
    assert_eq!(error.to_string(), "`app/pool/a` did not start: failed: attempt 1 fails");
    let (theirs, handle) = mailbox();
    let ignoring: ServiceChild<ProbeMsg> = Child::service("a", |_: Context<Probe>| async { ignore() });
    assert_eq!(pool.start_child(ignoring.mailbox(theirs)).await.unwrap(), StartOutcome::Ignored);
    assert_eq!(handle.status().state, ServiceState::Gone);
    let ignored = Supervisor::one_for_one("sub").child(journal.probe("x")).init(ignore);
    assert_eq!(pool.start_child(ignored).await.unwrap(), StartOutcome::Ignored);
    let failing = Supervisor::one_for_one("sub").child(journal.probe("x")).child(Starter::child(
        "y",
        &journal,
        &Starts::failing([1]),
    ));
    let error = pool.start_child(failing).await.unwrap_err();
    assert_eq!(error.to_string(), "`app/pool/sub` did not start: child `y` failed to start: failed: attempt 1 fails");
    for (child, culprit) in [
        (journal.probe("x/y"), "`x/y`"),
        (journal.probe("b").capacity(0), "`app/pool/b`"),
        (journal.probe("c").restart(Restart::Transient).significant(), "`app/pool/c`"),
    ] {
        let error = pool.start_child(child).await.unwrap_err();
        assert!(matches!(error, StartChildError::Refused(_)) && error.to_string().contains(culprit), "{error:?}");
    }
    assert_empty(&tree, &pool).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn a_child_that_has_finished_disappears_and_its_handles_say_gone() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    for (restart, end) in [
        (Restart::Transient, ProbeMsg::Stop),
        (Restart::Temporary, ProbeMsg::Stop),
        (Restart::Temporary, ProbeMsg::Panic("boom")),
    ] {
        pool.start_child(journal.probe("a").restart(restart)).await.unwrap();
        let a = probe(&tree, "app/pool/a");
        let watch = a.watch();
        a.cast(end).unwrap();
        soon("its end", regrow::testing::until(watch, |status| status.state == ServiceState::Gone)).await;
        assert_empty(&tree, &pool).await;
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_permanent_child_that_crashed_is_back_under_the_same_handle_with_its_queue() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    pool.start_child(journal.probe("a")).await.unwrap();
    pool.start_child(journal.probe("b")).await.unwrap();
    let a = probe(&tree, "app/pool/a");
    a.cast(ProbeMsg::Panic("boom")).unwrap();
    a.cast(ProbeMsg::Note(1)).unwrap();
    a.cast(ProbeMsg::Stop).unwrap();
    a.cast(ProbeMsg::Note(2)).unwrap();
    assert_eq!(soon("an answer", a.call(ProbeMsg::Noted)).await.unwrap(), [2]);
    stands(&tree, "app/pool/a", ServiceState::Up).await;
    assert_eq!((a.generation(), probe(&tree, "app/pool/b").generation()), (3, 1), "nobody else is touched");
    let lines = pool.which_children().await.unwrap();
    let lines: Vec<_> = lines.iter().map(|child| (&*child.name, child.standing, child.generation)).collect();
    assert_eq!(lines, [("a", ChildState::Up, 3), ("b", ChildState::Up, 1)]);
    assert!(a.accounting().is_balanced());
    tree.shutdown().await;
}
