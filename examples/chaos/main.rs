//! Chaos finds a bug: a customer is charged twice. The example tries many seeds in virtual time, shrinks the first
//! failure to the one fault that causes it, and prints a test of that.
//!
//! ```text
//! cargo run --example chaos
//! ```
//!
//! The shop charges a customer, does its paperwork and answers. A customer without an answer asks again. That is the
//! bug: a shop that dies during its paperwork has already charged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use regrow::chaos::{Experiment, Fault, SimulatedTree, Simulation, When};
use regrow::{Child, Context, Handle, Intensity, Reply, Service, Supervisor};

const MS: Duration = Duration::from_millis(1);

struct Shop {
    ledger: Handle<Charge>,
}

struct Buy(u64, Reply<()>);

impl Service for Shop {
    type Msg = Buy;

    async fn handle(&mut self, Buy(customer, reply): Buy, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.ledger.call(|done| Charge(customer, done)).await?;
        tokio::time::sleep(5 * MS).await; // paperwork
        reply.send(());
        Ok(())
    }
}

type Books = Arc<Mutex<HashMap<u64, u32>>>;

struct Ledger(Books);

struct Charge(u64, Reply<()>);

impl Service for Ledger {
    type Msg = Charge;

    async fn handle(&mut self, Charge(customer, reply): Charge, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(customer).or_default() += 1;
        reply.send(());
        Ok(())
    }
}

/// The tree, its customers, and the experiment.
async fn scene(seed: u64) -> anyhow::Result<SimulatedTree> {
    let books = Books::default();
    let tree = Supervisor::one_for_one("shop")
        .seed(seed)
        .budget(Intensity::unlimited())
        .child(Child::service_with("ledger", books.clone(), |books, _| async { Ok(Ledger(books)) }))
        .child(Child::service("till", |ctx| async move { Ok(Shop { ledger: ctx.lookup("ledger")? }) }))
        .start()
        .await?;

    let till: Handle<Buy> = tree.lookup("shop/till")?;
    tokio::spawn(async move {
        for customer in 0.. {
            tokio::time::sleep(20 * MS).await;
            while let Err(error) = till.call(|reply| Buy(customer, reply)).await {
                if let regrow::CallError::Refused(_) = error {
                    return;
                }
            }
        }
    });

    let experiment = Experiment::new("no customer pays twice")
        .duration(5 * 1000 * MS)
        .target("shop/*")
        .fault(Fault::Kill, "shop/*", When::Rate(1.0))
        .lasting(Fault::Slow(2 * MS), "shop/ledger", When::Every(1000 * MS), 300 * MS)
        .probe("no customer is charged twice", move || {
            let twice = books
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .find(|(_, times)| **times > 1)
                .map(|(id, _)| *id);
            async move { twice.map_or(Ok(()), |customer| anyhow::bail!("customer {customer} was")) }
        });
    Ok(SimulatedTree::new(tree, experiment))
}

fn main() -> anyhow::Result<()> {
    let simulation = Simulation::new(scene);
    simulation.check_repeatable(0)?;

    let found = simulation.explore(0, 100);
    println!("{} seeds in virtual time, {} of them fail", found.seeds, found.failures.len());
    let failure = found.failures.first().ok_or_else(|| anyhow::anyhow!("the bug was not found"))?;
    println!("seed {}: {}: {}", failure.seed, failure.what, failure.evidence);

    let shrunk = simulation.shrink(failure)?;
    println!("{} faults, shrunk to {} in {} runs:\n", shrunk.before, shrunk.failure.script.lines.len(), shrunk.runs);
    println!("{}", shrunk.failure.to_rust_test());
    Ok(())
}
