//! The program of the guide's quick start: a service that panics, and the same client that reaches its next life.
//!
//! `cargo run --example quick_start`, or the page `regrow::guide::quick_start` for each step.

use regrow::{Child, Supervisor};

/// The state of the service: tins of tea in a shop.
struct Stock {
    tins: u32,
}

// Each method below `#[call]` is a message. The attribute makes the messages, and a `StockClient` that sends them.
#[regrow::service]
impl Stock {
    #[call]
    fn take(&mut self, tins: u32) -> u32 {
        assert!(tins <= self.tins, "{tins} tins are asked for, and {} are there", self.tins);
        self.tins -= tins;
        self.tins
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The closure makes the state for each life of the service: the first one, and the one after each crash.
    let stock = Child::service("stock", |_ctx| async { Ok(Stock { tins: 10 }) });
    let tree = Supervisor::one_for_one("shop").child(stock).start().await?;

    let stock = StockClient::from(tree.lookup("shop/stock")?);
    println!("take 3: {} are left", stock.take(3).await?);

    // This message makes the service panic. The caller gets an error, and the supervisor starts the service again.
    if let Err(error) = stock.take(50).await {
        println!("take 50: {error}");
    }

    // The same client reaches the second life, which has begun with a new state.
    println!("take 1: {} are left, in life {}", stock.take(1).await?, stock.handle().generation());

    let report = tree.shutdown().await;
    println!("stopped in order: {}", report.is_clean());
    Ok(())
}
