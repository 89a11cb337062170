//! `events --follow` across connections that are cut.

use std::sync::atomic::{AtomicUsize, Ordering};

use regrow::admin::wire::envelope::IssueCode;
use regrow::admin::wire::event::Message;
use serde_json::Value;

use crate::data;
use crate::fake::{Fake, Reply, Request, bank};
use crate::program::regrow;

/// An event of the stream, as it goes over the wire.
fn sent(id: &str, message: &Message) -> String {
    format!("id: {id}\ndata: {}\n\n", serde_json::to_string(message).expect("data"))
}

fn event(seq: u64) -> String {
    let entry = data::entry(seq, "bank/tellers/ledger", "exited", &format!("exited: killed, number {seq}"));
    sent(&format!("b00f:bank:{seq}"), &Message::Event { tree: "bank".into(), entry, after: None })
}

fn over() -> String {
    sent("b00f:bank:99", &Message::TreeOver { tree: "bank".into(), reason: "shut down".into() })
}

/// A source that answers the nth request for events with the nth text, and then cuts the connection.
fn streams(texts: Vec<String>) -> Fake {
    let nth = AtomicUsize::new(0);
    Fake::new(move |request| match request.path() {
        "/v1/events" => match texts.get(nth.fetch_add(1, Ordering::SeqCst)) {
            Some(text) => Reply::stream(text),
            None => Reply::refused(500, IssueCode::UnknownTree, "the test has no more"),
        },
        _ => bank(request),
    })
}

fn positions(fake: &Fake) -> Vec<String> {
    let of_events = |request: &Request| request.path() == "/v1/events";
    let requests = fake.requests().into_iter().filter(of_events);
    requests.map(|request| request.headers["last-event-id"].clone()).collect()
}

#[test]
fn a_follower_whose_connection_is_cut_goes_on_where_it_was() {
    // The second connection is cut within an event, which the third one sends whole.
    let cut = event(44);
    let fake = streams(vec![
        format!(": hello\n\n{}{}", event(42), event(43)),
        format!(": hello\n\n{}", &cut[..cut.len() - 20]),
        format!("{}{}", event(44), over()),
    ]);
    let ran = regrow(fake.folder(), &["events", "--follow"]);
    assert_eq!(ran.code, 0, "the tree is over: {}", ran.err);
    assert_eq!(positions(&fake), ["b00f:bank:41", "b00f:bank:43", "b00f:bank:43"]);
    for seq in [42, 43, 44] {
        assert_eq!(ran.out.matches(&format!("killed, number {seq}\n")).count(), 1, "{}", ran.out);
    }
    assert!(ran.out.ends_with("-- bank: the tree is over: shut down\n"), "{}", ran.out);
    assert_eq!(ran.err.matches("connecting again").count(), 2, "{}", ran.err);
    assert_eq!(ran.err.matches("connected again").count(), 2, "{}", ran.err);
}

#[test]
fn a_gap_is_said_and_the_state_follows() {
    let begins = Message::SnapshotBegins { tree: "bank".into(), seq: 250, at_ms: data::NOW };
    let fake = streams(vec![
        event(42),
        [
            sent("", &Message::Gap { tree: "bank".into(), from: 42, to: 250 }),
            sent("b00f:bank:250", &begins),
            sent("b00f:bank:250", &Message::SnapshotEnds { tree: "bank".into(), children: 0 }),
            over(),
        ]
        .concat(),
    ]);
    let ran = regrow(fake.folder(), &["events", "--follow"]);
    assert!(ran.out.contains("gap: 207 events after number 42 are missing"), "{}", ran.out);
    assert!(ran.out.contains("bank: 0 children in all"), "{}", ran.out);
}

#[test]
fn a_follower_prints_the_messages_as_they_came_in_json() {
    let fake = streams(vec![event(42) + &over()]);
    let ran = regrow(fake.folder(), &["events", "--follow", "--json", "--since", "-1h"]);
    let documents: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let past = data::entries().len();
    assert_eq!(documents.len(), past + 2, "{}", ran.out);
    assert_eq!(documents[past]["type"], "event");
    assert_eq!(documents[past + 1]["type"], "tree_over");
}

#[test]
fn a_message_of_a_newer_program_is_left_out_of_the_text() {
    let new = "id: b00f:bank:43\ndata: {\"type\":\"weather\",\"tree\":\"bank\"}\n\n".to_owned();
    let fake = streams(vec![event(42) + &new + &over()]);
    let ran = regrow(fake.folder(), &["events", "--follow"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("number 42") && ran.err.contains("a message of a newer program"), "{}", ran.err);
}

#[test]
fn a_follower_is_told_why_it_is_refused() {
    let fake = streams(Vec::new());
    let ran = regrow(fake.folder(), &["events", "--follow", "--tree", "bnak"]);
    assert_eq!((ran.code, ran.err.as_str()), (4, "the test has no more\n"));
}

#[test]
fn a_follower_whose_reader_goes_away_ends_quietly() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    // The stream goes on and on, so only the reader can end the follower.
    let endless: String = (42..20_000).map(event).collect();
    let fake = streams(vec![endless]);
    let mut command = crate::program::command(fake.folder(), &["events", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut reader = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    drop(reader);
    let ran = crate::program::ran(&child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
