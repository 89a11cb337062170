//! A service that owns an OS thread: a stop or a kill ends its iterator, and what it owns is gone before the next starts.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use crate::common::tree::{Census, Gate, MS, SEC, Starts, heard, hears, hears_of, probe, soon, stands, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Abandon, CallError, Child, Exit, Handle, Inbox, Intensity, Reply, Restart, ServiceChild, ServiceState, Shutdown,
    Supervisor, Tree, mailbox,
};

enum Msg {
    Generation(Reply<u64>),
    Panic,
    Fail,
    Leave,
    /// Blocks at the gate, then answers and tells whether that counted, and whether it has been cancelled.
    Block(Reply<u64>, Gate, mpsc::Sender<(bool, bool)>),
}

fn worker(name: &str, census: &Census) -> ServiceChild<Msg> {
    let census = census.clone();
    Child::thread(name, move |mut inbox: Inbox<Msg>| {
        let _resident = census.enter();
        while let Some(msg) = inbox.next() {
            match msg {
                Msg::Generation(reply) => drop(reply.send(inbox.generation())),
                Msg::Panic => panic!("thread {}", inbox.path()),
                Msg::Fail => anyhow::bail!("no {}", "disk"),
                Msg::Leave => return Ok(()),
                Msg::Block(reply, gate, tell) => {
                    gate.pass();
                    tell.send((reply.send(0), inbox.is_cancelled()))?;
                }
            }
        }
        Ok(())
    })
}

async fn one(census: &Census) -> (Tree, Handle<Msg>) {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(worker("w", census));
    let tree = tree.start().await.unwrap();
    let handle = tree.lookup("app/w").unwrap();
    (tree, handle)
}

async fn generation(handle: &Handle<Msg>) -> u64 {
    soon("an answer", handle.call(Msg::Generation)).await.unwrap()
}

#[tokio::test]
async fn a_kill_ends_an_idle_thread_and_the_next_one_starts_when_it_is_gone() {
    let census = Census::default();
    let (tree, worker) = one(&census).await;
    for number in 1..20 {
        assert_eq!(generation(&worker).await, number);
        worker.kill().unwrap();
        up(&tree, "app/w", number + 1).await;
    }
    assert_eq!(generation(&worker).await, 20);
    assert_eq!((census.alive_max(), census.ever()), (1, 20));
    assert!(soon("the end", tree.shutdown()).await.is_clean());
    assert_eq!(census.alive(), 0);
}

#[tokio::test]
async fn a_thread_can_end_in_every_way_and_tells_which() {
    let census = Census::default();
    let (tree, worker) = one(&census).await;
    let mut events = tree.events();
    for msg in [Msg::Panic, Msg::Fail, Msg::Leave] {
        let next = worker.generation() + 1;
        worker.cast(msg).unwrap();
        up(&tree, "app/w", next).await;
        assert_eq!(generation(&worker).await, next);
    }
    tree.shutdown().await;
    let exits: Vec<_> = heard(&mut events).into_iter().filter(|line| line.contains("exited")).collect();
    assert!(
        exits[0].starts_with("app/w#1 exited: panicked: thread app/w at tests/services/threads.rs:"),
        "{}",
        exits[0]
    );
    assert_eq!(exits[1..], ["app/w#2 exited: failed: no disk", "app/w#3 exited: normal", "app/w#4 exited: shutdown"]);
    assert_eq!(census.alive_max(), 1);
}

// Found by mutants: no test printed one.
#[tokio::test]
async fn an_inbox_is_printed_with_its_generation() {
    let child = Child::thread("thread", |mut inbox: Inbox<Reply<String>>| {
        let said = format!("{inbox:?}");
        inbox.next().map(|reply| reply.send(said));
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let thread = tree.lookup::<Reply<String>>("app/thread").unwrap();
    for generation in 1..=2 {
        let said = thread.call(|reply| reply).await.unwrap();
        assert_eq!(said, format!("Inbox {{ generation: {generation}, .. }}"));
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_thread_that_has_finished_rests_when_it_is_transient() {
    let census = Census::default();
    let tree = Supervisor::one_for_one("app").child(worker("w", &census).restart(Restart::Transient));
    let tree = tree.start().await.unwrap();
    let worker: Handle<Msg> = tree.lookup("app/w").unwrap();
    worker.cast(Msg::Leave).unwrap();
    stands(&tree, "app/w", ServiceState::Down).await;
    let books = worker.accounting();
    assert_eq!((books.handled, books.crashed, census.alive()), (1, 0, 0));
    tree.shutdown().await;
}

// What is queued waits for the next thread; what was in hand is lost with this one.
#[tokio::test]
async fn a_threads_mail_waits_for_the_next() {
    let census = Census::default();
    let (tree, worker) = one(&census).await;
    let (gate, (tell, _told)) = (Gate::default(), mpsc::channel());
    let lost = worker.call(|reply| Msg::Block(reply, gate.clone(), tell));
    gate.reached().await;
    worker.cast(Msg::Panic).unwrap();
    let queued = worker.call(Msg::Generation);
    worker.kill().unwrap();
    gate.open();
    // It was told to end while it worked, and was let finish.
    assert!(matches!(soon("the call in hand", lost).await, Ok(0)));
    assert_eq!(soon("the queued call", queued).await.unwrap(), 3, "the second thread panicked");
    tree.shutdown().await;
    let books = worker.accounting();
    assert!(books.is_balanced() && (books.handled, books.crashed) == (2, 1), "{books}");
}

struct Linger(Duration);

impl Drop for Linger {
    fn drop(&mut self) {
        std::thread::sleep(self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_thread_owns_is_dropped_before_the_next_one_starts() {
    let census = Census::default();
    let counted = census.clone();
    let child = Child::thread("w", move |mut inbox: Inbox<Msg>| {
        let _owned = (Linger(20 * MS), counted.enter());
        match inbox.next() {
            Some(Msg::Panic) => panic!("told to"),
            Some(Msg::Fail) => anyhow::bail!("told to"),
            _ => Ok(()),
        }
    });
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child).start().await.unwrap();
    let handle: Handle<Msg> = tree.lookup("app/w").unwrap();
    for msg in [Some(Msg::Panic), None, Some(Msg::Fail), Some(Msg::Leave)] {
        let next = handle.generation() + 1;
        match msg {
            Some(msg) => handle.cast(msg).unwrap(),
            None => handle.kill().unwrap(),
        }
        up(&tree, "app/w", next).await;
    }
    tree.shutdown().await;
    assert_eq!((census.alive(), census.alive_max(), census.ever()), (0, 1, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_thread_is_abandoned_fenced_and_replaced() {
    let (census, gate, (tell, told)) = (Census::default(), Gate::default(), mpsc::channel());
    let _open = gate.opener();
    let child = worker("w", &census).abandon(Abandon::After(30 * MS));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let (worker, mut events) = (tree.lookup::<Msg>("app/w").unwrap(), tree.events());
    let running = worker.call(|reply| Msg::Block(reply, gate.clone(), tell));
    gate.reached().await;
    let queued = worker.call(Msg::Generation);
    worker.kill().unwrap();
    let outcome = soon("the call in hand", running).await;
    assert!(matches!(&outcome, Err(error) if matches!(error.exit(), Some(Exit::Killed))), "{outcome:?}");
    hears(&mut events, "app/w#1 was abandoned").await;
    assert_eq!(soon("the queued call", queued).await.unwrap(), 2);
    assert_eq!(census.alive(), 2);

    gate.open();
    assert_eq!(told.recv_timeout(20 * SEC), Ok((false, true)), "its answer does not count, and it can know");
    let gone = async {
        while census.alive() == 2 {
            tokio::task::yield_now().await;
        }
    };
    soon("the end of its iterator", gone).await;
    assert_eq!(generation(&worker).await, 2);
    assert!(soon("the end", tree.shutdown()).await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_names_the_thread_that_it_left_behind() {
    let (census, gate, (tell, _told)) = (Census::default(), Gate::default(), mpsc::channel());
    let _open = gate.opener();
    let child = worker("w", &census).shutdown(Shutdown::After(20 * MS)).abandon(Abandon::After(30 * MS));
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let worker: Handle<Msg> = tree.lookup("app/w").unwrap();
    let running = worker.call(|reply| Msg::Block(reply, gate.clone(), tell));
    gate.reached().await;
    let report = soon("the end", tree.shutdown()).await;
    let (killed, abandoned) = (&*report.killed, &*report.abandoned);
    assert_eq!((killed, abandoned), (&[][..], &["app/w".into()][..]), "it is named once");
    assert!(soon("the call", running).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_thread_that_is_to_be_waited_for_is_waited_for() {
    let (census, gate, (tell, told)) = (Census::default(), Gate::default(), mpsc::channel());
    let _open = gate.opener();
    let child = worker("w", &census).shutdown(Shutdown::Wait);
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let worker: Handle<Msg> = tree.lookup("app/w").unwrap();
    let running = worker.call(|reply| Msg::Block(reply, gate.clone(), tell));
    gate.reached().await;
    let stopping = tokio::time::timeout(100 * MS, tree.shutdown());
    assert!(stopping.await.is_err(), "it waits");
    gate.open();
    let report = soon("the end", tree.shutdown()).await;
    assert!(report.is_clean() && report.exit.kind() == "shutdown", "{report}");
    assert_eq!(soon("the answer", running).await.unwrap(), 0);
    assert_eq!(told.recv_timeout(20 * SEC), Ok((true, true)));
}

// Blocking calls are for threads; the runtime under them may have a single one.
#[tokio::test]
async fn a_thread_calls_and_sends_to_services_that_call_it_back() {
    let journal = Journal::new();
    let (inbox, thread) = mailbox::<Reply<Vec<u64>>>();
    let child = Child::thread("thread", |inbox: Inbox<Reply<Vec<u64>>>| {
        let peer = inbox.lookup::<ProbeMsg>("peer")?;
        for reply in inbox {
            for number in 1..10 {
                peer.blocking_send(ProbeMsg::Note(number))?;
            }
            peer.blocking_call(ProbeMsg::Generation)?;
            reply.send(peer.blocking_call(ProbeMsg::Noted)?);
        }
        Ok(())
    });
    // Room for one: both have to wait for it.
    let peer = journal.probe("peer").capacity(1);
    let tree = Supervisor::one_for_one("app").child(peer).child(child.mailbox(inbox)).start().await.unwrap();
    for _ in 0..2 {
        let noted = soon("the answer", thread.call(|reply| reply)).await.unwrap();
        assert_eq!(noted[..9], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    let peer = probe(&tree, "app/peer");
    peer.kill().unwrap();
    assert_eq!(soon("the answer", thread.call(|reply| reply)).await.unwrap().len(), 9, "its peer is another one");
    assert!(soon("the end", tree.shutdown()).await.is_clean());
}

#[tokio::test]
async fn a_blocking_call_of_a_thread_to_itself_is_refused() {
    let starts = Starts::default();
    let counted = starts.clone();
    let child = Child::thread("thread", move |inbox: Inbox<Reply<bool>>| {
        counted.attempt()?;
        let myself = inbox.handle();
        for reply in inbox {
            let refused = matches!(myself.blocking_call(|reply| reply), Err(CallError::Refused(_)));
            reply.send(refused);
        }
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    let thread = tree.lookup::<Reply<bool>>("app/thread").unwrap();
    assert!(soon("the answer", thread.call(|reply| reply)).await.unwrap());
    tree.shutdown().await;
}

/// Found by mutants.
#[tokio::test]
async fn a_thread_that_is_interrupted_in_a_wait_ends_as_it_was_told_to() {
    let (kept, work) = (Arc::<Mutex<Option<CallError<ProbeMsg>>>>::default(), Arc::<AtomicU64>::default());
    let (keep, at) = (kept.clone(), work.clone());
    let child = Child::thread("thread", move |inbox: Inbox<()>| {
        if let Some(error) = keep.lock().unwrap().take() {
            return Err(error.into());
        }
        let peer = inbox.lookup::<ProbeMsg>("peer")?;
        at.store(inbox.generation(), SeqCst);
        let error = peer.blocking_call(ProbeMsg::Keep).expect_err("no answer comes");
        // The second life does not say what cut it short: the one after it does.
        if inbox.generation() == 2 {
            *keep.lock().unwrap() = Some(error);
            return Ok(());
        }
        Err(error.into())
    });
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(Journal::new().probe("peer"));
    let tree = tree.child(child.restart(Restart::Permanent)).start().await.unwrap();
    let mut events = tree.events();
    for generation in 1..=2 {
        while work.load(SeqCst) != generation {
            tokio::task::yield_now().await;
        }
        tree.kill("app/thread").unwrap();
        hears(&mut events, &format!("app/thread#{generation} exited: killed")).await;
    }
    hears_of(&mut events, "app/thread#3 exited: failed").await;
    while work.load(SeqCst) != 4 {
        tokio::task::yield_now().await;
    }
    let app = tree.supervisor("app").unwrap();
    app.terminate_child("thread").await.unwrap();
    hears(&mut events, "app/thread#4 exited: shutdown").await;
    assert!(soon("the end", tree.shutdown()).await.is_clean());
}

// Found by a test of `stop_if_idle`: the thread could handle messages before the incarnation was up.
#[tokio::test]
async fn the_code_of_a_thread_begins_when_its_incarnation_is_up() {
    for _ in 0..100 {
        let (tell, told) = mpsc::channel();
        let thread = Child::thread("thread", move |inbox: Inbox<()>| {
            let _ = tell.send(inbox.directory().status("app/thread"));
            inbox.for_each(drop);
            Ok(())
        });
        let tree = soon("a tree", Supervisor::one_for_one("app").child(thread).start()).await.unwrap();
        let status = told.recv().unwrap().unwrap();
        assert_eq!((status.state, status.generation), (ServiceState::Up, 1));
        soon("shutdown", tree.shutdown()).await;
    }
}
