//! A teller: it takes the transfers of customers to the ledger, and tells their worth in foreign money.

use regrow::{Context, Reply, Service};

use crate::bank::{Peers, ask};
use crate::fx::{FxMsg, Rate};
use crate::input::Transfer;
use crate::ledger::{LedgerMsg, Posted};

pub(crate) struct Teller {
    peers: Peers,
    rate: Rate,
}

pub(crate) enum TellerMsg {
    Serve(Transfer, Reply<Receipt>),
    /// A new rate of the fx feed.
    Rate(Rate),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipt {
    pub(crate) posted: Posted,
    /// The amount in foreign money, at the present rate. It is only shown.
    pub(crate) abroad: u64,
}

impl Teller {
    pub(crate) async fn open(peers: Peers, _ctx: Context<Self>) -> anyhow::Result<Self> {
        let rate = ask(&peers.fx, FxMsg::Rate).await?;
        Ok(Self { peers, rate })
    }
}

impl Service for Teller {
    type Msg = TellerMsg;

    async fn handle(&mut self, msg: TellerMsg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            TellerMsg::Serve(transfer, reply) => {
                let (ledger, rate) = (self.peers.ledger.clone(), self.rate);
                // The ledger answers when it has saved, and saves many transfers at once. The teller serves the next
                // customer meanwhile. A kill loses the answer, not the transfer: the customer comes back with the same id.
                ctx.spawn(async move {
                    if let Ok(posted) = ask(&ledger, |reply| LedgerMsg::Post(transfer.clone(), reply)).await {
                        reply.send(Receipt { posted, abroad: rate.of(transfer.amount.unsigned_abs()) });
                    }
                });
            }
            TellerMsg::Rate(rate) => self.rate = rate,
        }
        Ok(())
    }
}
