//! The audit: it follows the ledger by the ledger's reports, and knows how many it has missed.
//!
//! A cast is lost if its receiver dies, so a report carries the totals before and after it. If a report begins later
//! than the last one ended, a report was missed. If it begins earlier, a transfer was doubled, and the audit fails.

use anyhow::ensure;
use regrow::{Context, Reply, Service};

use crate::bank::{Peers, ask};
use crate::book::Totals;
use crate::fx::FxMsg;
use crate::ledger::LedgerMsg;

pub(crate) struct Audit {
    seen: Totals,
    gaps: u64,
    peers: Peers,
}

pub(crate) enum AuditMsg {
    /// A report of the ledger.
    Posted { before: Totals, after: Totals },
    /// The day is over: compares the reports with the book.
    Close(Reply<Findings>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Findings {
    /// Totals of the book now.
    pub(crate) book: Totals,
    /// The sum of all balances, which must be zero: money is moved, never made.
    pub(crate) made: i128,
    /// Reports that this incarnation missed.
    pub(crate) gaps: u64,
}

impl Audit {
    pub(crate) async fn open(peers: Peers, _ctx: Context<Self>) -> anyhow::Result<Self> {
        let seen = ask(&peers.ledger, LedgerMsg::Totals).await?;
        Ok(Self { seen, gaps: 0, peers })
    }

    fn follow(&mut self, before: Totals, after: Totals) -> anyhow::Result<()> {
        // The report was queued while the last incarnation died. The totals that this one read from the book include
        // it.
        if after.transfers <= self.seen.transfers {
            return Ok(());
        }
        ensure!(before.transfers >= self.seen.transfers, "the ledger went back from {:?} to {before:?}", self.seen);
        ensure!(before.transfers > self.seen.transfers || before == self.seen, "{before:?} is not {:?}", self.seen);
        self.gaps += u64::from(before != self.seen);
        self.seen = after;
        Ok(())
    }
}

impl Service for Audit {
    type Msg = AuditMsg;

    async fn handle(&mut self, msg: AuditMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            AuditMsg::Posted { before, after } => {
                self.follow(before, after)?;
                // The feed may miss a message.
                self.peers.fx.cast(FxMsg::Demand(after.turnover - before.turnover)).ok();
            }
            AuditMsg::Close(reply) => {
                let book = ask(&self.peers.ledger, LedgerMsg::Book).await?;
                let now = book.totals();
                ensure!(now.transfers >= self.seen.transfers, "the book lost some of {:?}: {now:?}", self.seen);
                reply.send(Findings { book: now, made: book.balances.values().sum(), gaps: self.gaps });
            }
        }
        Ok(())
    }
}
