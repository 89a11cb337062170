//! The service of the tests of monitors: it watches a peer, and writes down what it handles.

use std::sync::{Arc, Mutex};

use regrow::{Child, Context, Handle, Monitor, PeerDown, Reply, Service, ServiceChild, Strategy, Tree};
use tokio::sync::oneshot;

use crate::common::mail::{Job, forgiving, soon, until_generation};
use crate::common::tree::in_hand;

/// A service that writes down what it handles.
#[derive(Clone, Default)]
pub(crate) struct Watcher(Arc<Mutex<Vec<String>>>);

type Work = Box<dyn FnOnce(&Context<Watcher>) + Send>;

pub(crate) enum Msg {
    Down(PeerDown),
    Note(u64),
    Hold(oneshot::Receiver<()>),
    Do(Work),
    Seen(Reply<Vec<String>>),
    Crash,
}

impl Service for Watcher {
    type Msg = Msg;
    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let line = match msg {
            Msg::Down(PeerDown { path, generation, exit, ends, .. }) => {
                let exit = exit.map_or("none".to_owned(), |exit| exit.kind().to_string());
                let name = path.rsplit_once('/').map_or(&*path, |(_, name)| name);
                format!("{name}#{generation} {exit} {ends}")
            }
            Msg::Note(number) => number.to_string(),
            Msg::Hold(until) => {
                let _ = until.await;
                return Ok(());
            }
            Msg::Do(work) => {
                work(ctx);
                return Ok(());
            }
            Msg::Seen(reply) => {
                reply.send(self.0.lock().unwrap().clone());
                return Ok(());
            }
            Msg::Crash => anyhow::bail!("as ordered"),
        };
        self.0.lock().unwrap().push(line);
        Ok(())
    }
}

/// A watcher without monitors of its own.
pub(crate) fn watcher() -> ServiceChild<Msg> {
    let lines = Watcher::default();
    Child::service_with("watcher", lines, |lines, _| async { Ok(lines) })
}

/// A watcher that monitors the peer in each of its lives.
pub(crate) fn faithful() -> ServiceChild<Msg> {
    let lines = Watcher::default();
    Child::service_with("watcher", lines, |lines, ctx: Context<Watcher>| async move {
        ctx.monitor(&ctx.lookup::<Job>("peer")?, Msg::Down);
        Ok(lines)
    })
}

pub(crate) async fn tree_of(peer: impl Into<Child>, watcher: ServiceChild<Msg>) -> (Tree, Handle<Job>, Handle<Msg>) {
    let tree = soon(forgiving(Strategy::OneForOne).child(peer).child(watcher).start()).await.unwrap();
    let (peer, watcher) = (tree.lookup("app/peer").unwrap(), tree.lookup("app/watcher").unwrap());
    (tree, peer, watcher)
}

pub(crate) async fn seen(watcher: &Handle<Msg>) -> Vec<String> {
    soon(watcher.call(Msg::Seen)).await.unwrap()
}

/// Runs a closure in the watcher, and returns its result.
pub(crate) async fn inside<T: Send + 'static>(
    watcher: &Handle<Msg>,
    work: impl FnOnce(&Context<Watcher>) -> T + Send + 'static,
) -> T {
    let (told, tell) = oneshot::channel();
    let work = move |ctx: &Context<Watcher>| drop(told.send(work(ctx)));
    watcher.cast(Msg::Do(Box::new(work))).unwrap();
    soon(tell).await.unwrap()
}

pub(crate) async fn monitors(watcher: &Handle<Msg>, peer: &Handle<Job>) -> Monitor {
    let peer = peer.clone();
    inside(watcher, move |ctx| ctx.monitor(&peer, Msg::Down)).await
}

/// Keeps the watcher busy until the returned end is dropped.
pub(crate) async fn held(watcher: &Handle<Msg>) -> oneshot::Sender<()> {
    let (release, until) = oneshot::channel();
    watcher.cast(Msg::Hold(until)).unwrap();
    in_hand(watcher).await;
    release
}

pub(crate) async fn restart(peer: &Handle<Job>, end: Job) {
    let generation = peer.generation();
    peer.cast(end).unwrap();
    until_generation(peer, generation + 1).await;
}
