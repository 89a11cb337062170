//! The longest and the shortest value of every setting: each works, as no limit or as none at all, or is refused where it is
//! set. All of them were found by trying `Duration::MAX` and zero on every setter.

use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg};
use regrow::*;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::MAX;

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(20 * SEC, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

fn app() -> Supervisor {
    Supervisor::one_for_one("app").budget(Intensity::unlimited())
}

fn probe(tree: &Tree, path: &str) -> Handle<ProbeMsg> {
    tree.lookup(path).unwrap()
}

// The deadline was added up with a panic, in the supervisor: it took the siblings along.
#[tokio::test]
async fn the_longest_time_to_stop_and_to_be_abandoned_is_no_limit() {
    let journal = Journal::new();
    let patient = |name| journal.probe(name).shutdown(Shutdown::After(LONG)).abandon(Abandon::After(LONG));
    let sub = Supervisor::one_for_one("sub").shutdown(Shutdown::After(LONG)).child(patient("a")).child(patient("b"));
    let tree = app().child(sub).start().await.unwrap();
    let (a, b) = (probe(&tree, "app/sub/a"), probe(&tree, "app/sub/b"));
    a.kill().unwrap();
    assert_eq!(soon("the next life", a.call(ProbeMsg::Generation)).await.unwrap(), 2);
    let sub = tree.supervisor("app/sub").unwrap();
    soon("the stop", sub.terminate_child("a")).await.unwrap();
    assert_eq!(soon("the other", b.call(ProbeMsg::Generation)).await.unwrap(), 1);
    assert!(soon("the end", tree.shutdown()).await.is_clean());
}

#[tokio::test]
async fn a_shutdown_within_the_longest_time_is_an_unbounded_one() {
    let tree = app().child(Journal::new().probe("a")).start().await.unwrap();
    assert!(soon("the end", tree.shutdown_within(LONG)).await.is_clean());
}

// An abandon time of zero was over before the task that was killed had its turn: two incarnations lived at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_time_to_be_abandoned_code_that_yields_is_not() {
    let journal = Journal::new();
    let tree = app().child(journal.probe("a").abandon(Abandon::After(Duration::ZERO))).start().await.unwrap();
    let a = probe(&tree, "app/a");
    let mut events = tree.events();
    for generation in 1..=100 {
        a.kill().unwrap();
        // A message may still be handled by the life that is killed at this moment, on the other thread.
        soon("the next life", testing::until(a.watch(), |status| status.generation > generation)).await;
        soon("an answer", a.call(ProbeMsg::Generation)).await.unwrap();
    }
    while let Some(event) = events.try_next() {
        assert!(!matches!(event, Ok(Event { kind: EventKind::Abandoned, .. })), "it had its turn");
    }
    assert_eq!((a.generation(), journal.alive_max()), (101, 1));
    tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_time_to_be_abandoned_code_that_blocks_is_left_behind_at_once() {
    let tree = app().child(Journal::new().probe("a").abandon(Abandon::After(Duration::ZERO))).start().await.unwrap();
    let a = probe(&tree, "app/a");
    let mut events = tree.events();
    a.cast(ProbeMsg::Block(2 * SEC)).unwrap();
    soon("the message", async {
        while a.accounting().in_hand == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    a.kill().unwrap();
    let abandoned = testing::until_event(&mut events, |event| matches!(event.kind, EventKind::Abandoned));
    assert!(soon("the abandonment", abandoned).await.is_some());
    assert_eq!(soon("the next life", a.call(ProbeMsg::Generation)).await.unwrap(), 2);
    tree.shutdown().await;
}

// The watchdog's task had panicked: from then on no service of the tree was watched.
#[tokio::test]
async fn one_message_may_take_the_longest_time_and_the_others_are_still_watched() {
    struct Worker;
    impl Service for Worker {
        type Msg = bool;
        async fn handle(&mut self, hangs: bool, ctx: &mut Context<Self>) -> anyhow::Result<()> {
            if !hangs {
                ctx.extend_deadline(LONG);
                ctx.extend_deadline(Duration::ZERO);
                ctx.extend_deadline(LONG);
            }
            std::future::pending().await
        }
    }
    let child = |name| Child::service(name, |_| async { Ok(Worker) }).policy(Policy::default().watchdog(20 * MS));
    let tree = app().child(child("long")).child(child("hangs")).start().await.unwrap();
    let mut events = tree.events();
    tree.lookup::<bool>("app/long").unwrap().cast(false).unwrap();
    for _ in 0..3 {
        tree.lookup::<bool>("app/hangs").unwrap().cast(true).unwrap();
        let hung = |event: &Event| matches!(event.kind, EventKind::Exited { exit: Exit::Hung(_) });
        let event = soon("the watchdog", testing::until_event(&mut events, hung)).await.unwrap();
        assert_eq!(&*event.path, "app/hangs");
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn timers_and_calls_take_the_longest_and_the_shortest_time() {
    let tree = app().intensity(3, LONG).child(Journal::new().probe("a")).start().await.unwrap();
    let a = probe(&tree, "app/a");
    assert_eq!(soon("the call", a.call_within(LONG, ProbeMsg::Generation)).await.unwrap(), 1);
    assert!(soon("the call", a.call_within(Duration::ZERO, ProbeMsg::Keep)).await.is_err());
    let run = ProbeMsg::Run(Box::new(|ctx| {
        ctx.send_after(LONG, ProbeMsg::Note(1));
        ctx.interval(LONG, || ProbeMsg::Note(2));
        ctx.send_after(Duration::ZERO, ProbeMsg::Note(3));
    }));
    a.cast(run).unwrap();
    let noted = async {
        while a.call(ProbeMsg::Noted).await.unwrap() != [3] {
            tokio::time::sleep(MS).await;
        }
    };
    soon("the timer", noted).await;
    assert_eq!(a.generation(), 1);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_wait_for_room_and_for_readiness_takes_the_longest_and_the_shortest_time() {
    let journal = Journal::new();
    let full = |name, limit| journal.probe(name).capacity(1).wait_for_room(limit);
    let tree = app().child(full("long", LONG)).child(full("short", Duration::ZERO)).start().await.unwrap();
    assert!(soon("readiness", tree.ready(LONG)).await.is_ok() && tree.ready(Duration::ZERO).await.is_ok());
    for path in ["app/long", "app/short"] {
        let probe = probe(&tree, path);
        probe.cast(ProbeMsg::Hang).unwrap();
        soon("the message", async {
            while probe.accounting().in_hand == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        probe.cast(ProbeMsg::Note(1)).unwrap();
    }
    let error = soon("the refusal", probe(&tree, "app/short").send(ProbeMsg::Note(2))).await.unwrap_err();
    assert_eq!(error.refusal(), Refusal::Full);
    let long = probe(&tree, "app/long");
    let waits = {
        let long = long.clone();
        std::thread::spawn(move || long.blocking_call_within(LONG, ProbeMsg::Generation))
    };
    let mut send = std::pin::pin!(long.send(ProbeMsg::Note(2)));
    assert!(tokio::time::timeout(100 * MS, &mut send).await.is_err(), "there is no room");
    let late = long.clone();
    let late = move || late.blocking_call_within(Duration::ZERO, ProbeMsg::Generation);
    assert!(soon("the limit", tokio::task::spawn_blocking(late)).await.unwrap().is_err());
    long.kill().unwrap();
    soon("room", send).await.unwrap();
    let called = soon("the answer", tokio::task::spawn_blocking(|| waits.join().unwrap())).await.unwrap();
    assert_eq!(called.unwrap(), 2);
    // It still hangs.
    probe(&tree, "app/short").kill().unwrap();
    tree.shutdown().await;
}

#[tokio::test]
async fn a_time_of_a_policy_that_is_zero_or_longer_than_a_year_is_refused_and_named() {
    let tree = app().start().await.unwrap();
    let policy = Policy::default;
    let cases = [
        (policy().watchdog(LONG), "watchdog is longer than a year"),
        (policy().watchdog(Duration::ZERO), "watchdog is zero"),
        (policy().start_timeout(LONG), "start_timeout is longer than a year"),
        (policy().start_timeout(Duration::ZERO), "start_timeout is zero"),
        (policy().reset_after(LONG), "reset_after is longer than a year"),
        (policy().reset_after(Duration::ZERO), "reset_after is zero"),
        (policy().reset_after_messages(0), "reset_after_messages is zero"),
        (policy().budget(Intensity::new(1, LONG)), "the budget's period is longer than a year"),
        (policy().budget(Intensity::new(1, Duration::ZERO)), "the budget's period is zero"),
        (
            policy().not_ready(NotReady::default().budget(Intensity::new(1, LONG))),
            "the budget's period is longer than a year",
        ),
        (policy().backoff(Backoff::new(LONG)), "a delay of 213503982334601 days is longer than a year"),
        (policy().backoff(Backoff::listed([LONG])), "a delay of 213503982334601 days is longer than a year"),
        (policy().backoff(Backoff::new(MS).max_delay(LONG)), "a delay of 213503982334601 days is longer than a year"),
        (
            policy().backoff(Backoff::new(MS).max_delay(Duration::ZERO)),
            "the longest delay, 0ns, is shorter than the first, 1ms",
        ),
        (policy().on_give_up(GiveUp::park(LONG)), "a delay of 213503982334601 days is longer than a year"),
        (policy().on_give_up(GiveUp::park(Duration::ZERO)), "the first delay of a parked child is zero"),
    ];
    let supervisor = tree.supervisor("app").unwrap();
    for (policy, says) in cases {
        let error = supervisor.start_child(Journal::new().probe("a").policy(policy)).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the restart policy of `app/a` is not valid: {says}"));
    }
    tree.shutdown().await;
    // Found by the random trees of the judge: such defaults made the supervisor panic when it was started.
    let nested = Supervisor::one_for_one("sub").defaults(policy().on_give_up(GiveUp::park(Duration::ZERO)));
    let error = Supervisor::one_for_one("app").child(nested).start().await.unwrap_err();
    let says = "the restart policy of `app/sub/*` is not valid: the first delay of a parked child is zero";
    assert_eq!(error.to_string(), says);
}

#[tokio::test]
async fn the_largest_and_the_smallest_counts_work_or_are_refused() {
    let journal = Journal::new();
    let refused = async |tree: Supervisor| tree.start().await.unwrap_err().to_string();
    let ring = |partitions| {
        let journal = journal.clone();
        Partitioned::new("ring", partitions, move |_| journal.probe("?"))
    };
    assert_eq!(
        refused(app().child(ring(0))).await,
        "the partitioned supervisor `app/ring` has no partitions: give it one or more"
    );
    let many = format!("`app/ring` would have {} partitions: no more than 1000000 are possible", usize::MAX);
    assert_eq!(refused(app().child(ring(usize::MAX))).await, many);
    assert!(refused(app().child(journal.probe("a").capacity(0))).await.contains("capacity zero"));
    let pool = |children| DynamicSupervisor::new("pool").max_children(children);
    assert!(refused(app().child(pool(0))).await.contains("may have no children"));

    let child = journal.probe("a").capacity(usize::MAX);
    let tree = app().max_starting(usize::MAX).child(child).child(pool(usize::MAX).max_starting(0)).child(ring(1));
    let tree = soon("the start", tree.start()).await.unwrap();
    let error = tree.partitions::<ProbeMsg>("app/ring").unwrap().resize(usize::MAX).await.unwrap_err();
    assert_eq!(error.to_string(), many);
    soon("the first", tree.dynamic("app/pool").unwrap().start_child(journal.probe("one"))).await.unwrap();
    assert!(soon("the end", tree.shutdown()).await.is_clean());
}
