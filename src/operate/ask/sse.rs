//! Server-sent events: chunks of bytes in, events out.

/// The longest line or event that is kept, in bytes. A longer one is a broken stream.
const EVENT_MAX: usize = 64 * 1024 * 1024;

/// Reader of a stream of events, which may be cut anywhere into chunks.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    /// The last chunk ended with a carriage return: a line feed at the begin of the next one belongs to it.
    ended_with_return: bool,
    data: String,
    has_data: bool,
    id: String,
}

/// Event of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// Position for `Last-Event-ID`. It stays until an event brings another one.
    pub(crate) id: String,
    /// Its lines of data.
    pub(crate) data: String,
}

/// The stream sends a line or an event that is too long to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Decoder {
    /// Takes a chunk and returns the events that it completes.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<Vec<Received>, TooLong> {
        let mut received = Vec::new();
        for byte in chunk {
            let is_second = std::mem::replace(&mut self.ended_with_return, *byte == b'\r') && *byte == b'\n';
            match byte {
                b'\n' if is_second => {}
                b'\n' | b'\r' => received.extend(self.end_line()),
                byte => self.line.push(*byte),
            }
            if self.line.len().saturating_add(self.data.len()) > EVENT_MAX {
                return Err(TooLong);
            }
        }
        Ok(received)
    }

    fn end_line(&mut self) -> Option<Received> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then(|| Received { id: self.id.clone(), data });
        }
        let line = String::from_utf8_lossy(&line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            // Comments keep the connection open; other fields mean nothing here.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Received};

    const STREAM: &str = ": hello\n\nid: b:t:1\nevent: x\ndata: one\n\nid:b:t:2\r\ndata: two\r\ndata:  lines é\r\n\r\n: alive\n\ndata\ndata\n\nid: b:t:3\n\ndata: last\rid: b:t:4\r\rdata: cut";

    fn events(chunks: impl Iterator<Item = Vec<u8>>) -> Vec<(String, String)> {
        let mut decoder = Decoder::default();
        let received = chunks.flat_map(|chunk| decoder.take(&chunk).expect("a short stream"));
        received.map(|Received { id, data }| (id, data)).collect()
    }

    #[test]
    fn lines_comments_and_ids_are_read_as_the_standard_says() {
        let expected = [("b:t:1", "one"), ("b:t:2", "two\n lines é"), ("b:t:2", "\n"), ("b:t:4", "last")];
        let expected = expected.map(|(id, data)| (id.to_owned(), data.to_owned()));
        assert_eq!(events([STREAM.as_bytes().to_vec()].into_iter()), expected);
    }

    #[test]
    fn chunks_that_are_cut_anywhere_give_the_same_events() {
        let whole = events([STREAM.as_bytes().to_vec()].into_iter());
        for size in 1..STREAM.len() {
            assert_eq!(events(STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec)), whole, "chunks of {size} bytes");
        }
    }

    #[test]
    fn an_event_that_never_ends_is_refused() {
        let mut decoder = Decoder::default();
        let chunk = vec![b'x'; 1 << 20];
        assert!((0..80).any(|_| decoder.take(&chunk).is_err()));
    }
}
