//! The lock of a key, between processes.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use fs4::TryLockError;

use crate::checkpoint::error::StoreError;
use crate::checkpoint::files::fault::fault;

/// Longest wait for a process that works on the key. Less than the limit that services set, so that they are told the reason.
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(20);

/// Locks the file of a key. The wait has a limit, because the process that holds the lock may be frozen, and the runtime of
/// this one cannot end while a thread waits.
pub(super) fn lock_within(limit: Duration, file: &File, path: &Path) -> Result<(), StoreError> {
    let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
    loop {
        match fs4::FileExt::try_lock(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < limit => {
                std::thread::sleep(pause);
                pause = pause.saturating_mul(2).min(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Failed(anyhow::anyhow!(
                    "`{}` has been locked for {limit:?}: the process that holds it may be frozen. Let it go on, or end it",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(fault("lock", path, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    // Found by reading: the runtime of a program could not end while another one, which was frozen, held a lock.
    #[test]
    fn a_lock_that_is_held_for_ever_is_an_error_that_says_so() {
        let path = std::env::temp_dir().join(format!("regrow-lock-{}", std::process::id()));
        let (held, mine) = (File::create(&path).unwrap(), File::create(&path).unwrap());
        fs4::FileExt::lock(&held).unwrap();
        let limit = Duration::from_millis(5);
        let error = lock_within(limit, &mine, &path).unwrap_err().to_string();
        assert!(error.contains("has been locked for 5ms: the process that holds it may be frozen"), "{error}");
        let waits = std::thread::spawn(move || lock_within(Duration::MAX, &mine, Path::new("it")).is_ok());
        drop(held);
        assert!(waits.join().unwrap());
        fs::remove_file(path).unwrap();
    }
}
