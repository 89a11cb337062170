//! Restarts by order, resizes, `get_or_start`, ends for want of work, monitors and give-ups, drawn at random.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use regrow::testing::{Journal, tables};
use regrow::{
    Child, Context, DynamicSupervisor, GetOrStartError, GiveUp, Handle, Intensity, OnRestart, Policy, Reply,
    ResizeError, Restart, RestartError, Service, ServiceChild, ServiceState, StartChildError, Strategy, Supervisor,
    Tree,
};
use tokio::task::JoinSet;

use crate::common::partitions::{Number, Seen, app, cache_of, counting};
use crate::common::tree::{Census, MS, Resident, SEC, soon, turns};

/// Tables that are empty whenever nothing is under way.
fn assert_nothing_is_under_way(tables: &std::collections::BTreeMap<&'static str, usize>, about: &str) {
    for name in ["machine: restarts by order", "machine: inbox"] {
        assert_eq!(tables.get(name).copied().unwrap_or(0), 0, "{about}: {name}");
    }
}

/// Partitions are killed, fail, are parked, restarted by order and rolled while keys are handed over. No key's messages
/// change places, and no mailbox stays held.
#[tokio::test(start_paused = true)]
async fn keys_keep_their_order_while_partitions_are_killed_parked_and_restarted_by_order() {
    for seed in 0..80_u64 {
        let mut random = Rng::with_seed(seed);
        let seen = Seen::default();
        let (dice, fails) = (Mutex::new(random.fork()), seed % 2 == 0);
        let parks = seed % 3 == 0;
        let noted = seen.clone();
        let made = cache_of(1 + random.usize(0..3), move |_| {
            let child = counting(&noted, dice.lock().unwrap().fork(), fails);
            let policy = Policy::default().budget(Intensity::new(2, SEC)).on_give_up(GiveUp::park(20 * MS));
            if parks { child.policy(policy) } else { child }
        });
        let (tree, cache) = app(made).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        let mut others = JoinSet::new();
        let (resized, over, mut dice) = (cache.clone(), is_over.clone(), random.fork());
        others.spawn(async move {
            while !over.load(SeqCst) {
                match soon("a resize", resized.resize(dice.usize(1..6))).await {
                    // A partition that is parked when it should start ends a resize.
                    Ok(()) | Err(ResizeError::NotStarted(_)) => {}
                    Err(error) => panic!("seed {seed}: {error}"),
                }
                // Something must sleep, or a paused clock stands still.
                tokio::time::sleep(MS * dice.u32(0..2)).await;
            }
        });
        let (disturbed, over, mut dice) = (cache.clone(), is_over.clone(), random.fork());
        others.spawn(async move {
            while !over.load(SeqCst) {
                turns(dice.usize(0..60)).await;
                let handles = disturbed.handles();
                let one = &handles[dice.usize(0..handles.len())];
                match dice.u8(0..4) {
                    0 | 1 => drop(one.kill()),
                    2 => drop(soon("a restart", one.restart("race")).await),
                    _ => drop(soon("a roll", disturbed.restart_rolling(2, "race")).await),
                }
                tokio::time::sleep(MS).await;
            }
        });
        for sender in 0..3_u64 {
            let (cache, mut dice) = (cache.clone(), random.fork());
            tasks.spawn(async move {
                for number in 1..=60 {
                    for key in sender * 8..sender * 8 + 8 {
                        // A partition that is parked takes no messages.
                        let _ = cache.handle_for(&key).cast(Number { key, number });
                    }
                    if dice.u8(0..4) == 0 {
                        tokio::time::sleep(MS * dice.u32(0..3)).await;
                    }
                    turns(dice.usize(0..3)).await;
                }
            });
        }
        while let Some(sender) = soon("a sender", tasks.join_next()).await {
            sender.unwrap();
        }
        is_over.store(true, SeqCst);
        while let Some(other) = soon("what goes on beside it", others.join_next()).await {
            other.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        let all = async {
            while cache.handles().iter().any(|one| one.accounting().queued + one.accounting().in_hand > 0) {
                tokio::time::sleep(MS).await;
            }
        };
        soon("all messages", all).await;
        for one in cache.handles() {
            let (why, books) = (one.why().await, one.accounting());
            assert!(!why.is_held && books.is_balanced(), "seed {seed}: {why} {books}");
        }
        assert_nothing_is_under_way(&tables(&tree).await, &format!("seed {seed}"));
        soon("shutdown", tree.shutdown()).await;
        for (key, numbers) in seen.lock().unwrap().iter() {
            assert!(numbers.is_sorted_by(|a, b| a < b), "seed {seed}, key {key}: {numbers:?}");
        }
    }
}

/// A session of a pool: ends when it can, and fails if told to.
struct Session {
    dice: Rng,
    handled: Arc<AtomicU64>,
    _alive: Resident,
}

enum Request {
    Ask(Reply<()>),
    Count,
    Fail,
}

impl Service for Session {
    type Msg = Request;

    async fn handle(&mut self, request: Request, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        turns(self.dice.usize(0..3)).await;
        match request {
            Request::Ask(reply) => drop(reply.send(())),
            Request::Count => drop(self.handled.fetch_add(1, SeqCst)),
            Request::Fail => anyhow::bail!("as told"),
        }
        if self.dice.u8(0..5) == 0 {
            ctx.stop_if_idle();
        }
        Ok(())
    }
}

fn session(number: usize, seed: u64, censuses: &[Census; 3], handled: &Arc<AtomicU64>) -> ServiceChild<Request> {
    let (census, handled, dice) = (censuses[number].clone(), handled.clone(), Mutex::new(Rng::with_seed(seed)));
    let give_up = match seed % 3 {
        0 => GiveUp::Stop,
        1 => GiveUp::park(MS),
        _ => GiveUp::Escalate,
    };
    let child = Child::service(format!("s{number}"), move |_: Context<Session>| {
        let (handled, alive, dice) = (handled.clone(), census.enter(), dice.lock().unwrap().fork());
        async move { Ok(Session { dice, handled, _alive: alive }) }
    });
    let kept = if seed.is_multiple_of(2) { OnRestart::Keep } else { OnRestart::Drop };
    child
        .restart(Restart::Transient)
        .on_restart(kept)
        .skip_abandoned_calls()
        .policy(Policy::default().budget(Intensity::new(1, SEC)).on_give_up(give_up))
        .idle_after(MS / 10)
}

/// Sessions are got or started, asked, failed, killed, restarted by order, rolled, monitored and terminated, and so is
/// their pool. Each call completes, no name has two lives at a time, the books balance, and nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_sessions_and_their_pool_each_call_completes() {
    for seed in 0..40_u64 {
        let mut random = Rng::with_seed(seed);
        let (censuses, handled): ([Census; 3], Arc<AtomicU64>) = Default::default();
        let (living, counted) = (censuses.clone(), handled.clone());
        let sessions = DynamicSupervisor::new("pool")
            .budget_each(Intensity::new(2, SEC))
            .template(move |(number, seed)| session(number, seed, &living, &counted));
        let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sessions);
        let tree = Arc::new(soon("a tree", tree.start()).await.unwrap());
        let pool = tree.dynamic("app/pool").unwrap();
        let mut clients = JoinSet::new();
        for _ in 0..5 {
            let (tree, pool, mut dice) = (tree.clone(), pool.clone(), random.fork());
            clients.spawn(async move {
                let mut known: Vec<Handle<Request>> = Vec::new();
                for _ in 0..60 {
                    let template = match pool.template::<(usize, u64)>() {
                        Ok(template) => template,
                        Err(error) => panic!("seed {seed}: {error}"),
                    };
                    let number = dice.usize(0..3);
                    let one = soon("get_or_start", template.get_or_start((number, dice.u64(..)))).await;
                    let session: Handle<Request> = match one {
                        Ok(session) => session,
                        Err(GetOrStartError::Start(
                            StartChildError::NotRunning { .. } | StartChildError::Failed { .. },
                        ))
                        | Err(GetOrStartError::StartFailed { .. }) => continue,
                        Err(error) => panic!("seed {seed}: {error}"),
                    };
                    let mut ends = session.monitor();
                    match dice.u8(0..12) {
                        0 | 1 => drop(session.cast(Request::Fail)),
                        2 => drop(session.kill()),
                        3 | 4 => match soon("a restart", session.restart("race")).await {
                            Ok(_) | Err(RestartError::Failed { .. }) => {}
                            Err(error) => drop(error.to_string()),
                        },
                        5 => drop(soon("an order", pool.terminate_child(&format!("s{number}"))).await),
                        6 => drop(soon("a roll", pool.restart_rolling(2, "race")).await),
                        7 => drop(session.call(Request::Ask)),
                        8 if dice.u8(0..6) == 0 => drop(soon("the pool", tree.restart("app/pool", "race")).await),
                        9 => drop(tree.why(&format!("app/pool/s{number}")).await.map(|why| why.to_string())),
                        _ => {
                            let _ = session.cast(Request::Count);
                            let _ = soon("a call", session.call(Request::Ask)).await;
                        }
                    }
                    while let Some(down) = ends.try_recv() {
                        assert!(down.generation <= session.generation(), "seed {seed}: {down}");
                    }
                    let books = session.accounting();
                    assert!(books.is_balanced(), "seed {seed}: {books}");
                    known.push(session);
                }
                known
            });
        }
        let mut known = Vec::new();
        while let Some(client) = soon("a client", clients.join_next()).await {
            known.extend(client.unwrap_or_else(|error| panic!("seed {seed}: {error}")));
        }
        for census in &censuses {
            assert!(census.alive_max() <= 1, "seed {seed}: {} at a time", census.alive_max());
        }
        let mut streams: Vec<_> = known.iter().map(Handle::monitor).collect();
        soon("the pool", tree.supervisor("app").unwrap().terminate_child("pool")).await.unwrap();
        for stream in &mut streams {
            while soon("the end of a stream", stream.recv()).await.is_some() {}
        }
        for session in &known {
            let books = session.accounting();
            assert!(books.is_balanced() && books.queued + books.in_hand == 0, "seed {seed}: {books}");
            assert_eq!(session.status().state, ServiceState::Gone, "seed {seed}");
        }
        assert_nothing_is_under_way(&tables(&tree).await, &format!("seed {seed}"));
        let tree = Arc::into_inner(tree).unwrap();
        soon("shutdown", tree.shutdown()).await;
    }
}

/// Awaits the answer to an order, and says how the child stands if there is none.
async fn told<F: Future>(tree: &Tree, path: &str, order: F) -> F::Output {
    match tokio::time::timeout(20 * SEC, order).await {
        Ok(answer) => answer,
        Err(_) => {
            panic!("no answer: {}", tree.why(path).await.map_or_else(|error| error.to_string(), |why| why.to_string()))
        }
    }
}

/// Children of groups, with dependencies, budgets and give-ups of each kind, are restarted by order while they fail, are
/// killed, parked, terminated and revived. Each order is answered, and the sentences of `why` are there.
#[tokio::test(start_paused = true)]
async fn every_order_to_a_group_is_answered_whatever_becomes_of_the_group() {
    for seed in 0..300_u64 {
        let mut random = Rng::with_seed(seed);
        let strategy = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne][(seed % 3) as usize];
        let journal = Journal::new();
        let names = ["a", "b", "c", "d"];
        let children = names.iter().enumerate().map(|(place, name)| {
            let give_up = match random.u8(0..8) {
                0 | 1 => GiveUp::Stop,
                2 if seed % 7 == 0 => GiveUp::EndTree,
                3..=5 => GiveUp::park(MS * random.u32(1..20)),
                _ => GiveUp::Escalate,
            };
            let mut policy = Policy::default().budget(Intensity::new(random.u32(0..3), SEC)).on_give_up(give_up);
            if place > 0 && random.bool() {
                policy = policy.depends_on([names[random.usize(0..place)]]);
            }
            if random.u8(0..3) == 0 {
                policy = policy.backoff(regrow::Backoff::new(MS * random.u32(1..10)));
            }
            let restart = [Restart::Permanent, Restart::Transient][random.usize(0..2)];
            journal.probe(name).policy(policy).restart(restart)
        });
        let sub = Supervisor::new("sub", strategy).budget(Intensity::new(3, SEC)).children(children);
        let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(sub).start();
        let tree = Arc::new(soon("a tree", tree).await.unwrap());
        let mut hands = JoinSet::new();
        for hand in 0..4 {
            let (tree, mut dice) = (tree.clone(), random.fork());
            hands.spawn(async move {
                for _ in 0..15 {
                    let name = names[dice.usize(0..4)];
                    let path = format!("app/sub/{name}");
                    let sub = tree.supervisor("app/sub");
                    match (hand, dice.u8(0..5)) {
                        (0, 0..3) => drop(tree.kill(&path)),
                        (0, _) => {
                            if let Ok(handle) = tree.lookup::<regrow::testing::ProbeMsg>(&path) {
                                let _ = handle.cast(regrow::testing::ProbeMsg::Panic("as told"));
                            }
                        }
                        (1, 0) => {
                            if let Ok(sub) = sub {
                                let _: Result<(), _> = told(&tree, &path, sub.terminate_child(name)).await;
                            }
                        }
                        (1, 1 | 2) => {
                            if let Ok(sub) = sub {
                                // It waits for what the child depends on, which may never come.
                                drop(tokio::time::timeout(SEC, sub.restart_child(name)).await);
                            }
                        }
                        (1, 3) => {
                            if let Ok(sub) = sub {
                                drop(told(&tree, &path, sub.revive(name)).await);
                            }
                        }
                        (1, _) => drop(soon("the group", tree.restart("app/sub", "race")).await),
                        (2, 0) => {
                            if let Ok(sub) = sub {
                                drop(soon("a roll", sub.restart_rolling(2, "race")).await);
                            }
                        }
                        _ => match told(&tree, &path, tree.restart(&path, "race")).await {
                            Ok(outcome) => assert!(outcome.up().is_some(), "seed {seed}"),
                            Err(error) => assert!(!error.to_string().is_empty()),
                        },
                    }
                    if let Ok(why) = tree.why(&path).await {
                        let text = why.to_string();
                        assert!(text.contains(&path) && text.ends_with('.'), "seed {seed}: {text}");
                    }
                    if dice.u8(0..4) == 0 {
                        tokio::time::sleep(MS * dice.u32(0..4)).await;
                    }
                    turns(dice.usize(0..4)).await;
                }
            });
        }
        while let Some(hand) = soon("a hand", hands.join_next()).await {
            hand.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        tokio::time::sleep(2 * SEC).await;
        assert_eq!(journal.alive_max(), 1, "seed {seed}");
        let tree = Arc::into_inner(tree).unwrap();
        assert_nothing_is_under_way(&tables(&tree).await, &format!("seed {seed}"));
        soon("shutdown", tree.shutdown()).await;
    }
}
