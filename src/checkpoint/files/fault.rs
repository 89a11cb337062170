//! Faults of the file system, with the file that they are about and what to do.

use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::checkpoint::error::StoreError;

/// Fault of an operation on a path. `doing` completes "cannot ... `path`".
pub(super) fn fault(doing: &str, path: &Path, error: Error) -> StoreError {
    let advice = match error.kind() {
        ErrorKind::NotFound => " (create the directory of the store, or mount the volume that should hold it)",
        ErrorKind::NotADirectory => " (the store needs a directory there)",
        ErrorKind::PermissionDenied => " (let this process write to the directory of the store)",
        ErrorKind::ReadOnlyFilesystem => " (the volume is mounted to be read only: mount it for writing)",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => " (there is no room: free some)",
        ErrorKind::InvalidFilename => " (the key is too long for the file system: use a shorter one)",
        _ => "",
    };
    StoreError::Failed(anyhow::Error::new(error).context(format!("cannot {doing} `{}`{advice}", path.display())))
}
