//! Costs of the operations of the runtime in instructions, and of an idle child in bytes, compared with a committed
//! file.
//!
//! `cargo bench --bench instructions` does each operation n and 2n times on one thread under valgrind. The difference
//! is the cost. Unlike a time, it is the same on a busy machine.
//!
//! `benches/instructions.txt` has the costs at the time when it was written, and names the compiler. With the same
//! compiler, a difference of more than 3 % and 10 instructions is an error. With another one, differences are only shown. `-- --write`
//! writes a new file, to be committed with the reason. An argument that is not an option selects the operations with
//! that text in their names.

#[path = "instructions/book.rs"]
mod book;
#[path = "instructions/operations.rs"]
mod operations;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use book::{Book, Figure, Unit};
use operations::OPERATIONS;

/// Variable for the measured processes: the operation, and the number of times to do it.
const DO: &str = "REGROW_INSTRUCTIONS_OF";

fn main() -> ExitCode {
    if let Ok(order) = env::var(DO) {
        let Some((name, times)) = order.rsplit_once(' ') else { return ExitCode::from(2) };
        let times = times.parse().expect("a number of times");
        let operation = OPERATIONS.iter().find(|operation| operation.name == name).expect("an operation");
        (operation.run)(times);
        // Exits at once: the end of the runtime is not measured.
        std::process::exit(0);
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("left out: valgrind is not installed (`apt-get install valgrind`)");
        return ExitCode::SUCCESS;
    }
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let wanted: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    // The file is read first, so that a malformed one is reported before the work is done.
    let is_writing = args.iter().any(|arg| arg == "--write");
    if is_writing && !wanted.is_empty() {
        println!("`--write` writes all figures: leave the names out");
        return ExitCode::from(2);
    }
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt"));
    let book = if is_writing { Ok(Book::default()) } else { Book::read(&path) };
    let book = match book {
        Ok(book) => book,
        Err(error) => return failed(&path, &error),
    };
    let figures = measure_all(|name| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())));
    if figures.is_empty() {
        println!("no operation has such a name: {wanted:?}");
        return ExitCode::from(2);
    }
    if !is_writing {
        return book.compare(&figures, wanted.is_empty());
    }
    match Book::of_today(figures).write(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&path, &error),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> ExitCode {
    println!("{}: {error}", path.display());
    ExitCode::FAILURE
}

/// Measures the wanted operations, two processes at a time. The figures are in the order of the operations.
fn measure_all(is_wanted: impl Fn(&str) -> bool) -> Vec<Figure> {
    let wanted: Vec<_> = OPERATIONS.iter().filter(|operation| is_wanted(operation.name)).collect();
    let (next, figures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((place, operation)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, *wanted.get(at)?)))
                {
                    let cost = |times| measure(operation.unit, operation.name, times);
                    let (once, twice) = (cost(operation.times), cost(2 * operation.times));
                    let each = twice.saturating_sub(once) as f64 / (operation.times * operation.parts) as f64;
                    let figure =
                        Figure { name: operation.name.into(), unit: operation.unit, each: each.round() as u64 };
                    figures.lock().expect("no thread has panicked").push((place, figure));
                }
            });
        }
    });
    let mut figures = figures.into_inner().expect("no thread has panicked");
    figures.sort_by_key(|(place, _)| *place);
    figures.into_iter().map(|(_, figure)| figure).collect()
}

/// The cost of a process that does the operation `times` times.
fn measure(unit: Unit, name: &str, times: usize) -> u64 {
    let this = env::current_exe().expect("a program has a path");
    let tool: &[&str] = match unit {
        Unit::Instructions => &["--tool=callgrind", "--callgrind-out-file=/dev/null"],
        Unit::Bytes => &["--tool=dhat", "--dhat-out-file=/dev/null"],
    };
    let mut command = Command::new("valgrind");
    command.args(tool).arg(this).env(DO, format!("{name} {times}")).env_remove("RUST_BACKTRACE");
    let output = command.output().expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    // callgrind prints `Collected : 1234`, dhat prints `At t-gmax: 1,234 bytes in 5 blocks`.
    let marker = match unit {
        Unit::Instructions => "Collected :",
        Unit::Bytes => "At t-gmax:",
    };
    let line = said.lines().find_map(|line| line.split(marker).nth(1)).expect("valgrind says what it has counted");
    let number = line.split_whitespace().next().unwrap_or_default().replace(',', "");
    number.parse().expect("valgrind counts in numbers")
}
