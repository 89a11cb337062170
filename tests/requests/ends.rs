//! Errors that end the service, and errors that do not: an `Err` that is an answer, and one that is none.

use regrow::{CallError, ServiceState};

use crate::common::mail::soon;
use crate::shop::{Door, ShopError, child, shop, start};

#[tokio::test]
async fn an_error_in_an_answer_never_ends_the_service() {
    let (_tree, shop) = shop().await;
    assert_eq!(soon(shop.look(1)).await.unwrap(), Err(ShopError::NoSuchOrder(1)));
    soon(shop.find(1)).await.unwrap_err();
    soon(shop.forwarded(1)).await.unwrap_err();
    assert_eq!(soon(shop.generation()).await.unwrap(), 1);
}

#[tokio::test]
async fn an_error_in_a_cast_ends_the_service_after_its_stop_hook() {
    let door = Door::open();
    let (_tree, shop) = start(child(&door)).await;
    shop.put(7, "tea".into()).unwrap();
    shop.spoil(2).unwrap();
    assert_eq!(soon(shop.generation()).await.unwrap(), 2);
    assert_eq!((soon(shop.count()).await.unwrap(), door.closed()), (0, 1));
}

#[tokio::test]
async fn an_error_beside_a_reply_ends_the_service_and_the_call() {
    let (_tree, shop) = shop().await;
    let error = soon(shop.filled(0)).await.unwrap_err();
    let exit = error.exit().expect("it crashed under the call");
    assert_eq!(exit.to_string(), "failed: a shop is always filled with nothing");
    assert_eq!(soon(shop.generation()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_reply_that_is_kept_ends_with_the_life_that_kept_it() {
    let (_tree, shop) = shop().await;
    let filled = shop.filled(2);
    shop.spoil(2).unwrap();
    assert!(matches!(soon(filled).await, Err(CallError::Crashed { .. })));
}

#[tokio::test]
async fn the_stop_hook_runs_at_a_shutdown() {
    let door = Door::open();
    let (tree, shop) = start(child(&door)).await;
    assert!(soon(tree.shutdown()).await.is_clean());
    assert_eq!((door.closed(), shop.handle().status().state), (1, ServiceState::Gone));
}

#[tokio::test]
async fn messages_that_can_be_cloned_are_redelivered() {
    let (_tree, shop) = start(child(&Door::open()).redeliver(3)).await;
    shop.spoil(3).unwrap();
    assert_eq!(soon(shop.generation()).await.unwrap(), 3);
    assert_eq!(shop.handle().accounting().crashed, 0);
}
