//! A dump as it is read back. Files of programs that crashed may be cut off: what is before the damage is given.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::admin::dump::SCHEMA;
use crate::admin::dump::entry::DumpEntry;
use crate::admin::dump::header::DumpHeader;
use crate::base::name::is_within;
use crate::recorder::rewind::{self, PastStatus, Step, TooEarly};
use crate::recorder::state::HistoryState;

/// Dump of a history, read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dump {
    /// First line.
    pub header: DumpHeader,
    /// Entries, oldest first, up to the damage if there is one.
    pub entries: Vec<DumpEntry>,
    /// Damage at which the reading ended.
    pub damage: Option<DumpDamage>,
}

/// Damage of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DumpDamage {
    /// Line that is damaged or missing, counted from 1.
    pub line: u64,
    /// Kind of the damage.
    pub what: String,
    /// Number of the entries that were lost by it.
    pub lost: u64,
}

impl fmt::Display for DumpDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, what, lost } = self;
        write!(f, "line {line} {what}: {lost} entries from there on are lost")
    }
}

/// Reason why a dump cannot be read at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum DumpError {
    /// The source cannot be read.
    Io(io::Error),
    /// The first line is no header of a dump.
    NoDump {
        /// Reason.
        why: String,
    },
    /// The dump has lines of another version.
    OtherSchema {
        /// Version of the dump.
        found: u64,
        /// Version that this program reads.
        known: u32,
    },
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the dump cannot be read: {error}"),
            Self::NoDump { why } => write!(f, "line 1 is no header of a dump ({why}): was the file written by regrow?"),
            Self::OtherSchema { found, known } => write!(
                f,
                "the dump has schema {found}, and this program reads schema {known}: use the version of regrow that wrote it"
            ),
        }
    }
}

impl std::error::Error for DumpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::NoDump { .. } | Self::OtherSchema { .. } => None,
        }
    }
}

impl Dump {
    /// Reads a dump. If it is cut off or damaged, the entries before the damage are given, with its line.
    ///
    /// ```
    /// # use regrow::{Supervisor, admin::Dump, testing::Journal};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let tree = Supervisor::one_for_one("app").child(Journal::new().probe("web")).start().await?;
    /// let mut lines = Vec::new();
    /// tree.history().write_to(&mut lines)?;
    ///
    /// let dump = Dump::read(&lines[..])?;
    /// assert_eq!((&*dump.header.tree, dump.damage), ("app", None));
    /// assert_eq!((&*dump.entries[0].path, &*dump.entries[0].event), ("app/web", "started"));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The first line is missing, or is no header of a version that is known; or the source cannot be read.
    pub fn read(mut source: impl BufRead) -> Result<Self, DumpError> {
        let first = next_line(&mut source).map_err(DumpError::Io)?;
        let mut dump =
            Self { header: header(first.as_deref().unwrap_or_default())?, entries: Vec::new(), damage: None };
        let wanted = dump.header.entries;
        for line in 2..wanted.saturating_add(2) {
            let found = match next_line(&mut source) {
                Ok(Some(text)) => dump.take(&text),
                Ok(None) => Err("is missing: the file is cut off".to_owned()),
                Err(error) => Err(format!("cannot be read ({error})")),
            };
            match found {
                Ok(entry) => dump.entries.push(entry),
                Err(what) => {
                    let lost = wanted.saturating_sub(dump.entries.len() as u64);
                    dump.damage = Some(DumpDamage { line, what, lost });
                    break;
                }
            }
        }
        Ok(dump)
    }

    fn take(&self, text: &[u8]) -> Result<DumpEntry, String> {
        let Some(text) = text.strip_suffix(b"\n") else { return Err("is cut off".to_owned()) };
        let entry: DumpEntry = serde_json::from_slice(text).map_err(|error| format!("is damaged ({error})"))?;
        let latest = self.entries.last().map_or(0, |latest| latest.seq);
        if entry.seq <= latest {
            return Err(format!("is out of order (entry {} follows entry {latest})", entry.seq));
        }
        for state in [&entry.before, &entry.after] {
            state_of(state).ok_or_else(|| format!("is damaged (no state has the name `{state}`)"))?;
        }
        Ok(entry)
    }

    /// Entries of this path and of all paths below it, oldest first.
    pub fn below(&self, path: &str) -> impl DoubleEndedIterator<Item = &DumpEntry> {
        self.entries.iter().filter(move |entry| is_within(&entry.path, path))
    }

    /// Time of the system at a time of the tree.
    pub fn system_time(&self, at: Duration) -> SystemTime {
        let boot = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(self.header.boot_unix_us));
        boot.and_then(|boot| boot.checked_add(at)).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Time of the tree at a time of the system. Zero before the tree was made.
    pub fn tree_time(&self, time: SystemTime) -> Duration {
        time.duration_since(self.system_time(Duration::ZERO)).unwrap_or_default()
    }

    /// Returns the tree as it was at this time of its clock: see [`History::at`](crate::History::at). A dump knows only
    /// the children that have an entry in it.
    ///
    /// # Errors
    ///
    /// The time is before the begin of the history. The error has the earliest time that can be told.
    pub fn at(&self, time: Duration) -> Result<Vec<PastStatus>, TooEarly> {
        let begins = Duration::from_micros(self.header.failures.at_us.max(self.header.ordinary.at_us));
        if time < begins {
            return Err(TooEarly { asked: time, begins });
        }
        let paths: BTreeSet<Arc<str>> = self.entries.iter().map(|entry| entry.path.as_str().into()).collect();
        let step = |entry: &DumpEntry| step(entry, &paths);
        let mut first: Vec<PastStatus> = Vec::new();
        let mut known = BTreeSet::new();
        for entry in self.entries.iter().filter(|entry| known.insert(&*entry.path)) {
            if let (Some(path), Some(state)) = (paths.get(&*entry.path), state_of(&entry.before)) {
                first.push(PastStatus { path: path.clone(), state, generation: entry.generation });
            }
        }
        let present = rewind::present(first, self.entries.iter().filter_map(step));
        let is_over = self.entries.iter().any(|entry| entry.event == "tree_over" && entry.at() <= time);
        let undone = self.entries.iter().rev().take_while(|entry| entry.at() > time);
        Ok(rewind::rewind(&present, undone.filter_map(step), is_over))
    }
}

/// Reads a line with its end; `None` at the end of the source.
fn next_line(source: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    Ok((source.read_until(b'\n', &mut line)? > 0).then_some(line))
}

fn header(line: &[u8]) -> Result<DumpHeader, DumpError> {
    let no_dump = |error: serde_json::Error| DumpError::NoDump { why: error.to_string() };
    // The version first: the rest of another version may look different.
    let any: serde_json::Value = serde_json::from_slice(line).map_err(no_dump)?;
    match any.get("schema").and_then(serde_json::Value::as_u64) {
        Some(found) if found == u64::from(SCHEMA) => serde_json::from_value(any).map_err(no_dump),
        Some(found) => Err(DumpError::OtherSchema { found, known: SCHEMA }),
        None => Err(DumpError::NoDump { why: "it has no `schema`".to_owned() }),
    }
}

fn state_of(word: &str) -> Option<HistoryState> {
    HistoryState::ALL.into_iter().find(|state| state.word() == word)
}

fn step(entry: &DumpEntry, paths: &BTreeSet<Arc<str>>) -> Option<Step> {
    let (before, after) = (state_of(&entry.before)?, state_of(&entry.after)?);
    // An act on a child that is up leaves it up, and begins no generation.
    let begins = matches!(&*entry.event, "started" | "tree_up");
    let is_changed = before != after || begins;
    let path = paths.get(&*entry.path)?.clone();
    Some(Step { path, generation: entry.generation, before, after: is_changed.then_some(after) })
}
