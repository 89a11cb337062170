//! Parks by order beside everything else that happens to a child: starts that hang, delays, rolls, resizes, new
//! policies, ends, and those who wait for the child.

use std::sync::Arc;

use regrow::policy::Policies;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, CallError, Child, ChildState, Context, Dependency, DynamicSupervisor, GiveUp, Intensity, ParkError,
    Policy, Refusal, RestartError, RollingCause, SendError, ServiceChild, ServiceState, Strategy, Supervisor, Tree,
};

use crate::common::partitions::{app, cache, names};
use crate::common::tree::{
    Census, MS, SEC, Slow, heard, hears_of, in_hand, parked, probe, soon, stands, starting, turns, up,
};
use crate::common::worker::{Job, Worker, generation, idle, worker};

const ASIDE: ServiceState = ServiceState::Parked { until: None };

fn state(tree: &Tree, path: &str) -> ServiceState {
    tree.directory().status(path).unwrap().state
}

/// A service whose starts hang from the second one on. The census counts the starts that are under way.
fn hangs(name: &str, census: &Census) -> ServiceChild<Job> {
    let census = census.clone();
    Child::service(name, move |ctx: Context<Worker>| {
        let resident = census.enter();
        async move {
            if ctx.generation() > 1 {
                std::future::pending::<()>().await;
            }
            drop(resident);
            Ok(Worker::default())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_cut_short_and_its_callers_hear_that_nothing_ran() {
    for strategy in [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne] {
        let census = Census::default();
        let tree = Supervisor::new("app", strategy)
            .budget(Intensity::unlimited())
            .child(hangs("a", &census))
            .child(Journal::new().probe("b"))
            .start()
            .await
            .unwrap();
        let a = tree.lookup::<Job>("app/a").unwrap();
        a.kill().unwrap();
        starting(&tree, "app/a").await;
        while census.alive() == 0 {
            tokio::task::yield_now().await;
        }
        a.cast(idle()).unwrap();
        let called = tokio::spawn({
            let a = a.clone();
            async move { a.call(generation).await }
        });
        turns(3).await;
        soon("the park", a.park("it hangs")).await.unwrap();
        assert_eq!((a.status().state, a.generation(), census.alive()), (ASIDE, 1, 0), "{strategy}");
        let error = soon("the call", called).await.unwrap().unwrap_err();
        assert!(matches!(error, CallError::NeverRan(_)), "{strategy}: {error}");
        let books = a.accounting();
        assert!(books.is_balanced() && books.queued == 0 && books.dead_lettered == 1 && books.returned == 1, "{books}");
        // A group that waited for the start goes on without it.
        up(&tree, "app/b", 1 + u64::from(strategy != Strategy::OneForOne)).await;
        tokio::time::sleep(1000 * SEC).await;
        assert_eq!((a.status().state, census.alive()), (ASIDE, 0), "{strategy}");
        soon("the end", tree.shutdown()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_forgotten_and_begins_with_the_first_after_the_revival() {
    let slow = Policy::default().budget(Intensity::unlimited()).backoff(Backoff::listed([SEC, 10 * SEC, 100 * SEC]));
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(slow)).start().await.unwrap();
    let a = probe(&tree, "app/a");
    for generation in 1..=2 {
        up(&tree, "app/a", generation).await;
        a.kill().unwrap();
        stands(&tree, "app/a", ServiceState::Restarting).await;
    }
    let why = a.why().await;
    assert_eq!((why.steps, why.next_try), (2, Some(10 * SEC)));
    let called = tokio::spawn({
        let a = a.clone();
        async move { a.call(ProbeMsg::Generation).await }
    });
    turns(3).await;
    a.park("the peer is down").await.unwrap();
    assert!(matches!(soon("the call", called).await.unwrap(), Err(CallError::NeverRan(_))));
    let why = a.why().await;
    assert_eq!((why.standing, why.next_try), (Some(ChildState::Parked), None), "{why}");
    tokio::time::sleep(1000 * SEC).await;
    assert_eq!((a.status().state, a.generation()), (ASIDE, 2));
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 3).await;
    a.kill().unwrap();
    stands(&tree, "app/a", ServiceState::Restarting).await;
    assert_eq!(a.why().await.next_try, Some(SEC));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn all_that_wait_for_the_child_hear_of_it() {
    let tree = Supervisor::one_for_one("app").child(worker("a").capacity(1)).start().await.unwrap();
    let a = tree.lookup::<Job>("app/a").unwrap();
    let mut downs = a.monitor();
    let held = crate::common::mail::busy(&a).await;
    a.cast(idle()).unwrap();
    // One waits for room, one for an answer, one for the state, one for the tree.
    let sender = tokio::spawn({
        let a = a.clone();
        async move { a.send(idle()).await }
    });
    let caller = tokio::spawn({
        let a = a.clone();
        async move { a.call(generation).await }
    });
    turns(5).await;
    let order = tokio::spawn({
        let a = a.clone();
        async move { a.park("maintenance").await }
    });
    turns(5).await;
    // A second order while the first is carried out.
    assert!(matches!(a.park("again").await, Err(ParkError::Stopping { .. })));
    held.release();
    soon("the park", order).await.unwrap().unwrap();
    let sent: Result<(), SendError<Job>> = soon("the sender", sender).await.unwrap();
    assert!(matches!(sent.unwrap_err().refusal(), Refusal::Stopping | Refusal::Parked { .. }));
    let error = soon("the caller", caller).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::NeverRan(_) | CallError::Refused(_)), "{error}");
    let down = soon("the monitor", downs.recv()).await.unwrap();
    assert_eq!((down.generation, down.ends, down.exit.as_ref().map(|exit| exit.kind())), (1, 1, Some("shutdown")));
    let waits = tokio::spawn({
        let a = a.clone();
        async move { a.wait_ready().await }
    });
    let error = soon("the wait", waits).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "`app/a` is not ready: it is parked until it is revived");
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 2).await;
    assert!(downs.try_recv().is_none(), "a revival is no end");
    let books = a.accounting();
    assert!(books.is_balanced(), "{books}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_roll_leaves_out_a_partition_that_an_order_has_parked() {
    let (tree, cache) = app(cache(&Journal::new(), 4)).await;
    tree.park("app/cache/1", "its disk is full").await.unwrap();
    assert_eq!(soon("the roll", cache.restart_rolling(1, "settings")).await.unwrap(), 3);
    let generations: Vec<_> = cache.handles().iter().map(|partition| partition.generation()).collect();
    assert_eq!(generations, [2, 1, 2, 2]);
    assert_eq!(state(&tree, "app/cache/1"), ASIDE);
    tree.revive("app/cache/1").await.unwrap();
    up(&tree, "app/cache/1", 2).await;
    tree.shutdown().await;
}

// What fails and is parked for its budget is a failure, and ends the roll.
#[tokio::test(start_paused = true)]
async fn a_roll_ends_at_a_partition_that_is_parked_for_its_budget() {
    let journal = Journal::new();
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(1000 * SEC));
    let cache = crate::common::partitions::cache_of(3, move |_| journal.probe("p").policy(parks.clone()));
    let (tree, cache) = app(cache).await;
    cache.handles()[1].kill().unwrap();
    parked(&cache.handles()[1]).await;
    let error = soon("the roll", cache.restart_rolling(1, "settings")).await.unwrap_err();
    assert!(
        matches!(&error.cause, RollingCause::NotRestarted(RestartError::Parked { path }) if &**path == "app/cache/1")
    );
    assert_eq!(error.restarted, 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_park_in_the_middle_of_a_roll_is_answered_and_so_is_the_roll() {
    for moment in 0..40 {
        let journal = Journal::new();
        let slow = journal.clone();
        let cache = crate::common::partitions::cache_of(3, move |_| Slow::child("p", &slow, 10 * MS));
        let (tree, cache) = app(cache).await;
        let roll = tokio::spawn({
            let cache = cache.clone();
            async move { cache.restart_rolling(1, "settings").await }
        });
        turns(moment % 10).await;
        tokio::time::sleep(MS * (moment as u32 / 2)).await;
        let park = soon("the park", tree.park("app/cache/1", "meanwhile")).await;
        let roll = soon("the roll", roll).await.unwrap();
        match (&park, &roll) {
            (Ok(()), Ok(2 | 3)) => assert_eq!(state(&tree, "app/cache/1"), ASIDE, "{moment}"),
            // The roll had asked it to stop.
            (Err(ParkError::Stopping { .. }), Ok(3)) => up(&tree, "app/cache/1", 2).await,
            // It was parked in the place of the next life.
            (Ok(()), Err(error)) => {
                assert_eq!(state(&tree, "app/cache/1"), ASIDE, "{moment}");
                let text = error.to_string();
                assert!(text.contains("app/cache/1") && text.contains("park"), "{moment}: {text}");
            }
            other => panic!("{moment}: {other:?}"),
        }
        soon("the end", tree.shutdown()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_partition_can_be_resized_away_and_a_growth_does_not_wait_for_it() {
    let (tree, cache) = app(cache(&Journal::new(), 3)).await;
    tree.park("app/cache/0", "disk").await.unwrap();
    tree.park("app/cache/2", "disk").await.unwrap();
    soon("the growth", cache.resize(5)).await.unwrap();
    assert_eq!((cache.len(), state(&tree, "app/cache/2")), (5, ASIDE));
    // What the parked one had is refused, and no key waits behind a partition that is parked.
    for key in 0..100_u64 {
        let home = cache.handle_for(&key);
        match home.cast(ProbeMsg::Note(key)) {
            Ok(()) => assert!(soon("a note", home.call(ProbeMsg::Noted)).await.unwrap().contains(&key)),
            Err(error) => {
                assert_eq!(error.refusal(), Refusal::Parked { until: None });
                assert!(["app/cache/0", "app/cache/2"].contains(&&*home.path()));
            }
        }
    }
    soon("the shrink", cache.resize(1)).await.unwrap();
    assert_eq!((cache.len(), names(&tree)), (1, vec!["0".to_owned()]));
    assert_eq!(state(&tree, "app/cache/0"), ASIDE);
    tree.revive("app/cache/0").await.unwrap();
    up(&tree, "app/cache/0", 2).await;
    soon("a note", cache.handle_for(&1_u64).call(ProbeMsg::Noted)).await.unwrap();
    tree.shutdown().await;
}

// The partitions hold their keys for each other during a resize. One that is parked in the middle of that cannot hand
// anything over.
#[tokio::test(start_paused = true)]
async fn a_park_in_the_middle_of_a_resize_holds_up_nobody() {
    for moment in 0..30 {
        for (from, to) in [(2, 4), (4, 2)] {
            let (tree, cache) = app(cache(&Journal::new(), from)).await;
            let busy = cache.handle(1).unwrap();
            (0..5).for_each(|note| busy.cast(ProbeMsg::Note(note)).unwrap());
            let resize = tokio::spawn({
                let cache = cache.clone();
                async move { cache.resize(to).await }
            });
            turns(moment).await;
            let park = soon("the park", tree.park("app/cache/1", "meanwhile")).await;
            let resized = soon("the resize", resize).await.unwrap();
            assert!(park.is_ok() && resized.is_ok(), "{moment}: {park:?} {resized:?}");
            assert_eq!((cache.len(), state(&tree, "app/cache/1")), (to, ASIDE), "{moment}");
            for key in 0..40_u64 {
                let home = cache.handle_for(&key);
                if &*home.path() != "app/cache/1" {
                    soon("a note", home.call(ProbeMsg::Noted)).await.unwrap();
                }
            }
            tree.revive("app/cache/1").await.unwrap();
            up(&tree, "app/cache/1", 2).await;
            soon("a note", cache.handle(1).unwrap().call(ProbeMsg::Noted)).await.unwrap();
            soon("the end", tree.shutdown()).await;
        }
    }
}

fn policies(text: &str) -> Policies {
    Policies::parse(text, "app.toml").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_new_policy_leaves_it_parked_and_is_in_force_after_the_revival() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    a.park("a new policy comes").await.unwrap();
    for text in [
        "[path.\"app/a\"]\nmax_restarts = 0\nwithin = \"1s\"\non_give_up = \"park\"",
        "[path.\"app/a\"]\nmax_restarts = \"unlimited\"\ndelay = \"7s\"",
    ] {
        let applied = tree.apply(&policies(text)).await;
        assert!(applied.is_ok(), "{applied:?}");
        tokio::time::sleep(1000 * SEC).await;
        assert_eq!((a.status().state, a.generation()), (ASIDE, 1), "{text}");
        let why = a.why().await;
        assert_eq!(why.parked_by_order.as_deref(), Some("a new policy comes"), "{why}");
    }
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 2).await;
    a.kill().unwrap();
    stands(&tree, "app/a", ServiceState::Restarting).await;
    assert_eq!(a.why().await.next_try, Some(7 * SEC));
    up(&tree, "app/a", 3).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_description_leaves_it_parked() {
    let journal = Journal::new();
    let tree =
        Supervisor::one_for_one("app").child(journal.probe("a")).child(journal.probe("b")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    a.park("ticket 7").await.unwrap();
    let roomy = Supervisor::one_for_one("app").intensity(50, SEC).child(journal.probe("a")).child(journal.probe("b"));
    tree.supervisor("app").unwrap().reconfigure(roomy).await.unwrap();
    tokio::time::sleep(1000 * SEC).await;
    assert_eq!(a.status().state, ASIDE);
    assert!(a.why().await.to_string().contains("by order: ticket 7"));
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", 2).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_tree_does_not_wait_for_what_is_parked() {
    let journal = Journal::new();
    let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited());
    let tree = Supervisor::one_for_one("app")
        .child(Journal::new().probe("a"))
        .child(Supervisor::rest_for_one("sub").child(journal.probe("x")).child(journal.probe("y")))
        .child(pool)
        .start()
        .await
        .unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("ada")).await.unwrap();
    for path in ["app/a", "app/sub", "app/pool/ada"] {
        tree.park(path, "for ever").await.unwrap();
    }
    let a = probe(&tree, "app/a");
    let (begun, directory) = (tokio::time::Instant::now(), tree.directory());
    let report = soon("the end", tree.shutdown()).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(begun.elapsed(), std::time::Duration::ZERO);
    assert_eq!(
        (a.status().state, a.cast(ProbeMsg::Note(1)).unwrap_err().refusal()),
        (ServiceState::Gone, Refusal::Gone)
    );
    let history = directory.history();
    let last = history.entries.last().unwrap();
    assert_eq!(last.kind.word(), "tree_over");
    assert!(matches!(tree.park("app/sub/x", "").await, Err(ParkError::NotRunning { .. } | ParkError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_parked_pool_comes_back_empty_and_takes_new_children() {
    let journal = Journal::new();
    let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited());
    let tree = Supervisor::one_for_one("app").child(pool).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(journal.probe("ada")).await.unwrap();
    pool.start_child(Supervisor::one_for_one("deep").child(journal.probe("leaf"))).await.unwrap();
    let (ada, leaf) = (probe(&tree, "app/pool/ada"), probe(&tree, "app/pool/deep/leaf"));
    let mut events = tree.events();
    tree.park("app/pool", "no sessions for now").await.unwrap();
    assert_eq!(state(&tree, "app/pool"), ASIDE);
    for gone in [&ada, &leaf] {
        assert_eq!(gone.status().state, ServiceState::Gone, "{}", gone.path());
        assert_eq!(gone.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
    }
    assert!(tree.directory().entries_below("app/pool").iter().all(|entry| &*entry.path == "app/pool"));
    hears_of(&mut events, "app/pool#1 is parked by order: no sessions").await;
    let error = pool.start_child(journal.probe("ada")).await.unwrap_err();
    assert!(error.to_string().contains("app/pool"), "{error}");
    tree.revive("app/pool").await.unwrap();
    up(&tree, "app/pool", 2).await;
    pool.start_child(journal.probe("ada")).await.unwrap();
    up(&tree, "app/pool/ada", 1).await;
    assert_eq!(journal.alive_max(), 1);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn under_rest_for_one_a_parked_elder_is_passed_over_and_its_dependents_wait() {
    let journal = Journal::new();
    let needs_db = Policy::default().depends_on([Dependency::ready("db")]);
    let tree = Supervisor::rest_for_one("app")
        .budget(Intensity::unlimited())
        .child(journal.probe("log"))
        .child(journal.probe("db"))
        .child(journal.probe("web").policy(needs_db))
        .child(journal.probe("free"))
        .start()
        .await
        .unwrap();
    tree.park("app/db", "upgrade").await.unwrap();
    let (web, free) = (probe(&tree, "app/web"), probe(&tree, "app/free"));
    assert_eq!((web.status().state, free.generation()), (ServiceState::Up, 1), "no younger one is touched");
    // The group is stopped and started again, without the parked one and without what waits for it.
    tree.kill("app/log").unwrap();
    up(&tree, "app/log", 2).await;
    up(&tree, "app/free", 2).await;
    stands(&tree, "app/web", ASIDE).await;
    assert_eq!(state(&tree, "app/db"), ASIDE);
    let text = web.why().await.to_string();
    assert!(text.contains("It waits for `app/db`"), "{text}");
    tree.kill("app/log").unwrap();
    up(&tree, "app/free", 3).await;
    assert_eq!((state(&tree, "app/db"), state(&tree, "app/web")), (ASIDE, ASIDE));
    tree.revive("app/db").await.unwrap();
    up(&tree, "app/db", 2).await;
    up(&tree, "app/web", 2).await;
    assert_eq!((free.generation(), tree.directory().status("app/log").unwrap().generation), (3, 3));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_others_complete_after_keeps_them_waiting_while_it_is_parked() {
    let task = Child::task("migrate", |_| async {
        tokio::time::sleep(10 * SEC).await;
        Ok(())
    });
    let after = Policy::default().depends_on([Dependency::completed("migrate")]);
    let web = Journal::new().probe("web").policy(after);
    let tree = Supervisor::one_for_one("app").child(task).child(web).start();
    let tree = soon("the start", tree).await.unwrap();
    let web = probe(&tree, "app/web");
    stands(&tree, "app/web", ServiceState::Waiting).await;
    tree.park("app/migrate", "wrong database").await.unwrap();
    tokio::time::sleep(1000 * SEC).await;
    let text = web.why().await.to_string();
    assert_eq!(web.status().state, ASIDE);
    assert_eq!(
        text,
        "`app/web` is parked with a service that it depends on: revive that one. It waits for `app/migrate`. Nothing has \
         gone wrong with it yet. Of the budget that it shares with its siblings, 1 of 1 restarts in 5s are left."
    );
    assert_eq!(web.generation(), 0);
    tree.revive("app/migrate").await.unwrap();
    up(&tree, "app/web", 1).await;
    tree.shutdown().await;
}

// Eight tasks give orders about one service, and callers use it meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_parks_and_revivals_is_answered_to_the_last() {
    let journal = Journal::new();
    let parks = Policy::default().budget(Intensity::unlimited());
    let tree = Arc::new(
        Supervisor::one_for_one("app")
            .child(journal.probe("a").policy(parks))
            .child(journal.probe("b"))
            .start()
            .await
            .unwrap(),
    );
    let before = tree.directory().history_after(0).latest;
    let a = probe(&tree, "app/a");
    let storm: Vec<_> = (0..8_u64)
        .map(|lane| {
            let (tree, a) = (tree.clone(), a.clone());
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(lane);
                let (mut parked, mut sent) = (0_u64, 0_u64);
                for number in 0..125_u64 {
                    match random.u32(..8) {
                        0..3 => parked += u64::from(a.park(format!("{lane}.{number}")).await.is_ok()),
                        3..6 => drop(tree.revive("app/a").await),
                        6 => drop(a.kill()),
                        _ => {
                            sent += u64::from(a.cast(ProbeMsg::Note(number)).is_ok());
                            let answer = soon("an answer", a.call(ProbeMsg::Generation)).await;
                            sent += u64::from(!matches!(answer, Err(CallError::Refused(_))));
                        }
                    }
                    turns(random.usize(..3)).await;
                }
                (parked, sent)
            })
        })
        .collect();
    let (mut parked, mut sent) = (0, 0);
    for lane in storm {
        let (lane_parked, lane_sent) = soon("the storm", lane).await.unwrap();
        (parked, sent) = (parked + lane_parked, sent + lane_sent);
    }
    match a.park("at last").await {
        Ok(()) => parked += 1,
        Err(error) => assert!(matches!(error, ParkError::Parked { .. }), "{error}"),
    }
    stands(&tree, "app/a", ASIDE).await;
    assert!(parked > 10, "{parked}");
    let history = tree.directory().history_after(before);
    let told = history.entries.iter().filter(|entry| entry.kind.word() == "parked").count() as u64;
    assert_eq!(parked, told, "each park that was answered is told once");
    let books = a.accounting();
    assert!(books.is_balanced() && books.queued == 0 && books.in_hand == 0, "{books}");
    assert!(books.accepted <= sent, "{} of {sent}", books.accepted);
    assert_eq!((journal.alive_max(), tree.directory().status("app/b").unwrap().generation), (1, 1));
    let latest = a.generation();
    tree.revive("app/a").await.unwrap();
    up(&tree, "app/a", latest + 1).await;
    assert!(soon("an answer", a.call(ProbeMsg::Generation)).await.is_ok());
    soon("the end", tree.shutdown()).await;
}

// A park and what comes behind it in the line of orders, at each distance.
#[tokio::test(start_paused = true)]
async fn a_park_and_any_other_order_at_the_same_moment_are_both_answered() {
    for (number, distance) in (0..6).flat_map(|number| (0..10).map(move |distance| (number, distance))) {
        let journal = Journal::new();
        let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(journal.probe("a"));
        let tree = Arc::new(tree.start().await.unwrap());
        let a = probe(&tree, "app/a");
        let mut events = tree.events();
        let park = tokio::spawn({
            let a = a.clone();
            async move { a.park("first").await }
        });
        turns(distance).await;
        let app = tree.supervisor("app").unwrap();
        match number {
            0 => drop(soon("the revival", tree.revive("app/a")).await),
            1 => drop(soon("the restart", tree.restart("app/a", "second")).await),
            2 => drop(soon("the termination", app.terminate_child("a")).await),
            3 => drop(soon("the start", app.restart_child("a")).await),
            4 => drop(soon("the other park", a.park("second")).await),
            _ => {
                let _ = soon("the termination", app.terminate_child("a")).await;
                let _ = soon("the deletion", app.delete_child("a")).await;
            }
        }
        let parked = soon("the park", park).await.unwrap();
        let why = tree.why("app/a").await.map(|why| why.to_string());
        tokio::time::sleep(100 * SEC).await;
        let state = tree.directory().status("app/a").map(|status| status.state);
        match (number, parked.is_ok(), state) {
            (0 | 1 | 3, _, Some(ServiceState::Up)) | (0 | 1 | 3 | 4, true, Some(ASIDE)) => {}
            // The termination wins.
            (2, _, Some(ServiceState::Down)) | (5, _, None) => {}
            (4, false, Some(ASIDE)) => {}
            other => panic!("{other:?} {distance}: {parked:?} {why:?} {:#?}", heard(&mut events)),
        }
        assert_eq!(journal.alive_max(), 1);
        soon("the end", tree.shutdown()).await;
    }
}

// A park of a service below a supervisor that ends or is restarted meanwhile.
#[tokio::test(start_paused = true)]
async fn a_park_while_its_supervisor_ends_is_answered() {
    for (number, distance) in (0..4).flat_map(|number| (0..12).map(move |distance| (number, distance))) {
        let journal = Journal::new();
        let sub = Supervisor::one_for_all("sub").child(journal.probe("a")).child(journal.probe("b"));
        let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).start().await.unwrap();
        let tree = Arc::new(tree);
        let park = tokio::spawn({
            let tree = tree.clone();
            async move { tree.park("app/sub/a", "at a bad moment").await }
        });
        turns(distance).await;
        match number {
            0 => drop(tree.kill("app/sub")),
            1 => drop(soon("the restart", tree.restart("app/sub", "new")).await),
            2 => drop(soon("the park above", tree.park("app/sub", "all of it")).await),
            _ => drop(tree.kill("app/sub/b")),
        }
        let answer = soon("the park", park).await.unwrap();
        tokio::time::sleep(10 * SEC).await;
        let (above, below) = (state(&tree, "app/sub"), state(&tree, "app/sub/a"));
        match number {
            2 => assert_eq!((above, below), (ASIDE, ASIDE), "{distance}: {answer:?}"),
            // A new life of the supervisor starts all of its children.
            0 | 1 => assert!(
                above == ServiceState::Up && (below == ServiceState::Up || answer.is_ok()),
                "{number} {distance}: {answer:?} {above} {below}"
            ),
            _ => assert!(answer.is_err() || below == ASIDE, "{distance}: {answer:?} {below}"),
        }
        assert_eq!(journal.alive_max(), 1);
        soon("the end", tree.shutdown()).await;
    }
}

// An operator parks what is blocked in its handler: the shutdown rule ends it, and nobody waits longer than that.
#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_is_killed_after_its_time_and_parked() {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    let caller = tokio::spawn({
        let a = a.clone();
        async move { a.call(ProbeMsg::HangOn).await }
    });
    in_hand(&a).await;
    let begun = tokio::time::Instant::now();
    a.park("it hangs").await.unwrap();
    assert_eq!(begun.elapsed(), 5 * SEC);
    let error = soon("the caller", caller).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Crashed { .. }), "{error:?}");
    assert_eq!(a.status().state, ASIDE);
    let books = a.accounting();
    assert!(books.is_balanced() && books.in_hand == 0, "{books}");
    tree.shutdown().await;
}
