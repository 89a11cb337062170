//! What a park by order does to the things around a child: messages, kept values, watchdogs, significance, tasks that
//! give a value, threads that do not yield.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Abandon, AutoShutdown, Child, Context, DeadReason, Dependency, Exit, Handle, Inbox, Intensity, Policy, Refusal,
    Reply, Restart, Service, ServiceState, Shutdown, Supervisor, TaskError, TaskSupervisor,
};

use crate::common::pool;
use crate::common::tree::{Census, Gate, MS, SEC, heard, hears_of, in_hand, probe, soon, stands, turns, up};

const ASIDE: ServiceState = ServiceState::Parked { until: None };

/// A service that hangs with a message for as long as it is told.
struct Patient {
    handled: Arc<AtomicU32>,
}

#[derive(Clone)]
enum Work {
    Do,
    Hang,
    Fail,
    Pause,
}

impl Service for Patient {
    type Msg = Work;

    async fn handle(&mut self, work: Work, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match work {
            Work::Do => {}
            Work::Hang => std::future::pending().await,
            Work::Fail => anyhow::bail!("as told"),
            Work::Pause => tokio::time::sleep(SEC).await,
        }
        let handled = self.handled.fetch_add(1, SeqCst) + 1;
        ctx.keep(handled);
        Ok(())
    }
}

fn patient(handled: &Arc<AtomicU32>) -> regrow::ServiceChild<Work> {
    let handled = handled.clone();
    Child::service("a", move |_| {
        let handled = handled.clone();
        async move { Ok(Patient { handled }) }
    })
}

#[tokio::test(start_paused = true)]
async fn a_message_that_would_be_redelivered_becomes_a_dead_letter_with_the_queue() {
    let handled = Arc::default();
    let child = patient(&handled).redeliver(5).shutdown(Shutdown::After(SEC));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start().await.unwrap();
    let (a, letters) = (tree.lookup::<Work>("app/a").unwrap(), tree.dead_letters());
    for work in [Work::Hang, Work::Do, Work::Do] {
        a.cast(work).unwrap();
    }
    in_hand(&a).await;
    a.park("it hangs").await.unwrap();
    let books = a.accounting();
    assert!(books.is_balanced() && books.queued == 0 && books.in_hand == 0, "{books}");
    assert_eq!((books.handled, books.crashed + books.dead_lettered), (0, 3), "{books}");
    let mut parked = 0;
    while let Ok(Some(letter)) = tokio::time::timeout(MS, letters.next()).await {
        parked += u64::from(matches!(letter.reason, DeadReason::Parked));
    }
    assert_eq!(parked, books.dead_lettered);
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 2).await;
    a.send(Work::Do).await.unwrap();
    soon("the message", crate::common::tree::worked_off(&a)).await;
    assert_eq!(handled.load(SeqCst), 1, "nothing old is handled after the revival");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_drains_is_worked_off_first_unless_a_message_ends_the_service() {
    for (fails, expected) in [(false, (4, 0)), (true, (1, 2))] {
        let handled = Arc::default();
        let child = patient(&handled).drain().shutdown(Shutdown::After(60 * SEC));
        let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start().await.unwrap();
        let a = tree.lookup::<Work>("app/a").unwrap();
        a.cast(Work::Pause).unwrap();
        a.cast(if fails { Work::Fail } else { Work::Do }).unwrap();
        (0..2).for_each(|_| a.cast(Work::Do).unwrap());
        in_hand(&a).await;
        a.park("in order").await.unwrap();
        let books = a.accounting();
        assert_eq!((books.handled, books.dead_lettered), expected, "{books}");
        assert!(books.is_balanced() && books.queued == 0, "{books}");
        assert_eq!((a.status().state, a.generation()), (ASIDE, 1));
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_waits_for_the_next_life() {
    let (handled, seen) = (Arc::default(), Arc::new(AtomicU32::new(0)));
    let child = {
        let (handled, seen): (Arc<AtomicU32>, _) = (Arc::clone(&handled), seen.clone());
        Child::service("a", move |ctx: Context<Patient>| {
            let (handled, seen) = (handled.clone(), seen.clone());
            async move {
                seen.store(ctx.kept::<u32>()?.map_or(0, |kept| *kept), SeqCst);
                Ok(Patient { handled })
            }
        })
    };
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let a = tree.lookup::<Work>("app/a").unwrap();
    (0..3).for_each(|_| a.cast(Work::Do).unwrap());
    crate::common::tree::worked_off(&a).await;
    for _ in 0..3 {
        let generation = a.generation();
        a.park("again").await.unwrap();
        assert!(a.kept().is_some());
        tree.revive("app/a").await.unwrap();
        up(&tree, "app/a", generation + 1).await;
        assert_eq!(seen.load(SeqCst), 3);
    }
    tree.shutdown().await;
}

// The end of a significant child ends its supervisor. A park is no such end.
#[tokio::test(start_paused = true)]
async fn a_significant_child_that_is_parked_does_not_end_its_supervisor() {
    for restart in [Restart::Transient, Restart::Temporary] {
        for rule in [AutoShutdown::AnySignificant, AutoShutdown::AllSignificant] {
            let journal = Journal::new();
            let sub = Supervisor::one_for_one("sub")
                .auto_shutdown(rule)
                .child(journal.probe("a").restart(restart).significant())
                .child(journal.probe("b"));
            let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
            tree.park("app/sub/a", "maintenance").await.unwrap();
            tokio::time::sleep(100 * SEC).await;
            let state = |path: &str| tree.directory().status(path).map(|status| (status.state, status.generation));
            assert_eq!(state("app/sub/a"), Some((ASIDE, 1)), "{restart:?} {rule:?}");
            assert_eq!(state("app/sub/b"), Some((ServiceState::Up, 1)));
            tree.revive("app/sub/a").await.unwrap();
            up(&tree, "app/sub/a", 2).await;
            tree.shutdown().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_leaves_what_is_parked_alone() {
    let policy = Policy::default().watchdog(SEC).budget(Intensity::new(0, SEC));
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(policy)).start().await.unwrap();
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    a.cast(ProbeMsg::Hang).unwrap();
    in_hand(&a).await;
    // The watchdog would end it while it is being stopped, too.
    soon("the park", a.park("it hangs")).await.unwrap();
    tokio::time::sleep(100 * SEC).await;
    assert_eq!((a.status().state, a.generation()), (ASIDE, 1), "{:#?}", heard(&mut events));
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_caller_of_a_task_that_is_parked_hears_of_its_end() {
    let tree = Supervisor::one_for_one("app").child(TaskSupervisor::new("jobs")).start().await.unwrap();
    let jobs = tree.tasks("app/jobs").unwrap();
    let task = jobs.spawn(std::future::pending::<()>()).await.unwrap();
    let mut events = tree.events();
    soon("the park", tree.park("app/jobs/task-1", "it costs too much")).await.unwrap();
    let error = soon("the caller", task).await.unwrap_err();
    assert!(!matches!(error, TaskError::Panicked(_)), "{error}");
    // It cannot run twice. A revival says so by its end, and leaves nothing behind.
    let _ = soon("the revival", tree.revive("app/jobs/task-1")).await;
    hears_of(&mut events, "app/jobs/task-1#2 is gone").await;
    assert_eq!(tree.directory().status("app/jobs").unwrap().generation, 1);
    assert_eq!(soon("another", jobs.run(async { 3 })).await.unwrap(), 3);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn get_or_start_finds_a_child_that_is_parked_or_about_to_be_and_starts_no_other() {
    let journal = Journal::new();
    let (tree, pool) = pool::app(pool::pool()).await;
    let first: Handle<ProbeMsg> = pool.get_or_start(journal.probe("a")).await.unwrap();
    // It takes its time to go.
    first.cast(ProbeMsg::Hang).unwrap();
    in_hand(&first).await;
    let park = tokio::spawn({
        let pool = pool.clone();
        async move { pool.park("a", "abuse").await }
    });
    turns(5).await;
    assert_eq!(first.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Stopping);
    for _ in 0..2 {
        let found = soon("an answer", pool.get_or_start(journal.probe("a"))).await.unwrap();
        assert_eq!((&found, found.status().state, found.generation()), (&first, ASIDE, 1));
        assert_eq!(found.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Parked { until: None });
    }
    soon("the park", park).await.unwrap().unwrap();
    assert_eq!(journal.lines(), ["start a#1", "end a#1"]);
    pool.revive("a").await.unwrap();
    up(&tree, &first.path(), 2).await;
    tree.shutdown().await;
}

enum Thread {
    Block(Gate),
    Generation(Reply<u64>),
}

fn thread(census: &Census) -> regrow::ServiceChild<Thread> {
    let census = census.clone();
    Child::thread("t", move |mut inbox: Inbox<Thread>| {
        let _resident = census.enter();
        while let Some(message) = inbox.next() {
            match message {
                Thread::Block(gate) => gate.pass(),
                Thread::Generation(reply) => drop(reply.send(inbox.generation())),
            }
        }
        Ok(())
    })
}

// A thread that does not come back is left behind, and the park is done then. The next life does not wait for it.
#[tokio::test]
async fn a_thread_that_does_not_yield_is_abandoned_and_parked() {
    let (census, gate) = (Census::default(), Gate::default());
    let _opener = gate.opener();
    let child = thread(&census).shutdown(Shutdown::After(MS)).abandon(Abandon::After(MS));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let t = tree.lookup::<Thread>("app/t").unwrap();
    let mut events = tree.events();
    t.cast(Thread::Block(gate.clone())).unwrap();
    gate.reached().await;
    soon("the park", t.park("it blocks")).await.unwrap();
    assert_eq!(t.status().state, ASIDE);
    hears_of(&mut events, "app/t#1 was abandoned").await;
    tree.revive("app/t").await.unwrap();
    up(&tree, "app/t", 2).await;
    assert_eq!(soon("an answer", t.call(Thread::Generation)).await.unwrap(), 2);
    gate.open();
    assert_eq!(soon("an answer", t.call(Thread::Generation)).await.unwrap(), 2);
    tree.shutdown().await;
}

// A thread that comes back in time ends as any other, and its next life waits for that.
#[tokio::test]
async fn a_thread_that_comes_back_in_time_is_gone_before_the_park_is_done() {
    let census = Census::default();
    let tree = Supervisor::one_for_one("app").child(thread(&census)).start().await.unwrap();
    let t = tree.lookup::<Thread>("app/t").unwrap();
    for generation in 1..20 {
        assert_eq!(soon("an answer", t.call(Thread::Generation)).await.unwrap(), generation);
        soon("the park", t.park("again")).await.unwrap();
        assert_eq!(census.alive(), 0);
        tree.revive("app/t").await.unwrap();
        up(&tree, "app/t", generation + 1).await;
    }
    assert_eq!(census.alive_max(), 1);
    tree.shutdown().await;
}

// Dependents that are to be restarted with a service hear of each new life of it, and of no park.
#[tokio::test(start_paused = true)]
async fn dependents_are_renewed_once_for_each_revival() {
    let journal = Journal::new();
    let with_db = Policy::default().depends_on([Dependency::ready("db").restart()]);
    let tree = Supervisor::one_for_one("app")
        .intensity(0, SEC)
        .child(journal.probe("db"))
        .child(journal.probe("web").policy(with_db))
        .start()
        .await
        .unwrap();
    for round in 1..5 {
        tree.park("app/db", "upgrade").await.unwrap();
        tokio::time::sleep(10 * SEC).await;
        let web = tree.directory().status("app/web").unwrap();
        assert_eq!((web.state, web.generation), (ServiceState::Up, round), "it goes on while the other is parked");
        tree.revive("app/db").await.unwrap();
        up(&tree, "app/web", round + 1).await;
        tokio::time::sleep(10 * SEC).await;
        assert_eq!(tree.directory().status("app/web").unwrap().generation, round + 1, "once");
    }
    let why = tree.why("app/web").await.unwrap().to_string();
    assert!(why.contains("because `app/db` was ready again in a new life"), "{why}");
    tree.shutdown().await;
}

// The park stops it and the kill ends it: one end is told, and the park is done.
#[tokio::test(start_paused = true)]
async fn a_service_that_fails_while_it_is_stopped_for_a_park_is_parked_at_no_cost() {
    for end in 0..4 {
        let tree = Supervisor::one_for_one("app").intensity(0, SEC).child(Journal::new().probe("a"));
        let tree = tree.start().await.unwrap();
        let (a, mut events) = (probe(&tree, "app/a"), tree.events());
        a.cast(ProbeMsg::Run(Box::new(move |ctx| {
            let ctx = ctx.clone();
            drop(ctx.clone().spawn(async move {
                ctx.stopping().await;
                match end {
                    0 => panic!("late"),
                    1 => ctx.exit(Exit::failed("late")),
                    2 => ctx.stop(),
                    _ => {}
                }
            }));
        })))
        .unwrap();
        crate::common::tree::worked_off(&a).await;
        let order = tokio::spawn({
            let a = a.clone();
            async move { a.park("maintenance").await }
        });
        turns(2).await;
        if end == 3 {
            let _ = a.kill();
        }
        soon("the park", order).await.unwrap().unwrap();
        stands(&tree, "app/a", ASIDE).await;
        tokio::time::sleep(10 * SEC).await;
        let lines = heard(&mut events);
        assert_eq!(lines.iter().filter(|line| line.contains("exited")).count(), 1, "{lines:#?}");
        assert_eq!(lines.iter().filter(|line| line.contains("is parked")).count(), 1, "{lines:#?}");
        assert_eq!((a.status().state, a.generation()), (ASIDE, 1), "{end}: {lines:#?}");
        tree.revive("app/a").await.unwrap();
        up(&tree, "app/a", 2).await;
        tree.shutdown().await;
    }
}
