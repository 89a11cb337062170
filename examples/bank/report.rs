//! The table and the verdict.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanCount;
use regrow::{ChildKind, DirectoryEntry, SaveFigures, ShutdownReport};

use crate::audit::Findings;
use crate::book::Book;
use crate::chaos::Kills;
use crate::customers::Tally;
use crate::input::{Account, Expected};
use crate::watch::Watched;

/// Largest number of accounts that is listed. For more, a digest is shown.
const ACCOUNTS_SHOWN: usize = 20;

/// Work done while the bank was open.
pub(crate) struct Work {
    pub(crate) took: Duration,
    pub(crate) tally: Tally,
    pub(crate) expected: Expected,
    pub(crate) kills: Kills,
    pub(crate) findings: Findings,
    pub(crate) watched: Watched,
    /// The book of the ledger in the end.
    pub(crate) book: Book,
    pub(crate) saves: Option<SaveFigures>,
}

/// Results after closing time.
pub(crate) struct Day {
    pub(crate) seed: u64,
    pub(crate) work: Work,
    pub(crate) shutdown: ShutdownReport,
    pub(crate) entries: Vec<DirectoryEntry>,
    /// The book as it is read from the store after the ledger has ended.
    pub(crate) on_disk: Book,
    /// Transfers that the book had when the day began.
    pub(crate) resumed: u64,
}

/// A promise, and the reason why it was not kept.
type Check = (&'static str, Option<String>);

impl Day {
    pub(crate) fn is_balanced(&self) -> bool {
        self.checks().iter().all(|(_, trouble)| trouble.is_none())
    }

    fn checks(&self) -> [Check; 5] {
        let Work { expected, findings, watched, book, .. } = &self.work;
        let unbalanced = self.entries.iter().find(|entry| !entry.accounting.is_balanced());
        let open = self.entries.iter().find(|entry| entry.accounting.queued + entry.accounting.in_hand > 0);
        [
            ("the balances equal an independent computation of the same input", self.difference()),
            (
                "the audit agrees: every transfer once, and no money made",
                (findings.book != expected.totals || findings.made != 0)
                    .then(|| format!("{findings:?}, and the input has {:?}", expected.totals)),
            ),
            (
                "the book on disk is the one that the ledger had",
                (self.on_disk != *book).then(|| format!("{:?} and {:?}", self.on_disk.totals(), book.totals())),
            ),
            (
                "every accounting law held, at every look and at the end",
                watched
                    .broken_law
                    .clone()
                    .or_else(|| unbalanced.or(open).map(|entry| format!("{}: {}", entry.path, entry.accounting))),
            ),
            ("every service stopped as asked", (!self.shutdown.is_clean()).then(|| self.shutdown.to_string())),
        ]
    }

    fn difference(&self) -> Option<String> {
        let (ledger, input) = (&self.work.book.balances, &self.work.expected.balances);
        let account = ledger.keys().chain(input.keys()).find(|account| ledger.get(*account) != input.get(*account))?;
        let told = |balances: &BTreeMap<Account, i128>| {
            balances.get(account).map_or_else(|| "nothing of it".to_owned(), ToString::to_string)
        };
        let mut text = format!("of `{account}` the ledger says {}, the input {}", told(ledger), told(input));
        if self.resumed > 0 {
            text.push_str("; was the book written for another input?");
        }
        Some(text)
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_header([
            "service",
            "lives",
            "restarts",
            "accepted",
            "handled",
            "crashed",
            "shed",
            "recovery p50",
            "p99",
            "max",
        ]);
        for entry in self.entries.iter().filter(|entry| entry.path.contains('/')) {
            let books = entry.accounting;
            let recovery = self.work.watched.recovery.get(&entry.path);
            let recovered = |part| recovery.map_or_else(|| "-".to_owned(), |recovery| time(recovery.quantile(part)));
            let messages = [books.accepted, books.handled, books.crashed, books.returned + books.dead_lettered];
            let mut row = vec![entry.path.to_string()];
            row.extend([entry.status.generation, books.attempts.saturating_sub(1)].map(count));
            row.extend(
                messages.map(|number| if entry.kind == ChildKind::Supervisor { "-".to_owned() } else { count(number) }),
            );
            row.extend([0.5, 0.99, 1.0].map(recovered));
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Work { took, tally, expected, kills, findings, watched, book, saves } = &self.work;
        writeln!(f, "{}\n", self.table().trim_fmt())?;

        let mut line = |title: &str, text: fmt::Arguments<'_>| writeln!(f, "{title:10} {text}");
        let a_second = count((tally.served as f64 / took.as_secs_f64()) as u64);
        let (served, again) = (count(tally.served), count(tally.again));
        line("transfers", format_args!("{served} in {took:.2?} ({a_second} a second)"))?;
        line("skipped", format_args!("{again} that were already in the book when they came again"))?;
        if let Some(SaveFigures { saves, last: Some(last), .. }) = saves {
            let (each, size) = (count(book.posted.len() / saves), count(last.bytes));
            let saves = count(*saves);
            line(
                "saves",
                format_args!("{saves} of {each} transfers each; the last took {:.2?} for {size} bytes", last.took),
            )?;
        }
        if expected.malformed > 0 {
            line("malformed", format_args!("{}", count(expected.malformed)))?;
        }
        if kills.struck + kills.missed > 0 {
            let (struck, pools, missed) = (count(kills.struck), count(kills.pools), count(kills.missed));
            line(
                "kills",
                format_args!("{struck}, {pools} of them of the whole pool; {missed} more found no running service"),
            )?;
        }
        if watched.parked > 0 {
            line("parked", format_args!("{} times, a service that had used up its restarts", count(watched.parked)))?;
        }
        let (moved, abroad) = (sum(findings.book.turnover), sum(tally.abroad));
        line("moved", format_args!("{moved}, which is {abroad} in foreign money at the rates of the moment"))?;
        if findings.gaps > 0 {
            line("audit", format_args!("{} of the ledger's reports did not reach it", count(findings.gaps)))?;
        }
        if watched.events_missed > 0 {
            line("events", format_args!("{} missed; recovery times are those of the others", watched.events_missed))?;
        }
        line("shutdown", format_args!("{}", self.shutdown))?;
        line("seed", format_args!("{}", self.seed))?;
        if book.balances.len() > ACCOUNTS_SHOWN {
            let accounts = count(book.balances.len() as u64);
            line("balances", format_args!("{accounts} accounts, digest {:016x}", digest(book)))?;
        } else {
            line("balances", format_args!("{}", count(book.balances.len() as u64)))?;
            book.balances.iter().try_for_each(|(account, balance)| writeln!(f, "  {account}: {balance}"))?;
        }

        writeln!(f)?;
        for (promise, trouble) in self.checks() {
            match trouble {
                None => writeln!(f, "ok      {promise}")?,
                Some(trouble) => writeln!(f, "FAILED  {promise}: {trouble}")?,
            }
        }
        writeln!(f, "\n{}", if self.is_balanced() { "BALANCED" } else { "NOT BALANCED" })
    }
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A sum as text. It may be larger than the `u64` that [`count`] takes.
fn sum(sum: u128) -> String {
    u64::try_from(sum).map_or_else(|_| sum.to_string(), count)
}

fn time(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// FNV-1a of the balances: the same for the same input, whatever was killed on the way.
fn digest(book: &Book) -> u64 {
    let text = book.balances.iter().flat_map(|(account, balance)| format!("{account},{balance}\n").into_bytes());
    text.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
