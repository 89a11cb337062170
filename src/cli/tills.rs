//! A market to try faults of saves on: its tills save each sale to a store in memory, and answer when it is saved.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use regrow::checkpoint::{Checkpoint, Checkpoints, MemoryStore, State};
use regrow::{Child, Context, Handle, Intensity, Reply, Service, ServiceChild, ServiceState, Supervisor, Tree};

/// The sales of a day.
#[derive(Debug, Clone, Default)]
struct Day {
    sales: u64,
    cents: u64,
}

impl State for Day {
    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        Ok(format!("{} {}", self.sales, self.cents).into_bytes())
    }

    fn decode(_schema: u32, bytes: &[u8]) -> anyhow::Result<Self> {
        let (sales, cents) = std::str::from_utf8(bytes)?.split_once(' ').context("a day has two numbers")?;
        Ok(Self { sales: sales.parse()?, cents: cents.parse()? })
    }
}

struct Till {
    checkpoint: Checkpoint<Day>,
    day: Day,
    /// Whether it goes on when a save has failed. The next save has what that one would have had.
    goes_on: bool,
}

enum Order {
    /// Sells for this number of cents, and answers with the number of the sale.
    Sell(u64, Reply<u64>),
    /// Ends the day, and answers with its sum.
    Close(Reply<u64>),
}

impl Till {
    fn child(name: &'static str, store: &Checkpoints, goes_on: bool) -> ServiceChild<Order> {
        Child::service_with(name, store.clone(), move |store, ctx: Context<Self>| async move {
            let mut checkpoint = ctx.checkpoint(&store).await?;
            let day = checkpoint.take().unwrap_or_default();
            Ok(Self { checkpoint, day, goes_on })
        })
    }

    async fn obey(&mut self, order: Order) -> anyhow::Result<()> {
        match order {
            Order::Sell(cents, reply) => {
                self.day.sales += 1;
                self.day.cents += cents;
                self.checkpoint.save(&self.day).await?;
                reply.send(self.day.sales);
            }
            Order::Close(reply) => {
                self.checkpoint.discard().await?;
                reply.send(std::mem::take(&mut self.day).cents);
            }
        }
        Ok(())
    }
}

impl Service for Till {
    type Msg = Order;

    async fn handle(&mut self, order: Order, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let obeyed = self.obey(order).await;
        if self.goes_on { Ok(()) } else { obeyed }
    }
}

/// Starts the market and its customers.
///
/// # Errors
///
/// If it does not start.
pub(crate) async fn market(seed: u64) -> anyhow::Result<Tree> {
    let store = Checkpoints::new(MemoryStore::new());
    let tree = Supervisor::one_for_one("market")
        .seed(seed)
        .budget(Intensity::unlimited())
        .child(Till::child("bread", &store, false))
        .child(Till::child("fish", &store, true))
        .child(
            Supervisor::one_for_all("hall")
                .budget(Intensity::unlimited())
                .child(Till::child("fruit", &store, false))
                .child(Till::child("tea", &store, false)),
        )
        .start()
        .await?;
    let tills: Arc<[Handle<Order>]> = ["market/bread", "market/fish", "market/hall/fruit", "market/hall/tea"]
        .into_iter()
        .map(|path| tree.lookup(path))
        .collect::<Result<_, _>>()?;
    for customer in 0..4 {
        tokio::spawn(buy(tills.clone(), fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(customer))));
    }
    Ok(tree)
}

/// Buys until the market is over.
async fn buy(tills: Arc<[Handle<Order>]>, mut random: fastrand::Rng) {
    while tills.iter().any(|till| till.status().state != ServiceState::Gone) {
        tokio::time::sleep(Duration::from_millis(random.u64(1..20))).await;
        let till = &tills[random.usize(..tills.len())];
        let cents = random.u64(1..1000);
        // An error means that the sale may not have been saved.
        let _ = match random.u8(..40) {
            0 => till.call(Order::Close).await,
            _ => till.call(|reply| Order::Sell(cents, reply)).await,
        };
    }
}
