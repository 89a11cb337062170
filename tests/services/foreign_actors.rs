//! A `ractor::Actor` that knows nothing of regrow, as a child like any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::common::tree::{Census, Gate, MS, Resident, heard, heard_to_the_end, hears, soon, stands, up};
use regrow::ractor::{Actor, ActorProcessingErr, ActorRef};
use regrow::testing::Journal;
use regrow::{
    Abandon, CallError, Child, Handle, Intensity, Reply, Restart, ServiceChild, ServiceState, Shutdown, StartError,
    Supervisor, Tree,
};
use tokio::time::Instant;

struct Counter {
    census: Census,
    journal: Journal,
    /// What the present start is to do.
    start: Start,
}

#[derive(Clone, Copy)]
enum Start {
    Well,
    Fail,
    Panic,
    Hang,
}

enum Msg {
    Add(u32),
    Total(Reply<u32>),
    Panic,
    Fail,
    Leave,
    Hang(Reply<u32>),
    Block(Reply<u32>, Gate),
}

#[cfg(feature = "cluster")]
impl regrow::ractor::Message for Msg {}

/// Slow to go.
struct Total(u32, #[allow(dead_code)] Resident);

impl Drop for Total {
    fn drop(&mut self) {
        std::thread::sleep(5 * MS);
    }
}

impl Actor for Counter {
    type Msg = Msg;
    type State = Total;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Msg>, (): ()) -> Result<Total, ActorProcessingErr> {
        match self.start {
            Start::Well => {}
            Start::Fail => return Err("no disk".into()),
            Start::Panic => panic!("no disk at all"),
            Start::Hang => std::future::pending().await,
        }
        self.journal.write("start");
        Ok(Total(0, self.census.enter()))
    }

    async fn handle(&self, myself: ActorRef<Msg>, msg: Msg, total: &mut Total) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Add(number) => total.0 += number,
            Msg::Total(reply) => drop(reply.send(total.0)),
            Msg::Panic => panic!("it broke"),
            Msg::Fail => return Err("it failed".into()),
            Msg::Leave => myself.stop(None),
            Msg::Hang(_reply) => std::future::pending().await,
            Msg::Block(reply, gate) => {
                gate.pass();
                reply.send(0);
            }
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Msg>, _: &mut Total) -> Result<(), ActorProcessingErr> {
        self.journal.write("stop");
        Ok(())
    }
}

/// A counter whose starts go as listed, and well after that.
fn counter(census: &Census, journal: &Journal, starts: &'static [Start]) -> ServiceChild<Msg> {
    let (census, journal, made) = (census.clone(), journal.clone(), Arc::new(AtomicU32::new(0)));
    Child::actor("counter", move || {
        let start = starts.get(made.fetch_add(1, SeqCst) as usize).copied().unwrap_or(Start::Well);
        (Counter { census: census.clone(), journal: journal.clone(), start }, ())
    })
}

async fn alone(child: ServiceChild<Msg>) -> (Tree, Handle<Msg>) {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start().await.unwrap();
    let handle = tree.lookup("app/counter").unwrap();
    (tree, handle)
}

async fn total(handle: &Handle<Msg>) -> u32 {
    soon("the total", handle.call(Msg::Total)).await.unwrap()
}

#[tokio::test]
async fn it_is_reached_by_a_handle_and_stopped_as_ractor_stops() {
    let (census, journal) = (Census::default(), Journal::new());
    let (tree, counter) = alone(counter(&census, &journal, &[])).await;
    let mut events = tree.events();
    counter.cast(Msg::Add(2)).unwrap();
    counter.cast(Msg::Add(3)).unwrap();
    assert_eq!(total(&counter).await, 5);
    assert!(soon("the end", tree.shutdown()).await.is_clean());
    assert_eq!(journal.take(), ["start", "stop"]);
    assert_eq!(heard_to_the_end(&mut events).await, ["app/counter#1 exited: shutdown"]);
    assert_eq!(census.alive(), 0);
}

// ractor tells a panic before it drops the state, and drops the state of a killed actor in its supervisor.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_it_ends_its_state_is_gone_before_the_next_one_starts() {
    let (census, journal) = (Census::default(), Journal::new());
    let (tree, counter) = alone(counter(&census, &journal, &[])).await;
    let mut events = tree.events();
    for generation in 2..22 {
        counter.cast(Msg::Add(1)).unwrap();
        match generation % 4 {
            0 => counter.cast(Msg::Panic).unwrap(),
            1 => counter.cast(Msg::Fail).unwrap(),
            2 => counter.cast(Msg::Leave).unwrap(),
            _ => counter.kill().unwrap(),
        }
        up(&tree, "app/counter", generation).await;
    }
    assert_eq!(census.alive_max(), 1);
    soon("the end", tree.shutdown()).await;
    let mut exits: Vec<_> = heard(&mut events).into_iter().filter(|line| line.contains("exited")).collect();
    exits.truncate(4);
    assert_eq!(exits[..2], ["app/counter#1 exited: normal", "app/counter#2 exited: killed"]);
    assert!(exits[2].starts_with("app/counter#3 exited: ") && exits[2].contains("it broke"), "{}", exits[2]);
    assert!(exits[3].starts_with("app/counter#4 exited: failed: ") && exits[3].contains("it failed"), "{}", exits[3]);
}

#[tokio::test]
async fn it_rests_when_it_is_transient_and_has_stopped_itself() {
    let child = counter(&Census::default(), &Journal::new(), &[]).restart(Restart::Transient);
    let (tree, counter) = alone(child).await;
    counter.cast(Msg::Leave).unwrap();
    stands(&tree, "app/counter", ServiceState::Down).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn a_start_that_fails_or_panics_is_a_failed_start() {
    for (starts, says) in [(&[Start::Fail][..], "no disk"), (&[Start::Panic], "no disk at all")] {
        let child = counter(&Census::default(), &Journal::new(), starts);
        let error = Supervisor::one_for_one("app").child(child).start().await.unwrap_err();
        assert!(matches!(error, StartError::Boot { .. }) && error.to_string().contains(says), "{error}");
    }
    let child = Child::actor("counter", || -> (Counter, ()) { panic!("not even built") });
    let error = Supervisor::one_for_one("app").child(child).start().await.unwrap_err();
    assert!(error.to_string().contains("not even built"), "{error}");
}

/// Found by a port: the caller behind a message that panicked had no answer, though mailboxes are kept.
#[tokio::test]
async fn what_waits_in_its_own_queue_is_lost_with_it() {
    let (tree, counter) = alone(counter(&Census::default(), &Journal::new(), &[Start::Well])).await;
    counter.cast(Msg::Add(7)).unwrap();
    let in_hand = counter.call(Msg::Hang);
    counter.cast(Msg::Add(1)).unwrap();
    let queued = counter.call(Msg::Total);
    // All four were handed on to the actor, and count as handled.
    while counter.accounting().handled < 4 {
        tokio::task::yield_now().await;
    }
    counter.kill().unwrap();
    for call in [in_hand, queued] {
        let error = soon("its end", call).await.unwrap_err();
        assert!(matches!(error, CallError::Crashed { .. } | CallError::Unanswered { .. }), "{error}");
    }
    assert_eq!((total(&counter).await, counter.generation()), (0, 2));
    tree.shutdown().await;
}

#[tokio::test]
async fn what_is_sent_while_it_is_away_waits_for_it() {
    let starts = &[Start::Well, Start::Fail, Start::Panic, Start::Hang];
    let (tree, counter) = alone(counter(&Census::default(), &Journal::new(), starts)).await;
    let mut events = tree.events();
    counter.kill().unwrap();
    hears(&mut events, "app/counter#1 exited: killed").await;
    counter.cast(Msg::Add(7)).unwrap();
    let waiting = counter.call(Msg::Total);
    stands(&tree, "app/counter", ServiceState::Starting).await;
    // Twice it fails, then it hangs, and a kill ends that.
    while counter.accounting().attempts < 4 {
        tokio::task::yield_now().await;
    }
    counter.cast(Msg::Add(1)).unwrap();
    counter.kill().unwrap();
    assert_eq!(soon("the total", waiting).await.unwrap(), 7);
    assert_eq!((total(&counter).await, counter.generation()), (8, 2));
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_ended_by_a_kill_and_by_a_stop_at_once() {
    let starts = &[Start::Well, Start::Hang, Start::Hang];
    let (tree, counter) = alone(counter(&Census::default(), &Journal::new(), starts)).await;
    let begun = Instant::now();
    counter.kill().unwrap();
    stands(&tree, "app/counter", ServiceState::Starting).await;
    counter.kill().unwrap();
    while counter.accounting().attempts < 3 {
        tokio::task::yield_now().await;
    }
    let report = tree.shutdown().await;
    assert!(report.is_clean(), "{report}");
    assert!(begun.elapsed() <= MS, "{:?}", begun.elapsed());
}

// Found by mutants that no test noticed.
#[tokio::test]
async fn a_start_that_is_cut_short_was_killed_and_leaves_no_actor_behind() {
    let starts = &[Start::Well, Start::Hang, Start::Hang, Start::Hang];
    let (tree, counter) = alone(counter(&Census::default(), &Journal::new(), starts)).await;
    let mut events = tree.events();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(total(&counter).await, 0);
    let before = tasks();
    counter.kill().unwrap();
    for attempts in 2..=4 {
        while counter.accounting().attempts < attempts {
            tokio::task::yield_now().await;
        }
        stands(&tree, "app/counter", ServiceState::Starting).await;
        counter.kill().unwrap();
        hears(&mut events, "app/counter#1 failed to start: killed").await;
    }
    assert_eq!((total(&counter).await, counter.generation()), (0, 2));
    let settled = async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    };
    soon("the tasks of what was cut short", settled).await;
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_is_killed_after_its_time_and_its_caller_is_told() {
    let child = counter(&Census::default(), &Journal::new(), &[]).shutdown(Shutdown::After(100 * MS));
    let (tree, counter) = alone(child).await;
    let call = counter.call(Msg::Hang);
    assert_eq!(counter.accounting().accepted, 1);
    tokio::time::sleep(MS).await;
    let report = tree.shutdown().await;
    assert_eq!((&*report.killed, report.took), (&["app/counter".into()][..], 100 * MS));
    assert!(soon("the call", call).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_blocks_is_abandoned_and_replaced() {
    let (census, gate) = (Census::default(), Gate::default());
    let _open = gate.opener();
    let child = counter(&census, &Journal::new(), &[]).abandon(Abandon::After(30 * MS));
    let (tree, counter) = alone(child).await;
    let mut events = tree.events();
    let call = counter.call(|reply| Msg::Block(reply, gate.clone()));
    gate.reached().await;
    counter.kill().unwrap();
    hears(&mut events, "app/counter#1 was abandoned").await;
    hears(&mut events, "app/counter#2 started").await;
    assert_eq!(total(&counter).await, 0);
    gate.open();
    // The law ends where messages are handed on: its answer may come, or be lost with it.
    let outcome = soon("the call", call).await;
    assert!(matches!(outcome, Ok(0) | Err(CallError::Unanswered { .. } | CallError::Crashed { .. })), "{outcome:?}");
    soon("the end", tree.shutdown()).await;
}
