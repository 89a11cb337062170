//! A peer that is busy or absent is not the fault of the message that needed it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until_event};
use regrow::{
    Backoff, CallError, Child, Context, DeadReason, EventKind, Handle, Intensity, PeerUnavailable, Policy, Refusal,
    Reply, Service, ServiceChild, Shutdown, Strategy, Supervisor, Tree,
};
use tokio::time::Instant;

use crate::common::mail::{forgiving, soon};

const MS: Duration = Duration::from_millis(1);

/// Tells a peer of each message, and fails if the peer is not there.
struct Needy {
    peer: Handle<ProbeMsg>,
    begun: Arc<AtomicU32>,
}

#[derive(Clone, Copy)]
enum Need {
    Cast(u64),
    Wrapped(u64),
    Crashes,
    Unanswered,
}

impl Service for Needy {
    type Msg = Need;
    async fn handle(&mut self, need: Need, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        match need {
            Need::Cast(number) => self.peer.cast(ProbeMsg::Note(number))?,
            Need::Wrapped(number) => {
                use anyhow::Context;
                self.peer.send(ProbeMsg::Note(number)).await.context("the peer was not told")?;
            }
            Need::Crashes => self.peer.call(|reply| ProbeMsg::PanicOn(reply, "boom")).await.map(drop)?,
            Need::Unanswered => self.peer.call(ProbeMsg::Unanswered).await.map(drop)?,
        }
        Ok(())
    }
}

fn needy(begun: &Arc<AtomicU32>) -> ServiceChild<Need> {
    Child::service_with("needy", begun.clone(), |begun, ctx: Context<Needy>| async move {
        Ok(Needy { peer: ctx.lookup("peer")?, begun })
    })
}

async fn start(child: ServiceChild<Need>) -> (Tree, Handle<Need>) {
    let peer = Journal::new().probe("peer").shutdown(Shutdown::Kill);
    let tree = soon(forgiving(Strategy::OneForOne).child(peer).child(child).start()).await.unwrap();
    let needy = tree.lookup("app/needy").unwrap();
    (tree, needy)
}

#[tokio::test(start_paused = true)]
async fn an_absent_peer_does_not_make_a_message_poison_and_its_return_ends_the_tries() {
    for need in [Need::Cast(7), Need::Wrapped(7)] {
        let begun = Arc::default();
        let delays = Policy::default().backoff(Backoff::new(100 * MS).factor(1.0));
        let (tree, needy) = start(needy(&begun).redeliver(1).policy(delays)).await;
        let (letters, app) = (tree.dead_letters(), tree.supervisor("app").unwrap());
        app.terminate_child("peer").await.unwrap();
        let at = Instant::now();
        needy.cast(need).unwrap();
        while begun.load(Ordering::Relaxed) < 5 {
            tokio::time::sleep(MS).await;
        }
        // Four restarts, each as late as its policy says.
        assert!(at.elapsed() >= 400 * MS && at.elapsed() < 500 * MS, "{:?}", at.elapsed());
        app.restart_child("peer").await.unwrap();
        while needy.accounting().handled < 1 {
            tokio::time::sleep(MS).await;
        }
        assert_eq!((begun.load(Ordering::Relaxed), letters.len()), (6, 0));
        tree.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_peer_does_not_return_is_a_dead_letter_after_ten_redeliveries() {
    let begun = Arc::default();
    let (tree, needy) = start(needy(&begun).redeliver(1)).await;
    let letters = tree.dead_letters();
    tree.supervisor("app").unwrap().terminate_child("peer").await.unwrap();
    needy.cast(Need::Cast(1)).unwrap();
    let letter = soon(letters.next()).await.unwrap();
    assert!(matches!(letter.reason, DeadReason::PeerUnavailable { .. }), "{letter}");
    assert!(
        letter.reason.to_string().starts_with("peer unavailable: failed: `app/peer` refused the message `ProbeMsg`")
    );
    assert_eq!((letter.attempt, begun.load(Ordering::Relaxed)), (11, 11));
    assert!(needy.accounting().is_balanced());
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_crashed_or_did_not_answer_was_there_and_counts() {
    for need in [Need::Crashes, Need::Unanswered] {
        let begun = Arc::default();
        let (tree, needy) = start(needy(&begun).redeliver(2)).await;
        let letters = tree.dead_letters();
        needy.cast(need).unwrap();
        let letter = soon(letters.next()).await.unwrap();
        assert!(matches!(letter.reason, DeadReason::Poison { .. }), "{letter}");
        assert_eq!(letter.attempt, 3);
        tree.shutdown().await;
    }
}

/// Found with an order service: a database whose mailbox was full for one second refused every call, `?` ended the callers,
/// and 28 give-ups later the process.
#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_full_for_a_second_ends_no_caller() {
    let begun = Arc::default();
    let callers = needy(&begun).redeliver(2);
    let peer = Journal::new().probe("peer").capacity(1);
    let tree = Supervisor::one_for_one("app").intensity(3, Duration::from_secs(5)).child(peer).child(callers);
    let tree = soon(tree.start()).await.unwrap();
    let (needy, peer) = (tree.lookup("app/needy").unwrap(), tree.lookup::<ProbeMsg>("app/peer").unwrap());
    peer.cast(ProbeMsg::Hang).unwrap();
    tokio::task::yield_now().await;
    peer.cast(ProbeMsg::Note(0)).unwrap();
    for number in 1..100 {
        needy.cast(Need::Wrapped(number)).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    peer.kill().unwrap();
    while needy.accounting().handled < 99 {
        tokio::time::sleep(MS).await;
    }
    assert_eq!((needy.generation(), begun.load(Ordering::Relaxed)), (1, 99));
    tree.shutdown().await;
}

/// The ledger of the README: its audit is optional.
struct Ledger {
    balance: i64,
    audit: Handle<ProbeMsg>,
}

enum LedgerMsg {
    Deposit(i64),
    Balance(Reply<i64>),
}

impl Service for Ledger {
    type Msg = LedgerMsg;
    async fn handle(&mut self, msg: LedgerMsg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            LedgerMsg::Deposit(n) => {
                self.audit.cast(ProbeMsg::Note(n.unsigned_abs())).ok();
                self.balance += n;
            }
            LedgerMsg::Balance(reply) => drop(reply.send(self.balance)),
        }
        Ok(())
    }
}

/// Found with the README's own example: its ledger failed with its audit, and took the tree along, deposits and all.
#[tokio::test]
async fn a_ledger_whose_audit_is_down_or_full_goes_on_and_loses_no_deposit() {
    let ledger = Child::service("ledger", |ctx| async move { Ok(Ledger { balance: 0, audit: ctx.lookup("audit")? }) });
    let audit = Journal::new().probe("audit").capacity(1).shutdown(Shutdown::Kill);
    let tree = Supervisor::one_for_one("bank").child(ledger).child(audit).start().await.unwrap();
    let ledger = tree.lookup::<LedgerMsg>("bank/ledger").unwrap();
    let bank = tree.supervisor("bank").unwrap();
    tree.lookup::<ProbeMsg>("bank/audit").unwrap().cast(ProbeMsg::Hang).unwrap();
    for n in 1..=10 {
        if n == 5 {
            soon(bank.terminate_child("audit")).await.unwrap();
        }
        ledger.cast(LedgerMsg::Deposit(n)).unwrap();
    }
    assert_eq!((soon(ledger.call(LedgerMsg::Balance)).await.unwrap(), ledger.generation()), (55, 1));
    tree.shutdown().await;
}

#[tokio::test]
async fn the_cause_of_a_refusal_has_no_type_of_message() {
    let (tree, needy) = start(needy(&Arc::default()).budget_of_its_own()).await;
    let mut events = tree.events();
    tree.supervisor("app").unwrap().terminate_child("peer").await.unwrap();
    needy.cast(Need::Wrapped(1)).unwrap();
    let is_exit = |event: &regrow::Event| &*event.path == "app/needy" && event.kind.to_string().contains("failed");
    let event = soon(until_event(&mut events, is_exit)).await.unwrap();
    let EventKind::Exited { exit } = event.kind else { panic!("{event}") };
    let text = exit.to_string();
    assert!(text.contains("the peer was not told: `app/peer` refused the message `ProbeMsg`: it is down"), "{text}");

    let peer = tree.lookup::<ProbeMsg>("app/peer").unwrap();
    let down = anyhow::Error::from(peer.call(ProbeMsg::Generation).await.unwrap_err());
    let cause = down.chain().find_map(|cause| cause.downcast_ref::<PeerUnavailable>()).unwrap();
    assert_eq!((cause.path(), cause.refusal()), ("app/peer", Some(Refusal::Down)));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_call_that_never_ran_has_the_same_cause_and_one_that_crashed_has_none() {
    let (tree, _needy) = start(needy(&Arc::default())).await;
    let peer = tree.lookup::<ProbeMsg>("app/peer").unwrap();
    let cause = |error: CallError<ProbeMsg>| {
        let error = anyhow::Error::from(error);
        error.chain().find_map(|cause| cause.downcast_ref::<PeerUnavailable>().map(PeerUnavailable::refusal))
    };
    assert_eq!(cause(peer.call(|reply| ProbeMsg::PanicOn(reply, "boom")).await.unwrap_err()), None);
    assert_eq!(cause(peer.call(ProbeMsg::Unanswered).await.unwrap_err()), None);
    peer.cast(ProbeMsg::Hang).unwrap();
    let call = peer.call(ProbeMsg::Generation);
    tree.supervisor("app").unwrap().terminate_child("peer").await.unwrap();
    assert_eq!(cause(soon(call).await.unwrap_err()), Some(None));
    tree.shutdown().await;
}

trait Own {
    fn budget_of_its_own(self) -> Self;
}

impl Own for ServiceChild<Need> {
    fn budget_of_its_own(self) -> Self {
        self.policy(Policy::default().budget(Intensity::new(9, Duration::from_secs(1))))
    }
}
