//! The wait for room in a full mailbox: its limit, its order, and the circles that it would close.

use std::time::Duration;

use regrow::{
    CallError, Child, Handle, Mailbox, Overflow, Refusal, Reply, ServiceChild, Shutdown, Strategy, Tree, mailbox,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::common::mail::*;

const SEC: Duration = Duration::from_secs(1);

/// A worker that is held busy behind a mailbox of one place, which is taken.
async fn full(child: ServiceChild<Job>) -> (Tree, Handle<Job>, Held) {
    let (tree, handle) = tree_of(child.capacity(1)).await;
    let held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    (tree, handle, held)
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_five_seconds_for_room_unless_the_mailbox_says_otherwise() {
    let limits = [(worker("worker"), 5 * SEC), (worker("worker").wait_for_room(2 * SEC), 2 * SEC)];
    for (child, limit) in limits {
        let (_tree, handle, _held) = full(child).await;
        let begun = Instant::now();
        let error = handle.send(parcel(7)).await.unwrap_err();
        assert_eq!((error.refusal(), begun.elapsed().as_millis()), (Refusal::Full, limit.as_millis()));
        assert!(matches!(error.into_message(), Job::Keep(value) if value.is::<u64>()));
        let error = handle.call(|reply| answers(reply, 1)).await.unwrap_err();
        assert!(matches!(&error, CallError::Refused(error) if error.refusal() == Refusal::Full), "{error:?}");
        assert_eq!((error.into_message().is_some(), handle.accounting().accepted), (true, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_no_time_is_a_refusal_and_one_without_limit_lasts() {
    let (_tree, handle, _held) = full(worker("worker").wait_for_room(Duration::ZERO)).await;
    assert_eq!(handle.send(idle()).await.unwrap_err().refusal(), Refusal::Full);

    let (_tree, handle, held) = full(worker("worker").wait_for_room_unlimited()).await;
    let send = tokio::spawn({
        let handle = handle.clone();
        async move { handle.send(idle()).await }
    });
    tokio::time::sleep(1000 * SEC).await;
    assert!(!send.is_finished());
    held.release();
    soon(send).await.unwrap().unwrap();
}

/// Each idle child has room for what its handler may await.
#[tokio::test]
async fn a_send_holds_its_message_and_little_more() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let of_the_wait = size_of_val(&handle.send(idle())) - size_of::<Job>();
    assert!(of_the_wait <= 64, "{of_the_wait} bytes beside the message");
}

#[tokio::test]
async fn a_call_that_found_no_room_is_not_sent_before_it_is_polled() {
    let (_tree, handle, held) = full(worker("worker")).await;
    let log = Log::default();
    let notes = |number| {
        let log = log.clone();
        move |reply: Reply<()>| {
            run(async move |_| {
                log.write(number);
                reply.send(());
                Ok(())
            })
        }
    };
    drop(handle.call(notes(1)));
    let unsent = handle.call(notes(2));
    let mut dropped_in_line = handle.call(notes(3));
    assert!(is_waiting(&mut dropped_in_line).await);
    drop(dropped_in_line);
    held.release();
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.accounting().accepted), (vec![], 3));
    soon(unsent).await.unwrap();
    assert_eq!(log.seen(), [2]);
}

#[tokio::test]
async fn senders_get_room_in_the_order_in_which_they_came_and_nothing_overtakes_them() {
    let (_tree, handle, held) = full(worker("worker")).await;
    let log = Log::default();
    let mut sends: Vec<_> = (0..20).map(|number| Box::pin(handle.send(log.note(number)))).collect();
    for send in &mut sends {
        assert!(is_waiting(send).await);
    }
    // One in three loses patience.
    let sends: Vec<_> = (0..20).zip(sends).filter(|(number, _)| number % 3 != 0).collect();
    held.release();
    // As long as any of them waits there is no room for others.
    while handle.accounting().accepted < 2 + sends.len() as u64 {
        assert!(handle.cast(log.note(99)).is_err());
        tokio::task::yield_now().await;
    }
    for (_, send) in sends {
        soon(send).await.unwrap();
    }
    caught_up(&handle).await;
    assert_eq!(log.seen(), (0..20).filter(|number| number % 3 != 0).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cast_that_drops_the_oldest_makes_its_own_place_and_takes_none_from_the_line() {
    let (_tree, handle, held) = full(worker("worker").overflow(Overflow::DropOldest)).await;
    let log = Log::default();
    let mut send = Box::pin(handle.send(log.note(1)));
    assert!(is_waiting(&mut send).await);
    handle.cast(log.note(2)).unwrap();
    assert!(is_waiting(&mut send).await);
    held.release();
    soon(send).await.unwrap();
    caught_up(&handle).await;
    assert_eq!((log.seen(), handle.accounting().dead_lettered), (vec![2, 1], 1));
}

#[tokio::test]
async fn senders_in_line_are_refused_with_their_messages_when_the_service_is_terminated() {
    let (tree, handle, _held) = full(worker("worker").shutdown(Shutdown::Kill)).await;
    let mut send = Box::pin(handle.send(parcel(1)));
    let mut call = handle.call(|reply| answers(reply, 1));
    assert!(is_waiting(&mut send).await && is_waiting(&mut call).await);
    soon(tree.supervisor("app").unwrap().terminate_child("worker")).await.unwrap();
    let error = soon(send).await.unwrap_err();
    assert!(error.refusal() == Refusal::Stopping && matches!(error.into_message(), Job::Keep(_)));
    let error = soon(call).await.unwrap_err();
    assert!(matches!(&error, CallError::Refused(error) if error.refusal() == Refusal::Stopping), "{error:?}");
    assert!(error.into_message().is_some());
}

/// Two services that flood each other, each with a mailbox of one place.
#[derive(Clone, Copy, Debug)]
enum Way {
    Send,
    Call,
    /// One sends, the other asks back while it works on that.
    Mixed,
}

async fn flood(way: Way) -> Vec<(&'static str, String)> {
    let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
    let ((a_mailbox, a), (b_mailbox, b)) = (mailbox::<Job>(), mailbox::<Job>());
    let child = |name: &str, mailbox: Mailbox<Job>| worker(name).mailbox(mailbox).capacity(1);
    let tree = forgiving(Strategy::OneForOne).child(child("a", a_mailbox)).child(child("b", b_mailbox));
    let tree = soon(tree.start()).await.unwrap();
    let (a_held, b_held) = (busy(&a).await, busy(&b).await);
    let floods = |name: &'static str, peer: &Handle<Job>, calls: bool| {
        let (peer, told) = (peer.clone(), told.clone());
        run(async move |_| {
            for _ in 0..3 {
                let outcome = match calls {
                    false => peer.send(idle()).await.map_err(|error| error.to_string()),
                    true => peer.call(|reply| answers(reply, ())).await.map_err(|error| error.to_string()),
                };
                told.send((name, outcome.map_or_else(|error| error, |()| "ok".into()))).unwrap();
            }
            Ok(())
        })
    };
    let calls = match way {
        Way::Send => [false, false],
        Way::Call => [true, true],
        Way::Mixed => [false, true],
    };
    // Both mailboxes are full before either of them goes on, but for the mixed way: there the call finds room.
    b.cast(idle()).unwrap();
    if !matches!(way, Way::Mixed) {
        a.cast(idle()).unwrap();
    }
    a_held.then(floods("a", &b, calls[0]));
    b_held.then(floods("b", &a, calls[1]));
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(soon(tell.recv()).await.unwrap());
    }
    soon(tree.shutdown()).await;
    seen
}

#[tokio::test]
async fn two_services_that_flood_each_other_do_not_wait_for_each_other() {
    for way in [Way::Send, Way::Call, Way::Mixed] {
        let begun = std::time::Instant::now();
        let seen = flood(way).await;
        let is_circle = |text: &str| text.contains("would close a circle");
        println!("{way:?}: {seen:#?}");
        assert!(seen.iter().any(|(_, text)| is_circle(text)), "{way:?}: {seen:?}");
        assert!(seen.iter().all(|(_, text)| text == "ok" || is_circle(text)), "{way:?}: {seen:?}");
        // The limit of a wait is five seconds, and none of them has waited for that.
        assert!(begun.elapsed() < 4 * SEC, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_three_is_refused_at_once_and_a_line_of_three_is_not() {
    let children = ["a", "b", "c"].map(|name| worker(name).capacity(1));
    let tree = forgiving(Strategy::OneForOne).children(children.map(Child::from));
    let tree = soon(tree.start()).await.unwrap();
    let all = ["app/a", "app/b", "app/c"].map(|path| tree.lookup::<Job>(path).unwrap());
    let mut held = Vec::new();
    for handle in &all {
        held.push(busy(handle).await);
        handle.cast(idle()).unwrap();
    }
    let mut tells = Vec::new();
    for (at, held) in held.into_iter().enumerate() {
        let (peer, (told, tell)) = (all[(at + 1) % 3].clone(), oneshot::channel());
        held.then(run(async move |_| {
            let _ = told.send(peer.send(idle()).await.map_err(|error| error.refusal()));
            Ok(())
        }));
        tells.push(tell);
        // Both waits stand before the third would close the circle.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let begun = Instant::now();
    let outcomes: Vec<_> = futures_in_order(tells).await;
    assert_eq!(outcomes, [Ok(()), Ok(()), Err(Refusal::Circle)]);
    assert!(begun.elapsed() < SEC);
}

async fn futures_in_order<T>(tells: Vec<oneshot::Receiver<T>>) -> Vec<T> {
    let mut outcomes = Vec::new();
    for tell in tells {
        outcomes.push(soon(tell).await.unwrap());
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn a_timer_of_the_service_waits_for_room_as_long_as_its_incarnation_lives() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let log = Log::default();
    let note = log.note(1);
    through(&handle, move |ctx| ctx.send_after(SEC, note)).await;
    let held = busy(&handle).await;
    handle.cast(idle()).unwrap();
    tokio::time::sleep(60 * SEC).await;
    held.release();
    caught_up(&handle).await;
    assert_eq!(log.seen(), [1]);
}

#[test]
fn the_limit_holds_in_an_executor_without_timers() {
    let (mailbox, handle) = mailbox::<u64>();
    let child = Child::thread("any", |_| Ok(())).mailbox(mailbox).capacity(1).wait_for_room(Duration::from_millis(80));
    let child = Child::from(child);
    handle.cast(1).unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(run_elsewhere(handle.send(2)).unwrap_err().refusal(), Refusal::Full);
    assert!(begun.elapsed() >= Duration::from_millis(80));
    drop(child);
}
