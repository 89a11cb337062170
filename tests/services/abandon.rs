//! Code that does not yield: after the stop ladder it is abandoned, by name, fenced, and life goes on.
//!
//! Real threads and real time: a paused clock jumps ahead while a thread is blocked, as tokio does not see the thread.

use std::sync::mpsc;

use crate::common::tree::{Gate, Inert, MS, SEC, Starts, heard_to_the_end, hears, probe, soon, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Abandon, CallError, Child, Context, Exit, Handle, Intensity, Reply, Service, ServiceChild, ServiceState, Shutdown,
    Supervisor,
};

/// Blocks its thread at a gate, and tells what it could still do behind it.
struct Blocker {
    gate: Gate,
    kept: Vec<Reply<u64>>,
    peer: Option<Handle<ProbeMsg>>,
    tell: mpsc::Sender<(&'static str, bool)>,
}

enum Msg {
    Keep(Reply<u64>),
    Block(Reply<u64>),
    Generation(Reply<u64>),
}

impl Service for Blocker {
    type Msg = Msg;

    async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Msg::Keep(reply) => self.kept.push(reply),
            Msg::Block(reply) => {
                self.gate.pass();
                let tell = |what, answer| self.tell.send((what, answer)).is_ok();
                tell("answered", reply.send(1));
                for reply in self.kept.drain(..) {
                    tell("answered a kept one", reply.send(2));
                }
                if let Some(peer) = &self.peer {
                    tell("reached a peer", peer.cast(ProbeMsg::Note(ctx.generation())).is_ok());
                }
            }
            Msg::Generation(reply) => drop(reply.send(ctx.generation())),
        }
        Ok(())
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        let _ = self.tell.send(("dropped", true));
    }
}

struct Told(mpsc::Receiver<(&'static str, bool)>);

impl Told {
    fn next(&self) -> (&'static str, bool) {
        self.0.recv_timeout(60 * SEC).unwrap()
    }
}

fn blocker(name: &str, gate: &Gate) -> (ServiceChild<Msg>, Told) {
    let (gate, (tell, told)) = (gate.clone(), mpsc::channel());
    let child = Child::service(name, move |ctx: Context<Blocker>| {
        let (gate, tell) = (gate.clone(), tell.clone());
        async move { Ok(Blocker { gate, kept: Vec::new(), peer: ctx.lookup("peer").ok(), tell }) }
    });
    let child = child.shutdown(Shutdown::After(20 * MS)).abandon(Abandon::After(30 * MS));
    (child, Told(told))
}

fn assert_crashed(outcome: &Result<u64, CallError<Msg>>) {
    assert!(matches!(&outcome, Err(error) if matches!(error.exit(), Some(Exit::Killed))), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_service_that_does_not_yield_is_abandoned_fenced_and_replaced() {
    let (gate, journal) = (Gate::default(), Journal::new());
    let _open = gate.opener();
    let (child, told) = blocker("stuck", &gate);
    let tree = Supervisor::one_for_one("app").child(journal.probe("peer")).child(child).start().await.unwrap();
    let (stuck, mut events) = (tree.lookup::<Msg>("app/stuck").unwrap(), tree.events());
    let kept = stuck.call(Msg::Keep);
    let running = stuck.call(Msg::Block);
    gate.reached().await;
    let queued = stuck.call(Msg::Generation);
    stuck.kill().unwrap();

    // At the fence, while the thread is still blocked.
    assert_crashed(&soon("the call in hand", running).await);
    assert_crashed(&soon("the call that was put off", kept).await);
    assert_eq!(soon("the queued call", queued).await.unwrap(), 2, "the next incarnation has the mail");
    hears(&mut events, "app/stuck#1 was abandoned").await;
    hears(&mut events, "app/stuck#2 started").await;

    gate.open();
    assert_eq!(told.next(), ("answered", false));
    assert_eq!(told.next(), ("answered a kept one", false));
    assert_eq!(told.next(), ("reached a peer", true), "what it holds it can still use");
    assert_eq!(told.next(), ("dropped", true), "it takes no message any more");
    assert_eq!(soon("an answer", stuck.call(Msg::Generation)).await.unwrap(), 2);
    assert_eq!(probe(&tree, "app/peer").call(ProbeMsg::Noted).await.unwrap(), [1]);
    assert!(soon("the end", tree.shutdown()).await.is_clean());
    let books = stuck.accounting();
    assert!(books.is_balanced() && (books.crashed, books.handled) == (1, 3), "{books}");
}

/// Hands all calls on.
struct Front(Handle<Msg>, fn(Reply<u64>) -> Msg);

impl Service for Front {
    type Msg = Reply<u64>;

    async fn handle(&mut self, reply: Reply<u64>, _: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(reply.forward(&self.0, self.1)?)
    }
}

// Found by a mutant that no test noticed: the mailbox forgot the call with the message that it came in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_was_handed_on_to_what_is_abandoned_then_ends_at_the_fence() {
    for (message, is_kept) in [(Msg::Keep as fn(Reply<u64>) -> Msg, true), (Msg::Block, false)] {
        let gate = Gate::default();
        let _open = gate.opener();
        let (child, _told) = blocker("stuck", &gate);
        let front =
            Child::service("front", move |ctx: Context<Front>| async move { Ok(Front(ctx.lookup("stuck")?, message)) });
        let tree = Supervisor::one_for_one("app").child(child).child(front).start().await.unwrap();
        let (stuck, front) = (tree.lookup::<Msg>("app/stuck").unwrap(), tree.lookup("app/front").unwrap());
        let handed_on = front.call(|reply: Reply<u64>| reply);
        while is_kept && stuck.accounting().handled < 1 {
            tokio::task::yield_now().await;
        }
        let running = is_kept.then(|| stuck.call(Msg::Block));
        gate.reached().await;
        stuck.kill().unwrap();
        let error = soon("the call that was handed on", handed_on).await.unwrap_err();
        assert!(matches!(error.exit(), Some(Exit::Killed)), "{error}");
        if let Some(running) = running {
            assert_crashed(&soon("the call in hand", running).await);
        }
        gate.open();
        tree.shutdown().await;
    }
}

// kameo waits for a hung child for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shutdown_goes_on_without_it_and_names_it() {
    let (gate, journal) = (Gate::default(), Journal::new());
    let _open = gate.opener();
    let (child, told) = blocker("stuck", &gate);
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(child).child(journal.probe("b"));
    let tree = tree.start().await.unwrap();
    let (stuck, mut events) = (tree.lookup::<Msg>("app/stuck").unwrap(), tree.events());
    let kept = stuck.call(Msg::Keep);
    let running = stuck.call(Msg::Block);
    gate.reached().await;
    let queued = stuck.call(Msg::Generation);

    let report = soon("the end", tree.shutdown()).await;
    assert!(report.took >= 50 * MS, "20 ms to stop, 30 ms more after the kill: {report}");
    assert_eq!(report.exit.kind(), "shutdown");
    assert_eq!((&*report.killed, &*report.abandoned), (&[][..], &["app/stuck".into()][..]), "it is named once");
    assert_eq!(journal.take(), ["start a#1", "start b#1", "end b#1", "end a#1"]);
    assert!(heard_to_the_end(&mut events).await.contains(&"app/stuck#1 was abandoned".to_owned()));
    assert_crashed(&soon("the call in hand", running).await);
    assert_crashed(&soon("the call that was put off", kept).await);
    assert!(matches!(soon("the queued call", queued).await, Err(CallError::NeverRan(_))));

    gate.open();
    assert_eq!([told.next(), told.next()], [("answered", false), ("answered a kept one", false)]);
    assert_eq!(told.next(), ("dropped", true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_group_restart_goes_on_without_it() {
    let (gate, journal) = (Gate::default(), Journal::new());
    let _open = gate.opener();
    let (child, told) = blocker("stuck", &gate);
    let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(child).start().await.unwrap();
    let (stuck, mut events) = (tree.lookup::<Msg>("app/stuck").unwrap(), tree.events());
    let running = stuck.call(Msg::Block);
    gate.reached().await;
    tree.kill("app/a").unwrap();
    up(&tree, "app/stuck", 2).await;
    hears(&mut events, "app/stuck#1 was abandoned").await;
    assert_crashed(&soon("the call in hand", running).await);
    gate.open();
    assert_eq!([told.next(), told.next()], [("answered", false), ("dropped", true)]);
    assert_eq!(stuck.call(Msg::Generation).await.unwrap(), 2);
    assert!(soon("the end", tree.shutdown()).await.is_clean(), "that was before the shutdown");
}

// tokio keeps the task that a worker woke last for that worker: it would be the supervisor, just told of the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_blocks_as_soon_as_it_is_up_does_not_hold_up_its_supervisor() {
    let journal = Journal::new();
    let gates: Vec<_> = (0..10).map(|_| Gate::default()).collect();
    let _open: Vec<_> = gates.iter().map(Gate::opener).collect();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(journal.probe("a"));
    let tree = tree.child(journal.probe("stuck").abandon(Abandon::After(MS))).start().await.unwrap();
    let stuck = probe(&tree, "app/stuck");
    for gate in &gates {
        let gate = gate.clone();
        stuck.cast(ProbeMsg::Run(Box::new(move |_| gate.pass()))).unwrap();
    }
    for (gate, generation) in gates.iter().zip(2..) {
        gate.reached().await;
        tree.kill("app/a").unwrap();
        up(&tree, "app/a", generation).await;
        stuck.kill().unwrap();
        up(&tree, "app/stuck", generation).await;
        // It will not be missed, and its worker will.
        gate.open();
    }
    tree.shutdown().await;
}

// OTP has no such word: there, a kill always works.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_that_is_never_to_be_abandoned_is_waited_for() {
    let gate = Gate::default();
    let _open = gate.opener();
    let (child, told) = blocker("stuck", &gate);
    let child = child.abandon(Abandon::Never);
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let stuck = tree.lookup::<Msg>("app/stuck").unwrap();
    let running = stuck.call(Msg::Block);
    gate.reached().await;
    stuck.kill().unwrap();
    assert!(tokio::time::timeout(200 * MS, async { up(&tree, "app/stuck", 2).await }).await.is_err());
    gate.open();
    assert_eq!(told.next(), ("answered", true), "it has not been cut off");
    assert_eq!(soon("the answer", running).await.unwrap(), 1);
    up(&tree, "app/stuck", 2).await;
    tree.shutdown().await;
}

// A factory may block as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_factory_that_does_not_yield_is_abandoned_and_tried_again() {
    let (gate, starts) = (Gate::default(), Starts::default());
    let _open = gate.opener();
    let (blocked, counted) = (gate.clone(), starts.clone());
    let child = Child::service("stuck", move |_ctx: Context<Inert>| {
        let (gate, starts) = (blocked.clone(), counted.clone());
        async move {
            if starts.attempt()? == 2 {
                gate.pass();
            }
            Ok(Inert)
        }
    });
    let child = child.abandon(Abandon::After(30 * MS));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start().await.unwrap();
    let (stuck, mut events) = (tree.lookup::<()>("app/stuck").unwrap(), tree.events());
    stuck.kill().unwrap();
    let blocked = async {
        while starts.made() < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon("the second attempt", blocked).await;
    stuck.kill().unwrap();
    hears(&mut events, "app/stuck#1 was abandoned").await;
    hears(&mut events, "app/stuck#2 started").await;
    gate.open();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let status = stuck.status();
    assert_eq!(
        (status.state, status.generation, starts.made()),
        (ServiceState::Up, 2, 3),
        "it does not come up any more"
    );
    tree.shutdown().await;
}
