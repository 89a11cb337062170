//! Targets of the fuzzer: each takes any bytes, and panics if a promise about them is broken.
//!
//! The fuzzer (`tests/fuzz/src/main.rs`) makes bytes up. The test `found_inputs` gives the kept ones, without a fuzzer.
//!
//! | file | what is read | promises beside "no panic" |
//! |---|---|---|
//! | `policy` | policy files, variables of the environment, exit scripts | mistakes have a place inside the text; shown settings can be written back; a refusal changes nothing |
//! | `experiment` | experiment files | mistakes have a line inside the text; what is read can be run |
//! | `scenario` | OTP's scenarios | mistakes have a line inside the text; two plays are equal |
//! | `dump` | dumps of histories | damage has its line; lines that were read can be written back; each moment can be told |
//! | `stored` | files of checkpoints | what is accepted is byte for byte what a save writes; a refusal changes no file |
//! | `stream` | server-sent events, answers of a source | cuts do not matter; what was sent is what is read |
//! | `wire` | acts, experiments, views as JSON | written and read again they are equal; nothing hostile reaches a terminal |
//! | `hostile` | texts, moments, tokens | nothing hostile reaches a terminal or a shell; a token is never shown |
//! | `report` | reports of experiments | the page is well-formed and has no markup of the text; JSON is stable |
//! | `admin` | requests | no failure of the source's own; no change without header and capability; no answer without token and host; accounts balance |

mod admin;
mod dump;
mod experiment;
mod hostile;
mod policy;
mod report;
mod scenario;
mod stored;
mod stream;
mod wire;

/// Checks the promises for these bytes.
pub(crate) type Target = fn(&[u8]);

/// All targets by name.
pub(crate) const TARGETS: [(&str, Target); 17] = [
    ("admin", admin::requests),
    ("answer", stream::answer),
    ("apply", policy::applied),
    ("checkpoint", stored::file),
    ("dump", dump::dump),
    ("environment", policy::environment),
    ("experiment", experiment::file),
    ("html", report::page),
    ("moment", hostile::moment),
    ("policy", policy::file),
    ("query", admin::query),
    ("scenario", scenario::scenario),
    ("script", policy::script),
    ("sse", stream::events),
    ("tcp", admin::tcp),
    ("text", hostile::text),
    ("wire", wire::wire),
];

/// The bytes before and behind the first mark. Without it, nothing is behind.
fn halves<'d>(data: &'d [u8], mark: &[u8]) -> (&'d [u8], &'d [u8]) {
    match data.windows(mark.len()).position(|part| part == mark) {
        Some(at) => (&data[..at], &data[at + mark.len()..]),
        None => (data, &[]),
    }
}

/// A runtime whose clock stands still unless everything waits for it.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// A folder in memory, if the system has one: what is fuzzed is not the disk.
fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

/// Whether a terminal takes the character for an order, or hides or turns text because of it.
fn is_hostile(letter: char) -> bool {
    letter.is_control() && letter != '\n'
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(letter, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Checks that the text can go to a terminal.
fn is_shown_safely(text: &str) {
    assert_eq!(text.chars().find(|letter| is_hostile(*letter)), None, "goes to the terminal raw: {text:?}");
}

/// Checks that a line that an error names is one of this text.
fn is_line_of(line: usize, text: &str) {
    let lines = text.split('\n').count();
    assert!((1..=lines).contains(&line), "line {line} of a text of {lines} lines");
}
