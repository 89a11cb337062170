//! Who knows whom. Mailboxes first, then the directory of handles, then the services: a cycle, and no `Option` anywhere.
//!
//! ```text
//!            call             cast            cast
//! tellers ────────▶ ledger ────────▶ audit ────────▶ fx ─┐
//!    ▲ │              ▲──── call ──────┘             ▲   │
//!    │ └─────────────────── call ────────────────────┘   │
//!    └───────────────────── cast ────────────────────────┘
//! ```
//!
//! Messages go round in a circle, but nobody *waits* in a circle: tellers wait for the ledger and for fx, the audit for the
//! ledger, and these two for nobody. Two services that call each other would wait for ever.

use std::path::Path;
use std::sync::Arc;

use regrow::{CallError, Child, Handle, Intensity, Overflow, Refusal, Reply, ServiceState, Supervisor, Tree, mailbox};

use crate::audit::{Audit, AuditMsg};
use crate::fx::{Fx, FxMsg};
use crate::ledger::{Ledger, LedgerMsg};
use crate::teller::{Teller, TellerMsg};

/// The directory: what every service is given, at every start.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) ledger: Handle<LedgerMsg>,
    pub(crate) audit: Handle<AuditMsg>,
    pub(crate) fx: Handle<FxMsg>,
    pub(crate) tellers: Arc<[Handle<TellerMsg>]>,
}

pub(crate) struct Bank {
    pub(crate) tree: Tree,
    pub(crate) peers: Peers,
}

/// The supervisor of the tellers.
pub(crate) const POOL: &str = "bank/tellers";

impl Bank {
    pub(crate) async fn open(tellers: u32, journal: &Path) -> anyhow::Result<Self> {
        let (ledger_mailbox, ledger) = mailbox();
        let (audit_mailbox, audit) = mailbox();
        let (fx_mailbox, fx) = mailbox();
        let (teller_mailboxes, tellers): (Vec<_>, Vec<_>) = (0..tellers).map(|_| mailbox()).unzip();
        let peers = Peers { ledger, audit, fx, tellers: tellers.into() };

        let ledger = Child::service_with("ledger", (peers.clone(), journal.to_owned()), Ledger::open);
        // Every report and every rate says all that the ones before it said, so the oldest can go when there are too many.
        let audit = Child::service_with("audit", peers.clone(), Audit::open).overflow(Overflow::DropOldest);
        let fx = Child::service_with("fx", peers.clone(), Fx::open).overflow(Overflow::DropOldest);
        let pool = (1..).zip(teller_mailboxes).map(|(number, mailbox)| {
            Child::service_with(format!("teller-{number}"), peers.clone(), Teller::open).mailbox(mailbox)
        });

        // The killer is relentless, so no number of restarts is too many. A real bank would keep a budget.
        let tree = Supervisor::one_for_one("bank")
            .budget(Intensity::unlimited())
            .child(ledger.mailbox(ledger_mailbox))
            .child(fx.mailbox(fx_mailbox))
            .child(audit.mailbox(audit_mailbox))
            .child(Supervisor::one_for_one("tellers").budget(Intensity::unlimited()).children(pool))
            .start()
            .await?;
        Ok(Self { tree, peers })
    }
}

/// Calls until there is an answer.
///
/// It repeats calls that *may* have run. That is sound here and not everywhere: every message that is called with is a
/// question, or carries transfers whose ids the ledger knows again. One that is parked is waited for.
///
/// # Errors
///
/// When the service is over.
pub(crate) async fn ask<M, T>(service: &Handle<M>, message: impl Fn(Reply<T>) -> M) -> anyhow::Result<T>
where
    M: Send + 'static,
    T: Send + 'static,
{
    loop {
        match service.call(&message).await {
            Ok(answer) => return Ok(answer),
            // A policy file may say so. It is tried again soon, and refuses everything until then.
            Err(CallError::Refused(refused)) if matches!(refused.refusal(), Refusal::Parked { .. }) => {
                // That nobody changes it any more is what the next call will be told.
                let _ = service.watch().wait_for(|status| !matches!(status.state, ServiceState::Parked { .. })).await;
            }
            // It was busy for as long as a call waits for room. Nothing has changed, so the next call waits again.
            Err(CallError::Refused(refused)) if refused.refusal() == Refusal::Full => {}
            Err(CallError::Refused(refused)) => return Err(refused.into()),
            // The next call waits in the mailbox for the next incarnation, so this does not spin.
            Err(_) => {}
        }
    }
}
