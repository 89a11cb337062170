//! Limits that change while an incarnation has a message in hand: no order of today's public face does that.

use std::collections::VecDeque;
use std::time::Duration;

use regrow_supervisors::{Action, ChildSpec, Flags, Machine, StaticMachine};
use tokio::time::sleep;

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use super::deadlock::Stuck;
use super::*;
use crate::slot::consumer::SignalMask;
use crate::slot::erased::Ownership;
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::slot::settings::Settings;
use crate::slot::signals::Origin;
use crate::slot::waits::{PlaceInLine, WaitsOn, What};
use crate::slot::{IfFull, Slot};
use crate::tree::in_force::TreeOptions;
use crate::tree::options::Options;
use crate::tree::shared::Shared;

const SEC: Duration = Duration::from_secs(1);

struct Stage {
    shared: Arc<Shared>,
    slot: Arc<dyn AnySlot>,
    signals: Arc<Signals>,
    inbox: Arc<Inbox>,
}

/// Waker of the incarnation: each wake is a turn.
struct Turns(Weak<Signals>);

impl std::task::Wake for Turns {
    fn wake(self: Arc<Self>) {
        if let Some(signals) = self.0.upgrade() {
            let activity = signals.activity_or_new();
            activity.begin_poll();
            activity.end_poll();
        }
    }
}

fn origin() -> Origin {
    Origin { generation: 1, last_exit: None }
}

/// Starts an incarnation that has a message in hand, and is not watched yet.
fn busy() -> Stage {
    let shared = Shared::new(TreeOptions::new(&Options::default(), Vec::new()));
    let inbox = Arc::new(Inbox::new(shared.watchdog.is_on.clone(), &"app".into()));
    let mut machine = StaticMachine::new(Flags::default(), [ChildSpec::new("child")]).unwrap();
    let Some(Action::Start(attempt)) = machine.poll_action() else { panic!("a child is started first") };
    let slot = Slot::<u8>::new(Settings::default());
    let home: Arc<dyn AnySlot> = slot.clone();
    let signals = Signals::new(attempt, tracing::Span::none(), inbox.clone(), &home, origin());
    assert!(slot.claim(&signals));
    signals.register(crate::slot::signals::Waiting::Life, &Arc::new(Turns(Arc::downgrade(&signals))).into());
    slot.push(1, IfFull::Refuse);
    assert!(slot.poll_next(&signals, SignalMask::Everything, true, &mut slot.freed()).is_ready());
    Stage { shared, slot, signals, inbox }
}

impl Stage {
    fn limit(&self, limit: Option<Duration>) {
        let tree = || -> Weak<dyn SlotTree> { Arc::downgrade(&self.shared) as _ };
        self.shared.watchdog.watch(tree, &"app/child".into(), &self.slot, &self.signals, Work::Messages, limit);
    }

    fn hangs(&self) -> usize {
        let mut inbox = VecDeque::new();
        self.inbox.take(&mut inbox);
        inbox.iter().filter(|fact| matches!(fact, Fact::Hung { .. })).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_limit_holds_for_the_message_in_hand() {
    let stage = busy();
    stage.limit(Some(1000 * SEC));
    sleep(200 * SEC).await;
    // The next look would have come too late for this one.
    stage.limit(Some(10 * SEC));
    sleep(SEC).await;
    assert_eq!(stage.hangs(), 1, "it was in hand for longer than that already");
    sleep(100 * SEC).await;
    assert_eq!(stage.hangs(), 0, "told once");
    stage.shared.end();
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_taken_away_is_none() {
    let stage = busy();
    stage.limit(Some(10 * SEC));
    sleep(9 * SEC).await;
    stage.limit(None);
    sleep(100 * SEC).await;
    assert_eq!((stage.hangs(), stage.shared.watchdog.is_on()), (0, false));
    stage.limit(Some(10 * SEC));
    sleep(13 * SEC).await;
    assert_eq!(stage.hangs(), 1);
    stage.shared.end();
}

struct Waiting(AtomicBool);

impl PlaceInLine for Waiting {
    fn is_waiting(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Stage {
    /// Begins a wait for room, for the message in hand.
    fn waits(&self, place: &Arc<Waiting>) -> u64 {
        let on = WaitsOn::new(self.slot.clone(), What::Room(place.clone()));
        let (message, waker) = (self.signals.message_in_hand(), std::task::Waker::noop().clone());
        lock(&self.signals.activity_or_new().waits).open(on, false, message, waker, tokio::time::Instant::now())
    }

    fn polls(&self) {
        let activity = self.signals.activity_or_new();
        activity.begin_poll();
        activity.end_poll();
    }

    fn asks(&self) {
        self.signals.activity_or_new().probe_waits(&self.signals, tokio::time::Instant::now(), Duration::ZERO, SEC);
    }

    fn is_polled(&self, number: u64) {
        // Whether the waker is the same does not matter here.
        let _ = lock(&self.signals.activity_or_new().waits).goes_on(number, std::task::Waker::noop());
        self.polls();
    }

    fn waited(&self) -> Duration {
        self.signals.activity_or_new().waited(tokio::time::Instant::now())
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_asked_for_in_vain_was_over_when_it_was_asked_for() {
    let stage = busy();
    let number = stage.waits(&Arc::new(Waiting(AtomicBool::new(true))));
    sleep(SEC).await;
    stage.asks();
    stage.is_polled(number);
    sleep(SEC).await;
    stage.asks();
    sleep(SEC).await;
    assert_eq!(stage.waited(), 3 * SEC, "it has not had its turn");
    stage.polls();
    stage.asks();
    assert_eq!(stage.waited(), 3 * SEC, "one poll may end early, by tokio's budget");
    stage.polls();
    sleep(SEC).await;
    stage.asks();
    assert_eq!(stage.waited(), 2 * SEC);
    stage.shared.end();
}

#[tokio::test(start_paused = true)]
async fn waits_that_overlap_are_counted_once_though_one_of_them_is_kept() {
    let stage = busy();
    let place = Arc::new(Waiting(AtomicBool::new(true)));
    let _kept = stage.waits(&place);
    sleep(SEC).await;
    stage.asks();
    sleep(2 * SEC).await;
    let awaited = stage.waits(&place);
    for _ in 0..2 {
        stage.is_polled(awaited);
    }
    sleep(SEC).await;
    stage.asks();
    assert_eq!(stage.waited(), 2 * SEC, "two seconds between them were no wait");
    stage.shared.end();
}

// The report of the watchdog may be late: the supervisor checks once more.
#[tokio::test(start_paused = true)]
async fn one_that_was_stuck_is_not_any_more_when_its_wait_is_over_or_another_one() {
    let stage = busy();
    let place = Arc::new(Waiting(AtomicBool::new(true)));
    let number = stage.waits(&place);
    stage.asks();
    stage.is_polled(number);
    let stuck = Stuck::new(&stage.signals).expect("it waits, and is awaited");
    assert!(stuck.is_still());
    place.0.store(false, Ordering::Relaxed);
    assert!(!stuck.is_still(), "it was let in, and has not had its turn since");
    place.0.store(true, Ordering::Relaxed);
    let other = stage.waits(&place);
    stage.asks();
    stage.is_polled(number);
    stage.is_polled(other);
    assert!(!stuck.is_still(), "it waits for something else too");
    stage.shared.end();
}
