//! Calls whose message runs again: they stay open until an incarnation has answered, or none will.

use regrow::testing::until;
use regrow::{CallError, Child, Context, Reply, Restart, Service, ServiceState};

use crate::common::mail::{self, soon};
use crate::common::redelivering::*;

#[tokio::test]
async fn a_call_is_answered_by_the_incarnation_that_can() {
    for way in WAYS {
        let diary = Diary::default();
        let (_tree, handle) = tree_of(clerk(&diary).redeliver(2)).await;
        let call = handle.call(|reply| Msg::Ask(4, way, times(2), reply));
        assert_eq!(soon(call).await.unwrap(), 4);
        assert_eq!((handle.generation(), diary.seen()), (3, vec![4, 4, 4]));
    }
}

#[tokio::test]
async fn a_poison_call_ends_as_crashed_and_in_a_letter_whose_reply_is_harmless() {
    let diary = Diary::default();
    let (tree, handle) = tree_of(clerk(&diary).redeliver(1)).await;
    let letters = tree.dead_letters();
    let exit = crash(handle.call(|reply| Msg::Ask(4, Way::Panic, times(u32::MAX), reply))).await;
    assert_eq!(exit.kind(), "panicked");
    let letter = soon(letters.next()).await.unwrap();
    let Ok(Msg::Ask(4, _, _, reply)) = letter.into_message() else { panic!("another message") };
    assert!(!reply.is_wanted() && !reply.send(4));
}

#[tokio::test]
async fn a_call_whose_caller_has_gone_is_redelivered_all_the_same() {
    let diary = Diary::default();
    let (_tree, handle) = tree_of(clerk(&diary).redeliver(2)).await;
    drop(handle.call(|reply| Msg::Ask(4, Way::Panic, times(1), reply)));
    settled(&handle).await;
    assert_eq!(diary.seen(), [4, 4, 0]);
}

/// It may have had effects: "never ran" would be a lie.
#[tokio::test]
async fn a_call_that_is_shed_while_it_waits_to_run_again_ends_as_crashed() {
    let diary = Diary::default();
    let child = clerk(&diary).redeliver(3).restart(Restart::Temporary);
    let (_tree, handle) = tree_of(child).await;
    let exit = crash(handle.call(|reply| Msg::Ask(4, Way::Error, times(1), reply))).await;
    assert_eq!(exit.to_string(), "failed: out of paper");
    soon(until(handle.watch(), |status| status.state == ServiceState::Gone)).await;
    let books = handle.accounting();
    assert!(books.is_balanced() && books.queued == 0 && books.dead_lettered == 1 && books.returned == 0, "{books}");
}

#[tokio::test]
async fn a_live_service_that_drops_every_copy_of_the_reply_leaves_the_call_unanswered() {
    struct Careless;
    impl Service for Careless {
        type Msg = Reply<u64>;
        async fn handle(&mut self, reply: Reply<u64>, _: &mut Context<Self>) -> anyhow::Result<()> {
            drop(reply.clone());
            drop(reply);
            Ok(())
        }
    }
    let tree = soon(forgiving().child(Child::service("c", |_| async { Ok(Careless) }).redeliver(1)).start()).await;
    let tree = tree.unwrap();
    let handle = tree.lookup::<Reply<u64>>("app/c").unwrap();
    assert!(matches!(soon(handle.call(|reply| reply)).await, Err(CallError::Unanswered { .. })));
}

#[tokio::test]
async fn the_first_answer_of_a_cloned_reply_wins() {
    let (told, tell) = tokio::sync::oneshot::channel();
    let (_tree, handle) = mail::tree_of(mail::worker("worker")).await;
    let call = handle.call(|reply: Reply<u64>| {
        mail::run(async move |_| {
            let second = reply.clone();
            let _ = told.send((reply.send(1), second.send(2)));
            Ok(())
        })
    });
    assert_eq!(soon(call).await.unwrap(), 1);
    assert_eq!(soon(tell).await.unwrap(), (true, false));
}
