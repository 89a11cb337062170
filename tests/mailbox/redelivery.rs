//! Redelivery: the message in hand runs again, before newer ones, until it is found to be poison.

use std::time::Duration;

use regrow::testing::until;
use regrow::{
    Child, Context, DeadReason, DynamicSupervisor, Exit, GiveUp, Inbox, Intensity, OnRestart, Policy, Restart, Service,
    ServiceState, StartChildError, StartError, Supervisor,
};

use crate::common::mail::{self, soon, until_generation};
use crate::common::redelivering::*;

#[tokio::test]
async fn a_message_that_ended_its_incarnation_runs_again_before_newer_ones() {
    for way in WAYS {
        let diary = Diary::default();
        let (_tree, handle) = tree_of(clerk(&diary).redeliver(3)).await;
        handle.cast(Msg::Note(1)).unwrap();
        handle.cast(Msg::Trouble(2, way, times(2))).unwrap();
        (3..6).for_each(|number| handle.cast(Msg::Note(number)).unwrap());
        let books = settled(&handle).await;
        assert_eq!(diary.seen(), [1, 2, 2, 2, 3, 4, 5, 0], "{way:?}");
        assert_eq!((books.redelivered, books.crashed, books.handled, books.dead_lettered), (2, 0, 6, 0), "{books}");
        assert_eq!(handle.generation(), 3);
    }
}

#[tokio::test]
async fn without_redelivery_the_message_in_hand_is_lost() {
    let diary = Diary::default();
    for child in [clerk(&diary), clerk(&diary).redeliver(0)] {
        let (_tree, handle) = tree_of(child).await;
        handle.cast(Msg::Trouble(2, Way::Panic, times(1))).unwrap();
        let books = settled(&handle).await;
        assert_eq!((books.redelivered, books.crashed), (0, 1), "{books}");
    }
}

#[tokio::test]
async fn a_message_that_ends_them_all_is_poison_and_says_how() {
    for way in WAYS {
        let diary = Diary::default();
        let (tree, handle) = tree_of(clerk(&diary).redeliver(2)).await;
        let letters = tree.dead_letters();
        handle.cast(Msg::Trouble(7, way, times(u32::MAX))).unwrap();
        handle.cast(Msg::Note(8)).unwrap();
        let letter = soon(letters.next()).await.unwrap();
        let DeadReason::Poison { exit } = &letter.reason else { panic!("{letter}") };
        match way {
            Way::Panic => assert!(matches!(exit, Exit::Panicked(panic) if &*panic.message == "boom"), "{exit}"),
            Way::Error => assert_eq!(exit.to_string(), "failed: out of paper"),
        }
        assert_eq!((&*letter.path, letter.attempt, letter.generation), ("app/clerk", 3, 3), "{letter}");
        let books = settled(&handle).await;
        assert_eq!(diary.seen(), [7, 7, 7, 8, 0]);
        assert_eq!((books.redelivered, books.crashed, books.dead_lettered), (2, 0, 1), "{books}");
        assert!(matches!(letter.into_message(), Ok(Msg::Trouble(7, ..))));
    }
}

#[tokio::test]
async fn a_kill_redelivers_without_counting() {
    let diary = Diary::default();
    let (tree, handle) = tree_of(clerk(&diary).redeliver(1)).await;
    let letters = tree.dead_letters();
    let open = busy(&handle, &diary, 5).await;
    handle.cast(Msg::Note(6)).unwrap();
    for generation in 2..10 {
        handle.kill().unwrap();
        until_generation(&handle, generation).await;
        while handle.accounting().in_hand == 0 {
            tokio::task::yield_now().await;
        }
    }
    open.send_replace(true);
    let books = settled(&handle).await;
    assert_eq!(diary.seen(), [vec![5; 9], vec![6, 0]].concat());
    assert_eq!((books.redelivered, books.crashed, letters.len()), (8, 0, 0), "{books}");
}

#[tokio::test]
async fn a_service_killed_in_its_start_keeps_the_message_that_waits_to_run_again() {
    let (diary, gate) = (Diary::default(), mail::Gate::open());
    let child = Child::service_with("clerk", (diary.clone(), gate.clone()), |(diary, gate), _| async move {
        gate.pass().await;
        Ok(Clerk(diary))
    });
    let (_tree, handle) = tree_of(child.redeliver(1)).await;
    let _open = busy(&handle, &diary, 99).await;
    handle.cast(Msg::Note(1)).unwrap();
    gate.set_open(false);
    handle.kill().unwrap();
    soon(until(handle.watch(), |status| status.state == ServiceState::Starting)).await;
    assert_eq!((handle.accounting().queued, handle.accounting().in_hand), (2, 0));
    handle.kill().unwrap();
    soon(until(handle.watch(), |status| status.state == ServiceState::Starting)).await;
    _open.send_replace(true);
    gate.set_open(true);
    settled(&handle).await;
    assert_eq!(diary.seen(), [99, 99, 1, 0]);
}

/// Akka and Pekko #669: the stash was lost when a second failure came while it was being replayed.
#[tokio::test]
async fn a_second_crash_while_it_is_redelivered_loses_nothing() {
    for first in WAYS {
        for second in WAYS {
            let diary = Diary::default();
            let (_tree, handle) = tree_of(clerk(&diary).redeliver(1)).await;
            handle.cast(Msg::Trouble(1, first, times(1))).unwrap();
            handle.cast(Msg::Trouble(2, second, times(1))).unwrap();
            (3..6).for_each(|number| handle.cast(Msg::Note(number)).unwrap());
            let books = settled(&handle).await;
            assert_eq!(diary.seen(), [1, 1, 2, 2, 3, 4, 5, 0], "{first:?}, {second:?}");
            assert_eq!((books.redelivered, books.crashed, books.dead_lettered), (2, 0, 0));
        }
    }
}

#[tokio::test]
async fn the_drop_policy_sheds_the_message_in_hand_too() {
    let diary = Diary::default();
    let (tree, handle) = tree_of(clerk(&diary).redeliver(3).on_restart(OnRestart::Drop)).await;
    let letters = tree.dead_letters();
    handle.cast(Msg::Trouble(1, Way::Panic, times(1))).unwrap();
    let letter = soon(letters.next()).await.unwrap();
    assert!(matches!(letter.reason, DeadReason::DroppedOnRestart));
    assert_eq!((letter.attempt, handle.accounting().redelivered, handle.accounting().crashed), (1, 0, 0));
}

#[tokio::test]
async fn a_message_whose_clone_panics_is_poison_too() {
    struct Stubborn;
    impl Clone for Stubborn {
        fn clone(&self) -> Self {
            panic!("no")
        }
    }
    struct Any;
    impl Service for Any {
        type Msg = Stubborn;
        async fn handle(&mut self, _: Stubborn, _: &mut Context<Self>) -> anyhow::Result<()> {
            unreachable!("there is no copy")
        }
    }
    let tree =
        soon(forgiving().child(Child::service("any", |_| async { Ok(Any) }).redeliver(2)).start()).await.unwrap();
    let (letters, handle) = (tree.dead_letters(), tree.lookup::<Stubborn>("app/any").unwrap());
    handle.cast(Stubborn).unwrap();
    let letter = soon(letters.next()).await.unwrap();
    assert!(matches!(&letter.reason, DeadReason::Poison { exit: Exit::Panicked(panic) } if &*panic.message == "no"));
    assert_eq!(letter.attempt, 3);
}

#[tokio::test]
async fn a_copy_whose_drop_panics_harms_nobody() {
    #[derive(Clone)]
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bang")
        }
    }
    struct Squad;
    impl Service for Squad {
        type Msg = Bomb;
        async fn handle(&mut self, bomb: Bomb, _: &mut Context<Self>) -> anyhow::Result<()> {
            std::mem::forget(bomb);
            Ok(())
        }
    }
    let tree =
        soon(forgiving().child(Child::service("s", |_| async { Ok(Squad) }).redeliver(2)).start()).await.unwrap();
    let handle = tree.lookup::<Bomb>("app/s").unwrap();
    for _ in 0..3 {
        handle.cast(Bomb).unwrap();
    }
    while handle.accounting().handled < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(handle.generation(), 1);
}

#[tokio::test]
async fn a_thread_is_given_again_what_it_took_last() {
    let (diary, often) = (Diary::default(), times(1));
    let child = {
        let (diary, often) = (diary.clone(), often.clone());
        Child::thread("thread", move |inbox: Inbox<u64>| {
            for number in inbox {
                diary.write(number);
                if number == 2 && is_due(&often) {
                    panic!("boom");
                }
            }
            Ok(())
        })
    };
    let tree = soon(forgiving().child(child.redeliver(1)).start()).await.unwrap();
    let handle = tree.lookup::<u64>("app/thread").unwrap();
    (1..4).for_each(|number| handle.cast(number).unwrap());
    while handle.accounting().handled < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!((diary.seen(), handle.accounting().redelivered), (vec![1, 2, 2, 3], 1));
    soon(tree.shutdown()).await;
}

async fn refusal(supervisor: Supervisor) -> Option<(String, u32, u32)> {
    match soon(supervisor.start()).await {
        Ok(_) => None,
        Err(StartError::TooManyRedeliveries { path, redeliveries, restarts_max }) => {
            Some((path.to_string(), redeliveries, restarts_max))
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_start_is_refused_where_one_message_could_use_up_the_budget() {
    const SEC: Duration = Duration::from_secs(1);
    let diary = Diary::default();
    let one = || Supervisor::one_for_one("app");
    let refused = |times, max| Some(("app/clerk".to_owned(), times, max));

    assert_eq!(refusal(one().child(clerk(&diary).redeliver(1))).await, refused(1, 1));
    assert_eq!(refusal(one().intensity(3, SEC).child(clerk(&diary).redeliver(3))).await, refused(3, 3));
    assert_eq!(refusal(one().intensity(3, SEC).child(clerk(&diary).redeliver(2))).await, None);
    assert_eq!(refusal(forgiving().child(clerk(&diary).redeliver(1000))).await, None);

    let own = Policy::default().budget(Intensity::new(2, SEC));
    assert_eq!(refusal(forgiving().child(clerk(&diary).policy(own.clone()).redeliver(2))).await, refused(2, 2));
    let parks = own.on_give_up(GiveUp::park(SEC));
    assert_eq!(refusal(forgiving().child(clerk(&diary).policy(parks).redeliver(2))).await, refused(2, 2));
    let ample = Policy::default().budget(Intensity::new(9, SEC));
    assert_eq!(refusal(one().child(clerk(&diary).policy(ample).redeliver(2))).await, None);
    assert_eq!(refusal(one().child(clerk(&diary).restart(Restart::Temporary).redeliver(2))).await, None);
}

#[tokio::test]
async fn a_child_that_is_added_later_is_refused_for_the_same_reason() {
    let diary = Diary::default();
    let tree = soon(DynamicSupervisor::new("pool").intensity(2, Duration::from_secs(5)).start()).await.unwrap();
    let pool = tree.dynamic("pool").unwrap();
    let error = soon(pool.start_child(clerk(&diary).redeliver(2))).await.unwrap_err();
    assert!(
        matches!(error, StartChildError::Refused(StartError::TooManyRedeliveries { restarts_max: 2, .. })),
        "{error:?}"
    );
    assert!(soon(pool.start_child(clerk(&diary).redeliver(1))).await.is_ok());
}

/// Found by reading: with a message more than its capacity holds, a mailbox that refuses must not take one more.
#[tokio::test]
async fn what_is_put_back_counts_against_the_capacity_and_is_never_refused() {
    let (diary, gate) = (Diary::default(), mail::Gate::open());
    let child = Child::service_with("clerk", (diary.clone(), gate.clone()), |(diary, gate), _| async move {
        gate.pass().await;
        Ok(Clerk(diary))
    });
    let (_tree, handle) = tree_of(child.redeliver(1).capacity(1)).await;
    let open = busy(&handle, &diary, 1).await;
    handle.cast(Msg::Note(2)).unwrap();
    gate.set_open(false);
    handle.kill().unwrap();
    soon(until(handle.watch(), |status| status.state == ServiceState::Starting)).await;
    assert_eq!(handle.accounting().queued, 2);
    assert!(handle.cast(Msg::Note(3)).is_err());
    open.send_replace(true);
    gate.set_open(true);
    soon(handle.send(Msg::Note(4))).await.unwrap();
    while diary.seen().len() < 4 {
        tokio::task::yield_now().await;
    }
    assert_eq!(diary.seen(), [1, 1, 2, 4]);
}

/// Kills, panics and two producers on two threads: the law is sampled all the while, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_law_holds_at_every_instant_and_nothing_is_lost_under_kills() {
    const EACH: u64 = 3000;
    let diary = Diary::default();
    let (_tree, handle) = tree_of(clerk(&diary).redeliver(3).unbounded()).await;
    let producers = [1, 2].map(|producer| {
        let handle = handle.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                let number = producer * 1_000_000 + number;
                let msg = match number % 50 {
                    0 => Msg::Trouble(number, Way::Panic, times(2)),
                    7 => Msg::Trouble(number, Way::Error, times(1)),
                    _ => Msg::Note(number),
                };
                handle.send(msg).await.unwrap();
                if number % 8 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    let done = 2 * EACH;
    while handle.accounting().handled < done {
        let books = handle.accounting();
        assert!(books.is_balanced(), "{books}");
        assert_eq!((books.crashed, books.dead_lettered), (0, 0), "{books}");
        let _ = handle.kill();
        tokio::task::yield_now().await;
    }
    for producer in producers {
        producer.await.unwrap();
    }
    for producer in [1, 2] {
        let mut seen: Vec<_> = diary.seen().into_iter().filter(|number| number / 1_000_000 == producer).collect();
        assert!(seen.is_sorted(), "the order of producer {producer}");
        seen.dedup();
        assert_eq!(seen.len() as u64, EACH);
    }
    assert!(handle.accounting().redelivered > 0);
}
