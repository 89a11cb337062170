//! The recording of a process that saves: system calls with their data, and the lines that it told, in their order.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::strace::{SystemCall, read, traced};

const CALLS: &str = "openat,mkdir,write,writev,pwrite64,fsync,fdatasync,ftruncate,link,linkat,rename,renameat,renameat2,unlink,\
                     unlinkat,close,fallocate,pwritev,pwritev2,copy_file_range,sendfile,fcntl,dup,creat,open,symlink";

pub(super) enum Event {
    /// A process begins: it has no files open.
    Begins,
    Call(SystemCall),
    Told(String),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begins => write!(f, "a process begins"),
            Self::Told(line) => write!(f, "told {line}"),
            Self::Call(call) => {
                write!(f, "{}", call.name)?;
                let is_of_a_name = matches!(call.name.as_str(), "openat" | "mkdir")
                    || call.name.contains("link")
                    || call.name.contains("rename");
                match strings(&call.arguments).first().filter(|_| is_of_a_name) {
                    Some(path) => {
                        write!(f, " {:?}", Path::new(OsStr::from_bytes(path)).file_name().unwrap_or_default())
                    }
                    None => write!(f, " of file {}", call.arguments.split(',').next().unwrap_or_default()),
                }
            }
        }
    }
}

/// Records so many lives on one directory.
pub(super) fn record(store: &str, place: &Path, lives: usize, saves: usize, size: usize) -> Vec<Event> {
    let mut events = Vec::new();
    let log = place.with_extension("log");
    for _ in 0..lives {
        let trace = format!("trace={CALLS}");
        let arguments = ["-xx", "-s", "16777216", "-e", &trace];
        let output = traced(&log, &arguments, store, place, saves, size).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        events.push(Event::Begins);
        for call in read(&log) {
            match call.name.as_str() {
                // The lines to the parent, and nothing else, are written so.
                "writev" => {
                    let line = strings(&call.arguments).concat();
                    events.push(Event::Told(String::from_utf8(line).unwrap().trim_end().to_owned()));
                }
                _ => events.push(Event::Call(call)),
            }
        }
    }
    std::fs::remove_file(log).unwrap();
    let told = events.iter().filter(|event| matches!(event, Event::Told(_))).count();
    assert_eq!(told, lives * (2 + 2 * saves), "the recording has all lines");
    events
}

/// The strings among the arguments of a call, which strace wrote as `"\x41\x42"`.
pub(super) fn strings(arguments: &str) -> Vec<Vec<u8>> {
    assert!(!arguments.contains("\"..."), "strace cut a string off");
    let quoted = arguments.split('"').skip(1).step_by(2);
    quoted
        .map(|text| {
            let digits = |byte: &[u8]| u8::from_str_radix(std::str::from_utf8(&byte[2..]).unwrap(), 16).unwrap();
            text.as_bytes().chunks(4).map(digits).collect()
        })
        .collect()
}
