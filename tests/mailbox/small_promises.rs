//! Promises in passing, each of which no other test saw broken. Found by mutants.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use regrow::{Call, Child, Inbox, Intensity, Reply, Supervisor};

use crate::common::mail::*;

const LONG: Duration = Duration::from_secs(60);

/// Goes behind the tasks that are ready, as the pump does. (`yield_now` waits until none is.)
async fn turn() {
    let mut is_over = false;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut is_over, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn a_sender_that_was_let_in_is_woken_when_the_service_dies_of_the_message_before() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let held = busy(&handle).await;
    handle.cast(panics()).unwrap();
    let sender = handle.send(idle());
    let mut sender = std::pin::pin!(sender);
    assert!(std::future::poll_fn(|cx| Poll::Ready(sender.as_mut().poll(cx).is_pending())).await, "it waits for room");
    held.release();
    soon(sender).await.unwrap();
    caught_up(&handle).await;
}

#[tokio::test]
async fn a_sender_to_a_thread_is_woken_when_there_is_room() {
    let thread = Child::thread("thread", |inbox: Inbox<std::sync::mpsc::Receiver<()>>| {
        inbox.for_each(|until| _ = until.recv());
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(thread.capacity(1)).start().await.unwrap();
    let handle = tree.lookup::<std::sync::mpsc::Receiver<()>>("app/thread").unwrap();
    let [(first, one), (second, two), (third, three)] = std::array::from_fn(|_| std::sync::mpsc::channel());
    handle.cast(one).unwrap();
    while handle.accounting().in_hand == 0 {
        tokio::task::yield_now().await;
    }
    handle.cast(two).unwrap();
    let sender = tokio::spawn({
        let handle = handle.clone();
        async move { handle.send(three).await.is_ok() }
    });
    // It waits for room, and only a waker can help it.
    tokio::task::yield_now().await;
    drop(first);
    assert!(soon(sender).await.unwrap());
    drop((second, third));
    tree.shutdown().await;
}

#[tokio::test]
async fn an_answer_that_no_caller_reads_is_dropped_with_the_call() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let (answer, told) = (Arc::new(()), Arc::new(std::sync::Mutex::new(None)));
    let (sent, copy) = (answer.clone(), told.clone());
    let call: Call<Job, Arc<()>> = handle.call(move |reply: Reply<Arc<()>>| {
        run(async move |_| {
            *copy.lock().unwrap() = Some(reply.clone());
            reply.send(sent);
            Ok(())
        })
    });
    caught_up(&handle).await;
    assert_eq!(Arc::strong_count(&answer), 2);
    drop(call);
    assert_eq!(Arc::strong_count(&answer), 1, "a copy of the reply does not keep it");
    assert!(!told.lock().unwrap().take().expect("the copy").is_wanted());
}

#[tokio::test]
async fn nothing_is_in_hand_while_others_have_their_turn_between_two_batches() {
    let (_tree, handle) = tree_of(worker("worker")).await;
    let held = busy(&handle).await;
    for _ in 0..1000 {
        handle.cast(idle()).unwrap();
    }
    held.release();
    // A task like the service's own: they take turns.
    let turns = tokio::spawn(async move {
        let mut turns = 0;
        loop {
            turn().await;
            let books = handle.accounting();
            if books.queued == 0 {
                return turns;
            }
            if books.handled > 1 {
                turns += 1;
                assert_eq!(books.in_hand, 0, "{books}");
            }
        }
    });
    let turns = soon(turns).await.unwrap();
    assert!(turns > 2, "others had {turns} turns");
}

#[tokio::test]
async fn a_thread_knows_how_the_life_before_it_ended_and_that_it_is_to_go_on() {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = Child::thread("thread", move |inbox: Inbox<bool>| {
        let before = inbox.last_exit().map(|exit| exit.kind());
        let (tell, is_cancelled) = (tell.clone(), inbox.is_cancelled());
        let _ = tell.send((before, is_cancelled));
        let mut inbox = inbox;
        if inbox.next() == Some(true) {
            panic!("boom");
        }
        inbox.for_each(drop);
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").budget(Intensity::new(9, LONG)).child(thread).start().await.unwrap();
    let handle = tree.lookup::<bool>("app/thread").unwrap();
    handle.cast(true).unwrap();
    let told = tokio::task::spawn_blocking(move || [told.recv().unwrap(), told.recv().unwrap()]);
    assert_eq!(soon(told).await.unwrap(), [(None, false), (Some("panicked"), false)]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_supervisor_counts_its_lives() {
    let sup = Supervisor::one_for_one("sup").child(worker("worker"));
    let tree = Supervisor::one_for_one("app").budget(Intensity::new(9, LONG)).child(sup).start().await.unwrap();
    assert_eq!(tree.directory().status("app/sup").unwrap().generation, 1);
    tree.kill("app/sup").unwrap();
    soon(async {
        while tree.directory().status("app/sup").unwrap().generation != 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    tree.shutdown().await;
}

#[tokio::test]
async fn a_call_and_the_books_say_how_far_they_are() {
    let (_tree, handle) = tree_of(worker("worker").capacity(1)).await;
    let held = busy(&handle).await;
    let ask = || handle.call(|reply: Reply<u8>| answers(reply, 1));
    let mut sent = ask();
    assert!(format!("{sent:?}").contains("sent"), "{sent:?}");
    let waits = ask();
    assert!(format!("{waits:?}").contains("waiting for room"), "{waits:?}");
    let books = handle.accounting().to_string();
    assert!(books.contains("accepted 2 = ") && books.contains("queued 1"), "{books}");
    assert!(format!("{handle:?}").contains("worker"), "{handle:?}");
    held.release();
    soon(&mut sent).await.unwrap();
    assert!(format!("{sent:?}").contains("done"), "{sent:?}");
    soon(waits).await.unwrap();
}
