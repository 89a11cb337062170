//! Names of messages, as operators see them.

use std::time::Duration;

use regrow::{Child, Exit, Intensity, Policy, Supervisor};

use crate::common::mail::soon;
use crate::common::tree::in_hand;
use crate::shop::{Door, ShopClient, ShopMsg, child, start};

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

/// A service that asks the shop.
struct Clerk {
    shop: ShopClient,
}

#[regrow::service]
impl Clerk {
    #[call]
    async fn stock(&mut self) -> usize {
        self.shop.count().await.unwrap_or_default()
    }

    /// Asks with one error for both, within a limit.
    #[call]
    async fn has(&self, id: i64) -> bool {
        self.shop.find(id).within(Duration::from_secs(60)).await.is_ok()
    }
}

#[tokio::test]
async fn why_says_whose_answer_a_request_awaits() {
    let door = Door::open();
    door.gate.set_open(false);
    let clerk = Child::service("clerk", |ctx| async move { Ok(Clerk { shop: ctx.lookup("shop")?.into() }) });
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(child(&door)).child(clerk);
    let tree = soon(tree.start()).await.unwrap();
    let (shop, clerk) =
        (ShopClient::from(tree.lookup("app/shop").unwrap()), ClerkClient::from(tree.lookup("app/clerk").unwrap()));
    shop.pause().unwrap();
    in_hand(shop.handle()).await;
    let is_waiting = async || {
        while !tree.why("app/clerk").await.unwrap().to_string().contains("waits for an answer of `app/shop`") {
            tokio::task::yield_now().await;
        }
    };
    let stock = clerk.stock();
    soon(is_waiting()).await;
    door.gate.set_open(true);
    assert_eq!(soon(stock).await.unwrap(), 0);

    door.gate.set_open(false);
    shop.pause().unwrap();
    in_hand(shop.handle()).await;
    let has = clerk.has(1);
    soon(is_waiting()).await;
    door.gate.set_open(true);
    assert!(!soon(has).await.unwrap());
}

#[test]
fn a_message_shows_its_name_and_not_what_is_in_it() {
    assert_eq!(format!("{:?}", ShopMsg::Put(7, "a secret".into())), "Put");
}
