//! The ledger: it posts each transfer once, and keeps its book in a checkpoint.
//!
//! Nothing leaves it before it is saved: neither an answer nor a report. One save has all transfers that came while the
//! save before was under way.

use regrow::checkpoint::{CheckpointStore, Checkpoints, FileStore, GroupCommit, State};
use regrow::{Context, Reply, Service};

use crate::audit::AuditMsg;
use crate::bank::{LEDGER, Peers};
use crate::book::{Book, Totals};
use crate::input::Transfer;

pub(crate) struct Ledger {
    book: GroupCommit<Book>,
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
    /// Claims the book. A save of the old incarnation that is still under way is refused from then on.
    pub(crate) async fn open((peers, store): (Peers, Checkpoints), ctx: Context<Self>) -> anyhow::Result<Self> {
        let book = ctx.checkpoint(&store).await?.group_commit(Book::default);
        ctx.info(format!("{} transfers", book.posted.len()));
        Ok(Self { book, peers })
    }

    fn post(&mut self, transfer: &Transfer) -> Posted {
        if self.book.posted.contains(transfer.id) {
            return Posted::Before;
        }
        let before = self.book.totals();
        let after = self.book.change(|book| {
            book.post(transfer);
            book.totals()
        });
        let audit = self.peers.audit.clone();
        // The audit may miss a report: its next incarnation begins with the totals of the book.
        self.book.after_save(move || drop(audit.cast(AuditMsg::Posted { before, after })));
        Posted::Now
    }
}

impl Service for Ledger {
    type Msg = LedgerMsg;

    async fn handle(&mut self, msg: LedgerMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            LedgerMsg::Post(transfer, reply) => {
                let posted = self.post(&transfer);
                self.book.reply(reply, posted);
            }
            LedgerMsg::Totals(reply) => self.book.reply(reply, self.book.totals()),
            LedgerMsg::Book(reply) => self.book.reply(reply, Book::clone(&self.book)),
        }
        Ok(())
    }
}

/// Reads the book of a ledger that is not running.
pub(crate) async fn stored(store: &FileStore) -> anyhow::Result<Book> {
    let latest = store.claim(LEDGER).await?.latest;
    Ok(latest.map(|record| Book::decode(record.schema, &record.bytes)).transpose()?.unwrap_or_default())
}
