//! `--json`: the data as they came.

use regrow::admin::wire::envelope::Envelope;
use regrow::admin::wire::history::Was;
use regrow::admin::wire::services::State;
use serde_json::{Value, json};

use crate::data;
use crate::fake::{Fake, Reply, bank};
use crate::program::regrow;

#[test]
fn json_is_what_the_source_said() {
    let fake = Fake::bank();
    let said = |value: &dyn erased::Data| value.value();
    let cases: [(&[&str], Value); 7] = [
        (&["ps"], said(&data::services())),
        (&["tree"], said(&data::services())),
        (&["status", "x"], said(&data::full())),
        (&["why", "x"], said(&data::full())),
        (&["history"], said(&data::history())),
        (&["dead-letters"], said(&data::letters())),
        (&["experiment", "list"], said(&vec![data::experiment()])),
    ];
    for (arguments, expected) in cases {
        let arguments = [arguments, &["--json"]].concat();
        let ran = regrow(fake.folder(), &arguments);
        assert_eq!(ran.out.lines().count(), 1, "one document on one line");
        assert_eq!(serde_json::from_str::<Value>(&ran.out).expect("JSON"), expected, "{arguments:?}");
    }
}

#[test]
fn fields_and_texts_that_the_command_does_not_know_stay_in_json() {
    let mut value = serde_json::to_value(data::services()).expect("data");
    value["a_new_field"] = json!({"of": "a newer program"});
    value["rows"][0]["last_exit"] = json!({"cause": "failed", "text": "\u{1b}[2J\u{202e}", "new": 1});
    let sent = value.clone();
    let fake =
        Fake::new(move |request| if request.path() == "/v1/services" { Reply::ok(&sent) } else { bank(request) });
    let ran = regrow(fake.folder(), &["ps", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.out).expect("JSON"), value);
    assert_eq!(regrow(fake.folder(), &["ps"]).code, 0, "and the text leaves them out");
}

#[test]
fn events_are_a_document_each() {
    let fake = Fake::bank();
    let ran = regrow(fake.folder(), &["events", "--json"]);
    let documents: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let expected: Vec<Value> =
        data::entries().iter().rev().map(|entry| serde_json::to_value(entry).expect("data")).collect();
    assert_eq!(documents, expected);
}

#[test]
fn all_pages_are_one_document() {
    let fake = Fake::new(|request| {
        let mut page = data::services();
        let all = page.rows.clone();
        match request.address.contains("after=") {
            false => (page.rows, page.next) = (all[..10].to_vec(), Some("bank/tellers/teller-5".into())),
            true => page.rows = all[10..].to_vec(),
        }
        if request.path() == "/v1/services" { Reply::ok(&page) } else { bank(request) }
    });
    let ran = regrow(fake.folder(), &["ps", "--all", "--json"]);
    let document: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(document["rows"], serde_json::to_value(data::services().rows).expect("data"));
    assert_eq!(document["next"], Value::Null);
    assert!(fake.last("GET").address.contains("after=bank%2Ftellers%2Fteller-5&"), "the cursor goes back as it came");
    let first = regrow(fake.folder(), &["ps", "--limit", "10"]);
    assert!(first.out.contains("--all shows all"), "{}", first.out);
}

mod erased {
    use serde::Serialize;
    use serde_json::Value;

    /// Data of the wire.
    pub(crate) trait Data {
        fn value(&self) -> Value;
    }

    impl<T: Serialize> Data for T {
        fn value(&self) -> Value {
            serde_json::to_value(self).expect("it is data")
        }
    }
}

/// Found by review: the command showed the first page of the tree as it was, and called it the tree.
#[test]
fn the_tree_as_it_was_is_read_page_by_page_up_to_a_limit() {
    let paged = |pages: usize| {
        Fake::new(move |request| {
            let is_past = request.path() == "/v1/history";
            if !is_past {
                return bank(request);
            }
            let number =
                request.address.split_once("was_after=bank%2Fp").or(request.address.split_once("was_after=bank/p"));
            let number = number.map_or(0, |(_, rest)| rest.split('&').next().unwrap().parse::<usize>().unwrap() + 1);
            let mut history = data::as_it_was();
            let was = |row| Was { path: format!("bank/p{number}/{row}"), state: State::Up, generation: 1 };
            history.as_it_was = (0..10_000).map(was).collect();
            history.next_was = (number + 1 < pages).then(|| format!("bank/p{number}"));
            let mut envelope = serde_json::to_value(Envelope::ok(history)).unwrap();
            if number + 1 < pages {
                envelope["issues"] = serde_json::json!([{"code": "left_out", "text": "more were there then"}]);
            }
            Reply::Json(200, envelope)
        })
    };
    let fake = paged(3);
    let ran = regrow(fake.folder(), &["history", "--at", "-5m"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("30000 children") || ran.out.contains("30,000 children"), "{}", ran.out);
    assert!(!ran.out.contains("there were more"), "{}", ran.out);
    let json: Value = serde_json::from_str(&regrow(fake.folder(), &["history", "--at", "-5m", "--json"]).out).unwrap();
    assert_eq!((json["as_it_was"].as_array().unwrap().len(), &json["next_was"]), (30_000, &Value::Null));
    let fake = paged(1_000);
    let ran = regrow(fake.folder(), &["history", "--at", "-5m"]);
    assert!(ran.out.contains("there were more: --below PATH shows a part"), "{}", ran.out);
    assert!(ran.err.contains("more were there then"), "{}", ran.err);
    assert_eq!(fake.requests().iter().filter(|request| request.path() == "/v1/history").count(), 10);
}
