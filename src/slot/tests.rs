//! The states that no order through today's public face leads to.

use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::accounting::Accounting;
use super::*;
use crate::error::CallError;
use crate::handle::Handle;
use crate::slot::consumer::SignalMask;
use crate::slot::limit::Limit;
use crate::slot::signals::{Origin, Signals};
use crate::testing::ProbeMsg;

#[tokio::test]
async fn parked_refuses_until_its_time_and_gives_the_message_back() {
    let slot = Slot::new(Settings::default());
    let handle = Handle::new(slot.clone());
    let until = Some(Instant::now() + Duration::from_secs(5));
    slot.close_as(ServiceState::Parked { until });

    let parked = Refusal::Parked { until };
    let cast = handle.cast(ProbeMsg::Note(1)).unwrap_err();
    assert_eq!(cast.refusal(), parked);
    assert!(matches!(cast.into_message(), ProbeMsg::Note(1)));
    let send = handle.send(ProbeMsg::Note(2)).await.unwrap_err();
    assert_eq!(send.refusal(), parked);
    assert!(matches!(send.into_message(), ProbeMsg::Note(2)));
    match handle.call(ProbeMsg::Generation).await.unwrap_err() {
        CallError::Refused(call) => {
            assert_eq!(call.refusal(), parked);
            assert!(matches!(call.into_message(), ProbeMsg::Generation(_)));
        }
        error => panic!("{error:?}"),
    }
    assert_eq!(handle.accounting(), Accounting::default(), "a refusal is not accepted and is booked nowhere");
}

#[tokio::test]
async fn entering_parked_dead_letters_casts_and_returns_calls() {
    let slot = Slot::new(Settings::default());
    let handle = Handle::new(slot.clone());
    handle.cast(ProbeMsg::Note(1)).unwrap();
    let call = handle.call(ProbeMsg::Generation);
    slot.close_as(ServiceState::Parked { until: Some(Instant::now()) });

    assert!(matches!(call.await.unwrap_err(), CallError::NeverRan(_)));
    let books = handle.accounting();
    assert_eq!((books.accepted, books.dead_lettered, books.returned, books.queued), (2, 1, 1, 0));
}

pub(crate) fn signals<M: Send + 'static>(slot: &Arc<Slot<M>>) -> Arc<Signals> {
    let home: Arc<dyn AnySlot> = slot.clone();
    let origin = Origin { generation: 1, last_exit: None };
    let spec = regrow_supervisors::ChildSpec::new("child");
    let machine = regrow_supervisors::StaticMachine::new(regrow_supervisors::Flags::default(), [spec]);
    match regrow_supervisors::Machine::poll_action(&mut machine.unwrap()) {
        Some(regrow_supervisors::Action::Start(attempt)) => {
            Signals::new(attempt, tracing::Span::none(), Arc::default(), &home, origin)
        }
        action => panic!("{action:?}"),
    }
}

/// Found by reading: the supervisor of a thread was killed through ractor just after the thread had been started. The
/// thread moved into a slot that the end of the tree had closed, and reopened it, though nothing was to come.
#[tokio::test]
async fn gone_is_for_good_even_when_an_incarnation_comes_late() {
    let slot = Slot::<ProbeMsg>::new(Settings::default());
    let (handle, late) = (Handle::new(slot.clone()), signals(&slot));
    slot.close_as(ServiceState::Gone);
    slot.life().claim(&late);
    assert_eq!(handle.status().state, ServiceState::Gone);
    slot.life().up(&late, true);
    assert_eq!(handle.status().state, ServiceState::Gone);
    slot.life().end(&late, &regrow_supervisors::Exit::Killed);
    assert_eq!(handle.cast(ProbeMsg::Note(1)).unwrap_err().refusal(), Refusal::Gone);
}

/// Found by reading: the supervisor that sheds the message would have died of it.
#[test]
fn a_message_that_panics_when_dropped_harms_nobody_who_sheds_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    for caller_is_there in [true, false] {
        let (reply, fate, waiting) = crate::call::pair::<Bomb, ()>(0);
        let shed = Back::new(Settings::default()).shed(
            Envelope { message: Bomb, call: Some(fate) },
            Tries::default(),
            DeadReason::Gone,
        );
        let waiting = caller_is_there.then_some(waiting);
        shed.settle(&Slot::new(Settings::default()));
        std::mem::forget(waiting);
        drop(reply);
    }
}

#[tokio::test]
async fn an_incarnation_killed_for_hanging_or_cut_off_counts_against_the_message_and_a_kill_does_not() {
    use regrow_supervisors::{Exit, Hang};

    let hung = || Exit::Hung(Hang::new(Duration::from_secs(1), "u64"));
    for (is_hung, is_cut_off, counts) in [(false, false, false), (true, false, true), (false, true, true)] {
        let slot = Slot::<u64>::new(Settings::default());
        let handle = Handle::new(slot.clone());
        handle.cast(7).unwrap();
        for life in 1..=3 {
            let signals = signals(&slot);
            assert!(slot.life().claim(&signals));
            let next = slot.poll_next(&signals, SignalMask::Everything, true, &mut slot.freed());
            if counts && life == 3 {
                assert!(next.is_pending(), "it was found to be poison");
                break;
            }
            assert!(matches!(next, Poll::Ready(consumer::Next::Message(7))));
            slot.keep_spare(&signals, in_hand::MessageCopy { message: 7, redeliveries_max: 1 });
            if is_hung {
                signals.blame(&hung());
            }
            if is_cut_off {
                slot.life().fence(&signals, &Exit::Killed);
            } else {
                slot.life().end(&signals, &Exit::Killed);
            }
            assert!(handle.accounting().is_balanced());
        }
        assert_eq!(handle.accounting().dead_lettered, u64::from(counts));
    }
}

// The extras, in which a wait is recorded, are made without a lock, perhaps at the moment of the signal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_a_stop_that_begins_while_the_stop_comes_ends() {
    for _ in 0..500 {
        let slot = Slot::<u64>::new(Settings::default());
        let signals = signals(&slot);
        let stopped = signals.clone();
        let stop = tokio::spawn(async move { stopped.stop() });
        let told = tokio::time::timeout(Duration::from_secs(30), signals.told_to_stop()).await;
        assert!(told.is_ok(), "the stop was missed");
        stop.await.unwrap();
    }
}

/// Found by mutants, and so were the tests that follow.
#[tokio::test]
async fn ready_is_said_by_the_one_who_lives_there_and_by_no_other() {
    let slot = Slot::<ProbeMsg>::new(Settings::default());
    let (signals, late) = (signals(&slot), signals(&slot));
    slot.life().claim(&signals);
    slot.life().up(&signals, false);
    assert!(!slot.life().ready(&late));
    assert!(!Handle::new(slot.clone()).status().ready);
    assert!(slot.life().ready(&signals));
    assert!(Handle::new(slot.clone()).status().ready);
    assert!(!slot.life().ready(&late), "it does not hear that another is");
}

#[tokio::test]
async fn a_supervisor_is_over_by_its_own_end_and_not_by_that_of_the_one_before() {
    use crate::slot::erased::Supervision::{Begins, Ends, IsUp};
    let slot = Slot::<ProbeMsg>::new(Settings::default());
    let (before, now) = (Arc::default(), Arc::default());
    slot.life().supervise(&before, Begins);
    slot.life().supervise(&before, IsUp);
    slot.life().supervise(&now, Begins);
    slot.life().supervise(&before, Ends);
    assert_eq!(slot.status().state, ServiceState::Starting);
    slot.life().supervise(&before, IsUp);
    assert_eq!((slot.status().state, slot.status().generation), (ServiceState::Starting, 1));
    slot.life().supervise(&now, IsUp);
    assert_eq!((slot.status().state, slot.status().generation), (ServiceState::Up, 2));
    assert_eq!(Handle::new(slot).accounting().attempts, 2);
}

#[test]
fn the_places_of_senders_that_have_left_are_taken_out_when_they_are_more_than_half() {
    use crate::slot::line::Joined;
    let slot = Slot::<ProbeMsg>::new(Settings { capacity: 0, ..Settings::default() });
    let envelope = || Envelope { message: ProbeMsg::Note(1), call: None };
    let join = || match slot.join_line(envelope(), Limit::None, 0, std::task::Waker::noop().clone(), |_| None) {
        Joined::Waits { place, .. } => place,
        Joined::Accepted | Joined::Refused(..) => panic!("there is no room"),
    };
    let places: Vec<_> = (0..4).map(|_| join()).collect();
    let kept = || lock(&slot.front).line.callers().count();
    for (place, (waiting, kept_then)) in places.iter().zip([(3, 4), (2, 4), (1, 1), (0, 0)]) {
        assert!(slot.leave_line(place).is_some());
        assert_eq!((slot.waiting_for_room(), kept()), (waiting, kept_then));
        assert!(slot.leave_line(place).is_none(), "it has left");
    }
    assert!(lock(&slot.front).line.is_empty(), "the line is gone with the last");
}

#[tokio::test]
async fn a_queue_that_is_drained_is_left_at_a_kill() {
    let slot = Slot::<ProbeMsg>::new(Settings::default());
    let (handle, signals) = (Handle::new(slot.clone()), signals(&slot));
    slot.life().claim(&signals);
    slot.life().up(&signals, true);
    handle.cast(ProbeMsg::Note(1)).unwrap();
    handle.cast(ProbeMsg::Note(2)).unwrap();
    let mut freed = slot.freed();
    let mut next = || slot.poll_next(&signals, SignalMask::Force, true, &mut freed);
    assert!(matches!(next(), Poll::Ready(consumer::Next::Message(ProbeMsg::Note(1)))));
    signals.kill();
    assert!(matches!(next(), Poll::Ready(consumer::Next::Signal)));
    assert_eq!(handle.accounting().queued, 1);
}

// Found by reading: a service with an idle time polled a held mailbox without a pause.
#[tokio::test]
async fn a_held_mailbox_is_no_work_and_is_not_idle() {
    let slot = Slot::<ProbeMsg>::new(Settings { idle_after: Some(Duration::ZERO), ..Settings::default() });
    let (handle, signals) = (Handle::new(slot.clone()), signals(&slot));
    slot.life().claim(&signals);
    slot.life().up(&signals, true);
    slot.set_held(true);
    assert!(!slot.stop_if_idle(&signals), "messages may be on their way");
    handle.cast(ProbeMsg::Note(1)).unwrap();
    assert!(slot.poll_work(&signals).is_pending() && lock(&slot.back).idle);
    slot.set_held(false);
    assert!(slot.poll_work(&signals).is_ready() && !slot.stop_if_idle(&signals));
    let next = slot.poll_next(&signals, SignalMask::Everything, true, &mut slot.freed());
    assert!(matches!(next, Poll::Ready(consumer::Next::Message(ProbeMsg::Note(1)))));
    assert!(slot.stop_if_idle(&signals) && slot.poll_work(&signals).is_ready(), "the message in hand does not count");
    assert_eq!(handle.cast(ProbeMsg::Note(2)).unwrap_err().refusal(), Refusal::Stopping);
}

#[tokio::test]
async fn a_mailbox_that_was_long_once_gives_its_memory_back_and_a_short_one_keeps_it() {
    let slot = Slot::<ProbeMsg>::new(Settings { capacity: 10_000, ..Settings::default() });
    let (handle, signals) = (Handle::new(slot.clone()), signals(&slot));
    slot.life().claim(&signals);
    slot.life().up(&signals, true);
    let mut freed = slot.freed();
    let mut next = || slot.poll_next(&signals, SignalMask::Everything, true, &mut freed);
    let kept = || (lock(&slot.front).batch.capacity(), lock(&slot.back).queue.capacity());
    for (messages, is_kept) in [(1000, false), (100, true)] {
        let cast = || (0..messages).for_each(|number| handle.cast(ProbeMsg::Note(number)).unwrap());
        cast();
        let mut taken = std::iter::from_fn(|| match next() {
            Poll::Ready(consumer::Next::Message(message)) => Some(message),
            Poll::Ready(consumer::Next::Signal | consumer::Next::Unwanted) | Poll::Pending => None,
        });
        // Behind what the pump has taken over, so that both queues are equally long.
        assert!(taken.next().is_some());
        cast();
        assert_eq!(taken.count() as u64, 2 * messages - 1);
        let (front, back) = kept();
        assert!(front <= 256 && back <= 256, "{front} and {back} places are kept");
        assert_eq!(front + back >= 100, is_kept, "{front} and {back} places are kept");
    }
}

#[tokio::test]
async fn a_sender_that_waits_is_let_in_and_woken_by_whatever_takes_a_message() {
    use crate::slot::line::Joined;
    use crate::slot::waits::PlaceInLine;

    #[derive(Default)]
    struct Woken(AtomicUsize);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let slot = Slot::<ProbeMsg>::new(Settings { capacity: 1, ..Settings::default() });
    let (handle, signals, woken) = (Handle::new(slot.clone()), signals(&slot), Arc::<Woken>::default());
    slot.life().claim(&signals);
    slot.life().up(&signals, true);
    handle.cast(ProbeMsg::Note(1)).unwrap();
    let envelope = Envelope { message: ProbeMsg::Note(2), call: None };
    let Joined::Waits { place, .. } = slot.join_line(envelope, Limit::None, 0, woken.clone().into(), |_| None) else {
        panic!("there is no room")
    };
    assert!(place.is_waiting());
    // As in a thread: the freed senders are dropped, not flushed.
    let mut freed = slot.freed();
    let next = slot.poll_next(&signals, SignalMask::Everything, true, &mut freed);
    assert!(matches!(next, Poll::Ready(consumer::Next::Message(ProbeMsg::Note(1)))));
    assert!(!place.is_waiting(), "the mailbox has its message, though it does not know yet");
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    drop(freed);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn each_message_in_hand_has_a_number_that_no_other_had() {
    use regrow_supervisors::Exit;

    let slot = Slot::<u64>::new(Settings::default());
    let handle = Handle::new(slot.clone());
    let mut numbers = Vec::new();
    let mut crash_with = |spares: &[bool]| {
        for &is_kept in spares {
            let signals = signals(&slot);
            slot.life().claim(&signals);
            assert!(slot.poll_next(&signals, SignalMask::Everything, true, &mut slot.freed()).is_ready());
            numbers.push(slot.in_hand_of(&signals).unwrap());
            if is_kept {
                slot.keep_spare(&signals, in_hand::MessageCopy { message: 0, redeliveries_max: 9 });
            }
            slot.life().end(&signals, &Exit::Killed);
        }
    };
    (0..9).for_each(|message| handle.cast(message).unwrap());
    crash_with(&[false, false, true, true, false, false]);
    let signals = signals(&slot);
    slot.life().claim(&signals);
    while slot.poll_next(&signals, SignalMask::Everything, true, &mut slot.freed()).is_ready() {
        numbers.push(slot.in_hand_of(&signals).unwrap());
    }
    let books = handle.accounting();
    assert_eq!((books.handled, books.crashed, books.redelivered), (5, 4, 2));
    assert!(numbers.is_sorted_by(|before, after| before < after), "{numbers:?}");
    assert_eq!(numbers.len(), 11);
}

#[test]
fn an_answer_reaches_its_caller_whether_or_not_its_mailbox_has_let_go_of_the_call() {
    let slot = Slot::<ProbeMsg>::new(Settings::default());
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    for (is_kept, polls_before) in [(false, 0), (false, 2), (true, 0), (true, 2)] {
        let (reply, fate, mut waiting) = crate::call::pair::<ProbeMsg, u32>(0);
        for _ in 0..polls_before {
            assert!(waiting.poll(cx, &slot).is_pending());
        }
        assert!(reply.send(7));
        let kept = is_kept.then_some(fate);
        assert!(matches!(waiting.poll(cx, &slot), Poll::Ready(Ok(7))));
        assert!(kept.is_none_or(|fate| !fate.is_open()));
    }
    // Its reply is gone, but the mailbox still has its fate, which decides the outcome.
    let (reply, fate, mut waiting) = crate::call::pair::<ProbeMsg, u32>(0);
    drop(reply);
    assert!(waiting.poll(cx, &slot).is_pending());
    fate.given_up();
    drop(fate);
    assert!(matches!(waiting.poll(cx, &slot), Poll::Ready(Err(CallError::Crashed { .. }))));
}
