//! A disk that is soon full.

use std::path::Path;
use std::process::Command;

/// A file system with room for 16 KiB.
pub(crate) struct Small(tempfile::TempDir);

impl Small {
    /// Mounts one. `None` if this user cannot.
    pub(crate) fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16k", "none"]).arg(folder.path()).output();
        done.is_ok_and(|done| done.status.success()).then_some(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
