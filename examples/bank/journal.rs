//! The ledger's file: a snapshot of the book, and below it one line for each transfer posted since.
//!
//! ```text
//! bank journal 1
//! turnover,1200
//! posted,1,17
//! balance,alice,-30
//! balance,bob,30
//! post,18,bob,alice,5
//! ```
//!
//! Invariants:
//! 1. A transfer is in the file before it is in the book, and in the book before its caller is answered.
//! 2. Only the end of the file can be torn, by a process that dies in the middle of a write. A torn line was not
//!    answered, and is cut off.
//! 3. The file shrinks in one step: the new file is complete and on disk before it replaces the old one.
//!
//! It uses `std::fs`, not `tokio::fs`. The latter hands a write to a thread, which goes on after a kill: the next
//! incarnation would read a file that still grows. A write without an await is over before a kill takes effect. Lines
//! are not synced one by one: services die here, not the machine.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::book::Book;
use crate::input::Transfer;

const HEADER: &str = "bank journal 1\n";

/// Smallest number of lines below a snapshot that is worth a new one.
const LINES_MIN: usize = 4096;

pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Number of lines below the snapshot.
    posts: usize,
    /// The limit of `posts`: the number of lines in the snapshot. So every line is written twice on average, for a book
    /// of any size, and a restart reads no more than twice the book.
    posts_max: usize,
}

impl Journal {
    /// Opens or creates the file, and rebuilds the book.
    pub(crate) fn open(path: &Path) -> anyhow::Result<(Self, Book)> {
        Self::read(path).with_context(|| format!("the journal `{}`", path.display()))
    }

    fn read(path: &Path) -> anyhow::Result<(Self, Book)> {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            bail!("is not a regular file");
        }
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if HEADER.as_bytes().starts_with(&bytes) {
            file.set_len(0)?;
            file.write_all(HEADER.as_bytes())?;
            return Ok((Self { path: path.into(), file, posts: 0, posts_max: LINES_MIN }, Book::default()));
        }
        if !bytes.starts_with(HEADER.as_bytes()) {
            bail!("was not written by this program, and is left alone");
        }
        // Invariant 2.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64)?;
        }
        let text = std::str::from_utf8(&bytes[..whole])?;
        let (mut book, mut lines, mut posts) = (Book::default(), 0, 0);
        for (number, line) in (1..).zip(text.lines()).skip(1) {
            let is_post = replay(&mut book, line).with_context(|| format!("line {number}: `{line}`"))?;
            lines += usize::from(!is_post);
            posts += usize::from(is_post);
        }
        Ok((Self { path: path.into(), file, posts, posts_max: LINES_MIN.max(lines) }, book))
    }

    /// Adds a transfer, with one write. After an error the file may be torn, so the ledger must end with that error.
    pub(crate) fn append(&mut self, transfer: &Transfer) -> anyhow::Result<()> {
        let Transfer { id, from, to, amount } = transfer;
        self.posts += 1;
        let line = format!("post,{id},{from},{to},{amount}\n");
        self.file.write_all(line.as_bytes()).with_context(|| format!("the journal `{}`", self.path.display()))
    }

    /// Replaces all lines by a snapshot, if there are enough of them. The book must contain every appended transfer.
    pub(crate) fn compact(&mut self, book: &Book) -> anyhow::Result<()> {
        if self.posts < self.posts_max {
            return Ok(());
        }
        let mut text = format!("{HEADER}turnover,{}\n", book.turnover);
        for (first, last) in book.posted.ranges() {
            writeln!(text, "posted,{first},{last}")?;
        }
        for (account, balance) in &book.balances {
            writeln!(text, "balance,{account},{balance}")?;
        }
        let mut path = self.path.clone().into_os_string();
        path.push(".new");
        // Invariant 3.
        let replace = || -> std::io::Result<File> {
            let mut file = File::create(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&path, &self.path)?;
            Ok(file)
        };
        self.file = replace().with_context(|| format!("the journal `{}`", self.path.display()))?;
        (self.posts, self.posts_max) = (0, LINES_MIN.max(book.balances.len() + book.posted.ranges().len()));
        Ok(())
    }
}

/// Takes one line into the book. `true` if it is a transfer, `false` if it is a part of the snapshot.
fn replay(book: &mut Book, line: &str) -> anyhow::Result<bool> {
    let (kind, rest) = line.split_once(',').context("is not a line of a journal")?;
    match kind {
        "post" => {
            let (id, transfer) = rest.split_once(',').context("has no id")?;
            book.post(&Transfer::parse(id.parse()?, transfer)?);
            return Ok(true);
        }
        "turnover" => book.turnover += rest.parse::<u128>()?,
        "posted" => {
            let (first, last) = rest.split_once(',').context("has no end")?;
            if !book.posted.insert_range(first.parse()?..=last.parse()?) {
                bail!("these ids were posted before");
            }
        }
        "balance" => {
            let (account, balance) = rest.split_once(',').context("has no balance")?;
            book.add(&account.into(), balance.parse()?);
        }
        _ => bail!("is not a line of a journal"),
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(journal: &mut Journal, book: &mut Book, ids: std::ops::Range<u64>) {
        for id in ids {
            let transfer = Transfer { id, from: format!("a{}", id % 7).into(), to: "b".into(), amount: 3 };
            journal.append(&transfer).unwrap();
            assert!(book.post(&transfer));
            journal.compact(book).unwrap();
        }
    }

    #[test]
    fn what_was_appended_is_rebuilt_with_and_without_a_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, mut book) = Journal::open(&path).unwrap();
        for start in (1..20_000).step_by(100) {
            // A hole at each hundredth.
            post(&mut journal, &mut book, start..start + 99);
            assert_eq!(Journal::open(&path).unwrap().1, book);
        }
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 5_000, "{lines} lines are left of 19,800 transfers");
    }

    #[test]
    fn a_torn_end_is_cut_off_and_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, mut book) = Journal::open(&path).unwrap();
        post(&mut journal, &mut book, 1..4);
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            let (mut journal, mut book) = Journal::open(&path).unwrap();
            let kept = book.posted.len();
            assert!(kept < 3);
            post(&mut journal, &mut book, kept + 1..4);
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn a_file_of_another_program_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        for text in ["my notes", "bank journal 1\nmy notes\n"] {
            fs::write(&path, text).unwrap();
            assert!(Journal::open(&path).is_err());
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
