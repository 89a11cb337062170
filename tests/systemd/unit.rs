//! systemd's side: starts the program with a socket, and reads what it is told.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::process::Process;

const LIMIT: Duration = Duration::from_secs(20);

/// A unit of the type `notify`.
pub(crate) struct Unit {
    process: Process,
    socket: UnixDatagram,
    /// Each message, and when it came.
    heard: Vec<(Instant, String)>,
    _folder: tempfile::TempDir,
}

impl Unit {
    /// Starts the program in this mode, with the socket and these variables.
    pub(crate) fn start(mode: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let process = Process::run(mode, |command| {
            command.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
            command.env("NOTIFY_SOCKET", &path).envs(variables.iter().copied()).stdin(Stdio::piped());
        });
        Self { process, socket, heard: Vec::new(), _folder: folder }
    }

    fn next_within(&mut self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        let text = String::from_utf8(message[..length].to_vec()).unwrap();
        self.heard.push((Instant::now(), text.clone()));
        Some(text)
    }

    /// The next message is this one.
    #[track_caller]
    pub(crate) fn tells(&mut self, message: &str) -> &mut Self {
        let next = self.next_within(LIMIT);
        self.process.hear();
        assert_eq!(next.as_deref(), Some(message), "{:#?} {:#?}", self.heard, self.process.heard);
        self
    }

    /// This message comes. Until then there are no others than status lines and signs of life.
    #[track_caller]
    pub(crate) fn tells_at_last(&mut self, message: &str) -> &mut Self {
        loop {
            match self.next_within(LIMIT) {
                Some(next) if next == message => return self,
                Some(next) if next.starts_with("STATUS=") || next == "WATCHDOG=1\n" => {}
                Some(next) if message == "WATCHDOG=1\n" && next.starts_with("READY=1\n") => {}
                next => {
                    self.process.hear();
                    panic!("{next:?} instead of {message:?} after {:#?} {:#?}", self.heard, self.process.heard);
                }
            }
        }
    }

    /// Nothing more comes from a process that is over.
    #[track_caller]
    pub(crate) fn tells_no_more(&mut self) {
        assert_eq!(self.next_within(Duration::from_millis(1)), None);
    }

    /// Takes all messages that have come.
    pub(crate) fn takes_all(&mut self) {
        while self.next_within(Duration::from_millis(1)).is_some() {}
    }

    /// No message comes for this time.
    #[track_caller]
    pub(crate) fn is_silent_for(&mut self, time: Duration) {
        assert_eq!(self.next_within(time), None);
    }

    /// All messages so far.
    pub(crate) fn heard(&self) -> String {
        self.heard.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The longest time between two of these messages.
    pub(crate) fn longest_gap(&self, message: &str) -> Duration {
        let times: Vec<_> = self.heard.iter().filter(|(_, text)| text == message).map(|(at, _)| *at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }

    /// Writes a line to the program.
    pub(crate) fn writes(&mut self, line: &str) {
        self.process.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Waits for a line that contains this.
    #[track_caller]
    pub(crate) fn says(&mut self, part: &str) -> &mut Self {
        self.process.says(part);
        self
    }

    pub(crate) fn has_said(&self, part: &str) -> bool {
        self.process.has_said(part)
    }

    pub(crate) fn signal(&mut self, name: &str) -> &mut Self {
        self.process.signal(name);
        self
    }

    /// Checks that it exits with this status. All that it says is heard by then.
    #[track_caller]
    pub(crate) fn exits(&mut self, code: i32) -> &mut Self {
        self.process.exits(code);
        self
    }
}
