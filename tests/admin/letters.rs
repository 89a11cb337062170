//! Dead letters: counted, listed without their contents, described by their services, replayed.

use regrow::admin::wire::envelope::IssueCode;
use regrow::admin::wire::letter::{Letter, Letters};
use regrow::admin::{Admin, Capability};
use regrow::{Child, Context, Intensity, Service, Supervisor, Tree};
use serde_json::json;

use crate::client::serve;
use crate::common::tree::{soon, up, worked_off};

struct Parser;

impl Service for Parser {
    type Msg = String;

    async fn handle(&mut self, line: String, _: &mut Context<Self>) -> anyhow::Result<()> {
        anyhow::ensure!(!line.starts_with("bad"), "not a line");
        Ok(())
    }

    fn label(_: &String) -> Option<&'static str> {
        Some("line")
    }

    fn describe_message(line: &String) -> Option<String> {
        Some(format!("a line of {} bytes", line.len()))
    }
}

/// A tree with one dead letter for each of these messages.
async fn with_letters(messages: &[&str]) -> (Tree, Admin) {
    let parser = Child::service("parser", |_| async { Ok(Parser) }).redeliver(1);
    let tree = Supervisor::one_for_one("shop").budget(Intensity::unlimited()).child(parser).start().await.unwrap();
    let admin = Admin::new("shop").tree(&tree).grant(Capability::Control);
    // Each message ends two incarnations.
    for (message, generation) in messages.iter().zip((3..).step_by(2)) {
        tree.lookup::<String>("shop/parser").unwrap().cast((*message).into()).unwrap();
        up(&tree, "shop/parser", generation).await;
    }
    (tree, admin)
}

#[tokio::test]
async fn letters_are_listed_without_contents_and_described_by_their_service_alone() {
    let (_tree, admin) = with_letters(&["bad secret", "bad other"]).await;
    let served = serve(&admin).await;
    let answer = served.ask("GET", "/v1/dead-letters", &[], "").await;
    assert!(!answer.body.contains("secret"), "{}", answer.body);
    let letters: Letters = answer.data();
    assert_eq!((letters.kept, letters.dropped), (2, 0));
    assert_eq!(letters.by_reason["poison"]["shop/parser"], 2);
    let numbers: Vec<_> = letters.letters.iter().map(|letter| letter.number).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(letters.letters[0].label.as_deref(), Some("line"));
    let one: Letter = served.get("/v1/dead-letters/1").await;
    assert_eq!(one.described.as_deref(), Some("a line of 10 bytes"));
    let page: Letters = served.get("/v1/dead-letters?limit=1").await;
    assert_eq!(page.next, Some(1));
    let page: Letters = served.get("/v1/dead-letters?limit=1&after=1").await;
    assert_eq!((page.letters[0].number, page.next), (2, None));
    let answer = served.ask("GET", "/v1/dead-letters/9", &[], "").await;
    assert_eq!((answer.status, answer.refusal().0), (404, IssueCode::UnknownNumber));
    assert_eq!(served.ask("GET", "/v1/dead-letters/first", &[], "").await.status, 400);
}

#[tokio::test]
async fn a_letter_is_replayed_by_its_number_and_all_of_a_receiver_together() {
    let (tree, admin) = with_letters(&["bad 1", "bad 2", "bad 3"]).await;
    let served = serve(&admin).await;
    let answer = served.act(json!({"act": "replay", "path": "shop", "reason": "fixed", "letters": [2]})).await;
    assert!(answer.status == 200 && answer.body.contains("1 replayed"), "{answer:?}");
    // It is poison still, and comes back with a new number.
    up(&tree, "shop/parser", 9).await;
    let back = async {
        loop {
            let letters: Letters = served.get("/v1/dead-letters").await;
            if letters.kept == 3 {
                return letters.letters.iter().map(|letter| letter.number).collect::<Vec<_>>();
            }
        }
    };
    assert_eq!(soon("the letter", back).await, [1, 3, 4]);
    let again = served.act(json!({"act": "replay", "path": "shop", "reason": "fixed", "letters": [2]})).await;
    assert_eq!(again.refusal().0, IssueCode::UnknownNumber);
    let other = served.act(json!({"act": "replay", "path": "shop", "reason": "x", "receiver": "shop/other"})).await;
    assert_eq!(other.refusal().0, IssueCode::UnknownNumber);
    let all = served.act(json!({"act": "replay", "path": "shop", "reason": "x", "receiver": "shop/parser"})).await;
    assert!(all.body.contains("3 replayed"), "{all:?}");
    up(&tree, "shop/parser", 15).await;
    worked_off(&tree.lookup::<String>("shop/parser").unwrap()).await;
}
