//! The ledger: it posts each transfer once, and keeps a journal in a file.

use std::path::PathBuf;

use regrow::{Context, Reply, Service};

use crate::audit::AuditMsg;
use crate::bank::Peers;
use crate::book::{Book, Totals};
use crate::input::Transfer;
use crate::journal::Journal;

pub(crate) struct Ledger {
    journal: Journal,
    book: Book,
    peers: Peers,
}

pub(crate) enum LedgerMsg {
    Post(Transfer, Reply<Posted>),
    Totals(Reply<Totals>),
    /// The whole book, for comparisons.
    Book(Reply<Book>),
}

/// Time at which the transfer came into the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posted {
    Now,
    /// By an earlier call, the answer of which was lost, or by an earlier process.
    Before,
}

impl Ledger {
    /// Opens the journal. The old incarnation is gone, and has closed the file, before this runs.
    pub(crate) async fn open((peers, path): (Peers, PathBuf), ctx: Context<Self>) -> anyhow::Result<Self> {
        let (journal, book) = Journal::open(&path)?;
        ctx.info(format!("{} transfers", book.posted.len()));
        Ok(Self { journal, book, peers })
    }

    /// Posts a transfer. There is no await in here, so a kill takes effect before or after, never between file and
    /// book.
    fn post(&mut self, transfer: &Transfer) -> anyhow::Result<Posted> {
        if self.book.posted.contains(transfer.id) {
            return Ok(Posted::Before);
        }
        let before = self.book.totals();
        self.journal.append(transfer)?;
        self.book.post(transfer);
        self.journal.compact(&self.book)?;
        // The audit may miss a report: its next incarnation begins with the totals of the book.
        self.peers.audit.cast(AuditMsg::Posted { before, after: self.book.totals() }).ok();
        Ok(Posted::Now)
    }
}

impl Service for Ledger {
    type Msg = LedgerMsg;

    async fn handle(&mut self, msg: LedgerMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            LedgerMsg::Post(transfer, reply) => {
                let posted = self.post(&transfer)?;
                reply.send(posted);
            }
            LedgerMsg::Totals(reply) => {
                reply.send(self.book.totals());
            }
            LedgerMsg::Book(reply) => {
                reply.send(self.book.clone());
            }
        }
        Ok(())
    }
}
