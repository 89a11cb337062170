//! The real program as a process, and enough HTTP to talk to it.
#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Limit of each wait, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: thread::JoinHandle<Vec<String>>,
    _folder: TempDir,
}

/// Exit status of the program, and its standard error.
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    pub stderr: Vec<String>,
}

impl Program {
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_orders"))
            .args(["--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--database"])
            .arg(folder.path().join("orders.db"))
            .args(options)
            .env_remove("RUST_BACKTRACE")
            // The socket of the admin source lies there, and goes with it.
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (line, stdout) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        thread::spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
        let stderr = thread::spawn(move || BufReader::new(err).lines().map_while(Result::ok).collect());
        Self { child, stdout, stderr, _folder: folder }
    }

    /// Waits for a line on standard output that begins with `start`, and returns the rest of it.
    pub fn line(&self, start: &str) -> String {
        loop {
            let line = self.stdout.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it never printed `{start}`"));
            if let Some(rest) = line.strip_prefix(start) {
                return rest.into();
            }
        }
    }

    /// Waits until the program listens, and returns its address.
    pub fn server(&self) -> Server {
        Server(self.line("listening on ").parse().unwrap())
    }

    /// Waits until the probes answer, and returns their address.
    pub fn probes(&self) -> Server {
        Server(self.line("probes on ").parse().unwrap())
    }

    /// Waits until the metrics are served, and returns their address.
    pub fn metrics(&self) -> Server {
        Server(self.line("metrics on ").parse().unwrap())
    }

    pub fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the end of the program.
    pub fn end(mut self) -> End {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE => {
                    self.child.kill().unwrap();
                    panic!("it has not ended after {PATIENCE:?}: {:#?}", self.stderr.join());
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        End { status, stderr: self.stderr.join().unwrap() }
    }
}

#[derive(Clone, Copy)]
pub struct Server(SocketAddr);

impl Server {
    /// Status and body of the answer.
    pub fn get(self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n"))
    }

    pub fn order(self, customer: &str, cents: u32) -> (u16, String) {
        let body = format!("{{\"customer\": \"{customer}\", \"cents\": {cents}}}");
        let head = "POST /orders HTTP/1.1\r\nhost: orders\r\nconnection: close\r\ncontent-type: application/json\r\n";
        self.ask(&format!("{head}content-length: {}\r\n\r\n{body}", body.len()))
    }

    /// Sends a request. Status 0 means that the connection was closed without an answer.
    fn ask(self, request: &str) -> (u16, String) {
        let mut answer = String::new();
        let asked = TcpStream::connect(self.0).and_then(|mut stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        match (asked, head.split(' ').nth(1).and_then(|status| status.parse().ok())) {
            (Ok(_), Some(status)) => (status, body.into()),
            (asked, _) => (0, format!("{asked:?}")),
        }
    }

    /// Asks until the answer is this, and fails if it never is.
    pub fn until(self, path: &str, expected: (u16, &str)) {
        let begun = Instant::now();
        loop {
            let (status, body) = self.get(path);
            if (status, body.as_str()) == expected {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} is still {status} {body}, and never {expected:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until this many workers have an order in hand.
    pub fn until_busy(self, workers: usize) {
        let begun = Instant::now();
        loop {
            let (_, tree) = self.get("/tree");
            let busy = tree.lines().filter(|line| line.starts_with("orders/workers/") && line.ends_with("in hand 1"));
            if busy.count() == workers {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "never so busy:\n{tree}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
