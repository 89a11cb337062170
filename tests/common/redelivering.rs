//! Helpers of the tests about redelivery: a clerk with messages that can be cloned and can end its incarnations.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use regrow::{
    Accounting, Call, CallError, Child, Context, Exit, Handle, Intensity, Reply, Service, ServiceChild, Supervisor,
    Tree,
};
use tokio::sync::watch;

use super::mail::soon;

/// Numbers that all incarnations of a service have handled, in order.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<u64>>>);

impl Diary {
    pub(crate) fn write(&self, number: u64) {
        self.0.lock().unwrap().push(number);
    }

    pub(crate) fn seen(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

#[derive(Clone)]
pub(crate) enum Msg {
    Note(u64),
    /// Ends the incarnation this many times, in this way. After that it is a `Note`.
    Trouble(u64, Way, Arc<AtomicU32>),
    /// The same, with an answer in the end.
    Ask(u64, Way, Arc<AtomicU32>, Reply<u64>),
    /// Stays in hand until the channel says `true`.
    Wait(u64, watch::Receiver<bool>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Panic,
    Error,
}

pub(crate) const WAYS: [Way; 2] = [Way::Panic, Way::Error];

impl Way {
    pub(crate) fn strike(self) -> anyhow::Result<()> {
        match self {
            Self::Panic => panic!("boom"),
            Self::Error => anyhow::bail!("out of paper"),
        }
    }
}

pub(crate) fn times(often: u32) -> Arc<AtomicU32> {
    Arc::new(AtomicU32::new(often))
}

pub(crate) fn is_due(often: &AtomicU32) -> bool {
    often.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |often| often.checked_sub(1)).is_ok()
}

pub(crate) struct Clerk(pub(crate) Diary);

impl Service for Clerk {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Note(number) => self.0.write(number),
            Msg::Trouble(number, way, often) => {
                self.0.write(number);
                if is_due(&often) {
                    way.strike()?;
                }
            }
            Msg::Ask(number, way, often, reply) => {
                self.0.write(number);
                if is_due(&often) {
                    way.strike()?;
                }
                reply.send(number);
            }
            Msg::Wait(number, mut open) => {
                self.0.write(number);
                let _ = open.wait_for(|open| *open).await;
            }
        }
        Ok(())
    }
}

pub(crate) fn clerk(diary: &Diary) -> ServiceChild<Msg> {
    Child::service_with("clerk", diary.clone(), |diary, _| async { Ok(Clerk(diary)) })
}

pub(crate) fn forgiving() -> Supervisor {
    Supervisor::one_for_one("app").budget(Intensity::unlimited())
}

pub(crate) async fn tree_of(child: ServiceChild<Msg>) -> (Tree, Handle<Msg>) {
    let tree = soon(forgiving().child(child).start()).await.unwrap();
    let handle = tree.lookup("app/clerk").unwrap();
    (tree, handle)
}

/// Waits until every message sent before has left the mailbox and the hand. Returns the accounting.
pub(crate) async fn settled(handle: &Handle<Msg>) -> Accounting {
    let asked = handle.call(|reply| Msg::Ask(0, Way::Panic, times(0), reply));
    assert_eq!(soon(asked).await.unwrap(), 0);
    while handle.accounting().in_hand > 0 {
        tokio::task::yield_now().await;
    }
    let books = handle.accounting();
    assert!(books.is_balanced(), "{books}");
    books
}

/// Sends a message that stays in hand until the returned sender says `true`.
pub(crate) async fn busy(handle: &Handle<Msg>, diary: &Diary, number: u64) -> watch::Sender<bool> {
    let (open, wait) = watch::channel(false);
    handle.cast(Msg::Wait(number, wait)).unwrap();
    while !diary.seen().contains(&number) {
        tokio::task::yield_now().await;
    }
    open
}

pub(crate) async fn crash(call: Call<Msg, u64>) -> Exit {
    match soon(call).await.unwrap_err() {
        CallError::Crashed { exit, .. } => *exit,
        error => panic!("{error:?}"),
    }
}
