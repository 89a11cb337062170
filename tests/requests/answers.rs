//! Calls and casts of a client, and the errors of calls.

use regrow::{CallError, Handle, PeerUnavailable, Refusal, RequestError};

use crate::common::mail::soon;
use crate::shop::{ShopClient, ShopError, ShopMsg, shop};

#[tokio::test]
async fn a_cast_changes_the_state_and_a_call_answers_from_it() {
    let (_tree, shop) = shop().await;
    shop.put(7, "tea".into()).unwrap();
    assert_eq!(soon(shop.count()).await.unwrap(), 1);
    assert_eq!(soon(shop.find(7)).await.unwrap(), "tea");
    soon(shop.clear()).await.unwrap();
    assert_eq!(soon(shop.count()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_call_with_an_error_of_its_own_has_one_error_for_both() {
    let (tree, shop) = shop().await;
    let error = soon(shop.find(9)).await.unwrap_err();
    assert!(matches!(error, RequestError::Service(ShopError::NoSuchOrder(9))) && !error.is_safe_to_repeat());
    assert_eq!(error.to_string(), "there is no order 9");
    assert!(soon(shop.forwarded(9)).await.unwrap_err().into_message().is_none());

    soon(tree.shutdown()).await;
    let error = soon(shop.find(9)).await.unwrap_err();
    assert!(error.is_safe_to_repeat() && error.to_string().contains("app/shop"), "{error}");
    assert!(matches!(error.into_message(), Some(ShopMsg::Find(9, _))));
}

#[tokio::test]
async fn without_an_error_of_its_own_the_answer_keeps_its_result() {
    let (_tree, shop) = shop().await;
    assert_eq!(soon(shop.look(9)).await.unwrap(), Err(ShopError::NoSuchOrder(9)));
}

/// The case of a service that cannot go on without its peer.
#[tokio::test]
async fn the_error_of_a_request_goes_into_anyhow_and_an_absent_peer_is_its_cause() {
    async fn find(shop: &ShopClient) -> anyhow::Result<String> {
        Ok(soon(shop.find(9)).await?)
    }
    let (tree, shop) = shop().await;
    let error = find(&shop).await.unwrap_err();
    assert!(error.downcast_ref::<RequestError<ShopError, ShopMsg>>().is_some() && error.source().is_none());
    soon(tree.shutdown()).await;
    let error = find(&shop).await.unwrap_err();
    let peer = error.chain().find_map(|cause| cause.downcast_ref::<PeerUnavailable>());
    assert_eq!(peer.and_then(PeerUnavailable::refusal), Some(Refusal::Gone));
}

#[tokio::test]
async fn a_refused_cast_comes_back() {
    let (tree, shop) = shop().await;
    soon(tree.shutdown()).await;
    let error = shop.put(7, "tea".into()).unwrap_err();
    assert_eq!(error.refusal(), Refusal::Gone);
    assert!(matches!(error.into_message(), ShopMsg::Put(7, tea) if tea == "tea"));
}

#[tokio::test]
async fn a_method_with_the_reply_answers_later() {
    let (_tree, shop) = shop().await;
    let filled = shop.filled(2);
    shop.put(1, "tea".into()).unwrap();
    assert_eq!(soon(shop.count()).await.unwrap(), 1);
    shop.put(2, "milk".into()).unwrap();
    assert_eq!(soon(filled).await.unwrap(), 2);
}

#[tokio::test]
async fn a_method_takes_the_context_at_any_place() {
    let (_tree, shop) = shop().await;
    assert_eq!(soon(shop.generation()).await.unwrap(), 1);
    assert_eq!(soon(shop.leave("bye".into())).await.unwrap(), "bye");
    assert_eq!(soon(shop.generation()).await.unwrap(), 2);
}

#[tokio::test]
async fn what_the_client_does_can_be_done_by_hand_with_its_handle() {
    let (tree, shop) = shop().await;
    let handle: Handle<ShopMsg> = tree.lookup("app/shop").unwrap();
    assert_eq!(*shop.handle(), handle);
    soon(handle.send(ShopMsg::Put(7, "tea".into()))).await.unwrap();
    assert_eq!(soon(handle.call(|reply| ShopMsg::Find(7, reply)).flatten()).await.unwrap(), "tea");
    assert_eq!(soon(handle.call(ShopMsg::Count)).await.unwrap(), 1);
    assert_eq!(Handle::from(shop.clone()), handle);
    assert_eq!(ShopClient::from(handle), shop);
}

#[tokio::test]
async fn an_error_about_the_call_can_become_one_of_a_request() {
    let (tree, shop) = shop().await;
    soon(tree.shutdown()).await;
    let relay = async || -> Result<usize, RequestError<ShopError, ShopMsg>> { Ok(soon(shop.count()).await?) };
    assert!(matches!(relay().await, Err(RequestError::Call(CallError::Refused(_)))));
}
