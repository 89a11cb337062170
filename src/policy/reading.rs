//! Reading a file from a file system that may not answer.
//!
//! Invariants:
//! 1. A separate thread reads each file, one read at a time. A file system that hangs blocks only that thread: neither
//!    the runtime, nor its pool of blocking threads, nor the end of the process.
//! 2. No read takes more bytes than a policy file may have.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Size limit of policy files in bytes.
pub(crate) const LONGEST_FILE: u64 = 1024 * 1024;

/// The time for which one look waits for the thread that reads. A slower answer is taken by a later look.
const PATIENCE: Duration = Duration::from_millis(100);
/// The time after which a read that has not answered is reported.
const SLOW: Duration = Duration::from_secs(5);

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > LONGEST_FILE {
        return Err(too_long(size));
    }
    let mut bytes = Vec::new();
    // The file may have grown since, and a device has no size.
    file.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    if size > LONGEST_FILE { Err(too_long(size)) } else { Ok(bytes) }
}

fn too_long(size: u64) -> io::Error {
    io::Error::other(format!("it is {size} bytes long, and a policy file has {LONGEST_FILE} at most"))
}

/// Reads a file that is read repeatedly. A pipe or a device is refused: it would give other bytes each time, or block.
fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("only a regular file can be followed"));
    }
    read(path)
}

/// Result of one look at a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Bytes(Vec<u8>),
    /// The file cannot be read, for this reason.
    Unreadable(String),
}

impl From<io::Result<Vec<u8>>> for Seen {
    fn from(read: io::Result<Vec<u8>>) -> Self {
        match read {
            Ok(bytes) => Self::Bytes(bytes),
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }
}

/// Repeated looks at a file.
#[derive(Debug)]
pub(crate) struct Looks {
    path: PathBuf,
    read: fn(&Path) -> io::Result<Vec<u8>>,
    /// A read that has begun and not answered, and its begin.
    under_way: Option<(Receiver<Seen>, Instant)>,
    was_slow: bool,
}

impl Looks {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: read_regular, under_way: None, was_slow: false }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a read has not been answered yet.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Waits a moment for a read: the one that is under way, or else a new one. `None` if it takes longer. A very slow
    /// read is reported once, as a file that cannot be read.
    ///
    /// It blocks the thread for up to 100 ms.
    pub(crate) fn look(&mut self) -> Option<Seen> {
        let (answer, begun) = match self.under_way.take() {
            Some(under_way) => under_way,
            None => match begin(self.path.clone(), self.read) {
                Ok(answer) => (answer, Instant::now()),
                Err(error) => return Some(Seen::Unreadable(format!("no thread to read it: {error}"))),
            },
        };
        match answer.recv_timeout(PATIENCE) {
            Ok(seen) => {
                self.was_slow = false;
                Some(seen)
            }
            Err(RecvTimeoutError::Disconnected) => Some(Seen::Unreadable("the thread that reads it has died".into())),
            Err(RecvTimeoutError::Timeout) => {
                let is_slow = begun.elapsed() >= SLOW && !self.was_slow;
                self.was_slow |= is_slow;
                self.under_way = Some((answer, begun));
                is_slow.then(|| Seen::Unreadable(format!("no answer for {} s", SLOW.as_secs())))
            }
        }
    }
}

fn begin(path: PathBuf, read: fn(&Path) -> io::Result<Vec<u8>>) -> io::Result<Receiver<Seen>> {
    let (tell, answer) = sync_channel(1);
    let work = move || {
        let _ = tell.send(read(&path).into());
    };
    thread::Builder::new().name("regrow-policies".into()).spawn(work)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    static READS: AtomicUsize = AtomicUsize::new(0);

    /// A file system that does not answer.
    fn hang(_: &Path) -> io::Result<Vec<u8>> {
        READS.fetch_add(1, SeqCst);
        loop {
            thread::park();
        }
    }

    #[test]
    fn looks_at_a_file_that_hangs_share_one_thread_and_tell_of_it_once() {
        let mut looks = Looks { read: hang, ..Looks::new("policy.toml".into()) };
        let slow = Instant::now().checked_sub(SLOW);
        for look in 0..4 {
            let seen = looks.look();
            assert!(looks.is_under_way());
            assert_eq!(seen.is_some(), look == 2 && slow.is_some(), "look {look}: {seen:?}");
            if let (1, Some((_, begun)), Some(slow)) = (look, &mut looks.under_way, slow) {
                *begun = slow;
            }
        }
        assert_eq!(READS.load(SeqCst), 1);
    }
}
