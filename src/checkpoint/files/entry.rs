//! The folder of one key, locked, and the steps of a claim and of a save.
//!
//! Invariants:
//! 1. All changes are made under the lock of the key.
//! 2. `value` is only ever replaced by a rename of a file that was synced. From its first save on it is never absent.
//! 3. The file of a newer epoch is durable before that of the older one is removed. The largest one counts.
//! 4. Nothing is acknowledged before the folder is synced: until then, a crash of the machine may undo a rename.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::checkpoint::error::StoreError;
use crate::checkpoint::files::fault::fault;
use crate::checkpoint::files::format::{Content, Flaw, Header};
use crate::checkpoint::files::lock::{LOCK_WAIT, lock_within};
use crate::checkpoint::files::names::folders;
use crate::checkpoint::store::{Claim, Record, Stamp};

const VALUE: &str = "value";
const PREVIOUS: &str = "previous";
const DAMAGED: &str = "value.damaged";
/// A file that is being written. After a crash it may be left behind.
const NEW: &str = "value.new";
const EPOCH: &str = "epoch-";

/// Fails if the directory of the store is absent, or is none.
pub(super) fn check_directory(root: &Path) -> Result<(), StoreError> {
    match fs::metadata(root) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(fault("open", root, ErrorKind::NotADirectory.into())),
        Err(error) => Err(fault("open", root, error)),
    }
}

/// Folder of a key, locked until it is dropped (invariant 1).
pub(super) struct Entry {
    folder: PathBuf,
    key: String,
    /// The folder itself. Open from the begin, so that after a rename only the sync can fail.
    names: Option<File>,
    /// The system unlocks it with the file, also if the process is killed.
    _lock: File,
}

impl Entry {
    /// Locks the folder of a key, which it makes if it is absent.
    pub(super) fn make(root: &Path, key: &str) -> Result<Self, StoreError> {
        check_directory(root)?;
        let mut folder = root.to_owned();
        for name in folders(key) {
            let above = folder.clone();
            folder.push(name);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(fault("create", &folder, error)),
                // Synced even if it exists: the process that made it may have been killed before it did that.
                Ok(()) | Err(_) => sync_folder(&above, open_folder(&above)?.as_ref())?,
            }
        }
        Self::lock(folder, key)
    }

    /// Locks the folder of a key that was claimed. If it never was, each stamp is refused.
    pub(super) fn existing(root: &Path, key: &str) -> Result<Self, StoreError> {
        check_directory(root)?;
        let folder = folders(key).into_iter().fold(root.to_owned(), |folder, name| folder.join(name));
        match fs::exists(&folder) {
            Ok(true) => Self::lock(folder, key),
            Ok(false) => Err(StoreError::Superseded { epoch: 0, stored: None }),
            Err(error) => Err(fault("find", &folder, error)),
        }
    }

    fn lock(folder: PathBuf, key: &str) -> Result<Self, StoreError> {
        let names = open_folder(&folder)?;
        let path = folder.join("lock");
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|error| fault("open", &path, error))?;
        lock_within(LOCK_WAIT, &file, &path)?;
        Ok(Self { folder, key: key.to_owned(), names, _lock: file })
    }

    /// Raises the epoch, and returns it with the value.
    pub(super) fn claim(&mut self, accept_previous: bool) -> Result<Claim, StoreError> {
        self.remove_if_present(NEW)?;
        let latest = match self.read(VALUE)? {
            Found::Whole(stamp, content) => Some((stamp, content)),
            Found::Nothing => match self.read(PREVIOUS)? {
                Found::Nothing => None,
                // By invariant 2 it was removed by hand.
                _ => Some(self.fall_back("it is missing", accept_previous)?),
            },
            Found::Flawed(flaw) => Some(self.fall_back(&flaw, accept_previous)?),
        };
        let epoch = self.raise_epoch(latest.as_ref().map(|(stamp, _)| *stamp))?;
        let latest = match latest {
            Some((stamp, Content::Value { schema, bytes })) => Some(Record { stamp, schema, bytes }),
            Some((_, Content::Discarded)) | None => None,
        };
        Ok(Claim { epoch, latest })
    }

    /// Replaces the value, if the stamp is of the newest claim and newer than that of the stored value.
    pub(super) fn replace(self, stamp: Stamp, content: &Content, accept_previous: bool) -> Result<(), StoreError> {
        let stored = self.admit(stamp, accept_previous)?;
        let placed = self.write_new(stamp, content).and_then(|()| {
            self.remove_if_present(PREVIOUS)?;
            match (stored, content) {
                (Some(_), Content::Value { .. }) => self.keep(VALUE, PREVIOUS)?,
                // What is discarded is not kept either.
                (None, _) | (_, Content::Discarded) => {}
            }
            self.rename(NEW, VALUE)
        });
        if let Err(failed) = placed {
            // Gives its room back. If that fails too, the next claim removes it.
            fs::remove_file(self.folder.join(NEW)).ok();
            return Err(failed);
        }
        // Invariant 4.
        self.sync()
    }

    /// Leaves what a save leaves if the process dies while it writes: the first half of the new file.
    pub(super) fn tear(self, stamp: Stamp, content: &Content, accept_previous: bool) -> Result<(), StoreError> {
        self.admit(stamp, accept_previous)?;
        self.write_new(stamp, content)?;
        let path = self.folder.join(NEW);
        let halve = || {
            let file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(file.metadata()?.len() / 2)
        };
        halve().map_err(|error: io::Error| fault("write", &path, error))
    }

    /// Refuses a stamp that is not of the newest claim, or not newer than that of the stored value, which it returns.
    fn admit(&self, stamp: Stamp, accept_previous: bool) -> Result<Option<Stamp>, StoreError> {
        let epoch = self.epoch()?.unwrap_or(0);
        let stored = self.stored_stamp(accept_previous)?;
        if stamp.epoch != epoch || stored.is_some_and(|stored| stored >= stamp) {
            return Err(StoreError::Superseded { epoch, stored });
        }
        Ok(stored)
    }

    /// Writes and syncs a file under the name for new ones.
    fn write_new(&self, stamp: Stamp, content: &Content) -> Result<(), StoreError> {
        let path = self.folder.join(NEW);
        let head = Header::new(&self.key, stamp, content).to_bytes();
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(&head)?;
            if let Content::Value { bytes, .. } = content {
                file.write_all(bytes)?;
            }
            file.sync_all()
        };
        write().map_err(|error: io::Error| fault("write", &path, error))
    }

    /// Uses the previous value in place of the latest, which has the given flaw, if the user wants that.
    fn fall_back(&self, flaw: &str, accept_previous: bool) -> Result<(Stamp, Content), StoreError> {
        let path = self.folder.join(VALUE);
        let (stamp, content) = match self.read(PREVIOUS)? {
            Found::Whole(stamp, content) if accept_previous => (stamp, content),
            found => {
                let has_previous = matches!(found, Found::Whole(..));
                let advice = if has_previous {
                    "or open the store with `accept_previous`: the value before it is intact"
                } else {
                    "or remove it and `previous`, which is damaged or missing too, to begin without a value"
                };
                let what = format!("`{}` is damaged: {flaw}. Restore it, {advice}", path.display());
                return Err(StoreError::Damaged { what, has_previous });
            }
        };
        // The damaged file must not become the previous one of the next save, and may still be of use to a person.
        if fs::exists(&path).map_err(|error| fault("find", &path, error))? {
            self.remove_if_present(DAMAGED)?;
            self.keep(VALUE, DAMAGED)?;
        }
        self.remove_if_present(NEW)?;
        self.keep(PREVIOUS, NEW)?;
        self.rename(NEW, VALUE)?;
        self.sync()?;
        tracing::warn!(
            target: "regrow",
            path = %self.key, file = %path.display(), text = %flaw, epoch = stamp.epoch, save = stamp.sequence,
            "stored value is damaged and the one before it is used"
        );
        Ok((stamp, content))
    }

    /// Invariant 3.
    fn raise_epoch(&self, stored: Option<Stamp>) -> Result<u64, StoreError> {
        let epoch = match (self.epoch()?, stored) {
            (Some(epoch), stored) => epoch.max(stored.map_or(0, |stored| stored.epoch)),
            (None, None) => 0,
            (None, Some(Stamp { epoch, .. })) => {
                let what = format!(
                    "the file `{EPOCH}N` is missing in `{}`. Create an empty one, where N is the number of the newest \
                     claim, which is at least {epoch}",
                    self.folder.display()
                );
                return Err(StoreError::Damaged { what, has_previous: false });
            }
        };
        let path = |epoch: u64| self.folder.join(format!("{EPOCH}{epoch}"));
        let next = epoch.checked_add(1).ok_or_else(|| fault("raise", &path(epoch), ErrorKind::InvalidData.into()))?;
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path(next))
            .map_err(|error| fault("create", &path(next), error))?;
        if let Err(failed) = self.sync() {
            fs::remove_file(path(next)).ok();
            return Err(failed);
        }
        for older in self.epochs()?.into_iter().filter(|older| *older < next) {
            // If it stays, it does no harm.
            fs::remove_file(path(older)).ok();
        }
        Ok(next)
    }

    /// Number of the newest claim.
    fn epoch(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.epochs()?.into_iter().max())
    }

    fn epochs(&self) -> Result<Vec<u64>, StoreError> {
        let fail = |error| fault("list", &self.folder, error);
        let mut epochs = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(fail)? {
            let name = file.map_err(fail)?.file_name();
            epochs.extend(name.to_str().and_then(|name| name.strip_prefix(EPOCH)?.parse::<u64>().ok()));
        }
        Ok(epochs)
    }

    /// Stamp of the stored value, without reading the value.
    fn stored_stamp(&self, accept_previous: bool) -> Result<Option<Stamp>, StoreError> {
        let path = self.folder.join(VALUE);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("open", &path, error)),
        };
        match Header::read(&mut file, &self.key).map_err(|error| fault("read", &path, error))? {
            Ok(header) => Ok(Some(header.stamp)),
            Err(Flaw::Damaged(flaw)) => Ok(Some(self.fall_back(&flaw, accept_previous)?.0)),
            Err(Flaw::Newer(format)) => Err(newer(&path, format)),
        }
    }

    fn read(&self, name: &str) -> Result<Found, StoreError> {
        let path = self.folder.join(name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(fault("open", &path, error)),
        };
        let fail = |error| fault("read", &path, error);
        let flaw = match Header::read(&mut file, &self.key).map_err(fail)? {
            Ok(header) => match header.read_content(&mut file).map_err(fail)? {
                Ok(content) => return Ok(Found::Whole(header.stamp, content)),
                Err(flaw) => flaw,
            },
            Err(flaw) => flaw,
        };
        match flaw {
            Flaw::Damaged(flaw) => Ok(Found::Flawed(flaw)),
            Flaw::Newer(format) => Err(newer(&path, format)),
        }
    }

    /// Gives the file a second name, so that it outlives its first.
    fn keep(&self, name: &str, second: &str) -> Result<(), StoreError> {
        let (from, to) = (self.folder.join(name), self.folder.join(second));
        let linked = match fs::hard_link(&from, &to) {
            // Some file systems have no links: FAT, and some that are mounted from afar.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) => {
                fs::copy(&from, &to).and_then(|_| File::options().write(true).open(&to)?.sync_all())
            }
            linked => linked,
        };
        linked.map_err(|error| fault("keep the value before it as", &to, error))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let to = self.folder.join(to);
        fs::rename(self.folder.join(from), &to).map_err(|error| fault("replace", &to, error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        sync_folder(&self.folder, self.names.as_ref())
    }

    fn remove_if_present(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(fault("remove", &path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

enum Found {
    Whole(Stamp, Content),
    Flawed(String),
    Nothing,
}

fn newer(path: &Path, format: u32) -> StoreError {
    StoreError::Failed(anyhow::anyhow!(
        "`{}` has format {format}, which a newer version of regrow wrote: use that version",
        path.display()
    ))
}

/// Opens a folder to sync it. Windows has no such call, and keeps names in a journal.
fn open_folder(folder: &Path) -> Result<Option<File>, StoreError> {
    if cfg!(unix) { File::open(folder).map(Some).map_err(|error| fault("open", folder, error)) } else { Ok(None) }
}

/// Makes the names in a folder durable.
fn sync_folder(folder: &Path, names: Option<&File>) -> Result<(), StoreError> {
    names.map_or(Ok(()), |names| names.sync_all().map_err(|error| fault("sync", folder, error)))
}
