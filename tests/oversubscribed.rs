//! Many more worker threads than cores: a thread that loses its core while it holds a lock of ours holds up the others for
//! a moment, and nothing is lost, doubled or stuck.

#[path = "common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use common::tree::soon;
use regrow::{CallError, Child, Context, DynamicSupervisor, Handle, Intensity, Reply, Service, Supervisor, Tree};

/// For each core of a small machine there are dozens.
const WORKERS: usize = 64;

#[derive(Default)]
struct Counter {
    last: Vec<u64>,
}

enum Msg {
    /// The number of the producer, and of its message.
    Count(usize, u64),
    Seen(Reply<Vec<u64>>),
}

impl Service for Counter {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Count(producer, number) => {
                self.last.resize(self.last.len().max(producer + 1), 0);
                let last = &mut self.last[producer];
                assert_eq!(*last + 1, number, "what producer {producer} sends comes in its order");
                *last = number;
            }
            Msg::Seen(reply) => drop(reply.send(self.last.clone())),
        }
        Ok(())
    }
}

fn counter(name: usize) -> regrow::ServiceChild<Msg> {
    Child::service(name.to_string(), |_| async { Ok(Counter::default()) })
}

async fn produce(to: Handle<Msg>, producer: usize, messages: u64) {
    for number in 1..=messages {
        to.send(Msg::Count(producer, number)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 64)]
async fn a_full_mailbox_takes_each_message_of_each_producer_once_and_in_order() {
    let tree = Supervisor::one_for_one("app").child(counter(1)).start().await.unwrap();
    let one: Handle<Msg> = tree.lookup("app/1").unwrap();
    let producers: Vec<_> = (0..WORKERS).map(|n| tokio::spawn(produce(one.clone(), n, 2_000))).collect();
    for producer in producers {
        soon("a producer", producer).await.unwrap();
    }
    assert_eq!(one.call(Msg::Seen).await.unwrap(), vec![2_000; WORKERS]);
    assert_eq!(one.generation(), 1);
    assert!(tree.shutdown().await.is_clean());
}

/// Asks until it is told to end, and never for nothing: each call has an answer, or the fate of a service that dies.
async fn ask(to: Handle<Msg>, is_over: Arc<AtomicBool>) -> u64 {
    let mut answers = 0;
    while !is_over.load(SeqCst) {
        match to.call(Msg::Seen).await {
            Ok(_) => answers += 1,
            Err(CallError::Refused(_)) => panic!("it is never down for good, and its mailbox is never full"),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 64)]
async fn services_that_are_killed_all_the_time_answer_callers_on_all_threads() {
    let children = (0..WORKERS).map(counter);
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).children(children);
    let tree: Arc<Tree> = Arc::new(tree.start().await.unwrap());
    let is_over = Arc::new(AtomicBool::new(false));
    let handle = |n: usize| tree.lookup::<Msg>(&format!("app/{n}")).unwrap();
    let callers: Vec<_> = (0..WORKERS).map(|n| tokio::spawn(ask(handle(n), is_over.clone()))).collect();
    let killers: Vec<_> = (0..4)
        .map(|killer| {
            let victims: Vec<_> = (0..WORKERS).filter(|n| n % 4 == killer).map(handle).collect();
            tokio::spawn(async move {
                for _ in 0..2 {
                    for victim in &victims {
                        // One that is between two lives cannot be killed.
                        let _ = victim.kill();
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for killer in killers {
        soon("a killer", killer).await.unwrap();
    }
    // The present lives answer.
    for n in 0..WORKERS {
        soon("an answer", async { while handle(n).call(Msg::Seen).await.is_err() {} }).await;
    }
    is_over.store(true, SeqCst);
    for caller in callers {
        assert!(soon("a caller", caller).await.unwrap() > 0);
    }
    for n in 0..WORKERS {
        let books = handle(n).accounting();
        assert!(books.is_balanced(), "{books:?}");
    }
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 64)]
async fn children_are_started_while_all_threads_look_them_up() {
    let tree = Arc::new(DynamicSupervisor::new("pool").budget(Intensity::unlimited()).start().await.unwrap());
    let pool = tree.dynamic("pool").unwrap();
    let readers: Vec<_> = (0..WORKERS)
        .map(|n| {
            let tree = tree.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    if let Ok(found) = tree.lookup::<Msg>(&format!("pool/{n}")) {
                        assert_eq!(*found.path(), *format!("pool/{n}"));
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let started = soon("all started", pool.start_children((0..1_000).map(counter))).await;
    assert!(started.iter().all(Result::is_ok));
    for reader in readers {
        soon("a reader", reader).await.unwrap();
    }
    for n in 0..1_000 {
        assert!(tree.lookup::<Msg>(&format!("pool/{n}")).is_ok());
    }
    assert!(tree.shutdown().await.is_clean());
}
