//! Questions of running code about itself and its tree: a stop, the number of tries, reasons, events, dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use regrow::{
    Child, Context, DeadReason, DynamicSupervisor, EventKind, Exit, Inbox, Intensity, LookupError, Partitioned,
    Service, ServiceState, Strategy, Supervisor, TaskContext, Tree, Why,
};
use tokio::sync::{mpsc, oneshot};

use crate::common::mail::*;
use crate::common::tree::{in_hand, worked_off};

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_long_hears_of_the_stop() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let (told, tell) = oneshot::channel();
    let job = run(async move |ctx| {
        ctx.stopping().await;
        let _ = told.send(ctx.is_stopping());
        Ok(())
    });
    handle.cast(job).unwrap();
    in_hand(&handle).await;
    assert!(soon(tree.shutdown()).await.is_clean(), "it ended as asked, within its shutdown time");
    assert!(soon(tell).await.unwrap());
}

#[tokio::test]
async fn stopping_completes_by_an_order_or_when_the_life_is_over_and_not_by_a_choice() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (kept, lent) = oneshot::channel();
    let job = run(async move |ctx| {
        ctx.stop();
        let mut stopping = Box::pin(ctx.stopping());
        anyhow::ensure!(is_waiting(&mut stopping).await, "it has not been asked");
        let _ = kept.send(stopping);
        Ok(())
    });
    handle.cast(job).unwrap();
    let stopping = soon(lent).await.unwrap();
    soon(stopping).await;
    until_generation(&handle, 2).await;
    assert!(matches!(through(&handle, |ctx| ctx.last_exit().cloned()).await, Some(Exit::Normal)));
}

/// Messages that end each incarnation that takes one, and note which try it is.
#[derive(Clone)]
enum Poison {
    Panic,
    Error,
}

struct Eater(mpsc::UnboundedSender<(&'static str, u32)>);

impl Service for Eater {
    type Msg = Poison;
    async fn handle(&mut self, poison: Poison, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.0.send(("handle", ctx.delivery()))?;
        match poison {
            Poison::Panic => panic!("poison"),
            Poison::Error => anyhow::bail!("poison"),
        }
    }
    async fn stopped(&mut self, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.0.send(("stopped", ctx.delivery()))?;
        Ok(())
    }
}

// Case t28 of the reports: the generation and the attempt do not tell the try.
#[tokio::test]
async fn a_handler_knows_which_try_of_a_message_it_is() {
    let (told, mut tell) = mpsc::unbounded_channel();
    let eater = Child::service_with("eater", told, |told, ctx: Context<Eater>| async move {
        told.send(("build", ctx.delivery()))?;
        Ok(Eater(told))
    });
    let tree = forgiving(Strategy::OneForOne).child(eater.redeliver(2)).start().await.unwrap();
    let (eater, letters) = (tree.lookup("app/eater").unwrap(), tree.dead_letters());
    for poison in [Poison::Panic, Poison::Error] {
        eater.cast(poison.clone()).unwrap();
        let letter = soon(letters.next()).await.unwrap();
        assert_eq!(letter.attempt, 3, "the last try and the letter agree");
        for number in 1..=3 {
            assert_eq!(soon(tell.recv()).await, Some(("build", 0)), "no message is in hand in a factory");
            assert_eq!(soon(tell.recv()).await, Some(("handle", number)));
            if matches!(poison, Poison::Error) {
                assert_eq!(soon(tell.recv()).await, Some(("stopped", number)), "the message that failed is in hand");
            }
        }
    }
    assert_eq!(soon(tell.recv()).await, Some(("build", 0)));
    tree.shutdown().await;
    assert_eq!(soon(tell.recv()).await, Some(("stopped", 0)));
    assert!(eater.accounting().is_balanced());
}

#[tokio::test]
async fn a_thread_knows_which_try_of_a_message_it_is() {
    let (told, mut tell) = mpsc::unbounded_channel();
    let thread = Child::thread_with("thread", told, |told, mut inbox: Inbox<u64>| {
        told.send(inbox.delivery())?;
        while let Some(number) = inbox.next() {
            told.send(inbox.delivery())?;
            anyhow::ensure!(number > 7 || inbox.delivery() > 1, "once");
        }
        Ok(())
    });
    let tree = forgiving(Strategy::OneForOne).child(thread.redeliver(1)).start().await.unwrap();
    let thread = tree.lookup::<u64>("app/thread").unwrap();
    for number in [7, 8] {
        thread.cast(number).unwrap();
    }
    for expected in [0, 1, 0, 2, 1] {
        assert_eq!(soon(tell.recv()).await, Some(expected));
    }
    tree.shutdown().await;
}

/// A message that counts itself how often it begins.
#[derive(Clone)]
struct Counted(Arc<AtomicU32>);

struct Counter(Rng);

impl Service for Counter {
    type Msg = Counted;
    async fn handle(&mut self, Counted(begun): Counted, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let begun = begun.fetch_add(1, Ordering::SeqCst) + 1;
        let delivery = ctx.delivery();
        if delivery != begun {
            eprintln!("try {begun} is delivery {delivery}");
            std::process::abort();
        }
        match self.0.u8(..8) {
            0 => panic!("by chance"),
            1 => anyhow::bail!("by chance"),
            2 | 3 => tokio::task::yield_now().await,
            _ => {}
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_tries_is_exact_under_kills_and_crashes_by_chance() {
    for seed in 0..20 {
        let mut rng = Rng::with_seed(seed);
        let own = Arc::new(std::sync::Mutex::new(rng.fork()));
        let counter =
            Child::service_with("counter", own, |own, _| async move { Ok(Counter(own.lock().unwrap().fork())) });
        let tree = forgiving(Strategy::OneForOne).child(counter.redeliver(30)).start().await.unwrap();
        let counter = tree.lookup::<Counted>("app/counter").unwrap();
        for _ in 0..200 {
            soon(counter.send(Counted(Arc::default()))).await.unwrap();
            if rng.u8(..16) == 0 {
                drop(counter.kill());
            }
        }
        worked_off(&counter).await;
        let books = counter.accounting();
        assert!(books.is_balanced() && books.redelivered > 0 && books.accepted == 200, "seed {seed}: {books}");
        tree.shutdown().await;
    }
}

async fn asks(ctx: &Context<Worker>, names: &[&str]) -> Result<Vec<Why>, LookupError> {
    let mut answers = Vec::new();
    for name in names {
        answers.push(ctx.why(name).await?);
    }
    Ok(answers)
}

/// A worker whose factory asks for the reasons of these names.
fn curious(
    name: &str,
    names: &'static [&'static str],
    told: mpsc::UnboundedSender<Vec<Why>>,
) -> regrow::ServiceChild<Job> {
    Child::service_with(name, told, move |told, ctx: Context<Worker>| async move {
        told.send(asks(&ctx, names).await?)?;
        Ok(Worker::default())
    })
}

// The boot of each supervisor on the way waits for the factory, which waits for the answers of all of them.
#[tokio::test]
async fn a_factory_may_ask_why_during_the_boot_of_every_supervisor_above_it() {
    const NAMES: &[&str] = &["asks", "elder", "younger", "/app/first", "/app/mid", "/app/mid/sub", "/app"];
    for strategy in [Strategy::OneForOne, Strategy::RestForOne, Strategy::OneForAll] {
        let (told, mut tell) = mpsc::unbounded_channel();
        let sub = Supervisor::new("sub", strategy).child(worker("elder"));
        let sub = sub.child(curious("asks", NAMES, told)).child(worker("younger"));
        let app = forgiving(strategy).child(worker("first")).child(Supervisor::new("mid", strategy).child(sub));
        let tree = soon(app.start()).await.unwrap();
        for _ in 0..2 {
            let answers = soon(tell.recv()).await.unwrap();
            let paths: Vec<_> = answers.iter().map(|why| why.path.to_string()).collect();
            let full = [
                "app/mid/sub/asks",
                "app/mid/sub/elder",
                "app/mid/sub/younger",
                "app/first",
                "app/mid",
                "app/mid/sub",
                "app",
            ];
            assert_eq!(paths, full);
            assert_eq!(answers[0].status.state, ServiceState::Starting, "{}", answers[0]);
            assert!(answers[1].standing.is_some() && answers[3].standing.is_some(), "its supervisor has answered");
            tree.kill("app/mid/sub").unwrap();
        }
        soon(tree.shutdown()).await;
    }
}

#[tokio::test]
async fn a_child_of_any_kind_of_supervisor_may_ask_why_from_its_factory() {
    const NAMES: &[&str] = &["/app/ring/0", "/app/ring", "/app/pool"];
    let (told, mut tell) = mpsc::unbounded_channel();
    let own = told.clone();
    let ring = Partitioned::new("ring", 1, move |_| curious("partition", NAMES, own.clone()));
    let pool = DynamicSupervisor::new("pool");
    let tree = soon(Supervisor::one_for_one("app").child(pool).child(ring).start()).await.unwrap();
    assert_eq!(soon(tell.recv()).await.unwrap().len(), NAMES.len());
    let pool = tree.dynamic("app/pool").unwrap();
    soon(pool.start_child(curious("one", NAMES, told))).await.unwrap();
    assert_eq!(soon(tell.recv()).await.unwrap().len(), NAMES.len());
}

#[tokio::test]
async fn handlers_stop_hooks_tasks_and_threads_may_ask_why() {
    let (told, mut tell) = mpsc::unbounded_channel::<(&'static str, Why)>();
    let hook = told.clone();
    let stops = hooked("worker", move |ctx| {
        let told = hook.clone();
        async move {
            told.send(("hook", ctx.why("worker").await?))?;
            Ok(())
        }
    });
    let (by_task, by_thread) = (told.clone(), told.clone());
    let task = Child::task_with("task", by_task, |told, ctx: TaskContext| async move {
        told.send(("task", ctx.why("worker").await?))?;
        assert!(ctx.events().try_next().is_none() && ctx.dead_letters().is_empty());
        Ok(())
    });
    let thread = Child::thread_with("thread", by_thread, |told, inbox: Inbox<()>| {
        let directory = inbox.directory();
        let why = tokio::runtime::Handle::current().block_on(directory.why("app/worker"))?;
        told.send(("thread", why))?;
        inbox.for_each(drop);
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(stops).child(task).child(thread).start().await.unwrap();
    let handle = tree.lookup::<Job>("app/worker").unwrap();
    let job = run(async move |ctx| {
        told.send(("handler", ctx.why("worker").await?))?;
        let error = ctx.why("worka").await.unwrap_err().to_string();
        anyhow::ensure!(error.contains("worker"), "{error}");
        Ok(())
    });
    handle.cast(job).unwrap();
    let mut who = Vec::new();
    for _ in 0..3 {
        let (by, why) = soon(tell.recv()).await.unwrap();
        assert_eq!(&*why.path, "app/worker");
        who.push(by);
    }
    who.sort_unstable();
    assert_eq!(who, ["handler", "task", "thread"]);
    assert!(soon(tree.shutdown()).await.is_clean());
    let (by, why) = soon(tell.recv()).await.unwrap();
    assert_eq!((by, &*why.path), ("hook", "app/worker"));
}

#[tokio::test]
async fn a_service_sees_the_events_and_the_dead_letters_of_its_tree() {
    let (tree, handle) = tree_of(worker("worker")).await;
    let (mut events, letters) = through(&handle, |ctx| (ctx.events(), ctx.dead_letters())).await;
    let (by_directory, directory) = (tree.directory().dead_letters(), tree.directory());
    let mut others = directory.events();
    let _held = busy(&handle).await;
    handle.cast(parcel(1)).unwrap();
    let app = tree.supervisor("app").unwrap();
    handle.kill().unwrap();
    until_generation(&handle, 2).await;
    let held = busy(&handle).await;
    handle.cast(parcel(2)).unwrap();
    soon(app.terminate_child("worker")).await.unwrap();
    drop(held);
    let letter = soon(letters.next()).await.unwrap();
    assert!(matches!(letter.reason, DeadReason::Down), "{letter}");
    assert_eq!(by_directory.len(), letters.len());
    for events in [&mut events, &mut others] {
        let is_exit = |event: &regrow::Event| matches!(event.kind, EventKind::Exited { exit: Exit::Killed });
        assert_eq!(&*soon(regrow::testing::until_event(events, is_exit)).await.unwrap().path, "app/worker");
    }
    assert_eq!(soon(directory.why("app/worker")).await.unwrap().status.state, ServiceState::Down);
    assert!(directory.why("worker").await.is_err(), "a directory takes full paths");
}

/// Kills, terminates and restarts by chance, until the askers are done.
async fn disturb(tree: &Tree, mut rng: Rng) {
    let app = tree.supervisor("app/sub").unwrap();
    loop {
        match rng.u8(..6) {
            0 => drop(tree.kill("app/sub/a")),
            1 => drop(tree.kill("app/sub")),
            2 => drop(app.terminate_child("b").await),
            3 => drop(app.restart_child("b").await),
            _ => tokio::time::sleep(Duration::from_micros(rng.u64(..300))).await,
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_question_is_answered_whatever_happens_to_the_asker_and_the_asked() {
    for seed in 0..10 {
        let mut rng = Rng::with_seed(seed);
        let (told, mut tell) = mpsc::unbounded_channel();
        let sub = Supervisor::one_for_all("sub").budget(Intensity::unlimited());
        let sub = sub.child(curious("a", &["b", "/app/sub", "outer"], told)).child(worker("b"));
        let app = forgiving(Strategy::OneForOne).child(sub).child(worker("outer"));
        let tree = soon(app.start()).await.unwrap();
        let outer = tree.lookup::<Job>("app/outer").unwrap();
        let asks = async {
            for _ in 0..60 {
                let (told, tell) = oneshot::channel();
                let job = run(async move |ctx| {
                    let _ = told.send((
                        ctx.why("/app/sub/a").await,
                        ctx.why("/app/sub/b").await,
                        ctx.why("/app/sub").await,
                    ));
                    Ok(())
                });
                outer.cast(job).unwrap();
                let (a, b, sub) = soon(tell).await.unwrap_or_else(|_| panic!("seed {seed}: the question was lost"));
                for answer in [a, b, sub] {
                    assert!(answer.is_ok(), "seed {seed}: {}", answer.unwrap_err());
                }
            }
        };
        tokio::select! {
            () = asks => {}
            () = disturb(&tree, rng.fork()) => {}
        }
        soon(tree.shutdown()).await;
        let mut asked = 0;
        while tell.try_recv().is_ok() {
            asked += 1;
        }
        assert!(asked > 1, "seed {seed}: the factory asked in {asked} lives");
    }
}
