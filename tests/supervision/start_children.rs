//! Many children started at once on a dynamic supervisor: a typed result for each, a bounded number under way, and no more
//! than was handed over when the future is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::common::mail::is_waiting;
use crate::common::pool::{app, pool};
use crate::common::tree::{Census, Inert, SEC, Starter, Starts, heard_to_the_end, probe, soon};
use regrow::testing::{Journal, Probe, ProbeMsg};
use regrow::{
    Child, Context, DynamicHandle, DynamicSupervisor, Intensity, Policy, Service, ServiceChild, StartChildError,
    StartError, StartOutcome, Supervisor, ignore,
};
use tokio::sync::Semaphore;

/// As the docs have it: how many starts are under way at most.
const UNDER_WAY_MAX: usize = 256;

/// A child that is up when the semaphore has a permit for it.
fn held(name: usize, permits: &Arc<Semaphore>) -> ServiceChild<()> {
    Child::service_with(name.to_string(), permits.clone(), |permits, _| async move {
        permits.acquire().await?.forget();
        Ok(Inert)
    })
}

/// Waits until so many children run, and no more.
async fn is_active(pool: &DynamicHandle, children: usize) {
    let count = async || pool.count_children().await.unwrap().active;
    soon("all are up", async {
        while count().await < children {
            tokio::task::yield_now().await
        }
    })
    .await;
    assert_eq!(count().await, children);
}

fn said(outcome: &Result<StartOutcome, StartChildError>) -> String {
    match outcome {
        Ok(StartOutcome::Up(up)) => format!("{} #{}", up.path, up.generation),
        Ok(StartOutcome::Ignored) => "ignored".into(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn each_child_has_its_own_outcome_in_the_order_of_the_children() {
    let journal = Journal::new();
    let (tree, pool) = app(pool()).await;
    let ignoring: ServiceChild<ProbeMsg> = Child::service("i", |_: Context<Probe>| async { ignore() });
    let children: Vec<Child> = vec![
        journal.probe("a").into(),
        Starter::child("f", &journal, &Starts::failing([1])).into(),
        journal.probe("a/b").into(),
        journal.probe("a").into(),
        ignoring.into(),
        journal.probe("lost").policy(Policy::default().depends_on(["app/nothing"])).into(),
        Supervisor::one_for_one("sub").child(journal.probe("x")).into(),
        journal.probe("z").into(),
    ];
    let outcomes = soon("the outcomes", pool.start_children(children)).await;
    let said: Vec<_> = outcomes.iter().map(said).collect();
    assert_eq!(said[0], "app/pool/a #1");
    assert_eq!(said[1], "`app/pool/f` did not start: failed: attempt 1 fails");
    assert!(matches!(outcomes[2], Err(StartChildError::Refused(StartError::InvalidName { .. }))), "{}", said[2]);
    assert!(
        matches!(&outcomes[3], Err(StartChildError::AlreadyStarted { path }) if &**path == "app/pool/a"),
        "{}",
        said[3]
    );
    assert_eq!(said[4], "ignored");
    assert!(matches!(outcomes[5], Err(StartChildError::Refused(_))), "{}", said[5]);
    assert!(said[5].contains("app/nothing"), "{}", said[5]);
    assert_eq!(said[6..], ["app/pool/sub #1", "app/pool/z #1"]);
    probe(&tree, "app/pool/sub/x").call(ProbeMsg::Generation).await.unwrap();
    assert_eq!(pool.count_children().await.unwrap().specs, 3);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn no_children_are_no_outcomes() {
    let (tree, pool) = app(pool()).await;
    assert!(pool.start_children(Vec::<Child>::new()).await.is_empty());
    tree.shutdown().await;
    assert!(pool.start_children(Vec::<Child>::new()).await.is_empty());
}

#[tokio::test]
async fn those_beyond_max_children_are_refused_and_the_others_run() {
    let journal = Journal::new();
    let (tree, pool) = app(pool().max_children(300)).await;
    let outcomes = soon("all", pool.start_children((0..1000).map(|n| journal.probe(&n.to_string())))).await;
    assert!(outcomes[..300].iter().all(Result::is_ok));
    assert!(outcomes[300..].iter().all(|outcome| matches!(outcome, Err(StartChildError::MaxChildren { .. }))));
    assert_eq!(pool.count_children().await.unwrap().active, 300);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn numbered_children_are_numbered_in_their_order() {
    let (tree, pool) = app(pool().numbered().template(|journal: Journal| journal.probe("whatever"))).await;
    let outcomes = soon("all", pool.template().unwrap().start_children((0..500).map(|_| Journal::new()))).await;
    let paths: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().up().unwrap().path).collect();
    let expected: Vec<_> = (1..=500).map(|number| format!("app/pool/{number}")).collect();
    assert!(paths.iter().map(|path| &**path).eq(expected.iter()), "{paths:?}");
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn the_iterator_is_asked_for_no_more_than_may_be_under_way() {
    let (permits, asked) = (Arc::new(Semaphore::new(0)), AtomicUsize::new(0));
    let (tree, pool) = app(pool()).await;
    let children = (0..2000).map(|n| {
        asked.fetch_add(1, SeqCst);
        held(n, &permits)
    });
    let mut starting = Box::pin(pool.start_children(children));
    // Nothing comes up: what may be under way is, and the rest is not asked for.
    let last = format!("app/pool/{}", UNDER_WAY_MAX - 1);
    tokio::select! {
        _ = &mut starting => panic!("no start is through"),
        () = async { while tree.directory().watch(&last).is_none() { tokio::task::yield_now().await } } => {}
    }
    assert!(is_waiting(&mut starting).await);
    assert_eq!(asked.load(SeqCst), UNDER_WAY_MAX);
    // A start that hangs holds its own place, and not that of the children behind it.
    permits.add_permits(1999);
    tokio::select! {
        _ = &mut starting => panic!("one start hangs"),
        () = async { while pool.count_children().await.unwrap().specs < 2000 { tokio::task::yield_now().await } } => {}
    }
    permits.add_permits(1);
    let outcomes = soon("the last", starting).await;
    assert!(outcomes.len() == 2000 && outcomes.iter().all(Result::is_ok));
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn dropped_before_its_end_it_starts_what_was_handed_over_and_nothing_more() {
    let (permits, asked) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (tree, pool) = app(pool()).await;
    let counted = asked.clone();
    let children = (0..2000).map(|n| {
        counted.fetch_add(1, SeqCst);
        held(n, &permits)
    });
    let mut starting = Box::pin(pool.start_children(children));
    for _ in 0..3 {
        assert!(is_waiting(&mut starting).await);
        tokio::task::yield_now().await;
    }
    drop(starting);
    let handed_over = asked.load(SeqCst);
    assert!((1..=UNDER_WAY_MAX).contains(&handed_over), "{handed_over}");
    permits.add_permits(2000);
    is_active(&pool, handed_over).await;
    assert_eq!(asked.load(SeqCst), handed_over);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_supervisor_that_ends_meanwhile_answers_all_that_have_no_answer() {
    let (permits, census) = (Arc::new(Semaphore::new(10)), Census::default());
    let (tree, pool) = app(pool()).await;
    let children = (0..2000).map(|n| {
        let _ = census.enter();
        held(n, &permits)
    });
    let mut starting = Box::pin(pool.start_children(children));
    tokio::select! {
        _ = &mut starting => panic!("only ten may start"),
        () = is_active(&pool, 10) => {}
    }
    let (outcomes, report) = soon("both", async { tokio::join!(starting, tree.shutdown()) }).await;
    assert_eq!(outcomes.len(), 2000);
    assert!(outcomes[..10].iter().all(Result::is_ok));
    for outcome in &outcomes[10..] {
        let is_over = matches!(outcome, Err(StartChildError::NotRunning { .. } | StartChildError::Failed { .. }));
        assert!(is_over, "{}", said(outcome));
    }
    assert!(report.is_clean(), "{report}");
    // And those that come too late as well.
    let late = soon("late", pool.start_children((0..3000).map(|n| held(n, &permits)))).await;
    assert!(
        late.len() == 3000 && late.iter().all(|outcome| matches!(outcome, Err(StartChildError::NotRunning { .. })))
    );
}

#[tokio::test]
async fn each_redelivery_is_compared_with_the_budget() {
    let (tree, pool) = app(pool().budget(Intensity::unlimited())).await;
    let inert = |name: &str| -> ServiceChild<()> { Child::service(name, |_| async { Ok(Inert) }) };
    let narrow = Policy::default().budget(Intensity::new(2, SEC));
    let children: Vec<Child> = vec![
        inert("a").redeliver(2).policy(narrow.clone()).into(),
        inert("b").redeliver(1).policy(narrow).into(),
        inert("c").redeliver(9).into(),
    ];
    let outcomes = soon("all", pool.start_children(children)).await;
    assert!(matches!(
        &outcomes[0],
        Err(StartChildError::Refused(StartError::TooManyRedeliveries { restarts_max: 2, .. }))
    ));
    assert_eq!([said(&outcomes[1]), said(&outcomes[2])], ["app/pool/b #1", "app/pool/c #1"]);
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_template_that_is_replaced_meanwhile_makes_no_more_children() {
    let (tree, pool) = app(pool().template(|name: String| Journal::new().probe(&name))).await;
    let users = pool.template::<String>().unwrap();
    let others =
        DynamicSupervisor::new("pool").budget(Intensity::unlimited()).template(|_: u8| Journal::new().probe("n"));
    pool.reconfigure(others).await.unwrap();
    let outcomes = soon("both", users.start_children(["a".into(), "b".into()])).await;
    for outcome in &outcomes {
        assert!(matches!(outcome, Err(StartChildError::WrongTemplate { .. })), "{}", said(outcome));
    }
    assert!(tree.shutdown().await.is_clean());
}

/// Starts many siblings of its own.
struct Founder;

impl Service for Founder {
    type Msg = regrow::Reply<usize>;

    async fn handle(&mut self, reply: Self::Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let pool = ctx.dynamic("app/pool")?;
        let started = pool.start_children((0..1000).map(|n| Journal::new().probe(&n.to_string()))).await;
        reply.send(started.iter().filter(|outcome| outcome.is_ok()).count());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_may_start_many_siblings_and_all_of_them_are_told_of() {
    let (tree, pool) = app(pool()).await;
    let mut events = tree.events();
    let founder = Child::service("founder", |_| async { Ok(Founder) });
    pool.start_child(founder).await.unwrap();
    let founder = tree.lookup::<regrow::Reply<usize>>("app/pool/founder").unwrap();
    assert_eq!(soon("an answer", founder.call(|reply| reply)).await.unwrap(), 1000);
    let collected = tokio::spawn(async move { heard_to_the_end(&mut events).await });
    assert!(tree.shutdown().await.is_clean());
    let lines = collected.await.unwrap();
    let ups = lines.iter().filter(|line| line.contains("app/pool/") && line.ends_with(" started")).count();
    assert!(ups >= 1000, "{ups} of {}", lines.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_iterator_that_panics_starts_no_more_and_leaves_the_names_of_its_batch_free() {
    let (tree, pool) = app(pool()).await;
    let (permits, many) = (Arc::new(Semaphore::new(1000)), pool.clone());
    let held_back = permits.clone();
    let starting = tokio::spawn(async move {
        let children = (0..1000).map(|n| {
            assert!(n < 300, "no more");
            held(n, &held_back)
        });
        many.start_children(children).await.len()
    });
    assert!(soon("a panic", starting).await.unwrap_err().is_panic());
    // Two whole batches were handed over, and the third was not.
    is_active(&pool, UNDER_WAY_MAX).await;
    let rest = soon("the rest", pool.start_children((UNDER_WAY_MAX..300).map(|n| held(n, &permits)))).await;
    assert!(rest.iter().all(Result::is_ok));
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_starts_and_many_at_once_together_are_no_more_than_max_children() {
    let journal = Journal::new();
    let (tree, pool) = app(pool().max_children(500)).await;
    let (many, probes) = (pool.clone(), journal.clone());
    let starting =
        tokio::spawn(async move { many.start_children((0..800).map(|n| probes.probe(&format!("many-{n}")))).await });
    let mut up = 0;
    for n in 0..300 {
        up += usize::from(pool.start_child(journal.probe(&format!("single-{n}"))).await.is_ok());
    }
    up += soon("many", starting).await.unwrap().iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((up, pool.count_children().await.unwrap().active), (500, 500));
    assert!(tree.shutdown().await.is_clean());
}
