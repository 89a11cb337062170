//! The ledger: posts transfers once, and remembers them in a file.

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
    /// The whole book, for whoever wants to compare.
    Book(Reply<Book>),
}

/// When the transfer came into the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posted {
    Now,
    /// At an earlier call, whose answer was lost, or by an earlier process.
    Before,
}

impl Ledger {
    /// The old incarnation is gone, and has closed the file, before this runs.
    pub(crate) async fn open((peers, path): (Peers, PathBuf), ctx: Context<Self>) -> anyhow::Result<Self> {
        let (journal, book) = Journal::open(&path)?;
        ctx.info(format!("{} transfers", book.posted.len()));
        Ok(Self { journal, book, peers })
    }

    /// There is no await in here, so a kill strikes before or after, never between file and book.
    fn post(&mut self, transfer: &Transfer) -> anyhow::Result<Posted> {
        if self.book.posted.contains(transfer.id) {
            return Ok(Posted::Before);
        }
        let before = self.book.totals();
        self.journal.append(transfer)?;
        self.book.post(transfer);
        self.journal.compact(&self.book)?;
        // The audit is optional here: if it is away, it compares the whole book when it is back.
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
