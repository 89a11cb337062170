//! An ordered stop: children stop one after the other, the youngest first, and each has time to finish its work.
//!
//! `cargo run --example stopping` prints what `web` and `db` do between the order to stop and the end of the tree.

use regrow::{Child, Context, Handle, Service, Shutdown, Supervisor};
use std::time::Duration;

struct Part {
    name: &'static str,
    below: Option<Handle<u32>>,
}

impl Service for Part {
    type Msg = u32;

    async fn handle(&mut self, order: u32, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        println!("{} works on order {order}", self.name);
        self.below.iter().try_for_each(|below| below.cast(order))?;
        Ok(())
    }

    /// Runs after the last message. The shutdown time limits it.
    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        println!("{} closes", self.name);
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // `web` starts last and stops first, so `db` is there as long as `web` needs it.
    let tree = Supervisor::one_for_one("shop")
        .child(Child::service("db", |_| async { Ok(Part { name: "db", below: None }) }).drain())
        .child(
            Child::service("web", |ctx| async move { Ok(Part { name: "web", below: Some(ctx.lookup("db")?) }) })
                .drain() // what is queued when the order comes is still handled
                .shutdown(Shutdown::After(Duration::from_secs(2))), // asked to stop, and killed 2 s later
        )
        .start()
        .await?;

    let web = tree.lookup::<u32>("shop/web")?;
    (1..=3).try_for_each(|order| web.cast(order))?;
    let report = tree.shutdown_within(Duration::from_secs(5)).await;
    println!("clean: {}, and a late order is refused: {}", report.is_clean(), web.cast(4).is_err());
    Ok(())
}
