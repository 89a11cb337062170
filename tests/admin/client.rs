//! A client of the tests' own: requests by hand, over a unix socket or TCP.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use regrow::admin::wire::envelope::{Envelope, IssueCode, Outcome};
use regrow::admin::wire::event::Message;
use regrow::admin::{Admin, Listening};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use crate::common::tree::soon;

/// A source that listens on a unix socket in a directory of its own.
pub(crate) struct Served {
    pub(crate) listening: Listening,
    pub(crate) dir: Arc<TempDir>,
}

pub(crate) async fn serve(admin: &Admin) -> Served {
    let dir = Arc::new(private_dir());
    let listening = admin.listen_unix_at(dir.path().join("s")).await.unwrap();
    Served { listening, dir }
}

/// A directory that only this user may use.
pub(crate) fn private_dir() -> TempDir {
    tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().unwrap()
}

impl Served {
    pub(crate) fn path(&self) -> &Path {
        self.listening.path().unwrap()
    }

    pub(crate) async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.path()).await.unwrap()
    }

    /// Answers a request that must succeed.
    pub(crate) async fn get<T: DeserializeOwned>(&self, target: &str) -> T {
        let answer = self.ask("GET", target, &[], "").await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.body);
        answer.data()
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        ask(self.connect().await, method, target, headers, body).await
    }

    /// Orders an act as the commands do.
    pub(crate) async fn act(&self, order: Value) -> Answer {
        let headers = [("x-regrow-act", "1"), ("content-type", "application/json")];
        self.ask("POST", "/v1/acts", &headers, &order.to_string()).await
    }

    /// Follows the events.
    pub(crate) async fn follow(&self, target: &str, from: Option<&str>) -> Follower {
        let mut stream = self.connect().await;
        let from = from.map(|from| format!("last-event-id: {from}\r\n")).unwrap_or_default();
        stream.write_all(format!("GET {target} HTTP/1.0\r\nhost: localhost\r\n{from}\r\n").as_bytes()).await.unwrap();
        let mut follower = Follower { stream: BufReader::new(stream), id: None };
        assert!(follower.line().await.starts_with("HTTP/1.0 200"));
        while !follower.line().await.is_empty() {}
        follower
    }
}

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn data<T: DeserializeOwned>(&self) -> T {
        let envelope: Envelope<T> =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body));
        assert_eq!((envelope.schema, envelope.outcome), (1, Outcome::Ok), "{}", self.body);
        envelope.data.unwrap()
    }

    /// The problem of a refusal, and what it is about.
    pub(crate) fn refusal(&self) -> (IssueCode, String) {
        let envelope: Envelope<Value> =
            serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body));
        assert!(envelope.outcome != Outcome::Ok && envelope.data.is_none() && self.status >= 400, "{}", self.body);
        let issue = &envelope.issues[0];
        (issue.code, issue.text.clone())
    }
}

/// Sends a request and reads until the server closes.
pub(crate) async fn ask<S>(mut stream: S, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = format!("{method} {target} HTTP/1.0\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        request.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    // A server that refuses early may have closed by now, and its answer still is there to be read.
    let _ = stream.write_all(request.as_bytes()).await;
    answer(stream).await
}

/// Reads an answer until the server closes.
pub(crate) async fn answer<S: AsyncRead + Unpin>(mut stream: S) -> Answer {
    let mut bytes = Vec::new();
    let _ = soon("an answer", stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.into() }
}

pub(crate) async fn ask_tcp(
    listening: &Listening,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    ask(TcpStream::connect(listening.address().unwrap()).await.unwrap(), method, target, headers, body).await
}

/// A client that follows events.
pub(crate) struct Follower {
    stream: BufReader<UnixStream>,
    /// Position of the last message that had one.
    pub(crate) id: Option<String>,
}

impl Follower {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.stream.read_line(&mut line)).await.unwrap();
        line.trim_end().into()
    }

    /// Waits for the next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            let mut line = String::new();
            if soon("a message", self.stream.read_line(&mut line)).await.unwrap_or(0) == 0 {
                return None;
            }
            if let Some(id) = line.strip_prefix("id: ") {
                self.id = Some(id.trim_end().into());
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }
}
