//! Dead letters: what was accepted and will not be handled can be seen, and replayed.

use regrow::{
    CallError, DEFAULT_DEAD_LETTER_CAPACITY, DeadLetter, DeadReason, Handle, OnRestart, Overflow, Refusal,
    ReplayFailure, Restart, ServiceState, Strategy,
};

use crate::common::mail::*;

fn numbers(letters: &[DeadLetter]) -> Vec<u64> {
    let number = |job: &Job| match job {
        Job::Keep(value) => *value.downcast_ref().expect("a parcel"),
        Job::Run(_) => panic!("another message"),
    };
    letters.iter().map(|letter| letter.peek(number).unwrap()).collect()
}

fn number_in(letter: DeadLetter) -> u64 {
    match letter.into_message::<Job>() {
        Ok(Job::Keep(value)) => *value.downcast().expect("a parcel"),
        Ok(Job::Run(_)) => panic!("another message"),
        Err(letter) => panic!("{letter}"),
    }
}

fn cast_all(handle: &Handle<Job>, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| handle.cast(parcel(number)).unwrap());
}

#[tokio::test]
async fn nothing_is_kept_before_somebody_asks() {
    let (tree, handle) = tree_of(worker("worker").on_restart(OnRestart::Drop)).await;
    let held = busy(&handle).await;
    cast_all(&handle, 0..3);
    held.then(panics());
    until_generation(&handle, 2).await;
    assert!(tree.dead_letters().is_empty());
    let held = busy(&handle).await;
    cast_all(&handle, 3..5);
    held.then(panics());
    until_generation(&handle, 3).await;
    assert_eq!(numbers(&tree.dead_letters().take_all()), [3, 4]);
    assert_eq!(handle.accounting().dead_lettered, 5);
}

#[tokio::test]
async fn a_letter_says_whose_it_was_and_why_it_died() {
    let (tree, handle) = tree_of(worker("worker").on_restart(OnRestart::Drop)).await;
    let letters = tree.dead_letters();
    let held = busy(&handle).await;
    cast_all(&handle, 0..1);
    held.then(panics());
    let letter = soon(letters.next()).await.unwrap();
    assert_eq!((&*letter.path, letter.generation, letter.attempt), ("app/worker", 1, 0));
    assert_eq!(letter.message_type, std::any::type_name::<Job>());
    assert!(matches!(letter.reason, DeadReason::DroppedOnRestart) && letter.is_whole());
    assert!(letter.age() < std::time::Duration::from_secs(60));
    let text = letter.to_string();
    assert!(text.contains("app/worker#1") && text.contains("empty mailbox"), "{text}");
}

#[tokio::test]
async fn overflow_is_told_with_its_policy() {
    for (overflow, dead) in [(Overflow::DropOldest, 0), (Overflow::DropNewest, 2)] {
        let (tree, handle) = tree_of(worker("worker").capacity(2).overflow(overflow)).await;
        let letters = tree.dead_letters();
        let _held = busy(&handle).await;
        cast_all(&handle, 0..3);
        let letter = letters.try_next().unwrap();
        match overflow {
            Overflow::DropOldest => assert!(matches!(letter.reason, DeadReason::DroppedOldest)),
            _ => assert!(matches!(letter.reason, DeadReason::DroppedNewest)),
        }
        assert_eq!((number_in(letter), letters.len()), (dead, 0));
    }
}

#[tokio::test]
async fn what_waits_for_a_service_that_goes_down_or_away_is_told_so() {
    let (tree, handle) = tree_of(worker("worker").restart(Restart::Transient)).await;
    let letters = tree.dead_letters();
    let held = busy(&handle).await;
    cast_all(&handle, 0..1);
    held.then(leaves());
    let letter = soon(letters.next()).await.unwrap();
    assert!(matches!(letter.reason, DeadReason::Down), "{letter}");
    assert_eq!(number_in(letter), 0);
    until_state(&handle, ServiceState::Down).await;

    let (tree, handle) = tree_of(worker("worker")).await;
    let letters = tree.dead_letters();
    let held = busy(&handle).await;
    cast_all(&handle, 0..1);
    held.then(until_asked());
    soon(tree.shutdown()).await;
    let letter = soon(letters.next()).await.unwrap();
    assert!(matches!(letter.reason, DeadReason::Gone), "{letter}");
    assert!(soon(letters.next()).await.is_none(), "the tree is over");
    assert!(tree.dead_letters().is_empty());
    assert_eq!(letter.replay().unwrap_err().failure(), ReplayFailure::Refused(Refusal::Gone));
}

#[tokio::test]
async fn calls_with_a_caller_are_returned_and_others_are_letters() {
    let (tree, handle) = tree_of(worker("worker").on_restart(OnRestart::Drop)).await;
    let letters = tree.dead_letters();
    let held = busy(&handle).await;
    let call = handle.call(|reply| answers(reply, 42));
    drop(handle.call(|reply| answers(reply, 43)));
    held.then(panics());
    assert!(matches!(soon(call).await, Err(CallError::NeverRan(_))));
    let letter = soon(letters.next()).await.unwrap();
    // Its reply answers no caller, and does no harm.
    letter.replay().unwrap();
    caught_up(&handle).await;
    assert!(letters.is_empty());
}

#[tokio::test]
async fn a_replayed_letter_is_a_new_message_and_stays_in_the_books() {
    let (tree, handle) = tree_of(worker("worker").on_restart(OnRestart::Drop)).await;
    let (letters, log) = (tree.dead_letters(), Log::default());
    let held = busy(&handle).await;
    handle.cast(log.note(1)).unwrap();
    handle.cast(log.note(2)).unwrap();
    held.then(panics());
    until_generation(&handle, 2).await;
    let before = handle.accounting();
    let kept = letters.list();
    for letter in letters.take_all() {
        letter.replay().unwrap();
    }
    caught_up(&handle).await;
    assert_eq!(log.seen(), [1, 2]);
    let books = handle.accounting();
    assert_eq!((books.dead_lettered, books.accepted), (2, before.accepted + 3), "{books}");
    assert!(books.is_balanced(), "{books}");

    // The clones are the same letters.
    for letter in kept {
        assert!(!letter.is_whole());
        let error = letter.replay().unwrap_err();
        assert_eq!(error.failure(), ReplayFailure::NotWhole);
        assert!(error.into_letter().into_message::<Job>().is_err());
    }
}

#[tokio::test]
async fn a_replay_that_is_refused_gives_the_letter_back_whole() {
    let tree =
        soon(forgiving(Strategy::OneForOne).child(worker("worker").restart(Restart::Transient).capacity(1)).start());
    let tree = tree.await.unwrap();
    let (handle, letters) = (tree.lookup::<Job>("app/worker").unwrap(), tree.dead_letters());
    let held = busy(&handle).await;
    cast_all(&handle, 7..8);
    held.then(leaves());
    let letter = soon(letters.next()).await.unwrap();

    let error = letter.replay().unwrap_err();
    assert_eq!(error.failure(), ReplayFailure::Refused(Refusal::Down));
    assert_eq!(error.to_string(), "`app/worker` refused the message: it is down");
    let letter = error.into_letter();
    assert!(letter.is_whole());

    until_state(&handle, ServiceState::Down).await;
    soon(tree.supervisor("app").unwrap().restart_child("worker")).await.unwrap();
    let held = busy(&handle).await;
    cast_all(&handle, 8..9);
    let error = letter.replay().unwrap_err();
    assert_eq!(error.failure(), ReplayFailure::Refused(Refusal::Full));
    held.release();
    caught_up(&handle).await;
    error.into_letter().replay().unwrap();
    caught_up(&handle).await;
}

#[tokio::test]
async fn a_letter_opened_as_another_type_stays_whole() {
    let (tree, handle) = tree_of(worker("worker").capacity(1).overflow(Overflow::DropNewest)).await;
    let _held = busy(&handle).await;
    let letters = tree.dead_letters();
    cast_all(&handle, 0..2);
    let letter = letters.try_next().unwrap().into_message::<String>().unwrap_err();
    assert_eq!(number_in(letter), 1);
}

#[tokio::test]
async fn a_letter_to_somebody_who_has_been_replaced_says_so() {
    let tree = soon(forgiving(Strategy::OneForOne).start()).await.unwrap();
    let (supervisor, letters) = (tree.supervisor("app").unwrap(), tree.dead_letters());
    soon(supervisor.start_child(worker("worker"))).await.unwrap();
    let handle = tree.lookup::<Job>("app/worker").unwrap();
    let held = busy(&handle).await;
    cast_all(&handle, 0..1);
    held.then(until_asked());
    soon(supervisor.terminate_child("worker")).await.unwrap();
    soon(supervisor.delete_child("worker")).await.unwrap();
    let letter = soon(letters.next()).await.unwrap();
    let error = letter.replay().unwrap_err();
    assert_eq!(error.failure(), ReplayFailure::NotFound);
    let probe = regrow::testing::Journal::new().probe("worker");
    soon(supervisor.start_child(probe)).await.unwrap();
    let error = error.into_letter().replay().unwrap_err();
    assert!(matches!(error.failure(), ReplayFailure::OtherType { .. }), "{error}");
    assert_eq!(number_in(error.into_letter()), 0);
}

#[tokio::test]
async fn they_are_bounded_and_what_was_shed_is_counted() {
    let (tree, handle) = tree_of(worker("worker").capacity(1).overflow(Overflow::DropNewest)).await;
    let _held = busy(&handle).await;
    cast_all(&handle, 0..1);
    let letters = tree.dead_letters();
    let kept = DEFAULT_DEAD_LETTER_CAPACITY as u64;
    cast_all(&handle, 0..kept + 10);
    assert_eq!((letters.len() as u64, letters.shed()), (kept, 10));
    letters.set_capacity(3);
    assert_eq!((letters.len(), letters.shed()), (3, kept + 7));
    cast_all(&handle, 5000..5001);
    assert_eq!(numbers(&letters.list()), [kept + 8, kept + 9, 5000]);
    assert_eq!(letters.shed(), kept + 8);
    letters.set_capacity(0);
    cast_all(&handle, 0..1);
    assert_eq!((letters.len(), letters.shed()), (0, kept + 12));
}

#[tokio::test]
async fn everybody_who_waits_gets_one_and_the_end_of_the_tree_ends_the_wait() {
    let (tree, handle) = tree_of(worker("worker").capacity(1).overflow(Overflow::DropNewest)).await;
    let held = busy(&handle).await;
    cast_all(&handle, 0..1);
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let letters = tree.dead_letters();
            tokio::spawn(async move { letters.next().await.map(number_in) })
        })
        .collect();
    tokio::task::yield_now().await;
    cast_all(&handle, 1..4);
    held.release();
    caught_up(&handle).await;
    soon(tree.shutdown()).await;
    let mut got = Vec::new();
    for waiting in waiting {
        got.push(soon(waiting).await.unwrap());
    }
    got.sort();
    assert_eq!(got, [None, Some(1), Some(2), Some(3)]);
}

#[tokio::test]
async fn a_letter_whose_message_panics_when_dropped_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bang")
        }
    }
    let (tree, handle) = tree_of(worker("worker").capacity(1).overflow(Overflow::DropNewest)).await;
    let _held = busy(&handle).await;
    cast_all(&handle, 0..1);
    let letters = tree.dead_letters();
    letters.set_capacity(1);
    for _ in 0..3 {
        handle.cast(Job::Keep(Box::new(Bomb))).unwrap();
    }
    assert_eq!((letters.len(), letters.shed()), (1, 2));
    drop(letters.take_all());
    assert!(letters.is_empty());
    assert!(handle.accounting().is_balanced());
}

/// The message holds the directory, which holds what is shared by the tree, which held the letters.
#[tokio::test]
async fn a_letter_that_leads_back_to_its_tree_goes_with_the_handles_when_that_is_over() {
    let (tree, handle) = tree_of(worker("worker").capacity(1).overflow(Overflow::DropNewest)).await;
    let held = busy(&handle).await;
    cast_all(&handle, 0..1);
    let letters = tree.dead_letters();
    let witness = std::sync::Arc::new(());
    handle.cast(Job::Keep(Box::new((tree.directory(), letters.list(), witness.clone())))).unwrap();
    held.then(until_asked());
    soon(tree.shutdown()).await;
    drop(letters);
    drop(tree);
    assert_eq!(std::sync::Arc::strong_count(&witness), 1);
}

#[tokio::test]
async fn letters_of_two_trees_do_not_mix() {
    let start = || async { tree_of(worker("worker").capacity(1).overflow(Overflow::DropNewest)).await };
    let ((one, handle), (other, _)) = (start().await, start().await);
    let (here, there) = (one.dead_letters(), other.dead_letters());
    let _held = busy(&handle).await;
    cast_all(&handle, 0..2);
    assert_eq!((here.len(), there.len()), (1, 0));
}
