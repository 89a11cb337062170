//! The service of most tests here: a shop with orders.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use regrow::{Child, Context, Intensity, Reply, ServiceChild, Supervisor, Tree};

use crate::common::mail::{Gate, soon};

pub(crate) struct Shop {
    orders: BTreeMap<i64, String>,
    waiting: Vec<(usize, Reply<usize>)>,
    gate: Gate,
    closed: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShopError {
    NoSuchOrder(i64),
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NoSuchOrder(id) = self;
        write!(f, "there is no order {id}")
    }
}

impl std::error::Error for ShopError {}

#[regrow::service(pub(crate), derive(Clone))]
impl Shop {
    /// Finds an order.
    #[call(error = ShopError)]
    fn find(&mut self, id: i64) -> Result<String, ShopError> {
        self.orders.get(&id).cloned().ok_or(ShopError::NoSuchOrder(id))
    }

    /// Finds an order, and answers with two errors one inside the other.
    #[call]
    fn look(&self, id: i64) -> Result<String, ShopError> {
        self.orders.get(&id).cloned().ok_or(ShopError::NoSuchOrder(id))
    }

    #[call]
    async fn count(&self) -> usize {
        self.gate.pass().await;
        self.orders.len()
    }

    #[call]
    fn clear(&mut self) {
        self.orders.clear();
    }

    #[call]
    fn generation(&self, ctx: &mut Context<Self>) -> u64 {
        ctx.generation()
    }

    /// Leaves with the answer.
    #[call]
    fn leave(&mut self, ctx: &mut Context<Self>, word: String) -> String {
        ctx.stop();
        word
    }

    #[cast]
    fn put(&mut self, id: i64, order: String) {
        self.orders.insert(id, order);
        self.answer();
    }

    /// Handles nothing before the gate is open.
    #[cast]
    async fn pause(&self) {
        self.gate.pass().await;
    }

    #[cast]
    async fn spoil(&mut self, ctx: &mut Context<Self>, below: u64) -> anyhow::Result<()> {
        anyhow::ensure!(ctx.generation() >= below, "spoilt");
        Ok(())
    }

    /// Answers when there are so many orders; fails at zero.
    #[call]
    async fn filled(&mut self, count: usize, reply: Reply<usize>) -> anyhow::Result<()> {
        anyhow::ensure!(count > 0, "a shop is always filled with nothing");
        self.waiting.push((count, reply));
        self.answer();
        Ok(())
    }

    #[call(error = ShopError)]
    fn forwarded(&mut self, reply: Reply<Result<String, ShopError>>, id: i64) {
        reply.send(self.look(id));
    }

    #[stopped]
    async fn close(&mut self, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        assert_eq!(&*ctx.path(), "app/shop");
        self.closed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn answer(&mut self) {
        let there = self.orders.len();
        for (_, reply) in self.waiting.extract_if(.., |(count, _)| *count <= there) {
            reply.send(there);
        }
    }
}

/// Number of runs of the shop's stop hook, and the gate that some messages wait at.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) gate: Gate,
    closed: Arc<AtomicUsize>,
}

impl Door {
    pub(crate) fn open() -> Self {
        Self { gate: Gate::open(), closed: Arc::default() }
    }

    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

pub(crate) fn child(door: &Door) -> ServiceChild<ShopMsg> {
    Child::service_with("shop", door.clone(), |Door { gate, closed }, _| async {
        Ok(Shop { orders: BTreeMap::new(), waiting: Vec::new(), gate, closed })
    })
}

pub(crate) async fn start(child: ServiceChild<ShopMsg>) -> (Tree, ShopClient) {
    let tree = soon(Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start()).await.unwrap();
    let shop = ShopClient::from(tree.lookup("app/shop").unwrap());
    (tree, shop)
}

pub(crate) async fn shop() -> (Tree, ShopClient) {
    start(child(&Door::open())).await
}
