//! A source that answers as the test says, on a unix socket in a folder of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use regrow::admin::wire::envelope::{Envelope, Issue, IssueCode};
use serde::Serialize;
use serde_json::Value;

use crate::data;

/// Request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and parameters.
    pub(crate) address: String,
    /// By name, in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) content: String,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.address.split('?').next().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.content).expect("the content is JSON")
    }
}

/// Answer to a request.
pub(crate) enum Reply {
    /// A status and JSON.
    Json(u16, Value),
    /// These bytes in this order; then the connection is closed.
    Bytes(Vec<u8>),
}

impl Reply {
    pub(crate) fn ok(data: &impl Serialize) -> Self {
        Self::Json(200, serde_json::to_value(Envelope::ok(data)).expect("it is data"))
    }

    pub(crate) fn refused(status: u16, code: IssueCode, text: &str) -> Self {
        let issue = Issue::new(code, text).about("control");
        Self::Json(status, serde_json::to_value(Envelope::<()>::refused(issue)).expect("it is data"))
    }

    /// A stream of events that is cut off behind these bytes.
    pub(crate) fn stream(events: &str) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut bytes = head.as_bytes().to_vec();
        // Chunks of a few bytes: an event is cut anywhere.
        for chunk in events.as_bytes().chunks(7) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        Self::Bytes(bytes)
    }
}

/// Source of a test. It ends with the test's process; its folder goes with it.
pub(crate) struct Fake {
    folder: tempfile::TempDir,
    socket: PathBuf,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// A source that answers with `answer`, as `bank.4711.sock`.
    pub(crate) fn new(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("regrow")).expect("a folder");
        let fake = Self { socket: folder.path().join("regrow/bank.4711.sock"), folder, requests: Arc::default() };
        serve(&fake.socket, fake.requests.clone(), answer);
        fake
    }

    /// The bank: every look is answered with the data of `data`, and every act is done.
    pub(crate) fn bank() -> Self {
        Self::new(bank)
    }

    /// The folder that stands for `XDG_RUNTIME_DIR`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The requests that came, oldest first.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no test panics with it").clone()
    }

    /// The last request with this method.
    pub(crate) fn last(&self, method: &str) -> Request {
        let requests = self.requests();
        requests.into_iter().rev().find(|request| request.method == method).expect("it was sent")
    }
}

/// Answers of the bank.
pub(crate) fn bank(request: &Request) -> Reply {
    match (request.method.as_str(), request.path()) {
        ("GET", "/v1") => Reply::ok(&data::greeting()),
        ("GET", "/v1/services") if request.address.contains("group=true") => Reply::ok(&data::groups()),
        ("GET", "/v1/services") => Reply::ok(&data::services()),
        ("GET", "/v1/service") => Reply::ok(&data::full()),
        ("GET", "/v1/history") if request.address.contains("at_ms=") => Reply::ok(&data::as_it_was()),
        ("GET", "/v1/history") => Reply::ok(&data::history()),
        ("GET", "/v1/dead-letters") => Reply::ok(&data::letters()),
        ("GET", path) if path.starts_with("/v1/dead-letters/") => Reply::ok(&data::letter()),
        ("GET", "/v1/experiments") => Reply::ok(&[data::experiment()]),
        ("POST", "/v1/experiments") => Reply::ok(&data::experiment()),
        ("DELETE", path) if path.starts_with("/v1/experiments/") => Reply::ok(&data::experiment()),
        ("POST", "/v1/acts") => {
            let act = request.json();
            Reply::ok(&serde_json::json!({
                "act": act["act"], "path": act["path"], "by": "uid 0", "reason": act["reason"],
                "outcome": "done", "is_done": true,
            }))
        }
        (_, _) => Reply::refused(404, IssueCode::BadRequest, "no such route"),
    }
}

fn serve(
    socket: &Path,
    requests: Arc<Mutex<Vec<Request>>>,
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) {
    let listener = UnixListener::bind(socket).expect("a socket");
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (requests, answer) = (requests.clone(), answer.clone());
            std::thread::spawn(move || {
                let mut stream = stream;
                // A look at whether the socket is live says nothing.
                let Some(request) = read(&stream) else { return };
                requests.lock().expect("no test panics with it").push(request.clone());
                let bytes = match answer(&request) {
                    Reply::Bytes(bytes) => bytes,
                    Reply::Json(status, value) => {
                        let text = value.to_string();
                        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
                        format!("{head}content-length: {}\r\n\r\n{text}", text.len()).into_bytes()
                    }
                };
                // The command may be gone by now.
                let _ = stream.write_all(&bytes);
            });
        }
    });
}

fn read(stream: &UnixStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut first = lines.first()?.split(' ');
    let (method, address) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = lines[1..].iter().filter_map(header).collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut content = vec![0; length];
    reader.read_exact(&mut content).ok()?;
    Some(Request { method, address, headers, content: String::from_utf8(content).ok()? })
}
