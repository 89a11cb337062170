//! Names of messages, as operators see them.

use std::time::Duration;

use regrow::{Exit, Policy};

use crate::common::mail::soon;
use crate::shop::{Door, ShopMsg, child, start};

#[tokio::test]
async fn a_dead_letter_has_the_name_of_the_method() {
    let (tree, shop) = start(child(&Door::open()).redeliver(1)).await;
    let letters = tree.dead_letters();
    shop.spoil(u64::MAX).unwrap();
    let letter = soon(letters.next()).await.unwrap();
    assert_eq!(letter.label(), Some("spoil"));
}

#[tokio::test]
async fn a_watchdog_names_the_method_that_hangs() {
    let door = Door::open();
    door.gate.set_open(false);
    let watched = child(&door).policy(Policy::default().watchdog(Duration::from_millis(100)));
    let (_tree, shop) = start(watched).await;
    let error = soon(shop.count()).await.unwrap_err();
    let Some(Exit::Hung(hang)) = error.exit() else { panic!("it did not hang: {error}") };
    assert_eq!(&*hang.message, "count");
}

#[test]
fn a_message_shows_its_name_and_not_what_is_in_it() {
    assert_eq!(format!("{:?}", ShopMsg::Put(7, "a secret".into())), "Put");
}
