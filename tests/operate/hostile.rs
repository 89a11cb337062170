//! Texts of a program that try to write on the terminal.

use regrow::admin::wire::event::Message;
use regrow::admin::wire::greeting::Greeting;
use regrow::admin::wire::letter::Letter;
use regrow::operate::text::{self, Screen};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::data;

/// Clears the screen, turns the line, rings, hides, breaks lines, and closes quotes.
const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{202e}b\u{7}\r\n\u{0}\u{200b}\u{feff}\u{e0041}\"\\'];}c";

/// The value with the hostile text at the end of each of its texts that a program makes up.
fn spoiled<T: Serialize + DeserializeOwned>(value: &T) -> T {
    fn spoil(value: &mut Value, name: &str) {
        match value {
            // These are one of a few words.
            Value::String(_) if matches!(name, "state" | "before" | "after" | "type") => {}
            Value::String(_) if name == "act" && value.as_str().is_some_and(|act| !act.contains(' ')) => {}
            Value::String(text) => text.push_str(HOSTILE),
            Value::Array(values) => values.iter_mut().for_each(|value| spoil(value, name)),
            Value::Object(fields) if name == "by_cause" || name == "by_reason" => {
                let spoiled = std::mem::take(fields).into_iter().map(|(mut key, mut value)| {
                    key.push_str(HOSTILE);
                    spoil(&mut value, name);
                    (key, value)
                });
                *fields = spoiled.collect();
            }
            Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| spoil(value, name)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut json = serde_json::to_value(value).expect("it is data");
    for name in ["capabilities", "parts"] {
        json.as_object_mut().and_then(|fields| fields.remove(name));
    }
    if let Some(fields) = json.as_object_mut().filter(|fields| fields.contains_key("boot")) {
        fields.insert("capabilities".into(), Value::Array(Vec::new()));
        fields.insert("parts".into(), Value::Array(Vec::new()));
    }
    spoil(&mut json, "");
    serde_json::from_value(json).expect("it is the same data")
}

fn is_safe(text: &str) {
    assert!(text.contains("\\u{1b}"), "the text is shown as such: {text:?}");
    let hostile = |letter: char| {
        (letter.is_control() && letter != '\n') || matches!(letter, '\u{202e}' | '\u{200b}' | '\u{feff}' | '\u{e0041}')
    };
    assert_eq!(text.chars().find(|letter| hostile(*letter)), None, "{text:?}");
}

#[test]
fn no_text_of_a_program_reaches_the_terminal_raw() {
    let greeting: Greeting = spoiled(&data::greeting());
    for screen in [Screen::plain(120), Screen::plain(40), Screen::plain(10_000)] {
        is_safe(&text::ps(&spoiled(&data::services()), Some(&greeting), &screen));
        is_safe(&text::ps(&spoiled(&data::groups()), Some(&greeting), &screen));
        is_safe(&text::tree(&spoiled(&data::services()), Some(&greeting), 5, &screen));
        is_safe(&text::status(&spoiled(&data::full()), data::NOW, false, &screen));
        is_safe(&text::why(&spoiled(&data::full()), &screen));
        is_safe(&text::history(&spoiled(&data::as_it_was()), 5, &screen));
        is_safe(&text::letters(&spoiled(&data::letters()), &screen));
        let described = Letter { described: Some("{\n  x".into()), ..data::letter() };
        is_safe(&text::letter(&spoiled(&described), &screen));
        let over = Message::TreeOver { tree: HOSTILE.into(), reason: HOSTILE.into() };
        let event = Message::Event { tree: HOSTILE.into(), entry: spoiled(&data::entries().remove(3)), after: None };
        [over, event].iter().for_each(|message| is_safe(&text::message(message, &screen)));
    }
    let mut experiment = data::experiment();
    experiment.report = Some(format!("a\u{1b}[1m\n{HOSTILE}"));
    is_safe(&text::experiments(&[experiment], data::NOW, &Screen::plain(80)));
}

#[test]
fn a_graph_stays_one_graph() {
    let spoiled = spoiled(&data::services());
    let graph = text::dot(&spoiled);
    is_safe(&graph);
    for line in graph.lines().filter(|line| line.contains("label=")) {
        let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
        assert_eq!(quotes, 4, "{line}");
    }
    if let Some(drawn) = drawn(&graph) {
        assert_eq!(drawn.matches("class=\"node\"").count(), 26, "a node for each path, and the root's parts");
    }
}

#[test]
fn a_graph_has_a_node_for_each_child_and_an_edge_for_each_but_the_root() {
    let graph = text::dot(&data::services());
    assert_eq!(graph.matches("label=").count(), 25);
    assert_eq!(graph.matches(" -> ").count(), 24);
    assert!(graph.contains("\"bank/tellers\" -> \"bank/tellers/ledger\";"));
    if let Some(drawn) = drawn(&graph) {
        assert_eq!(drawn.matches("class=\"node\"").count(), 25);
    }
}

/// The graph as Graphviz draws it; nothing if it is not installed.
fn drawn(graph: &str) -> Option<String> {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let begun = Command::new("dot").arg("-Tsvg").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut dot) = begun else {
        eprintln!("left out: `dot` is not installed");
        return None;
    };
    dot.stdin.take().expect("it is piped").write_all(graph.as_bytes()).expect("it reads");
    let output = dot.wait_with_output().expect("it ends");
    assert!(output.status.success(), "dot cannot read:\n{graph}");
    Some(String::from_utf8(output.stdout).expect("it draws UTF-8"))
}
