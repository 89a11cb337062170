//! Input of transfers: from a file, from standard input, or made up from a seed. Their sum is computed on the way,
//! without the ledger, to check it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::num::IntErrorKind;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::mpsc;

use crate::book::Totals;

pub(crate) type Account = Arc<str>;

const ACCOUNTS: usize = 1000;

/// Length limit of a line in bytes. A longer one is not a transfer.
const LINE_MAX: u64 = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// The number of its line, from 1.
    pub(crate) id: u64,
    pub(crate) from: Account,
    pub(crate) to: Account,
    /// The amount; a negative one is moved from `to` to `from`.
    pub(crate) amount: i64,
}

impl Transfer {
    pub(crate) fn parse(id: u64, line: &str) -> Result<Self, Malformed> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [from, to, amount] = fields[..] else { return Err(Malformed::Fields(shown(line), fields.len())) };
        if from.is_empty() || to.is_empty() {
            return Err(Malformed::Nameless);
        }
        let amount = amount.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => Malformed::Overflow(shown(amount)),
            _ => Malformed::Amount(shown(amount)),
        })?;
        Ok(Self { id, from: from.into(), to: to.into(), amount })
    }
}

/// The reason why a line is no transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The line, and the number of its fields.
    Fields(String, usize),
    Nameless,
    Amount(String),
    Overflow(String),
    NotUtf8,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(line, 1) => write!(f, "`{line}` has one field, and `from,to,amount` are three"),
            Self::Fields(line, found) => write!(f, "`{line}` has {found} fields, and `from,to,amount` are three"),
            Self::Nameless => f.write_str("an account has no name"),
            Self::Amount(text) => write!(f, "the amount `{text}` is not a whole number"),
            Self::Overflow(text) => write!(f, "the amount `{text}` is beyond what an i64 can hold"),
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The beginning of any text, escaped.
fn shown(text: &str) -> String {
    let more = if text.chars().nth(40).is_some() { "..." } else { "" };
    text.chars().take(40).flat_map(char::escape_debug).chain(more.chars()).collect()
}

/// Sums of the input, which the bank has to reach.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) balances: BTreeMap<Account, i128>,
    pub(crate) totals: Totals,
    pub(crate) malformed: u64,
}

impl Expected {
    fn add(&mut self, transfer: &Transfer) {
        let amount = i128::from(transfer.amount);
        *self.balances.entry(transfer.from.clone()).or_default() -= amount;
        *self.balances.entry(transfer.to.clone()).or_default() += amount;
        self.totals.transfers += 1;
        self.totals.turnover += amount.unsigned_abs();
    }
}

/// A transfer, or the number of a line that is none, with the reason.
type Line = Result<Transfer, (u64, Malformed)>;

pub(crate) struct Input {
    /// The lines. They end with the first error, after which there is nothing more to read.
    lines: Box<dyn Iterator<Item = anyhow::Result<Line>> + Send>,
}

impl Input {
    pub(crate) fn made_up(transfers: u64, seed: u64) -> Self {
        let accounts: Vec<Account> = (0..ACCOUNTS).map(|number| format!("account-{number:03}").into()).collect();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut make = move |id| {
            let [from, to] = [0; 2].map(|_| accounts[rng.random_range(0..ACCOUNTS)].clone());
            Transfer { id, from, to, amount: rng.random_range(1..=1000) }
        };
        Self { lines: Box::new((1..=transfers).map(move |id| Ok(Ok(make(id))))) }
    }

    pub(crate) fn file(path: &Path) -> anyhow::Result<Self> {
        let name = format!("`{}`", path.display());
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        Ok(Self::read(name, file))
    }

    pub(crate) fn standard() -> Self {
        Self::read("standard input".into(), std::io::stdin())
    }

    fn read(name: String, from: impl Read + Send + 'static) -> Self {
        let (mut reader, mut bytes, mut id) = (BufReader::new(from), Vec::new(), 0);
        let next = move || loop {
            id += 1;
            bytes.clear();
            if let Err(error) = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes) {
                return Some(Err(error).with_context(|| format!("cannot read {name}, line {id}")));
            }
            if bytes.len() as u64 == LINE_MAX {
                return Some(Err(anyhow!("line {id} of {name} has no end: this is no list of transfers")));
            }
            if bytes.is_empty() {
                return None;
            }
            if let Some(line) = parse_line(id, &bytes).map_err(|error| (id, error)).transpose() {
                return Some(Ok(line));
            }
        };
        Self { lines: Box::new(std::iter::from_fn(next)) }
    }

    /// Sends every transfer to the queue, and reports every line that is none.
    ///
    /// It blocks the thread while the queue is full, and while there is nothing to read yet.
    pub(crate) fn pour(
        self,
        queue: &mpsc::Sender<Transfer>,
        tell: impl Fn(u64, &Malformed),
    ) -> anyhow::Result<Expected> {
        let mut expected = Expected::default();
        for line in self.lines {
            match line? {
                Ok(transfer) => {
                    expected.add(&transfer);
                    if queue.blocking_send(transfer).is_err() {
                        // The bank has closed early, and the sum is not needed either.
                        break;
                    }
                }
                Err((id, malformed)) => {
                    expected.malformed += 1;
                    tell(id, &malformed);
                }
            }
        }
        Ok(expected)
    }
}

/// Parses a line. `None` for a blank one.
fn parse_line(id: u64, bytes: &[u8]) -> Result<Option<Transfer>, Malformed> {
    let line = std::str::from_utf8(bytes).map_err(|_| Malformed::NotUtf8)?;
    // Some editors begin a file with an invisible byte order mark.
    let line = line.strip_prefix('\u{feff}').filter(|_| id == 1).unwrap_or(line).trim();
    if line.is_empty() { Ok(None) } else { Transfer::parse(id, line).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_transfer_or_says_why_not() {
        let good = Transfer { id: 7, from: "a b".into(), to: "c".into(), amount: -5 };
        assert_eq!(parse_line(7, b" a b ,c,\t-5\r\n"), Ok(Some(good)));
        assert_eq!(parse_line(7, b" \r\n"), Ok(None));
        for (line, error) in [
            (&b"nonsense\n"[..], Malformed::Fields("nonsense".into(), 1)),
            (b"a,b,1,2", Malformed::Fields("a,b,1,2".into(), 4)),
            (b"a,,1", Malformed::Nameless),
            (b"a,b,1.5", Malformed::Amount("1.5".into())),
            (b"a,b,", Malformed::Amount("".into())),
            (b"a,b,9223372036854775808", Malformed::Overflow("9223372036854775808".into())),
            (b"a,b\xff,1", Malformed::NotUtf8),
        ] {
            assert_eq!(parse_line(7, line), Err(error));
        }
    }

    #[test]
    fn the_mark_at_the_beginning_is_no_part_of_a_name() {
        assert_eq!(&*parse_line(1, b"\xef\xbb\xbfa,b,1").unwrap().unwrap().from, "a");
    }
}
