//! The customers: callers from outside of the tree, which repeat each call until it is answered.

use std::sync::Arc;

use anyhow::Context;
use regrow::Handle;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::bank::ask;
use crate::input::Transfer;
use crate::ledger::Posted;
use crate::teller::TellerMsg;
use crate::watch::Progress;

/// Number of customers of each teller. Each of them waits for a save, and one save serves all.
const QUEUE: usize = 64;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) served: u64,
    /// Transfers, included in `served`, that an earlier call had posted already: its answer was lost.
    pub(crate) again: u64,
    pub(crate) abroad: u128,
}

/// Brings every transfer to some teller. Completes when there are no more and all are answered.
pub(crate) async fn serve_all(
    tellers: &[Handle<TellerMsg>],
    queue: mpsc::Receiver<Transfer>,
    progress: &Progress,
) -> anyhow::Result<Tally> {
    let queue = Arc::new(Mutex::new(queue));
    let mut customers = JoinSet::new();
    for teller in std::iter::repeat_n(tellers, QUEUE).flatten() {
        customers.spawn(customer(teller.clone(), queue.clone(), progress.clone()));
    }
    let mut sum = Tally::default();
    while let Some(tally) = customers.join_next().await {
        let tally = tally.context("a customer panicked")??;
        sum.served += tally.served;
        sum.again += tally.again;
        sum.abroad += tally.abroad;
    }
    Ok(sum)
}

async fn customer(
    teller: Handle<TellerMsg>,
    queue: Arc<Mutex<mpsc::Receiver<Transfer>>>,
    progress: Progress,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    loop {
        let Some(transfer) = queue.lock().await.recv().await else { return Ok(tally) };
        let receipt = ask(&teller, |reply| TellerMsg::Serve(transfer.clone(), reply)).await?;
        tally.served += 1;
        tally.again += u64::from(receipt.posted == Posted::Before);
        tally.abroad += u128::from(receipt.abroad);
        progress.advance(1);
    }
}
