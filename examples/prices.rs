//! A map of prices that survives crashes: it is kept in memory for the next incarnation.
//!
//! ```sh
//! cargo run --example prices
//! ```
//!
//! A crash loses the message in hand and nothing else. Then a wrong price gets into the map that is kept, and each life
//! that begins with it fails. After three of them in a row the map is set aside, and the service begins empty. A start that
//! fails takes no number, so each of these tries is life 3. Ages differ:
//!
//! ```text
//! life 1 begins with no prices
//! life 2 begins with 2 prices, after: failed: -5 is no price
//! shop/prices keeps a `BTreeMap<&str, i64>`, kept 195.4µs ago in generation 1
//! life 3 begins with 3 prices, after: normal
//! life 3 begins with 3 prices, after: failed: the map is damaged
//! life 3 begins with 3 prices, after: failed: the map is damaged
//! life 3 begins with no prices, after: failed: the map is damaged
//! shop/prices#2 begins without a `BTreeMap<&str, i64>`, kept 288.4µs ago in generation 2: 3 lives in a row that began with it ended, the last one as failed: the map is damaged
//! ```

use std::collections::BTreeMap;

use anyhow::ensure;
use regrow::testing::until_event;
use regrow::{Child, Context, EventKind, Intensity, Reply, Service, Supervisor};

type Map = BTreeMap<&'static str, i64>;

struct Prices(Map);

enum Msg {
    Set(&'static str, i64),
    Get(&'static str, Reply<Option<i64>>),
    /// A bug: puts something into the map that no life can start with.
    Damage,
}

impl Service for Prices {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Set(name, price) => {
                self.0.insert(name, price);
                // It takes effect only if this message is handled.
                ctx.keep(self.0.clone());
                ensure!(price > 0, "{price} is no price");
            }
            Msg::Get(name, reply) => _ = reply.send(self.0.get(name).copied()),
            Msg::Damage => {
                self.0.insert("coffee", i64::MIN);
                ctx.keep(self.0.clone());
                ctx.stop();
            }
        }
        Ok(())
    }
}

async fn open(ctx: Context<Prices>) -> anyhow::Result<Prices> {
    let kept = ctx.kept::<Map>()?;
    let after = ctx.last_exit().map(|exit| format!(", after: {exit}")).unwrap_or_default();
    match &kept {
        Some(map) => println!("life {} begins with {} prices{after}", ctx.generation(), map.len()),
        None => println!("life {} begins with no prices{after}", ctx.generation()),
    }
    let map = kept.map(|map| (*map).clone()).unwrap_or_default();
    ensure!(map.values().all(|price| *price > 0), "the map is damaged");
    Ok(Prices(map))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let shop = Supervisor::one_for_one("shop").budget(Intensity::unlimited());
    let tree = shop.child(Child::service("prices", open)).start().await?;
    let (prices, mut events) = (tree.lookup::<Msg>("shop/prices")?, tree.events());

    prices.cast(Msg::Set("tea", 3))?;
    prices.cast(Msg::Set("milk", 2))?;
    prices.cast(Msg::Set("milk", -5))?;
    assert_eq!(prices.call(|reply| Msg::Get("milk", reply)).await?, Some(2));
    if let Some(kept) = prices.kept() {
        println!("{} keeps {kept}", prices.path());
    }

    prices.cast(Msg::Damage)?;
    let event = until_event(&mut events, |event| matches!(event.kind, EventKind::KeptSetAside { .. })).await;
    println!("{}", event.expect("it is told"));
    assert_eq!(prices.call(|reply| Msg::Get("tea", reply)).await?, None);
    tree.shutdown().await;
    Ok(())
}
