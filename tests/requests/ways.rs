//! The ways of a request: awaited, within a limit, only if there is room, and from code that is not async.

use regrow::{CallError, Handle, Refusal, RequestError};

use crate::common::mail::{is_waiting, on_a_thread, soon};
use crate::common::tree::{MS, in_hand};
use crate::shop::{Door, ShopClient, ShopError, child, start};

/// A shop that is busy until the door's gate opens, and whose mailbox has one place, which is taken.
async fn full(door: &Door) -> (regrow::Tree, ShopClient) {
    door.gate.set_open(false);
    let (tree, shop) = start(child(door).capacity(1)).await;
    shop.pause().unwrap();
    in_hand(shop.handle()).await;
    shop.put(7, "tea".into()).unwrap();
    (tree, shop)
}

#[tokio::test]
async fn a_request_waits_for_room() {
    let door = Door::open();
    let (_tree, shop) = full(&door).await;
    let mut find = Box::pin(shop.find(7));
    assert!(is_waiting(&mut find).await);
    door.gate.set_open(true);
    assert_eq!(soon(find).await.unwrap(), "tea");
}

#[tokio::test]
async fn a_request_that_must_not_wait_is_refused_and_comes_back() {
    let door = Door::open();
    let (_tree, shop) = full(&door).await;
    let error = soon(shop.find(7).try_now()).await.unwrap_err();
    assert!(matches!(&error, RequestError::Call(CallError::Refused(error)) if error.refusal() == Refusal::Full));
    assert!(error.is_safe_to_repeat() && error.into_message().is_some());
    assert!(matches!(soon(shop.count().try_now()).await, Err(CallError::Refused(_))));
    door.gate.set_open(true);
    soon(shop.clear()).await.unwrap();
    assert!(soon(shop.find(7).try_now()).await.is_err_and(|error| matches!(error, RequestError::Service(_))));
}

#[tokio::test(start_paused = true)]
async fn a_request_within_a_limit_gives_up_in_time() {
    let door = Door::open();
    let (_tree, shop) = full(&door).await;
    let error = shop.find(7).within(30 * MS).await.unwrap_err();
    assert!(matches!(error, RequestError::Call(CallError::Refused(error)) if error.refusal() == Refusal::Full));
    door.gate.set_open(true);
    soon(shop.clear()).await.unwrap();
    door.gate.set_open(false);
    assert!(matches!(shop.count().within(30 * MS).await, Err(CallError::TimedOut { queued: false, .. })));
    door.gate.set_open(true);
    assert_eq!(soon(shop.count().within(30 * MS)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_thread_without_a_runtime_makes_requests() {
    let door = Door::open();
    let (_tree, shop) = full(&door).await;
    let found = on_a_thread(move || {
        let late = shop.find(7).within(30 * MS).blocking();
        let refused = shop.find(7).try_now().blocking();
        door.gate.set_open(true);
        (late, refused, shop.find(7).blocking(), shop.find(8).blocking(), shop.count().within(60_000 * MS).blocking())
    });
    let (late, refused, found, missed, count) = found.await;
    let is_full =
        |error| matches!(error, RequestError::Call(CallError::Refused(error)) if error.refusal() == Refusal::Full);
    assert!(is_full(late.unwrap_err()) && is_full(refused.unwrap_err()));
    assert_eq!((found.unwrap(), count.unwrap()), ("tea".into(), 1));
    assert!(matches!(missed, Err(RequestError::Service(ShopError::NoSuchOrder(8)))));
}

/// Senders that wait, that do not, and that give up, beside a service that ends at random: each request has an end, and
/// the books balance.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_all_kinds_race_with_crashes_and_each_has_an_end() {
    for seed in 0..20 {
        let (tree, shop) = start(child(&Door::open()).capacity(2)).await;
        let mut tasks = Vec::new();
        for task in 0..8 {
            let (shop, mut dice) = (shop.clone(), fastrand::Rng::with_seed(seed * 8 + task));
            tasks.push(tokio::spawn(async move {
                for number in 0..50 {
                    match dice.u32(..6) {
                        0 => drop(shop.put(number, "tea".into())),
                        1 => drop(shop.find(number).await),
                        2 => drop(shop.find(number).try_now().await),
                        3 => drop(shop.count().within(MS).await),
                        4 => drop(tokio::task::block_in_place(|| shop.look(number).blocking())),
                        _ => drop(shop.spoil(u64::MAX)),
                    }
                }
            }));
        }
        for task in tasks {
            soon(task).await.unwrap();
        }
        let handle: Handle<_> = shop.into();
        soon(tree.shutdown()).await;
        let books = handle.accounting();
        assert!(books.is_balanced() && books.queued == 0 && books.in_hand == 0, "seed {seed}: {books}");
    }
}
