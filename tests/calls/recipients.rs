//! Recipients: handles of a part of a protocol.

use std::collections::HashSet;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use regrow::{
    Child, Context, Handle, Intensity, Overflow, PeerUnavailable, Recipient, RecipientError, Refusal, Reply, Service,
    ServiceState, Supervisor, mailbox,
};
use tokio::task::JoinSet;

use crate::common::mail::soon;
use crate::common::tree::in_hand;

#[derive(Debug, Clone, PartialEq)]
struct Line(u64);

/// The protocol of one service.
enum Disk {
    Write(Line),
    Written(Reply<Vec<u64>>),
    Hold(tokio::sync::oneshot::Receiver<()>),
}

impl From<Line> for Disk {
    fn from(line: Line) -> Self {
        assert!(line.0 != 666, "a conversion that panics");
        Self::Write(line)
    }
}

/// The protocol of another one.
struct Screen(String);

impl From<Line> for Screen {
    fn from(Line(number): Line) -> Self {
        Self(number.to_string())
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u64>>>);

impl Service for Lines {
    type Msg = Disk;
    async fn handle(&mut self, msg: Disk, _: &mut Context<Self>) -> anyhow::Result<()> {
        match msg {
            Disk::Write(Line(number)) => self.0.lock().unwrap().push(number),
            Disk::Written(reply) => {
                reply.send(self.0.lock().unwrap().clone());
            }
            Disk::Hold(until) => drop(until.await),
        }
        Ok(())
    }
}

fn disk(lines: &Lines) -> regrow::ServiceChild<Disk> {
    Child::service_with("disk", lines.clone(), |lines, _| async { Ok(lines) })
}

fn held() -> (Disk, tokio::sync::oneshot::Sender<()>) {
    let (release, until) = tokio::sync::oneshot::channel();
    (Disk::Hold(until), release)
}

// Case t29 of the reports: a closure of the user's own did this.
#[tokio::test]
async fn services_of_different_types_are_in_one_list() {
    struct Shown(Arc<Mutex<String>>);
    impl Service for Shown {
        type Msg = Screen;
        async fn handle(&mut self, Screen(text): Screen, _: &mut Context<Self>) -> anyhow::Result<()> {
            self.0.lock().unwrap().push_str(&text);
            Ok(())
        }
    }
    let (lines, text) = (Lines::default(), Arc::new(Mutex::new(String::new())));
    let screen = Child::service_with("screen", text.clone(), |text, _| async { Ok(Shown(text)) });
    let app = Supervisor::one_for_one("app").child(disk(&lines)).child(screen);
    let tree = soon(app.start()).await.unwrap();
    let (a, b) = (tree.lookup::<Disk>("app/disk").unwrap(), tree.lookup::<Screen>("app/screen").unwrap());
    let all: Vec<Recipient<Line>> = vec![a.narrow(), b.narrow(), a.narrow()];
    for (number, one) in all.iter().enumerate() {
        one.cast(Line(number as u64)).unwrap();
        soon(one.send(Line(7))).await.unwrap();
    }
    let (one, elsewhere) = (
        all[1].clone(),
        std::thread::spawn({
            let one = all[1].clone();
            move || one.blocking_send(Line(8))
        }),
    );
    elsewhere.join().unwrap().unwrap();
    assert!(one == all[1] && all[0] == all[2] && all[0] != all[1]);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 2);
    assert_eq!((&*one.path(), one.status().state), ("app/screen", ServiceState::Up));
    assert_eq!(format!("{one:?}"), format!("Recipient(\"app/screen\", {:?})", std::any::type_name::<Line>()));
    assert_eq!(soon(a.call(Disk::Written)).await.unwrap(), [0, 7, 2, 7]);
    soon(tree.shutdown()).await;
    assert_eq!(*text.lock().unwrap(), "178");
    assert_eq!(one.watch().borrow().state, ServiceState::Gone);
}

#[tokio::test]
async fn a_refused_message_can_be_sent_again_and_comes_back_in_the_form_it_was_to_be_sent_in() {
    let lines = Lines::default();
    let child = disk(&lines).capacity(1).wait_for_room(Duration::ZERO);
    let tree = soon(Supervisor::one_for_one("app").child(child).start()).await.unwrap();
    let handle = tree.lookup::<Disk>("app/disk").unwrap();
    let to: Recipient<Line> = handle.narrow();
    let (hold, release) = held();
    handle.cast(hold).unwrap();
    in_hand(&handle).await;
    to.cast(Line(1)).unwrap();
    let error = to.cast(Line(2)).unwrap_err();
    assert_eq!((error.refusal(), error.path()), (Refusal::Full, "app/disk"));
    assert_eq!(error.to_string(), "`app/disk` refused the message `Line`: its mailbox is full");
    assert!(error.source().unwrap().is::<PeerUnavailable>(), "such an error makes no message poison");
    let error: RecipientError = soon(to.send(Line(3))).await.unwrap_err().retry().unwrap_err();
    assert_eq!(error.refusal(), Refusal::Full);
    let error = error.into_message::<Screen>().map(|_| ()).unwrap_err();
    let Ok(Disk::Write(line)) = error.into_message::<Disk>() else { panic!("another message came back") };
    assert_eq!(line, Line(3));
    let error = to.cast(Line(4)).unwrap_err();
    release.send(()).unwrap();
    soon(handle.call(Disk::Written)).await.unwrap();
    error.retry().unwrap();
    assert_eq!(soon(handle.call(Disk::Written)).await.unwrap(), [1, 4]);
    let books = handle.accounting();
    assert!(books.is_balanced() && books.accepted == 5, "a refused message is not accepted: {books}");
    soon(tree.shutdown()).await;
    assert_eq!(to.cast(Line(5)).unwrap_err().refusal(), Refusal::Gone);
}

#[test]
fn a_conversion_that_panics_sends_nothing_and_harms_nothing() {
    let (mailbox, handle) = mailbox::<Disk>();
    let to: Recipient<Line> = handle.narrow();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| to.cast(Line(666))));
    assert!(panicked.is_err());
    to.cast(Line(1)).unwrap();
    assert_eq!((handle.accounting().accepted, &*to.path()), (1, "(not in a tree)"));
    drop(mailbox);
}

/// A message whose conversion looks at the mailbox that it is sent to.
struct Nosy(Handle<Disk>);

impl From<Nosy> for Disk {
    fn from(Nosy(handle): Nosy) -> Self {
        handle.cast(Self::Write(Line(handle.accounting().accepted))).unwrap();
        Self::Write(Line(99))
    }
}

#[test]
fn a_conversion_runs_under_no_lock() {
    let (_mailbox, handle) = mailbox::<Disk>();
    handle.narrow::<Nosy>().cast(Nosy(handle.clone())).unwrap();
    assert_eq!(handle.accounting().accepted, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_handled_once_or_comes_back_whatever_happens_to_the_service() {
    for seed in 0..16 {
        let mut rng = Rng::with_seed(seed);
        let lines = Lines::default();
        let overflow = if seed % 2 == 0 { Overflow::Refuse } else { Overflow::DropOldest };
        let child = disk(&lines).capacity(1 + seed as usize % 3).overflow(overflow);
        let app = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child);
        let tree = soon(app.start()).await.unwrap();
        let handle = tree.lookup::<Disk>("app/disk").unwrap();
        let (accepted, mut senders) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
        for sender in 0..4 {
            let (to, mut rng, accepted) = (handle.narrow::<Line>(), rng.fork(), accepted.clone());
            senders.spawn(async move {
                for number in 0..100 {
                    let line = Line(sender * 1000 + number);
                    let sent = match rng.u8(..3) {
                        0 => to.cast(line),
                        1 => to.clone().send(line).await,
                        _ => to.cast(line).or_else(RecipientError::retry),
                    };
                    accepted.fetch_add(u64::from(sent.is_ok()), Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
        soon(async {
            while !senders.is_empty() {
                if rng.u8(..4) == 0 {
                    drop(handle.kill());
                }
                tokio::select! {
                    joined = senders.join_next() => joined.unwrap().unwrap(),
                    () = tokio::time::sleep(Duration::from_micros(200)) => {}
                }
            }
            // What is queued is handled by the next incarnation.
            handle.call(Disk::Written).await.unwrap();
        })
        .await;
        soon(tree.shutdown()).await;
        let (books, seen) = (handle.accounting(), lines.0.lock().unwrap().clone());
        assert!(books.is_balanced() && books.accepted == accepted.load(Ordering::Relaxed) + 1, "seed {seed}: {books}");
        // A kill may come after the work and before it is counted.
        let ran = books.handled - 1..=books.handled + books.crashed;
        assert!(ran.contains(&(seen.len() as u64)), "seed {seed}: {} ran; {books}", seen.len());
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len(), "seed {seed}: none twice");
    }
}
