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
    position: String,
}

/// The stream sends a line or an event that is too long to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Decoder {
    /// Takes a chunk and returns the data of the events that it completes.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<Vec<String>, TooLong> {
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

    /// Returns the position for `Last-Event-ID`. An id without data moves it, too: nothing was sent that is not behind it.
    pub(crate) fn position(&self) -> &str {
        &self.position
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            self.position.clone_from(&self.id);
            let data = std::mem::take(&mut self.data);
            return std::mem::take(&mut self.has_data).then_some(data);
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
    use super::Decoder;

    const STREAM: &str = ": hello\n\nid: b:t:1\nevent: x\ndata: one\n\nid:b:t:2\r\ndata: two\r\ndata:  lines é\r\n\r\n: alive\n\ndata\ndata\n\nid: b:t:3\n\ndata: last\rid: b:t:4\r\rdata: cut";

    /// The data of the events, and the position at the end.
    fn events(chunks: impl Iterator<Item = Vec<u8>>) -> (Vec<String>, String) {
        let mut decoder = Decoder::default();
        let received = chunks.flat_map(|chunk| decoder.take(&chunk).expect("a short stream")).collect();
        (received, decoder.position().to_owned())
    }

    #[test]
    fn an_id_without_data_moves_the_position_once_it_is_whole() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.take(b"id: b:t:7\ndata: x\n\n: alive\nid: b:t:9\n").map(|events| events.len()), Ok(1));
        assert_eq!(decoder.position(), "b:t:7");
        assert_eq!(decoder.take(b"\n"), Ok(Vec::new()));
        assert_eq!(decoder.position(), "b:t:9");
    }

    #[test]
    fn lines_comments_and_ids_are_read_as_the_standard_says() {
        let expected = ["one", "two\n lines é", "\n", "last"].map(str::to_owned).to_vec();
        assert_eq!(events([STREAM.as_bytes().to_vec()].into_iter()), (expected, "b:t:4".to_owned()));
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
