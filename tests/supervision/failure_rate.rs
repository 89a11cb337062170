//! A budget by rate: a service of which too many messages fail is parked, ended or escalates, though no life ends of it.

use regrow::policy::Policies;
use regrow::testing::until_event;
use regrow::{
    Child, Context, EventKind, FailureRate, GiveUp, Handle, Intensity, Policy, Refusal, Reply, Service, ServiceChild,
    ServiceState, Supervisor, Tree,
};

use crate::common::tree::{SEC, parked, soon, stands, up};

/// A service that does with a message what the message says.
struct Moody;

enum Mood {
    Good(Reply<()>),
    /// Calls the message failed, this many times.
    Fails(u32, Reply<()>),
    Crashes,
    /// Calls the message failed, and crashes with it.
    FailsAndCrashes,
}

impl Service for Moody {
    type Msg = Mood;
    async fn handle(&mut self, mood: Mood, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match mood {
            Mood::Good(reply) => drop(reply.send(())),
            Mood::Fails(times, reply) => {
                (0..times).for_each(|time| ctx.failure(anyhow::anyhow!("bank not reached, {time}")));
                reply.send(());
            }
            Mood::Crashes => anyhow::bail!("boom"),
            Mood::FailsAndCrashes => {
                ctx.failure(std::io::Error::other("bank not reached"));
                anyhow::bail!("boom");
            }
        }
        Ok(())
    }
}

fn moody(policy: Policy) -> ServiceChild<Mood> {
    Child::service("api", |_| async { Ok(Moody) }).policy(policy)
}

/// More than half of at least 10 messages in 10 s.
fn rate() -> Policy {
    Policy::default().failure_rate(FailureRate::new(50, 10, 10 * SEC)).on_give_up(GiveUp::park(5 * SEC))
}

async fn tree(policy: Policy) -> (Tree, Handle<Mood>) {
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(moody(policy)).start().await.unwrap();
    let api = tree.lookup::<Mood>("app/api").unwrap();
    (tree, api)
}

async fn fails(api: &Handle<Mood>, messages: u32) {
    for _ in 0..messages {
        api.call(|reply| Mood::Fails(1, reply)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_too_often_is_parked_and_tried_again() {
    let (tree, api) = tree(rate()).await;
    let mut events = tree.events();
    for _ in 0..10 {
        api.call(Mood::Good).await.unwrap();
    }
    fails(&api, 10).await;
    assert_eq!(api.generation(), 1, "exactly half is not too much");
    api.call(|reply| Mood::Fails(1, reply)).await.unwrap();
    let told = until_event(&mut events, |event| matches!(event.kind, EventKind::TooManyFailures { .. })).await.unwrap();
    let says =
        "app/api#1 fails too often: 11 of 21 messages in 10s failed, the last one as failed: bank not reached, 0";
    assert_eq!(told.to_string(), says);
    parked(&api).await;
    assert!(matches!(api.cast(Mood::Crashes).unwrap_err().refusal(), Refusal::Parked { .. }));
    let why = api.why().await.to_string();
    let says = "Of its latest messages, 11 of 21 messages in 10s failed, which is more than its policy allows.";
    assert!(why.contains("failed: bank not reached, 0.") && why.contains(says) && !why.contains("budget"), "{why}");

    // The probe begins with an empty window. It is on probation: a crash parks it for longer.
    up(&tree, "app/api", 2).await;
    fails(&api, 9).await;
    assert_eq!(api.generation(), 2);
    assert!(api.why().await.to_string().contains("9 of 9 messages in 10s failed."));
    api.cast(Mood::Crashes).unwrap();
    parked(&api).await;
    up(&tree, "app/api", 3).await;
    assert!(api.accounting().is_balanced());
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_message_counts_once_and_a_crash_counts_as_its_message() {
    let (tree, api) = tree(rate()).await;
    for _ in 0..5 {
        api.call(Mood::Good).await.unwrap();
    }
    api.call(|reply| Mood::Fails(7, reply)).await.unwrap();
    api.cast(Mood::FailsAndCrashes).unwrap();
    up(&tree, "app/api", 2).await;
    api.cast(Mood::Crashes).unwrap();
    up(&tree, "app/api", 3).await;
    let failures = api.why().await.failures.expect("three");
    assert_eq!((failures.failed, failures.messages), (3, 8));
    // A kill is no fault of a message.
    api.kill().unwrap();
    up(&tree, "app/api", 4).await;
    assert_eq!(api.why().await.failures.expect("three").failed, 3);
    // Five of ten are not too much, and six of eleven are.
    for generation in 5..7 {
        api.cast(Mood::Crashes).unwrap();
        up(&tree, "app/api", generation).await;
    }
    api.cast(Mood::Crashes).unwrap();
    parked(&api).await;
    let failures = api.why().await.failures.expect("six");
    assert_eq!((failures.failed, failures.messages), (6, 11));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_old_and_failures_without_a_rate_do_not_matter() {
    let (old, api) = tree(rate()).await;
    for _ in 0..20 {
        fails(&api, 9).await;
        tokio::time::sleep(10 * SEC).await;
    }
    assert_eq!(api.generation(), 1);
    old.shutdown().await;
    let (none, api) = tree(Policy::default()).await;
    fails(&api, 1000).await;
    assert!(api.generation() == 1 && api.why().await.failures.is_none());
    none.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_other_reactions_end_the_child_or_the_supervisor() {
    let (stops, api) = tree(rate().on_give_up(GiveUp::Stop)).await;
    fails(&api, 10).await;
    stands(&stops, "app/api", ServiceState::Down).await;
    let report = stops.shutdown().await;
    assert_eq!(report.given_up.iter().map(|why| why.exit.kind()).collect::<Vec<_>>(), ["failed"]);

    let (escalates, api) = tree(rate().on_give_up(GiveUp::Escalate)).await;
    fails(&api, 10).await;
    let report = soon("the end", escalates.wait()).await;
    let says = "gave up on `app/api`: failed: bank not reached, 0 (10 of 10 messages in 10s failed)";
    assert_eq!(report.gave_up.expect("it gave up").to_string(), says);
}

#[tokio::test(start_paused = true)]
async fn a_policy_file_sets_a_rate_and_says_what_is_wrong_with_one() {
    let file = "[path.\"app/api\"]\nfailure_rate = { percent = 50, messages = 10 }\non_give_up = \"park\"\n";
    let policies = Policies::parse(file, "file.toml").unwrap();
    let said = policies.explain("app/api", None).setting("failure_rate").unwrap().value().to_owned();
    assert_eq!(said, "more than 50% of 10 messages within 10s");
    let tree = Supervisor::one_for_one("app").child(moody(Policy::default())).start().await.unwrap();
    let api = tree.lookup::<Mood>("app/api").unwrap();
    fails(&api, 30).await;
    // It counts from now on.
    tree.apply(&policies).await.unwrap();
    fails(&api, 9).await;
    assert_eq!(api.generation(), 1);
    api.call(|reply| Mood::Fails(1, reply)).await.unwrap();
    parked(&api).await;
    tree.shutdown().await;
    for (bad, says) in [
        ("{ percent = 100, messages = 1 }", "100 is too large"),
        ("{ percent = 5, messages = 0 }", "0 is too small"),
        ("{ percent = 5 }", "this table has no `messages`"),
        ("{ messages = 5 }", "this table has no `percent`"),
        ("{ percent = 5, messages = 5, within = \"0s\" }", "this may not be zero"),
    ] {
        let error = Policies::parse(&format!("[defaults]\nfailure_rate = {bad}\n"), "file.toml").unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

/// 40 seeds: many callers at the same time, and a service that fails, crashes and is killed at random. Its books balance,
/// and it is parked exactly if the rate was exceeded.
#[tokio::test(start_paused = true)]
async fn in_any_race_the_books_balance_and_a_park_has_its_reason() {
    for seed in 0..40 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (tree, api) = tree(rate().on_give_up(GiveUp::park(SEC / 10))).await;
        let mut events = tree.events();
        let mut calls = Vec::new();
        for _ in 0..100 {
            match dice.u8(..12) {
                0..5 => calls.push(tokio::spawn(api.call(Mood::Good).into_future())),
                5..10 => calls.push(tokio::spawn(api.call(|reply| Mood::Fails(1, reply)).into_future())),
                10 => drop(api.cast(Mood::FailsAndCrashes)),
                _ => drop(api.kill()),
            }
            if dice.bool() {
                tokio::task::yield_now().await;
            }
            if dice.u8(..20) == 0 {
                tokio::time::sleep(SEC).await;
            }
        }
        for call in calls {
            drop(soon("an answer", call).await.unwrap());
        }
        tokio::time::sleep(5 * SEC).await;
        let books = api.accounting();
        assert!(books.is_balanced() && books.queued == 0, "seed {seed}: {books}");
        let (mut exceeded, mut parks) = (0, 0);
        while let Some(event) = events.try_next() {
            match event.unwrap().kind {
                EventKind::TooManyFailures { failures, .. } => {
                    exceeded += 1;
                    assert!(
                        failures.messages >= 10 && failures.failed * 2 > failures.messages,
                        "seed {seed}: {failures}"
                    );
                }
                EventKind::Parked { .. } => parks += 1,
                _ => {}
            }
        }
        assert!(parks == 0 || exceeded > 0, "seed {seed}: {parks} parks");
        tree.shutdown().await;
    }
}
