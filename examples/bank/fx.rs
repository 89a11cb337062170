//! The fx feed: a rate that moves with the bank's turnover, and is sent to the tellers every few milliseconds.

use std::time::Duration;

use regrow::{Context, Reply, Service};

use crate::bank::Peers;
use crate::teller::TellerMsg;

const PERIOD: Duration = Duration::from_millis(10);

pub(crate) struct Fx {
    rate: Rate,
    /// Demand since the last tick.
    demand: u128,
    peers: Peers,
}

pub(crate) enum FxMsg {
    Tick,
    /// From the audit: the amount that was moved.
    Demand(u128),
    Rate(Reply<Rate>),
}

/// Units of foreign money for a million of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(u32);

impl Rate {
    const PAR: Self = Self(1_000_000);

    pub(crate) fn of(self, amount: u64) -> u64 {
        (u128::from(amount) * u128::from(self.0) / 1_000_000) as u64
    }

    /// The rate after a tick: demand makes our money dearer, and without demand the rate goes back to par.
    fn after(self, demand: u128) -> Self {
        let dearer = self.0 + (demand / 1_000).min(1_000) as u32;
        Self(dearer - (dearer - Self::PAR.0).div_ceil(20))
    }
}

impl Fx {
    pub(crate) async fn open(peers: Peers, ctx: Context<Self>) -> anyhow::Result<Self> {
        // The timer ends with this incarnation; the next one starts another.
        ctx.interval(PERIOD, || FxMsg::Tick);
        Ok(Self { rate: Rate::PAR, demand: 0, peers })
    }
}

impl Service for Fx {
    type Msg = FxMsg;

    async fn handle(&mut self, msg: FxMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            FxMsg::Tick => {
                self.rate = self.rate.after(std::mem::take(&mut self.demand));
                for teller in self.peers.tellers.iter() {
                    // A teller without room for a rate is busy, and gets the next one.
                    teller.cast(TellerMsg::Rate(self.rate)).ok();
                }
            }
            FxMsg::Demand(amount) => self.demand += amount,
            FxMsg::Rate(reply) => {
                reply.send(self.rate);
            }
        }
        Ok(())
    }
}
