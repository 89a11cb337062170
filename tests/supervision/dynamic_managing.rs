//! Dynamic supervisors are managed: from inside, from all sides at once, while starts hang, and by old handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::common::pool::{app, hang, paths, pool};
use crate::common::tree::{Inert, MS, probe, soon, up};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use regrow::testing::{Journal, ProbeMsg, until, until_event};
use regrow::{
    Child, ChildState, Context, DynamicSupervisor, EventKind, Exit, Intensity, LookupError, ManageError, Restart,
    ServiceState, StartChildError, StartOutcome, Supervisor,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

#[tokio::test]
async fn terminating_a_child_cuts_its_hung_start_short() {
    let (tree, pool) = app(pool()).await;
    let start = hang(&tree, &pool).await;
    pool.terminate_child("hung").await.unwrap();
    let error = start.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, StartChildError::Failed { path, exit: Exit::Shutdown } if &**path == "app/pool/hung"),
        "{error:?}"
    );
    assert_eq!(paths(&tree), ["app", "app/pool"]);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn while_a_start_hangs_everything_else_goes_on_at_once() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    pool.start_child(journal.probe("a")).await.unwrap();
    let _start = hang(&tree, &pool).await;
    let begun = Instant::now();
    let lines = pool.which_children().await.unwrap();
    let lines: Vec<_> = lines.iter().map(|child| (&*child.name, child.standing)).collect();
    assert_eq!(lines, [("a", ChildState::Up), ("hung", ChildState::Starting)]);
    assert_eq!(pool.count_children().await.unwrap().active, 1);
    pool.start_child(journal.probe("b")).await.unwrap();
    probe(&tree, "app/pool/a").kill().unwrap();
    up(&tree, "app/pool/a", 2).await;
    pool.terminate_child("b").await.unwrap();
    // The first order waits as long as the start may still prove prompt.
    assert!(begun.elapsed() <= 2 * MS, "{:?}", begun.elapsed());
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_child_manages_its_own_pool_from_inside_without_a_deadlock() {
    struct Parent;
    impl regrow::Service for Parent {
        type Msg = regrow::Reply<Vec<String>>;
        async fn handle(&mut self, reply: Self::Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
            let pool = ctx.dynamic("pool")?;
            pool.start_child(Journal::new().probe("child")).await?;
            pool.start_child(Journal::new().probe("other")).await?;
            pool.terminate_child("other").await?;
            ctx.lookup::<ProbeMsg>("child")?.call(ProbeMsg::Generation).await?;
            reply.send(pool.which_children().await?.iter().map(|child| child.name.to_string()).collect());
            Ok(())
        }
    }
    let (tree, pool) = app(pool()).await;
    pool.start_child(Child::service("parent", |_| async { Ok(Parent) })).await.unwrap();
    let parent = tree.lookup::<regrow::Reply<Vec<String>>>("app/pool/parent").unwrap();
    assert_eq!(soon("an answer", parent.call(|reply| reply)).await.unwrap(), ["parent", "child"]);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_may_start_its_siblings_in_its_own_factory() {
    let (tree, pool) = app(pool()).await;
    let first = Child::service("first", |ctx: Context<Inert>| async move {
        ctx.dynamic("pool")?.start_child(Journal::new().probe("second")).await?;
        Ok(Inert)
    });
    soon("the start", pool.start_child(first)).await.unwrap();
    assert_eq!(paths(&tree), ["app", "app/pool", "app/pool/first", "app/pool/second"]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_supervisor_of_another_kind_says_what_it_is() {
    let journal = Journal::new();
    let sup = Supervisor::one_for_one("sup").child(journal.probe("a"));
    let tree = Supervisor::one_for_one("app").child(pool()).child(sup).start().await.unwrap();
    let said = |error: LookupError| {
        assert!(matches!(error, LookupError::WrongKind { .. }), "{error:?}");
        error.to_string()
    };
    assert_eq!(
        said(tree.dynamic("app/sup").unwrap_err()),
        "`app/sup` is a supervisor, not a dynamic supervisor: find it with `supervisor`"
    );
    assert_eq!(
        said(tree.supervisor("app/pool").unwrap_err()),
        "`app/pool` is a dynamic supervisor, not a supervisor: find it with `dynamic`"
    );
    assert_eq!(
        said(tree.dynamic("app/sup/a").unwrap_err()),
        "`app/sup/a` is a service, not a dynamic supervisor: find it with `lookup`"
    );
    let error = said(tree.partitions::<ProbeMsg>("app/pool").unwrap_err());
    assert_eq!(error, "`app/pool` is a dynamic supervisor, not a partitioned supervisor: find it with `dynamic`");
    let none = tree.dynamic("app/nothing").unwrap_err();
    assert!(matches!(&none, LookupError::NoChild { path, .. } if &**path == "app/nothing"), "{none:?}");
    tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_a_storm_of_orders_and_kills_nothing_is_left_over_and_the_books_balance() {
    let journal = Journal::new();
    let of = journal.clone();
    let template = move |name: String| of.probe(&name).restart(Restart::Transient);
    let (tree, pool) = app(pool().budget(Intensity::unlimited()).template(template)).await;
    let (tree, answered) = (Arc::new(tree), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..8)
        .map(|seed| {
            let (tree, pool, answered) = (tree.clone(), pool.clone(), answered.clone());
            tokio::spawn(async move {
                let mut dice = StdRng::seed_from_u64(seed);
                let template = pool.template::<String>().unwrap();
                let mut handles = Vec::new();
                for _ in 0..200 {
                    let name = dice.random_range(0..6).to_string();
                    let path = format!("app/pool/{name}");
                    let result: Result<(), ManageError> = match dice.random_range(0..8) {
                        0..3 => template.start_child(name).await.map(|_| ()).map_err(Into::into),
                        3 => pool.terminate_child(&name).await.map_err(Into::into),
                        4 => pool.which_children().await.map(|_| ()).map_err(Into::into),
                        kind => {
                            if let Ok(handle) = tree.lookup::<ProbeMsg>(&path) {
                                let _ = match kind {
                                    5 => handle.cast(ProbeMsg::Stop).is_ok(),
                                    6 => handle.kill().is_ok(),
                                    _ => handle.call(ProbeMsg::Generation).await.is_ok(),
                                };
                                handles.push(handle);
                            }
                            Ok(())
                        }
                    };
                    match result {
                        // A start that is terminated or killed meanwhile fails.
                        Ok(()) | Err(ManageError::Failed { .. }) => {}
                        Err(ManageError::AlreadyStarted { .. } | ManageError::NotFound { .. }) => {}
                        Err(ManageError::Stopping { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                    answered.fetch_add(1, SeqCst);
                }
                handles
            })
        })
        .collect();
    let mut handles = Vec::new();
    for task in tasks {
        handles.extend(soon("the storm", task).await.unwrap());
    }
    assert_eq!(answered.load(SeqCst), 1600);
    for name in 0..6 {
        let _ = pool.terminate_child(&name.to_string()).await;
    }
    assert_eq!(paths(&tree), ["app", "app/pool"]);
    assert_eq!(pool.count_children().await.unwrap().specs, 0);
    for handle in handles {
        let books = handle.accounting();
        assert!(handle.status().state == ServiceState::Gone && books.is_balanced(), "{handle:?} {books}");
        assert_eq!((books.queued, books.in_hand), (0, 0), "{books}");
    }
    let count = |what: &str| journal.lines().iter().filter(|line| line.starts_with(what)).count();
    assert_eq!((count("start"), journal.alive_max()), (count("end"), 1));
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]

async fn numbers_are_not_given_twice_when_the_description_is_made_anew() {
    let rebuilt = Child::supervisor("s", || Supervisor::one_for_one("s").child(pool().numbered()));
    let tree = Supervisor::one_for_one("app").child(rebuilt).start().await.unwrap();
    let journal = Journal::new();
    let before = tree.dynamic("app/s/pool").unwrap();
    before.start_child(journal.probe("x")).await.unwrap();
    tree.kill("app/s").unwrap();
    up(&tree, "app/s/pool", 2).await;
    let after = tree.dynamic("app/s/pool").unwrap();
    let mut given = Vec::new();
    for handle in [&before, &after, &after] {
        match handle.start_child(journal.probe("x")).await {
            Ok(StartOutcome::Up(up)) => given.push(up.path.to_string()),
            other => given.push(format!("{other:?}")),
        }
    }
    assert_eq!(given, ["app/s/pool/2", "app/s/pool/3", "app/s/pool/4"]);
    tree.shutdown().await;
}

#[tokio::test]

async fn a_handle_from_when_the_supervisor_was_of_another_kind_gets_an_error() {
    let starts = AtomicUsize::new(0);
    let rebuilt = Child::supervisor("s", move || {
        let s = Supervisor::one_for_one("s");
        match starts.fetch_add(1, SeqCst) {
            0 => s.child(Supervisor::one_for_one("pool")),
            _ => s.child(pool()),
        }
    });
    let tree = Supervisor::one_for_one("app").child(rebuilt).start().await.unwrap();
    let stale = tree.supervisor("app/s/pool").unwrap();
    tree.kill("app/s").unwrap();
    up(&tree, "app/s/pool", 2).await;
    let (told, tell) = oneshot::channel();
    tokio::spawn(async move { told.send(stale.restart_child("x").await) });
    assert!(tell.await.expect("it does not panic").is_err());
    tree.shutdown().await;
}

// OTP rules 95, 98.
#[tokio::test]
async fn it_takes_new_limits_and_a_new_template_and_keeps_who_is_there() {
    let journal = Journal::new();
    let by_name = {
        let journal = journal.clone();
        move |name: String| journal.probe(&name)
    };
    let (tree, pool) = app(pool().template(by_name)).await;
    let old = pool.template::<String>().unwrap();
    old.start_child("a".into()).await.unwrap();

    let senseless = pool.reconfigure(DynamicSupervisor::new("any").max_children(0)).await.unwrap_err();
    assert_eq!(
        senseless.to_string(),
        "the dynamic supervisor `app/pool` may have no children at all: raise `max_children`"
    );
    old.start_child("b".into()).await.unwrap();

    let by_number = move |number: u64| journal.probe(&format!("n{number}"));
    pool.reconfigure(DynamicSupervisor::new("any").max_children(3).template(by_number)).await.unwrap();
    let refused = old.start_child("c".into()).await.unwrap_err();
    assert!(matches!(refused, StartChildError::WrongTemplate { .. }), "{refused}");
    let new = pool.template::<u64>().unwrap();
    new.start_child(1).await.unwrap();
    assert!(matches!(new.start_child(2).await, Err(StartChildError::MaxChildren { .. })));

    // As it was made: by the old template.
    let a = pool.lookup::<ProbeMsg>("a").unwrap();
    a.cast(ProbeMsg::Panic("boom")).unwrap();
    until(a.watch(), |status| status.generation == 2).await;
    assert_eq!(paths(&tree), ["app", "app/pool", "app/pool/a", "app/pool/b", "app/pool/n1"]);

    // Both last through a restart of the supervisor.
    tree.kill("app/pool").unwrap();
    up(&tree, "app/pool", 2).await;
    for number in 1..=3 {
        new.start_child(number).await.unwrap();
    }
    assert!(matches!(new.start_child(4).await, Err(StartChildError::MaxChildren { .. })));
    tree.shutdown().await;
}

// Found by looking up, on several threads, what a status or an event had just said to be gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_to_be_gone_is_not_found() {
    let (tree, pool) = app(pool().budget(Intensity::unlimited())).await;
    let journal = Journal::new();
    for _ in 0..100 {
        for by_event in [false, true] {
            pool.start_child(journal.probe("a").restart(Restart::Temporary)).await.unwrap();
            let (a, mut events) = (probe(&tree, "app/pool/a"), tree.events());
            a.kill().unwrap();
            match by_event {
                true => drop(until_event(&mut events, |event| matches!(event.kind, EventKind::Gone)).await),
                false => drop(until(a.watch(), |status| status.state == ServiceState::Gone).await),
            }
            assert!(matches!(tree.lookup::<ProbeMsg>("app/pool/a"), Err(LookupError::NoChild { .. })));
        }
    }
    tree.shutdown().await;
}
