//! What the commands read from a source: server-sent events, and answers.

use regrow::operate::doors;

use crate::targets::{halves, is_shown_safely};

/// Bytes of a stream. The first byte says where it is cut.
pub(super) fn events(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let whole = doors::events([stream]).expect("a short stream");
    for size in [1, usize::from(*cut).max(1)] {
        assert_eq!(doors::events(stream.chunks(size)).as_ref(), Some(&whole), "cut into chunks of {size} bytes");
    }
    let (events, position) = &whole;
    assert!(!position.contains(['\n', '\r', '\0']), "a position that no header can hold: {position:?}");
    // What was read is sent again, as the source sends it.
    let mut sent = format!("id: {position}\n");
    for event in events {
        sent += &event.split('\n').map(|line| format!("data: {line}\n")).collect::<String>();
        sent.push('\n');
    }
    if !events.is_empty() {
        assert_eq!(doors::events([sent.as_bytes()]).as_ref(), Some(&whole));
    }
}

/// A status, a line end, and the content of an answer.
pub(super) fn answer(data: &[u8]) {
    let (status, content) = halves(data, b"\n");
    let status = std::str::from_utf8(status).ok().and_then(|status| status.parse().ok()).unwrap_or(200);
    if let Err(told) = doors::answer(status, content) {
        assert!(!told.is_empty(), "refused without a reason");
        is_shown_safely(&told);
    }
}
