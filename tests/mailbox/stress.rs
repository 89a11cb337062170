//! Many senders, callers, droppers, killers and orders against small mailboxes: the law holds, order holds, nothing waits for
//! ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use regrow::{
    Child, Context, Handle, Intensity, OnRestart, Refusal, Reply, RestartChildError, Service, ServiceState, Supervisor,
    Tree,
};
use tokio::task::JoinSet;

const SENDERS: u64 = 8;
const EACH: u64 = 120;

/// What ran, by its sender and its number.
#[derive(Clone, Default)]
struct Record(Arc<Mutex<Vec<(u64, u64)>>>);

struct Target(Record);

enum Shot {
    Note(u64, u64),
    Ask(u64, u64, Reply<u64>),
}

impl Service for Target {
    type Msg = Shot;
    async fn handle(&mut self, shot: Shot, _: &mut Context<Self>) -> anyhow::Result<()> {
        let (sender, number) = match &shot {
            Shot::Note(sender, number) | Shot::Ask(sender, number, _) => (*sender, *number),
        };
        self.0.0.lock().unwrap().push((sender, number));
        if number % 11 == 0 {
            tokio::task::yield_now().await;
        }
        anyhow::ensure!(number % 37 != 36, "a bad number");
        if let Shot::Ask(.., reply) = shot {
            reply.send(number);
        }
        Ok(())
    }
}

/// Sends its numbers in order, in ways drawn by chance, and awaits each before the next.
async fn fire(handle: Handle<Shot>, sender: u64, is_terminated: Arc<AtomicBool>, mut rng: Rng) {
    for number in 0..EACH {
        // Else they would have fired all they have while it is down.
        drop(handle.watch().wait_for(|status| status.state != ServiceState::Down).await);
        // Most wait until it takes messages again, and some try meanwhile.
        while is_terminated.load(Ordering::Relaxed) && rng.u8(..64) != 0 {
            tokio::task::yield_now().await;
        }
        let ask = move |reply| Shot::Ask(sender, number, reply);
        match rng.u8(..8) {
            0 => drop(handle.cast(Shot::Note(sender, number))),
            1 => drop(handle.call(ask)),
            2 => drop(handle.try_call(ask).await),
            3 => drop(handle.call_within(Duration::from_micros(rng.u64(..500)), ask).await),
            4 => {
                let limit = Duration::from_micros(rng.u64(..500));
                drop(tokio::time::timeout(limit, handle.send(Shot::Note(sender, number))).await);
            }
            5 => {
                let blocking = handle.clone();
                let call = move || drop(blocking.blocking_call_within(Duration::from_millis(3), ask));
                tokio::task::spawn_blocking(call).await.unwrap();
            }
            6 => drop(handle.call(ask).await),
            _ => match handle.send(Shot::Note(sender, number)).await.map_err(|error| error.refusal()) {
                Ok(()) | Err(Refusal::Stopping | Refusal::Down | Refusal::Gone | Refusal::Full) => {}
                Err(refusal) => panic!("{refusal}"),
            },
        }
    }
}

/// Kills the service, terminates it and brings it back, until it is told that it is enough.
async fn trouble(
    tree: Arc<Tree>,
    handle: Handle<Shot>,
    is_terminated: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    mut rng: Rng,
) {
    let app = tree.supervisor("app").unwrap();
    while !is_over.load(Ordering::Relaxed) {
        match rng.u8(..24) {
            0 => drop(handle.kill()),
            1 => {
                is_terminated.store(true, Ordering::Relaxed);
                app.terminate_child("target").await.unwrap();
                tokio::task::yield_now().await;
                match app.restart_child("target").await {
                    Ok(_) | Err(RestartChildError::Running { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
                is_terminated.store(false, Ordering::Relaxed);
            }
            _ => tokio::task::yield_now().await,
        }
        let books = handle.accounting();
        assert!(books.is_balanced(), "{books}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_overtaken_or_left_waiting_whatever_senders_and_the_service_do() {
    for seed in 0..24 {
        let (record, mut rng) = (Record::default(), Rng::with_seed(seed));
        let made = record.clone();
        let on_restart = if seed % 2 == 0 { OnRestart::Keep } else { OnRestart::Drop };
        let child = Child::service_with("target", made, |record, _| async { Ok(Target(record)) });
        let child = child.capacity(1 + seed as usize % 4).on_restart(on_restart);
        let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start().await.unwrap();
        let handle: Handle<Shot> = tree.lookup("app/target").unwrap();
        let tree = Arc::new(tree);
        let (is_terminated, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let trouble =
            tokio::spawn(trouble(tree.clone(), handle.clone(), is_terminated.clone(), is_over.clone(), rng.fork()));
        let mut senders = JoinSet::new();
        for sender in 0..SENDERS {
            senders.spawn(fire(handle.clone(), sender, is_terminated.clone(), rng.fork()));
        }
        let all = async { while senders.join_next().await.is_some_and(|sender| sender.is_ok()) {} };
        tokio::time::timeout(Duration::from_secs(60), all).await.unwrap_or_else(|_| panic!("seed {seed} hangs"));
        assert!(senders.is_empty(), "seed {seed}: a sender panicked");
        is_over.store(true, Ordering::Relaxed);
        trouble.await.unwrap();
        Arc::into_inner(tree).expect("nothing else holds it").shutdown().await;
        let books = handle.accounting();
        assert!(books.is_balanced() && books.queued + books.in_hand == 0, "seed {seed}: {books}");
        let record = record.0.lock().unwrap();
        assert!(record.len() > 50, "seed {seed}: {} ran", record.len());
        for sender in 0..SENDERS {
            let numbers: Vec<_> = record.iter().filter(|(by, _)| *by == sender).map(|(_, number)| *number).collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "seed {seed}: the order of sender {sender}: {numbers:?}");
        }
    }
}
