//! The wiring: mailboxes first, then the directory of handles, then the services. It is a cycle without an `Option`.
//!
//! ```text
//!            call             cast            cast
//! tellers ────────▶ ledger ────────▶ audit ────────▶ fx ─┐
//!    ▲ │              ▲──── call ──────┘             ▲   │
//!    │ └─────────────────── call ────────────────────┘   │
//!    └───────────────────── cast ────────────────────────┘
//! ```
//!
//! Messages form a cycle, but calls do not: tellers wait for the ledger and for fx, the audit waits for the ledger, and
//! these two wait for no service. Two services that call each other would wait for ever.

use std::sync::Arc;
use std::time::Duration;

use regrow::checkpoint::Checkpoints;
use regrow::{CallError, Child, Handle, Intensity, Overflow, Refusal, Reply, ServiceState, Supervisor, Tree, mailbox};

use crate::audit::{Audit, AuditMsg};
use crate::fx::{Fx, FxMsg};
use crate::ledger::{Ledger, LedgerMsg};
use crate::teller::{Teller, TellerMsg};

/// Directory of handles, which every service gets at every start.
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

/// The ledger's path, and the key of its book.
pub(crate) const LEDGER: &str = "bank/ledger";
/// The supervisor of the tellers.
pub(crate) const POOL: &str = "bank/tellers";

impl Bank {
    pub(crate) async fn open(tellers: u32, store: Checkpoints) -> anyhow::Result<Self> {
        let (ledger_mailbox, ledger) = mailbox();
        let (audit_mailbox, audit) = mailbox();
        let (fx_mailbox, fx) = mailbox();
        let (teller_mailboxes, tellers): (Vec<_>, Vec<_>) = (0..tellers).map(|_| mailbox()).unzip();
        let peers = Peers { ledger, audit, fx, tellers: tellers.into() };

        let ledger = Child::service_with("ledger", (peers.clone(), store), Ledger::open);
        // A new report or rate replaces the ones before it, so a full mailbox can drop the oldest.
        let audit = Child::service_with("audit", peers.clone(), Audit::open).overflow(Overflow::DropOldest);
        let fx = Child::service_with("fx", peers.clone(), Fx::open).overflow(Overflow::DropOldest);
        let pool = (1..).zip(teller_mailboxes).map(|(number, mailbox)| {
            Child::service_with(format!("teller-{number}"), peers.clone(), Teller::open).mailbox(mailbox)
        });

        // The killer never stops, so the budget is unlimited. A real bank would have a limit.
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

/// Repeats a call until there is an answer. It waits for a service that is parked, or that an operator has stopped.
///
/// It repeats calls that *may* have run. That is sound here, but not everywhere: each call is a question, or carries a
/// transfer with an id that the ledger recognises.
///
/// # Errors
///
/// If the service is gone.
pub(crate) async fn ask<M, T>(service: &Handle<M>, message: impl Fn(Reply<T>) -> M) -> anyhow::Result<T>
where
    M: Send + 'static,
    T: Send + 'static,
{
    loop {
        match service.call(&message).await {
            Ok(answer) => return Ok(answer),
            // Parked by a policy file, or stopped by an operator. It refuses all calls until it is started again.
            Err(CallError::Refused(refused)) if matches!(refused.refusal(), Refusal::Parked { .. } | Refusal::Down) => {
                let is_back = |state| !matches!(state, ServiceState::Parked { .. } | ServiceState::Down);
                // An error means that the service is gone, which the next call reports.
                let _ = service.watch().wait_for(|status| is_back(status.state)).await;
            }
            // An operator stops it: it is down in a moment.
            Err(CallError::Refused(refused)) if refused.refusal() == Refusal::Stopping => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // There was no room in the time for which a call waits. The call did not run, so the next one waits again.
            Err(CallError::Refused(refused)) if refused.refusal() == Refusal::Full => {}
            Err(CallError::Refused(refused)) => return Err(refused.into()),
            // The next call waits in the mailbox for the next incarnation, so this does not spin.
            Err(_) => {}
        }
    }
}
