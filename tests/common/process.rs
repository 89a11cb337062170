//! This test program as a process of its own, in one of its modes: what it says, the signals that it gets, its exit status.
#![allow(dead_code, reason = "each test program uses a part of its own")]

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// A running process. It is killed when it is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    lines: mpsc::Receiver<String>,
    /// The lines of its standard error that were heard so far.
    pub(crate) heard: Vec<String>,
}

impl Process {
    /// Runs this program in this mode. `set` sets what else the process needs.
    pub(crate) fn run(mode: &str, set: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("REGROW_MODE", mode).stdout(Stdio::null()).stderr(Stdio::piped());
        set(&mut command);
        let mut child = command.spawn().unwrap();
        let (tell, lines) = mpsc::channel();
        let said = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        Self { child, lines, heard: Vec::new() }
    }

    /// Waits for a line that contains this.
    #[track_caller]
    pub(crate) fn says(&mut self, part: &str) -> &mut Self {
        while !self.has_said(part) {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.heard.push(line),
                Err(error) => panic!("never said `{part}` ({error}): {:#?}", self.heard),
            }
        }
        self
    }

    pub(crate) fn has_said(&self, part: &str) -> bool {
        self.heard.iter().any(|line| line.contains(part))
    }

    pub(crate) fn last(&self) -> &str {
        self.heard.last().map_or("", String::as_str)
    }

    /// Checks that these were said, in this order.
    #[track_caller]
    pub(crate) fn said(&self, parts: &[&str]) {
        let mut lines = self.heard.iter();
        for part in parts {
            assert!(lines.any(|line| line.contains(part)), "`{part}` in its place: {:#?}", self.heard);
        }
    }

    #[track_caller]
    pub(crate) fn never_said(&self, part: &str) {
        assert!(!self.has_said(part), "`{part}`: {:#?}", self.heard);
    }

    /// Takes the lines that have come.
    pub(crate) fn hear(&mut self) {
        self.heard.extend(self.lines.try_iter());
    }

    pub(crate) fn signal(&mut self, name: &str) -> &mut Self {
        let done = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
        self
    }

    /// Checks that it exits with this status in time. All its lines are heard by then.
    #[track_caller]
    pub(crate) fn exits(&mut self, code: i32) -> &mut Self {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.heard.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it goes on: {:#?}", self.heard),
            }
            assert!(begun.elapsed() < LIMIT, "it goes on: {:#?}", self.heard);
        }
        let status = self.child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(code), None), "{:#?}", self.heard);
        self
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
