//! The data of the admin source as JSON, and the texts that the commands make of them.

use std::fmt::Debug;

use regrow::admin::wire::act::ActRequest;
use regrow::admin::wire::envelope::Envelope;
use regrow::admin::wire::event::Message;
use regrow::admin::wire::experiment::{ExperimentRequest, ExperimentState};
use regrow::admin::wire::greeting::Greeting;
use regrow::admin::wire::history::History;
use regrow::admin::wire::letter::{Letter, Letters};
use regrow::admin::wire::service::ServiceInFull;
use regrow::admin::wire::services::Services;
use regrow::operate::text::{self, Screen};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::targets::is_shown_safely;

/// JSON of any of the types.
pub(super) fn wire(data: &[u8]) {
    read::<ActRequest>(data);
    read::<ExperimentRequest>(data);
    read::<Envelope<Value>>(data);
    read::<Greeting>(data);
    for screen in [Screen::plain(24), Screen::plain(120)] {
        if let Some(services) = read::<Services>(data) {
            is_shown_safely(&text::ps(&services, None, &screen));
            is_shown_safely(&text::tree(&services, None, 3, &screen));
            is_graph(&text::dot(&services));
        }
        if let Some(full) = read::<ServiceInFull>(data) {
            is_shown_safely(&text::status(&full, 1_764_385_920_000, true, &screen));
            is_shown_safely(&text::why(&full, &screen));
        }
        if let Some(history) = read::<History>(data) {
            is_shown_safely(&text::history(&history, 3, &screen));
        }
        if let Some(letters) = read::<Letters>(data) {
            is_shown_safely(&text::letters(&letters, &screen));
        }
        if let Some(letter) = read::<Letter>(data) {
            is_shown_safely(&text::letter(&letter, &screen));
        }
        if let Some(message) = read::<Message>(data) {
            is_shown_safely(&text::message(&message, &screen));
        }
        if let Some(experiments) = read::<Vec<ExperimentState>>(data) {
            is_shown_safely(&text::experiments(&experiments, 1_764_385_920_000, &screen));
        }
    }
}

/// Reads it, if it is one. Written and read again, it is equal.
fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(data).ok()?;
    let written = serde_json::to_vec(&read).expect("it is data");
    let again: T = serde_json::from_slice(&written).expect("it was written as JSON");
    assert_eq!(read, again);
    Some(read)
}

/// Each line of a graph has as many quotes as the line of any other path.
fn is_graph(graph: &str) {
    is_shown_safely(graph);
    for line in graph.lines().filter(|line| line.contains(" -> ") || line.contains("label=")) {
        let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
        assert_eq!(quotes % 2, 0, "a quote is open: {line}");
    }
}
