//! Trees to try experiments on: a small shop, a forest of several hundred services, and a market (`tills.rs`).
//!
//! All have a workload: callers cast and call all the time, and the outcomes of the calls are counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use regrow::{
    Backoff, CallError, Child, Context, DynamicSupervisor, GiveUp, Handle, Intensity, Jitter, Policy, Reply, Service,
    ServiceChild, ServiceState, Supervisor, Tree,
};

/// The trees by name.
pub(crate) const TREES: [&str; 3] = ["shop", "forest", "market"];

/// Starts one of the [`TREES`] and its workload.
///
/// # Errors
///
/// There is no tree of this name, or it does not start.
pub(crate) async fn start(name: &str, seed: u64) -> anyhow::Result<(Tree, Work)> {
    let work = Work::default();
    let tree = match name {
        "shop" => shop(seed, &work).await?,
        "forest" => forest(seed, &work).await?,
        "market" => super::tills::market(seed).await?,
        other => anyhow::bail!("there is no demo tree `{other}`: {} are there", TREES.join(", ")),
    };
    Ok((tree, work))
}

/// Counts of a workload.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    ended: Mutex<BTreeMap<&'static str, u64>>,
    alive: Mutex<Alive>,
}

#[derive(Debug, Default)]
struct Alive {
    /// Number of incarnations that are alive, by path.
    now: BTreeMap<Arc<str>, u32>,
    /// Paths that ever had two incarnations alive at the same time.
    twice: Vec<Arc<str>>,
}

impl Work {
    /// Returns the number of calls that were made.
    pub(crate) fn calls(&self) -> u64 {
        self.counts.begun.load(Ordering::Relaxed)
    }

    /// Returns the number of calls that have ended, by outcome.
    pub(crate) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.counts.ended).clone()
    }

    /// Returns the services that had two incarnations alive at the same time.
    pub(crate) fn alive_twice(&self) -> Vec<Arc<str>> {
        lock(&self.counts.alive).twice.clone()
    }
}

/// A service that does a little work, and asks a peer now and then.
struct Clerk {
    path: Arc<str>,
    counts: Arc<Counts>,
    peer: Option<Handle<Order>>,
    done: u64,
}

#[derive(Clone)]
enum Order {
    Do,
    /// Asks the peer first, if there is one.
    Ask(Reply<u64>),
}

impl Service for Clerk {
    type Msg = Order;

    async fn handle(&mut self, order: Order, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.done += 1;
        match (order, &self.peer) {
            (Order::Do, _) => {}
            (Order::Ask(reply), None) => {
                reply.send(self.done);
            }
            (Order::Ask(reply), Some(peer)) => {
                // If the peer does not answer, this service answers all the same.
                let more = peer.call_within(Duration::from_millis(200), Order::Ask).await.unwrap_or_default();
                reply.send(self.done + more);
            }
        }
        Ok(())
    }
}

impl Clerk {
    fn child(name: impl Into<Arc<str>>, peer: Option<&'static str>, work: &Work) -> ServiceChild<Order> {
        Child::service_with(name, work.counts.clone(), move |counts, ctx: Context<Self>| async move {
            let path = ctx.path();
            {
                let mut alive = lock(&counts.alive);
                let here = alive.now.entry(path.clone()).or_default();
                *here += 1;
                if *here > 1 {
                    alive.twice.push(path.clone());
                }
            }
            let mut clerk = Self { path, counts, peer: None, done: 0 };
            clerk.peer = peer.map(|peer| ctx.lookup(peer)).transpose()?;
            Ok(clerk)
        })
        .redeliver(2)
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        if let Some(here) = lock(&self.counts.alive).now.get_mut(&self.path) {
            *here -= 1;
        }
    }
}

fn patient() -> Policy {
    Policy::default()
        .backoff(Backoff::new(Duration::from_millis(20)).max_delay(Duration::from_millis(500)).jitter(Jitter::Full))
        .budget(Intensity::new(20, Duration::from_secs(10)))
        .on_give_up(GiveUp::park(Duration::from_secs(1)))
        .watchdog(Duration::from_secs(1))
}

async fn shop(seed: u64, work: &Work) -> anyhow::Result<Tree> {
    let tree = Supervisor::one_for_one("shop")
        .seed(seed)
        .budget(Intensity::unlimited())
        .child(Clerk::child("db", None, work))
        .child(Clerk::child("cache", Some("db"), work).policy(patient()))
        .child(
            Supervisor::rest_for_one("web")
                .budget(Intensity::unlimited())
                .child(Clerk::child("router", Some("cache"), work))
                .child(Clerk::child("pages", Some("router"), work)),
        )
        .child(DynamicSupervisor::new("workers").budget(Intensity::unlimited()).defaults(patient()).template({
            let work = work.clone();
            move |name: String| Clerk::child(name, Some("db"), &work)
        }))
        .start()
        .await?;
    let workers = tree.dynamic("shop/workers")?.template::<String>()?;
    for number in 1..=8 {
        workers.start_child(format!("worker-{number}")).await?;
    }
    busy(&tree, 4, seed, work);
    Ok(tree)
}

/// Starts ten stands of thirty trees, in three strategies.
async fn forest(seed: u64, work: &Work) -> anyhow::Result<Tree> {
    let stands = (0..10).map(|stand| {
        let name = format!("stand-{stand}");
        let supervisor = match stand % 3 {
            0 => Supervisor::one_for_one(name),
            1 => Supervisor::rest_for_one(name),
            _ => Supervisor::one_for_all(name),
        };
        let trees = (0..30).map(|tree| {
            let peer = if tree == 0 { None } else { Some("tree-0") };
            let child = Clerk::child(format!("tree-{tree}"), peer, work);
            if tree % 2 == 0 { child } else { child.as_actor() }
        });
        supervisor.budget(Intensity::unlimited()).defaults(patient()).children(trees)
    });
    let tree =
        Supervisor::one_for_one("forest").seed(seed).budget(Intensity::unlimited()).children(stands).start().await?;
    busy(&tree, 16, seed, work);
    Ok(tree)
}

/// Spawns callers that work until the tree has ended.
fn busy(tree: &Tree, callers: u64, seed: u64, work: &Work) {
    for caller in 0..callers {
        let (directory, work) = (tree.directory(), work.clone());
        let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(caller));
        let entries = directory.entries().into_iter().filter(|entry| !entry.kind.is_supervisor());
        let handles: Vec<Handle<Order>> = entries.filter_map(|entry| directory.lookup(&entry.path).ok()).collect();
        tokio::spawn(async move {
            while handles.iter().any(|handle| handle.status().state != ServiceState::Gone) {
                tokio::time::sleep(Duration::from_millis(random.u64(1..10))).await;
                let handle = &handles[random.usize(..handles.len())];
                if random.u8(..4) == 0 {
                    // A cast does not wait: it is refused if the service is full, down or parked.
                    let _ = handle.cast(Order::Do);
                    continue;
                }
                work.counts.begun.fetch_add(1, Ordering::Relaxed);
                let answer = handle.call(Order::Ask).await;
                *lock(&work.counts.ended).entry(outcome(&answer)).or_default() += 1;
            }
        });
    }
}

fn outcome(answer: &Result<u64, CallError<Order>>) -> &'static str {
    match answer {
        Ok(_) => "answered",
        Err(CallError::Refused(_)) => "refused",
        Err(CallError::NeverRan(_)) => "never ran",
        Err(CallError::Crashed { .. }) => "crashed",
        Err(CallError::Unanswered { .. }) => "unanswered",
        Err(CallError::TimedOut { .. }) => "timed out",
        Err(CallError::Interrupted { .. }) => "interrupted",
        Err(_) => "other",
    }
}

/// Locks the mutex also after a panic: the counts are whole after each change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
