//! A bounded mailbox: how much it holds, what it does with one message more, and who is woken when there is room.

use regrow::{
    Call, CallError, Handle, Overflow, Refusal, Reply, Restart, ServiceState, StartError, Strategy, Supervisor, Tree,
    mailbox,
};

use crate::common::mail::*;

/// A worker that is held busy behind a full mailbox: `capacity` notes, numbered from 0.
async fn full(capacity: usize, overflow: Overflow) -> (Tree, Handle<Job>, Held, Log) {
    let (tree, handle) = tree_of(worker("worker").capacity(capacity).overflow(overflow)).await;
    let (held, log) = (busy(&handle).await, Log::default());
    for number in 0..capacity as u64 {
        handle.cast(log.note(number)).unwrap();
    }
    (tree, handle, held, log)
}

fn ask(handle: &Handle<Job>, log: &Log, number: u64) -> Call<Job, u64> {
    let log = log.clone();
    handle.call(move |reply| notes(log, number, reply))
}

fn try_ask(handle: &Handle<Job>, log: &Log, number: u64) -> Call<Job, u64> {
    let log = log.clone();
    handle.try_call(move |reply| notes(log, number, reply))
}

fn notes(log: Log, number: u64, reply: Reply<u64>) -> Job {
    run(async move |_| {
        log.write(number);
        reply.send(number);
        Ok(())
    })
}

fn refusal(result: Result<(), regrow::SendError<Job>>) -> Refusal {
    result.unwrap_err().refusal()
}

#[tokio::test]
async fn the_capacity_is_exact_and_does_not_count_the_message_in_hand() {
    for capacity in [1, 2, 7, 100] {
        let (_tree, handle, held, log) = full(capacity, Overflow::Refuse).await;
        assert_eq!(refusal(handle.cast(idle())), Refusal::Full);
        assert_eq!(handle.accounting().queued, capacity as u64);
        held.release();
        caught_up(&handle).await;
        assert_eq!(log.seen().len(), capacity);
    }
}

#[tokio::test]
async fn the_capacity_counts_what_the_pump_has_taken_over_in_a_batch() {
    let (_tree, handle) = tree_of(worker("worker").capacity(3)).await;
    let first = busy(&handle).await;
    let (job, mut second) = hold();
    handle.cast(job).unwrap();
    handle.cast(idle()).unwrap();
    handle.cast(idle()).unwrap();
    assert_eq!(refusal(handle.cast(idle())), Refusal::Full);

    // The pump takes over all three, and has one of them in hand.
    first.release();
    second.begun().await;
    handle.cast(idle()).unwrap();
    assert_eq!(refusal(handle.cast(idle())), Refusal::Full);
}

#[tokio::test]
async fn the_capacity_holds_before_anything_runs() {
    let (mailbox, handle) = mailbox();
    for _ in 0..regrow::DEFAULT_MAILBOX_CAPACITY {
        handle.cast(idle()).unwrap();
    }
    assert_eq!(refusal(handle.cast(idle())), Refusal::Full);
    drop(mailbox);
}

#[tokio::test]
async fn refuse_gives_cast_and_try_call_back() {
    let (_tree, handle, held, log) = full(2, Overflow::Refuse).await;
    assert_eq!(refusal(handle.cast(log.note(2))), Refusal::Full);
    match soon(try_ask(&handle, &log, 3)).await.unwrap_err() {
        CallError::Refused(error) => assert_eq!(error.refusal(), Refusal::Full),
        error => panic!("{error:?}"),
    }
    assert_eq!(handle.accounting().accepted, 3, "a refusal is not accepted");
    held.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [0, 1]);
}

#[tokio::test]
async fn a_call_waits_for_room_whatever_the_policy() {
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest] {
        let (_tree, handle, held, log) = full(2, overflow).await;
        let mut call = ask(&handle, &log, 3);
        assert!(is_waiting(&mut call).await);
        let books = handle.accounting();
        assert_eq!((books.accepted, books.dead_lettered), (3, 0), "a call that waits for room is not accepted yet");
        held.release();
        assert_eq!(soon(call).await.unwrap(), 3);
        assert_eq!(log.seen(), [0, 1, 3]);
    }
}

#[tokio::test]
async fn drop_oldest_sheds_the_oldest_cast_to_the_dead_letters() {
    let (_tree, handle, held, log) = full(2, Overflow::DropOldest).await;
    handle.cast(log.note(2)).unwrap();
    assert_eq!((handle.accounting().queued, handle.accounting().dead_lettered), (2, 1));
    held.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [1, 2]);
}

#[tokio::test]
async fn drop_oldest_returns_the_oldest_call() {
    let (_tree, handle) = tree_of(worker("worker").capacity(2).overflow(Overflow::DropOldest)).await;
    let (held, log) = (busy(&handle).await, Log::default());
    let oldest = ask(&handle, &log, 0);
    let newest = [ask(&handle, &log, 1), try_ask(&handle, &log, 2)];
    let error = soon(oldest).await.unwrap_err();
    assert!(matches!(error, CallError::NeverRan(_)) && error.into_message().is_some());
    assert_eq!((handle.accounting().returned, handle.accounting().dead_lettered), (1, 0));
    held.release();
    for (call, number) in newest.into_iter().zip(1..) {
        assert_eq!(soon(call).await.unwrap(), number);
    }
    assert_eq!(log.seen(), [1, 2]);
}

#[tokio::test]
async fn drop_oldest_reaches_what_the_pump_has_taken_over_in_a_batch() {
    let (_tree, handle) = tree_of(worker("worker").capacity(2).overflow(Overflow::DropOldest)).await;
    let (first, log) = (busy(&handle).await, Log::default());
    let (job, mut second) = hold();
    handle.cast(job).unwrap();
    handle.cast(log.note(1)).unwrap();
    first.release();
    second.begun().await;
    for number in 2..5 {
        handle.cast(log.note(number)).unwrap();
    }
    assert_eq!((handle.accounting().queued, handle.accounting().dead_lettered), (2, 2));
    second.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [3, 4]);
}

#[tokio::test]
async fn drop_newest_accepts_and_sheds_what_has_no_room() {
    let (_tree, handle, held, log) = full(2, Overflow::DropNewest).await;
    handle.cast(log.note(2)).unwrap();
    let error = soon(try_ask(&handle, &log, 3)).await.unwrap_err();
    assert!(matches!(error, CallError::NeverRan(_)) && error.into_message().is_some());
    let books = handle.accounting();
    assert_eq!((books.accepted, books.queued, books.dead_lettered, books.returned), (5, 2, 1, 1));
    assert!(books.is_balanced(), "{books}");
    held.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [0, 1]);
}

#[tokio::test]
async fn send_waits_whatever_the_policy_and_sheds_nothing() {
    for overflow in [Overflow::Refuse, Overflow::DropOldest, Overflow::DropNewest] {
        let (_tree, handle, held, log) = full(2, overflow).await;
        let mut send = Box::pin(handle.send(log.note(2)));
        assert!(is_waiting(&mut send).await, "{overflow:?}");
        assert_eq!(handle.accounting().accepted, 3, "{overflow:?}");
        held.release();
        soon(send).await.unwrap();
        caught_up(&handle).await;
        assert_eq!(log.seen(), [0, 1, 2], "{overflow:?}");
    }
}

#[tokio::test]
async fn a_sender_is_let_in_by_each_message_that_is_taken_and_by_nothing_else() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let first = busy(&handle).await;
    let ((job, mut second), log) = (hold(), Log::default());
    handle.cast(job).unwrap();
    let mut sends = [0, 1].map(|number| Box::pin(handle.send(log.note(number))));
    assert!(is_waiting(&mut sends[0]).await && is_waiting(&mut sends[1]).await);

    // The worker is in a long handler again, but one place has become free.
    first.release();
    second.begun().await;
    let [first_in_line, mut second_in_line] = sends;
    soon(first_in_line).await.unwrap();
    assert!(is_waiting(&mut second_in_line).await);
    assert_eq!(handle.accounting().queued, 1);
    second.release();
    soon(second_in_line).await.unwrap();
}

#[tokio::test]
async fn a_sender_gets_the_room_that_another_one_no_longer_waits_for() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let first = busy(&handle).await;
    let ((job, mut second), log) = (hold(), Log::default());
    handle.cast(job).unwrap();
    let mut impatient = Box::pin(handle.send(log.note(0)));
    let mut patient = Box::pin(handle.send(log.note(1)));
    assert!(is_waiting(&mut impatient).await && is_waiting(&mut patient).await);
    drop(impatient);
    first.release();
    second.begun().await;
    soon(patient).await.unwrap();
    second.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [1]);
}

/// Before, a place was promised to a sender, and could be lost with it: the mailbox takes the message itself now.
#[tokio::test]
async fn a_sender_that_is_dropped_after_it_was_let_in_has_sent_its_message() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let first = busy(&handle).await;
    let ((job, mut second), log) = (hold(), Log::default());
    handle.cast(job).unwrap();
    let mut sends = [0, 1].map(|number| Box::pin(handle.send(log.note(number))));
    assert!(is_waiting(&mut sends[0]).await && is_waiting(&mut sends[1]).await);
    first.release();
    second.begun().await;
    assert_eq!(handle.accounting().accepted, 3, "the first in line is in the mailbox, though it does not know it yet");
    let [let_in, in_line] = sends;
    drop((let_in, in_line));
    second.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_waiting_senders_all_get_through() {
    for capacity in [1, 2, 5] {
        let (_tree, handle) = tree_of(worker("worker").capacity(capacity)).await;
        let log = Log::default();
        let senders: Vec<_> = (0..500)
            .map(|number| {
                let (handle, note) = (handle.clone(), log.note(number));
                tokio::spawn(async move { handle.send(note).await })
            })
            .collect();
        for sender in senders {
            soon(sender).await.unwrap().unwrap();
        }
        caught_up(&handle).await;
        let mut seen = log.seen();
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..500), "each exactly once");
    }
}

#[tokio::test]
async fn a_waiting_sender_gets_through_a_restart() {
    let (_tree, handle, held, log) = full(2, Overflow::Refuse).await;
    let mut send = Box::pin(handle.send(log.note(2)));
    assert!(is_waiting(&mut send).await);
    held.then(panics());
    soon(send).await.unwrap();
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.generation()), (vec![0, 1, 2], 2));
}

#[tokio::test]
async fn a_waiting_sender_is_told_when_the_service_goes_down() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1).restart(Restart::Transient)).await;
    let held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    let mut sends = [(); 3].map(|()| Box::pin(handle.send(idle())));
    for send in &mut sends {
        assert!(is_waiting(send).await);
    }
    held.then(leaves());
    for send in sends {
        // It has chosen an end, and nothing starts it again: that is known before it is down.
        assert_eq!(refusal(soon(send).await), Refusal::Stopping);
    }
    soon(regrow::testing::until(handle.watch(), |status| status.state == ServiceState::Down)).await;
}

#[tokio::test]
async fn a_waiting_sender_and_a_waiting_call_are_told_when_the_tree_is_over() {
    let (tree, handle, _held, log) = full(1, Overflow::Refuse).await;
    let mut send = Box::pin(handle.send(idle()));
    let mut call = ask(&handle, &log, 1);
    assert!(is_waiting(&mut send).await && is_waiting(&mut call).await);
    drop(tree);
    assert_eq!(refusal(soon(send).await), Refusal::Gone);
    match soon(call).await.unwrap_err() {
        CallError::Refused(error) => assert_eq!(error.refusal(), Refusal::Gone),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_waiting_sender_is_told_when_nobody_takes_the_mailbox() {
    let (mailbox, handle) = mailbox();
    for _ in 0..regrow::DEFAULT_MAILBOX_CAPACITY {
        handle.cast(idle()).unwrap();
    }
    let mut send = Box::pin(handle.send(idle()));
    assert!(is_waiting(&mut send).await);
    drop(mailbox);
    assert_eq!(refusal(soon(send).await), Refusal::Gone);
}

#[tokio::test]
async fn a_waiting_sender_gets_in_when_the_child_that_takes_the_mailbox_has_more_room() {
    let (mailbox, handle) = mailbox();
    for _ in 0..regrow::DEFAULT_MAILBOX_CAPACITY {
        handle.cast(idle()).unwrap();
    }
    let mut send = Box::pin(handle.send(idle()));
    assert!(is_waiting(&mut send).await);
    let gate = Gate::closed();
    let tree = forgiving(Strategy::OneForOne).child(gated("worker", &gate).mailbox(mailbox).unbounded());
    let starting = tokio::spawn(tree.start());
    soon(send).await.unwrap();
    gate.set_open(true);
    soon(starting).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_capacity_of_zero_is_refused_by_its_path() {
    let inner = Supervisor::one_for_one("inner").child(worker("worker").capacity(0));
    let error = soon(forgiving(Strategy::OneForOne).child(inner).start()).await.unwrap_err();
    assert!(matches!(&error, StartError::ZeroCapacity { path } if &**path == "app/inner/worker"), "{error:?}");
    assert_eq!(error.to_string(), "the mailbox of `app/inner/worker` has capacity zero: give it one or more");
}

#[tokio::test]
async fn an_unbounded_mailbox_is_never_full() {
    let (_tree, handle) = tree_of(worker("worker").unbounded()).await;
    let held = busy(&handle).await;
    for _ in 0..100 * regrow::DEFAULT_MAILBOX_CAPACITY {
        handle.cast(idle()).unwrap();
    }
    assert_eq!(handle.accounting().queued, 100 * regrow::DEFAULT_MAILBOX_CAPACITY as u64);
    held.release();
    caught_up(&handle).await;
}
