//! The committed figures, and their comparison with those of today.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{fs, io};

/// Difference that says nothing: the same sources in two folders differ by this many instructions, as the compiler lays them
/// out in another way. Measured: a look-up takes 271 in one and 279 in the other.
const LAYOUT: u64 = 10;
/// Largest difference of a figure from the committed one, in percent.
const MARGIN: f64 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Instructions,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) each: u64,
}

#[derive(Default)]
pub(crate) struct Book {
    /// The compiler, its target, and the C library.
    by: String,
    figures: Vec<(String, u64)>,
}

impl Book {
    pub(crate) fn of_today(figures: Vec<Figure>) -> Self {
        Self { by: compiler(), figures: figures.into_iter().map(|figure| (figure.name, figure.each)).collect() }
    }

    /// Reads the file: a comment, a line that names the compiler, and one figure per line.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let by = lines.next().unwrap_or_default().to_owned();
        let malformed = |line: &str| io::Error::other(format!("this line has no figure: {line}"));
        let figure = |line: &str| {
            let (name, each) = line.rsplit_once(' ').ok_or_else(|| malformed(line))?;
            Ok((name.trim().to_owned(), each.parse().map_err(|_| malformed(line))?))
        };
        Ok(Self { by, figures: lines.map(figure).collect::<io::Result<_>>()? })
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = String::from("# Written by `cargo bench --bench instructions -- --write`.\n");
        let _ = writeln!(text, "{}", self.by);
        for (name, each) in &self.figures {
            let _ = writeln!(text, "{name:<44} {each:>8}");
        }
        print!("{text}");
        fs::write(path, text)
    }

    /// Prints today's figures beside the committed ones.
    pub(crate) fn compare(&self, today: &[Figure], is_all: bool) -> ExitCode {
        let now = compiler();
        let is_same = now == self.by;
        let (mut beyond, mut unknown) = (0, 0);
        for figure in today {
            let Some((_, before)) = self.figures.iter().find(|(name, _)| *name == figure.name) else {
                println!("{:<44} {:>8}  is not in the file", figure.name, figure.each);
                unknown += 1;
                continue;
            };
            let percent = (figure.each as f64 / *before as f64 - 1.0) * 100.0;
            let is_beyond = percent.abs() > MARGIN && figure.each.abs_diff(*before) > LAYOUT;
            beyond += usize::from(is_beyond);
            let mark = if is_beyond { "  <--" } else { "" };
            println!("{:<44} {:>8}  was {:>8}  {percent:+.1} %{mark}", figure.name, figure.each, before);
        }
        for (name, _) in self.figures.iter().filter(|_| is_all) {
            if !today.iter().any(|figure| figure.name == *name) {
                println!("{name:<44} is in the file, but is not measured any more");
                unknown += 1;
            }
        }
        if !is_same {
            println!("figures are shown, not checked: the file was written by {}, and this is {now}", self.by);
            return ExitCode::SUCCESS;
        }
        if beyond + unknown == 0 {
            println!("all figures are within {MARGIN} % of the committed file");
            return ExitCode::SUCCESS;
        }
        println!(
            "{beyond} differ by more than {MARGIN} %, {unknown} are only in one of file and run. If the change is meant, run `cargo bench --bench instructions -- --write` and commit the file with the reason"
        );
        ExitCode::FAILURE
    }
}

/// The compiler on the path, its target, and the C library, since its allocator and its copies are counted too.
fn compiler() -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    };
    let (rustc, libc) = (said("rustc", "-vV"), said("ldd", "--version"));
    let value = |key: &str| rustc.lines().find_map(|line| line.strip_prefix(key)).unwrap_or("?").trim().to_owned();
    let libc = libc.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or("?");
    format!("rustc {}, {}, libc {libc}", value("release:"), value("host:"))
}
