//! Restart policies at work: what the machines decide about delays, parking, readiness and rules reaches the
//! services, their callers and their watchers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use crate::common::tree::{Census, MS, SEC, hears, hears_of, in_hand, parked, probe, soon, stands, up};
use regrow::testing::{Journal, Probe, ProbeMsg, until};
use regrow::{
    Backoff, Child, Context, DynamicSupervisor, ExitKind, ExitRule, GiveUp, Intensity, NotReady, Policy, Readiness,
    Refusal, RestartChildError, ReviveError, RuleAction, Service, ServiceChild, ServiceState, Supervisor, Tree,
};
use tokio::time::Instant;

fn patient(delay: Duration) -> Policy {
    Policy::default().backoff(Backoff::new(delay))
}

/// A service that fails to start as long as `is_broken`.
fn fragile(name: &str, is_broken: &Arc<AtomicBool>, starts: &Arc<AtomicUsize>) -> ServiceChild<()> {
    struct Fragile;
    impl Service for Fragile {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            anyhow::bail!("told to fail")
        }
    }
    let (is_broken, starts) = (is_broken.clone(), starts.clone());
    Child::service(name, move |_| {
        starts.fetch_add(1, SeqCst);
        let is_broken = is_broken.load(SeqCst);
        async move { if is_broken { Err(anyhow::anyhow!("no database")) } else { Ok(Fragile) } }
    })
}

async fn unlimited(children: impl IntoIterator<Item = ServiceChild<ProbeMsg>>) -> Tree {
    Supervisor::one_for_one("app").budget(Intensity::unlimited()).children(children).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_restart_waits_for_its_delay_and_the_mail_waits_with_it() {
    let journal = Journal::new();
    let tree = unlimited([journal.probe("a").policy(patient(SEC)), journal.probe("b")]).await;
    let a = probe(&tree, "app/a");
    for (generation, delay) in [(2, SEC), (3, 2 * SEC), (4, 4 * SEC)] {
        let mut events = tree.events();
        let begun = Instant::now();
        a.cast(ProbeMsg::Panic("boom")).unwrap();
        hears_of(&mut events, "app/a#").await;
        assert_eq!(a.call(ProbeMsg::Generation).await.unwrap(), generation, "queued through the delay");
        assert_eq!(begun.elapsed(), delay);
    }
    assert_eq!(probe(&tree, "app/b").generation(), 1);
    // A life longer than the longest delay begins the curve anew.
    tokio::time::sleep(31 * SEC).await;
    let begun = Instant::now();
    a.cast(ProbeMsg::Panic("boom")).unwrap();
    assert_eq!(a.call(ProbeMsg::Generation).await.unwrap(), 5);
    assert_eq!(begun.elapsed(), SEC);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_seen_and_can_be_cut_short_or_called_off() {
    let journal = Journal::new();
    let tree = unlimited([journal.probe("a").policy(patient(60 * SEC))]).await;
    let (app, a, mut events) = (tree.supervisor("app").unwrap(), probe(&tree, "app/a"), tree.events());
    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    hears(&mut events, "app/a#1 is started again in 60.0s").await;
    assert_eq!(a.status().state, ServiceState::Restarting);
    let why = a.why().await;
    assert!(why.to_string().contains("failed: disk full"), "{why}");
    assert!(why.next_try.is_some_and(|left| left <= 60 * SEC && left > 59 * SEC), "{why}");

    app.revive("a").await.unwrap();
    up(&tree, "app/a", 2).await;
    assert!(matches!(app.revive("a").await, Err(ReviveError::Running { .. })));

    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    hears_of(&mut events, "app/a#2 is started again in 60").await;
    assert!(matches!(app.restart_child("a").await, Err(RestartChildError::Restarting { .. })));
    app.terminate_child("a").await.unwrap();
    assert_eq!(a.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Down);
    assert!(matches!(tree.revive("app/a").await, Err(ReviveError::Down { .. })));
    assert!(matches!(tree.revive("app/nobody").await, Err(ReviveError::NotFound { .. })));
    tokio::time::sleep(120 * SEC).await;
    assert_eq!(a.generation(), 2);
    // A shutdown does not wait for a delay.
    app.restart_child("a").await.unwrap();
    a.cast(ProbeMsg::Fail("disk full")).unwrap();
    hears_of(&mut events, "app/a#3 is started again").await;
    assert!(tree.shutdown().await.took < SEC);
}

#[tokio::test(start_paused = true)]
async fn a_parked_service_refuses_with_the_message_and_comes_back_on_its_own() {
    let journal = Journal::new();
    let policy = Policy::default().budget(Intensity::new(1, 60 * SEC)).on_give_up(GiveUp::park(10 * SEC));
    let tree = Supervisor::one_for_all("app")
        .child(journal.probe("a").policy(policy))
        .child(journal.probe("b"))
        .start()
        .await
        .unwrap();
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    a.kill().unwrap();
    up(&tree, "app/a", 2).await;
    up(&tree, "app/b", 2).await;
    a.cast(ProbeMsg::Hang).unwrap();
    in_hand(&a).await;
    a.cast(ProbeMsg::Note(7)).unwrap();
    let call = a.call(ProbeMsg::Generation);
    a.kill().unwrap();
    hears(&mut events, "app/a#2 is parked, and tried again in 10.0s").await;

    let ServiceState::Parked { until } = a.status().state else { panic!("{:?}", a.status()) };
    assert_eq!(until, Some((Instant::now() + 10 * SEC).into_std()));
    let refused = a.cast(ProbeMsg::Note(8)).unwrap_err();
    assert_eq!(refused.refusal(), Refusal::Parked { until });
    assert!(matches!(refused.into_message(), ProbeMsg::Note(8)));
    let never_ran = call.await.unwrap_err();
    assert!(never_ran.is_safe_to_repeat() && never_ran.into_message().is_some());
    let books = a.accounting();
    assert!(books.is_balanced() && books.dead_lettered == 1, "the cast that waited: {books}");
    assert_eq!(probe(&tree, "app/b").generation(), 2, "siblings are untouched");

    // A person who tried the tree out found "5 of 5 restarts are left" here.
    let why = a.why().await.to_string();
    assert!(why.contains("Its own budget of ") && why.contains(" was used up.") && !why.contains("left"), "{why}");

    let begun = Instant::now();
    up(&tree, "app/a", 3).await;
    assert_eq!(begun.elapsed(), 10 * SEC);
    let why = a.why().await.to_string();
    assert!(why.contains("on probation") && !why.contains("left"), "{why}");
    // On probation: parked again, for twice as long.
    a.kill().unwrap();
    hears(&mut events, "app/a#3 is parked, and tried again in 20.0s").await;
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 4).await;
    // A clean record: the first crash is forgiven again.
    a.kill().unwrap();
    up(&tree, "app/a", 5).await;
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_while_a_probe_is_under_way() {
    let (is_broken, starts) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let policy = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(SEC));
    let child = fragile("a", &is_broken, &starts).policy(policy);
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let a = tree.lookup::<()>("app/a").unwrap();
    is_broken.store(true, SeqCst);
    a.kill().unwrap();
    parked(&a).await;
    for probes in [1, 2, 3] {
        while starts.load(SeqCst) <= probes {
            assert!(matches!(a.cast(()).unwrap_err().refusal(), Refusal::Parked { .. }));
            tokio::time::sleep(100 * MS).await;
        }
    }
    is_broken.store(false, SeqCst);
    up(&tree, "app/a", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_takes_too_long_is_cut_and_counted_apart() {
    let journal = Journal::new();
    let not_ready = NotReady::default().budget(Intensity::new(2, 600 * SEC)).backoff(Backoff::new(SEC));
    let policy = Policy::default()
        .readiness(Readiness::WhenSaid)
        .start_timeout(5 * SEC)
        .not_ready(not_ready)
        .on_give_up(GiveUp::park(100 * SEC));
    let tree = unlimited([journal.probe("a").policy(policy)]).await;
    let (a, mut events) = (probe(&tree, "app/a"), tree.events());
    let begun = Instant::now();
    hears_of(&mut events, "app/a#1 takes too long and is killed").await;
    assert_eq!(begun.elapsed(), 5 * SEC);
    up(&tree, "app/a", 2).await;
    assert_eq!(begun.elapsed(), 6 * SEC);
    let why = a.why().await.to_string();
    assert!(why.contains("but has not said that it is ready. Its last life ended before it was ready"), "{why}");
    assert!(why.contains("Of its own budget, 1 of 2 restarts in 600s are left."), "{why}");

    up(&tree, "app/a", 3).await;
    let order: regrow::testing::Order = Box::new(|ctx: &Context<Probe>| ctx.ready());
    a.cast(ProbeMsg::Run(order)).unwrap();
    soon("ready", until(a.watch(), |status| status.ready)).await;
    tokio::time::sleep(60 * SEC).await;
    assert_eq!(a.generation(), 3, "ready in time: it lives");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn rules_know_errors_by_their_registered_types_and_texts() {
    #[derive(Debug)]
    struct Licence;
    impl std::fmt::Display for Licence {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("licence expired")
        }
    }
    impl std::error::Error for Licence {}
    struct Strict;
    impl Service for Strict {
        type Msg = &'static str;
        async fn handle(&mut self, text: &'static str, _: &mut Context<Self>) -> anyhow::Result<()> {
            match text {
                "io" => Err(std::io::Error::other("gone"))?,
                "licence" => Err(anyhow::Error::new(Licence).context("while printing")),
                text => anyhow::bail!(text),
            }
        }
    }
    let policy = Policy::default()
        .rule(ExitRule::new(RuleAction::Stop).error("licence"))
        .rule(ExitRule::new(RuleAction::RestartGroup).on(ExitKind::Failed).error("io").free())
        .rule(ExitRule::new(RuleAction::Park).text("flaky"));
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app")
        .intensity(0, SEC)
        .error_type::<std::io::Error>("io")
        .child(
            Supervisor::one_for_one("sub")
                .intensity(0, SEC)
                .error_type::<Licence>("licence")
                .child(Child::service("a", |_| async { Ok(Strict) }).policy(policy))
                .child(journal.probe("b")),
        )
        .start()
        .await
        .unwrap();
    let a = tree.lookup::<&'static str>("app/sub/a").unwrap();
    a.cast("io").unwrap();
    up(&tree, "app/sub/a", 2).await;
    up(&tree, "app/sub/b", 2).await;
    assert!(a.why().await.to_string().contains("Rule 2 fired: restart_group."));
    a.cast("this is flaky").unwrap();
    parked(&a).await;
    tree.revive("app/sub/a").await.unwrap();
    up(&tree, "app/sub/a", 3).await;
    a.cast("licence").unwrap();
    stands(&tree, "app/sub/a", ServiceState::Down).await;
    assert_eq!(probe(&tree, "app/sub/b").generation(), 2);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_rule_about_failed_starts_keeps_the_boot_going() {
    let (is_broken, starts) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let policy = patient(SEC).rule(ExitRule::new(RuleAction::Restart).on(ExitKind::StartFailed));
    let journal = Journal::new();
    let mut start = std::pin::pin!(
        Supervisor::one_for_one("app")
            .budget(Intensity::unlimited())
            .child(fragile("db", &is_broken, &starts).policy(policy))
            .child(journal.probe("web"))
            .start()
    );
    // The others are started, and the boot is complete when this one is up too.
    assert!(tokio::time::timeout(SEC / 2, &mut start).await.is_err());
    assert_eq!((journal.lines(), starts.load(SeqCst)), (vec!["start web#1".to_owned()], 1));
    is_broken.store(false, SeqCst);
    let tree = start.await.unwrap();
    assert_eq!(tree.directory().status("app/db").unwrap().state, ServiceState::Up);
    tree.shutdown().await;
}

// Case t22 of the reports: a word for that rule.
#[tokio::test(start_paused = true)]
async fn a_first_start_is_tried_again_by_the_delays_until_the_budget_is_spent() {
    let (is_broken, starts) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicUsize>::default());
    let tree = |policy: Policy| {
        let child = fragile("db", &is_broken, &starts).policy(policy);
        Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start()
    };
    let error = tree(patient(SEC)).await.unwrap_err();
    assert!(error.to_string().contains("child `db` failed to start"), "OTP's: {error}");
    let begun = Instant::now();
    let mut start = std::pin::pin!(tree(patient(SEC).retry_start()));
    assert!(tokio::time::timeout(SEC / 2, &mut start).await.is_err());
    is_broken.store(false, SeqCst);
    let up = start.await.unwrap();
    assert_eq!(begun.elapsed(), SEC);
    up.shutdown().await;
    // A boot does not wait for ever.
    is_broken.store(true, SeqCst);
    starts.store(0, SeqCst);
    let spent = |then| patient(SEC).retry_start().budget(Intensity::new(2, 60 * SEC)).on_give_up(then);
    let error = tree(spent(GiveUp::Escalate)).await.unwrap_err();
    assert_eq!((error.to_string().contains("child `db` failed to start"), starts.swap(0, SeqCst)), (true, 3));
    let parked = tree(spent(GiveUp::park(60 * SEC))).await.unwrap();
    assert!(matches!(parked.directory().status("app/db").unwrap().state, ServiceState::Parked { .. }));
    parked.shutdown().await;
    let ended = tree(spent(GiveUp::Stop)).await.unwrap();
    assert_eq!(ended.directory().status("app/db").unwrap().state, ServiceState::Down);
    assert!(!ended.shutdown().await.is_clean());
}

// rust-tokio-supervisor: the cap was given back before the start ran, and a full one skipped the restart.
#[tokio::test(start_paused = true)]
async fn the_cap_on_starts_caps_a_whole_subtree_and_queues_what_it_refuses() {
    struct Slow;
    impl Service for Slow {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }
    let starting = Census::default();
    let slow = |name: String| {
        let starting = starting.clone();
        Child::service(name, move |_| {
            let starting = starting.clone();
            async move {
                let _counted = starting.enter();
                tokio::time::sleep(100 * MS).await;
                Ok(Slow)
            }
        })
        .policy(Policy::default().start_timeout(150 * MS))
    };
    let pools = (0..3).map(|pool| DynamicSupervisor::new(format!("pool-{pool}")).budget(Intensity::unlimited()));
    let tree = Supervisor::one_for_one("app").max_starting(4).children(pools).start().await.unwrap();
    let begun = Instant::now();
    let mut orders = Vec::new();
    for pool in 0..3 {
        let pool = tree.dynamic(&format!("app/pool-{pool}")).unwrap();
        for child in 0..8 {
            let (pool, child) = (pool.clone(), slow(format!("child-{child}")));
            orders.push(tokio::spawn(async move { pool.start_child(child).await }));
        }
    }
    for order in orders {
        soon("a start", order).await.unwrap().unwrap();
    }
    assert_eq!((starting.alive_max(), starting.ever()), (4, 24));
    // And a moment of the supervisors' patience with those that may prove prompt.
    let took = begun.elapsed();
    assert!(600 * MS <= took && took < 610 * MS, "24 starts of 100 ms, four at a time: {took:?}");

    // All die at once; one is terminated while it waits in line.
    for entry in tree.directory().entries().iter().filter(|entry| !entry.kind.is_supervisor()) {
        tree.kill(&entry.path).unwrap();
    }
    tokio::time::sleep(50 * MS).await;
    soon("one that waits in line", tree.dynamic("app/pool-2").unwrap().terminate_child("child-7")).await.unwrap();
    tokio::time::sleep(SEC).await;
    let entries = tree.directory().entries();
    let alive = entries.iter().filter(|entry| !entry.kind.is_supervisor() && entry.status.generation == 2);
    assert_eq!((alive.count(), starting.alive_max(), starting.ever()), (23, 4, 47));
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_seed_makes_the_same_delays_again_and_children_differ() {
    let delays = async |seed| {
        let jittery = Policy::default().backoff(Backoff::new(10 * SEC).jitter(regrow::Jitter::Full));
        let journal = Journal::new();
        let tree = Supervisor::one_for_one("app")
            .seed(seed)
            .budget(Intensity::unlimited())
            .defaults(jittery)
            .child(journal.probe("a"))
            .child(journal.probe("b"))
            .start()
            .await
            .unwrap();
        let mut delays = Vec::new();
        for path in ["app/a", "app/b"] {
            let begun = Instant::now();
            tree.kill(path).unwrap();
            up(&tree, path, 2).await;
            delays.push(begun.elapsed());
        }
        tree.shutdown().await;
        delays
    };
    let first = delays(7).await;
    assert_eq!(first, delays(7).await);
    assert_ne!(first, delays(8).await);
    assert_ne!(first[0], first[1]);
}

#[tokio::test(start_paused = true)]
async fn messages_handled_are_evidence_that_begins_the_curve_anew() {
    let journal = Journal::new();
    let policy = patient(SEC).reset_after_messages(3);
    let tree = unlimited([journal.probe("a").policy(policy)]).await;
    let a = probe(&tree, "app/a");
    let mut generation = 1;
    let mut dies = async |messages: u64| {
        for number in 0..messages {
            a.send(ProbeMsg::Note(number)).await.unwrap();
        }
        a.call(ProbeMsg::Noted).await.unwrap();
        let begun = Instant::now();
        a.kill().unwrap();
        generation += 1;
        up(&tree, "app/a", generation).await;
        begun.elapsed()
    };
    assert_eq!([dies(0).await, dies(0).await, dies(5).await, dies(1).await], [SEC, 2 * SEC, SEC, 2 * SEC]);
    tree.shutdown().await;
}
