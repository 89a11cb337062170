//! A value as a file. Numbers are little endian.
//!
//! | bytes | content |
//! |---|---|
//! | 0 to 8 | `regrowCP` |
//! | 8 to 12 | version of the format: 1 |
//! | 12 to 16 | CRC-32 of the above, which every version of the format has |
//! | 16 to 32 | epoch and sequence of the stamp |
//! | 32 to 36 | schema of the value |
//! | 36 to 40 | 1 for a value, 0 if it was discarded |
//! | 40 to 44 | length of the key |
//! | 44 to 52 | length of the value |
//! | 52 to 56 | CRC-32 of the value |
//! | 56 to 60 | CRC-32 of bytes 16 to 56 and of the key |
//! | from 60 | the key, then the value, and nothing after it |

use std::io::{self, Read};
use std::sync::Arc;

use crate::checkpoint::store::Stamp;

const MAGIC: &[u8; 8] = b"regrowCP";
const FORMAT: u32 = 1;
const PREAMBLE: usize = 16;
const HEAD: usize = 60;
/// Length up to which the key of another service is recognised.
const LONGEST_FOREIGN_KEY: usize = 4096;

/// Content of a file: a value, or the news that it was discarded.
#[derive(Debug)]
pub(super) enum Content {
    Value { schema: u32, bytes: Arc<[u8]> },
    Discarded,
}

/// Reason for which a file cannot be used.
#[derive(Debug)]
pub(super) enum Flaw {
    /// Its bytes are not those that were written. The text completes "`path` is damaged: ...".
    Damaged(String),
    /// A newer version of this library wrote it.
    Newer(u32),
}

/// All of a file but its value.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) stamp: Stamp,
    schema: u32,
    is_value: bool,
    length: u64,
    checksum: u32,
    key: String,
}

impl Header {
    pub(super) fn new(key: &str, stamp: Stamp, content: &Content) -> Self {
        let (schema, is_value, bytes) = match content {
            Content::Value { schema, bytes } => (*schema, true, &**bytes),
            Content::Discarded => (0, false, [].as_slice()),
        };
        Self {
            stamp,
            schema,
            is_value,
            length: bytes.len() as u64,
            checksum: crc32fast::hash(bytes),
            key: key.to_owned(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(HEAD + self.key.len());
        head.extend(MAGIC);
        head.extend(FORMAT.to_le_bytes());
        head.extend(crc32fast::hash(&head).to_le_bytes());
        head.extend(self.stamp.epoch.to_le_bytes());
        head.extend(self.stamp.sequence.to_le_bytes());
        head.extend(self.schema.to_le_bytes());
        head.extend(u32::from(self.is_value).to_le_bytes());
        head.extend((self.key.len() as u32).to_le_bytes());
        head.extend(self.length.to_le_bytes());
        head.extend(self.checksum.to_le_bytes());
        head.extend(checksum_of(&head[PREAMBLE..], self.key.as_bytes()).to_le_bytes());
        head.extend(self.key.as_bytes());
        head
    }

    /// Reads the header of the file of `key`.
    pub(super) fn read(file: &mut impl Read, key: &str) -> io::Result<Result<Self, Flaw>> {
        let mut head = Vec::with_capacity(HEAD);
        file.take(HEAD as u64).read_to_end(&mut head)?;
        if head.len() < PREAMBLE {
            return Ok(Err(cut_off(head.len())));
        }
        if &head[..8] != MAGIC {
            let text = "it does not begin as a checkpoint does. Another program may have written it";
            return Ok(Err(Flaw::Damaged(text.into())));
        }
        if number(&head[12..]) != crc32fast::hash(&head[..12]) {
            return Ok(Err(Flaw::Damaged(
                "its first bytes do not have the checksum that they were written with".into(),
            )));
        }
        match number(&head[8..]) {
            FORMAT => {}
            newer => return Ok(Err(Flaw::Newer(newer))),
        }
        if head.len() < HEAD {
            return Ok(Err(cut_off(head.len())));
        }
        // The length is not known to be right yet, so there is a limit. A longer key of another service looks damaged.
        let mut stored_key = Vec::with_capacity(key.len());
        let limit = key.len().max(LONGEST_FOREIGN_KEY) as u64;
        file.take(u64::from(number(&head[40..])).min(limit)).read_to_end(&mut stored_key)?;
        if number(&head[56..]) != checksum_of(&head[PREAMBLE..56], &stored_key) {
            return Ok(Err(Flaw::Damaged("its header does not have the checksum that it was written with".into())));
        }
        if stored_key != key.as_bytes() {
            return Ok(Err(Flaw::Damaged("it belongs to another key: it may have been copied here".into())));
        }
        let is_value = match number(&head[36..]) {
            0 => false,
            1 => true,
            mark => {
                let text = format!("it is marked with {mark}, which is neither a value nor a discard");
                return Ok(Err(Flaw::Damaged(text)));
            }
        };
        Ok(Ok(Self {
            stamp: Stamp { epoch: long(&head[16..]), sequence: long(&head[24..]) },
            schema: number(&head[32..]),
            is_value,
            length: long(&head[44..]),
            checksum: number(&head[52..]),
            key: key.to_owned(),
        }))
    }

    /// Reads the value that follows the header.
    pub(super) fn read_content(&self, file: &mut impl Read) -> io::Result<Result<Content, Flaw>> {
        // One byte more than it should have, to see that nothing follows.
        let mut bytes = Vec::new();
        file.take(self.length.saturating_add(1)).read_to_end(&mut bytes)?;
        let flaw = if bytes.len() as u64 > self.length {
            format!("bytes follow its value of {} bytes", self.length)
        } else if (bytes.len() as u64) < self.length {
            format!("its value has {} bytes, and was written with {}", bytes.len(), self.length)
        } else if crc32fast::hash(&bytes) != self.checksum {
            "its value does not have the checksum that it was written with".into()
        } else if self.is_value {
            return Ok(Ok(Content::Value { schema: self.schema, bytes: bytes.into() }));
        } else {
            return Ok(Ok(Content::Discarded));
        };
        Ok(Err(Flaw::Damaged(flaw)))
    }
}

fn cut_off(length: usize) -> Flaw {
    let bytes = if length == 1 { "byte" } else { "bytes" };
    Flaw::Damaged(format!("it has {length} {bytes}, and its header alone has more"))
}

fn checksum_of(head: &[u8], key: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(key);
    hasher.finalize()
}

/// The first four bytes. Callers have seen that the header is whole.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The first eight bytes.
fn long(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
