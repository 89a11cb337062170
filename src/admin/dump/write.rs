//! The history as lines, and as a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::admin::dump::entry::DumpEntry;
use crate::admin::dump::header::DumpHeader;
use crate::recorder::history::History;

impl History {
    /// Writes the history as JSON lines: a [header](crate::admin::DumpHeader), and then a
    /// [line](crate::admin::DumpEntry) for each entry, oldest first. [`Dump::read`](crate::admin::Dump::read) reads them.
    ///
    /// # Errors
    ///
    /// The target does not take them. Part of the lines may be written.
    pub fn write_to(&self, mut target: impl Write) -> io::Result<()> {
        write_line(&mut target, &DumpHeader::of(self))?;
        for entry in &self.entries {
            write_line(&mut target, &DumpEntry::of(entry))?;
        }
        target.flush()
    }

    /// Writes the history to a file, which only this user can read. The file appears as a whole and synced, or not at
    /// all; one that was there is replaced. It blocks the thread until the disk has it.
    ///
    /// # Errors
    ///
    /// The folder is missing or full, or may not be written to. The path is that of a folder, a device or a socket.
    pub fn write_to_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is there already, and is no regular file"));
        }
        let (beside, target) = create_beside(path)?;
        let written = self.write_synced(target).and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written?;
        sync_folder(path)
    }

    fn write_synced(&self, target: File) -> io::Result<()> {
        let mut target = BufWriter::new(target);
        self.write_to(&mut target)?;
        target.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

fn write_line(target: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *target, line)?;
    target.write_all(b"\n")
}

/// Creates the file that is written first: in the same folder, with a name that no other writer uses.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    static WRITERS: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
        let beside = path.with_file_name(format!(".{}.{}-{writer}.tmp", name.to_string_lossy(), std::process::id()));
        match options.open(&beside) {
            // A process with this number was killed while it wrote.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (beside, file)),
        }
    }
}

/// Makes the new name last.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
