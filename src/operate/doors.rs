//! Doors for the fuzz targets (`tests/fuzz`) to inner readers of the commands. No program needs them, and they may change.

use hyper::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::admin::Dump;
use crate::admin::wire::history::History;
use crate::admin::wire::query::HistoryQuery;
use crate::operate::ask::sse::Decoder;
use crate::operate::ask::{answer as answers, parameters};
use crate::operate::run::dump;
use crate::operate::text;

/// Reads a stream of server-sent events: returns the data of its events, and its position at the end. Nothing if an event
/// is too long.
pub fn events<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Option<(Vec<String>, String)> {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for chunk in chunks {
        events.extend(decoder.take(chunk).ok()?);
    }
    Some((events, decoder.position().to_owned()))
}

/// Opens the envelope of an answer with this status. A status that does not exist is taken as 200.
///
/// # Errors
///
/// The text that a command prints if it cannot use the answer.
pub fn answer(status: u16, content: &[u8]) -> Result<Value, String> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    answers::open::<Value>(status, content).map(|answer| answer.data).map_err(|trouble| trouble.to_string())
}

/// Returns the path with the parameters behind it.
pub fn address(path: &str, parameters: &impl Serialize) -> String {
    parameters::address(path, parameters)
}

/// Answers a query from a dump.
///
/// # Errors
///
/// The text that `regrow history` prints if the moment lies before the record.
pub fn history(dump: &Dump, query: &HistoryQuery) -> Result<History, String> {
    dump::answer(dump, query).map_err(|trouble| trouble.to_string())
}

/// Returns a word for a shell.
pub fn shell_word(word: &str) -> String {
    text::shell_word(word)
}
