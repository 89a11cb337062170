//! systemd's side: starts the program with a socket, and reads what it is told.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// A unit of the type `notify`.
pub(crate) struct Unit {
    child: Child,
    socket: UnixDatagram,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
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
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
        command.env("REGROW_MODE", mode).env("NOTIFY_SOCKET", &path).envs(variables.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = mpsc::channel();
        let said = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        Self { child, socket, lines, said: Vec::new(), heard: Vec::new(), _folder: folder }
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
        self.hears_lines();
        assert_eq!(next.as_deref(), Some(message), "{:#?} {:#?}", self.heard, self.said);
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
                    self.hears_lines();
                    panic!("{next:?} instead of {message:?} after {:#?} {:#?}", self.heard, self.said);
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
        self.child.stdin.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
    }

    /// Waits for a line that contains this.
    #[track_caller]
    pub(crate) fn says(&mut self, part: &str) -> &mut Self {
        while !self.has_said(part) {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.said.push(line),
                Err(error) => panic!("never said `{part}` ({error}): {:#?}", self.said),
            }
        }
        self
    }

    pub(crate) fn has_said(&self, part: &str) -> bool {
        self.said.iter().any(|line| line.contains(part))
    }

    fn hears_lines(&mut self) {
        self.said.extend(self.lines.try_iter());
    }

    pub(crate) fn signal(&mut self, name: &str) -> &mut Self {
        let done = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(done.unwrap().success());
        self
    }

    /// It exits with this status. All that it says is heard by then.
    #[track_caller]
    pub(crate) fn exits(&mut self, code: i32) -> &mut Self {
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.said.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it goes on: {:#?}", self.said),
            }
        }
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{:#?}", self.said);
        self
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
