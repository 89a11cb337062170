//! The admin source as a whole: requests to its router, in process.

use std::str::from_utf8;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use axum::routing::any_service;
use regrow::admin::wire::envelope::{Envelope, IssueCode, Outcome};
use regrow::admin::wire::event::Message;
use regrow::admin::wire::query::{EventsQuery, HistoryQuery, LettersQuery, ServicesQuery};
use regrow::admin::{Admin, Capability, Dump, Token};
use regrow::operate::doors;
use regrow::{DirectoryEntry, Tree};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use crate::targets::policy::shop;
use crate::targets::{halves, runtime};

/// Most requests of one input.
const REQUESTS_MAX: usize = 6;
/// Time on the paused clock in which every answer is there, an act's too.
const PATIENCE: Duration = Duration::from_secs(300);
const CONTENT_MAX: usize = 8 << 20;

/// A line with the capabilities that are granted; then requests with a line `---` between two: method and address, headers,
/// an empty line, the content.
pub(super) fn requests(data: &[u8]) {
    let (granted, data) = halves(data, b"\n");
    let runtime = runtime();
    runtime.block_on(async {
        let tree = shop().await;
        let mut admin = Admin::new("fuzz").tree(&tree);
        let may_act = from_utf8(granted).is_ok_and(|granted| granted.contains("control"));
        let may_break = from_utf8(granted).is_ok_and(|granted| granted.contains("chaos"));
        for (may, capability) in [(may_act, Capability::Control), (may_break, Capability::Chaos)] {
            admin = if may { admin.grant(capability) } else { admin };
        }
        let router = admin.router();
        let (mut next, mut rest) = halves(data, b"\n---\n");
        let (mut streams, mut moves) = (Vec::new(), false);
        for _ in 0..REQUESTS_MAX {
            if let Some(asked) = Asked::read(next) {
                let before = looks(&tree);
                let (_, stream) = asked.send(&router).await;
                // What an earlier act began may go on.
                moves |= asked.has_act_header() && (may_act || may_break);
                if !moves {
                    assert_eq!(before, looks(&tree), "changed without a right to it");
                }
                if let Some(stream) = stream {
                    streams.push(stream);
                }
            }
            balances(&tree);
            if rest.is_empty() {
                break;
            }
            (next, rest) = halves(rest, b"\n---\n");
        }
        let report = tree.shutdown().await;
        assert!(report.abandoned.is_empty(), "{report}");
        balances(&tree);
        for stream in streams {
            is_followed(stream).await;
        }
    });
    runtime.shutdown_background();
}

/// Token of the listener on TCP.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// A request as it comes over TCP. It has an answer only with the token, a host that is allowed, and no foreign origin.
pub(super) fn tcp(data: &[u8]) {
    let Some(asked) = Asked::read(data) else { return };
    let runtime = runtime();
    runtime.block_on(async {
        let tree = shop().await;
        let admin = Admin::new("fuzz").tree(&tree).grant(Capability::Control).allow_host("Admin.example");
        let address = "127.0.0.1:9000".parse().expect("an address");
        let before = looks(&tree);
        let router = admin.router_of_tcp(address, Token::new(TOKEN).expect("a token"));
        let (status, _) = asked.send(&router).await;
        if !asked.is_of_operator() {
            assert!(
                status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN,
                "{status}: {:?}",
                asked.headers
            );
            assert_eq!(before, looks(&tree), "changed by a stranger");
        }
        tree.shutdown().await;
    });
    runtime.shutdown_background();
}

/// A query as a client writes it is the query that the server reads.
pub(super) fn query(data: &[u8]) {
    fn arrives<Q: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(data: &[u8]) {
        let Ok(query) = serde_json::from_slice::<Q>(data) else { return };
        let address: Uri = doors::address("/v1/x", &query).parse().expect("an address");
        let read = axum::extract::Query::<Q>::try_from_uri(&address).expect("parameters");
        assert_eq!(read.0, query);
    }
    arrives::<ServicesQuery>(data);
    arrives::<HistoryQuery>(data);
    arrives::<LettersQuery>(data);
    arrives::<EventsQuery>(data);
    // The parameters as they are, with a filter and a cursor that a client made up.
    let Ok(text) = from_utf8(data) else { return };
    let runtime = runtime();
    runtime.block_on(async {
        let tree = shop().await;
        let router = Admin::new("fuzz").tree(&tree).router();
        for route in ["services", "history", "service", "dead-letters", "events"] {
            if format!("/v1/{route}?{text}").parse::<Uri>().is_ok() {
                let asked = format!("GET /v1/{route}?{text}");
                if let Some(asked) = Asked::read(asked.as_bytes()) {
                    let _ = asked.send(&router).await;
                }
            }
        }
        tree.shutdown().await;
    });
    runtime.shutdown_background();
}

/// A request that can be made at all.
struct Asked {
    method: Method,
    address: Uri,
    headers: HeaderMap,
    content: Vec<u8>,
}

impl Asked {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, content) = halves(bytes, b"\n\n");
        let mut lines = head.split(|byte| *byte == b'\n');
        let (method, address) = halves(lines.next()?, b" ");
        let mut headers = HeaderMap::new();
        for line in lines.take(20) {
            let (name, value) = halves(line, b": ");
            headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
        let asked = Self {
            method: Method::from_bytes(method).ok()?,
            address: Uri::try_from(address).ok()?,
            headers,
            content: content.to_vec(),
        };
        (!asked.is_left_to_other_tests()).then_some(asked)
    }

    /// Faults that panic or hold a thread, and times of years, are left to the tests of experiments.
    fn is_left_to_other_tests(&self) -> bool {
        let content = String::from_utf8_lossy(&self.content);
        self.address.path().contains("experiments")
            && ["panic", "block", "\\u"].iter().any(|word| content.contains(word))
    }

    fn has_act_header(&self) -> bool {
        self.headers.get("x-regrow-act").is_some_and(|value| value == "1")
    }

    /// Whether its headers are those of an operator on TCP, as plainly as they can be checked.
    fn is_of_operator(&self) -> bool {
        let only = |name: &str| {
            let mut values = self.headers.get_all(name).iter();
            let value = values.next().and_then(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
            if values.next().is_some() { None } else { value }
        };
        let host = only("host").unwrap_or_default();
        let names = ["localhost", "127.0.0.1", "[::1]", "admin.example"];
        let is_host = names.iter().any(|name| host == *name || host == format!("{name}:9000"));
        let is_own =
            only("origin").is_none_or(|origin| origin.strip_prefix("http").is_some_and(|rest| rest.ends_with(&host)));
        let sent = self.headers.get("authorization").and_then(|sent| sent.to_str().ok()).unwrap_or_default();
        is_host
            && is_own
            && sent.get(..7).is_some_and(|begin| begin.eq_ignore_ascii_case("bearer "))
            && sent[7..] == *TOKEN
    }

    /// Sends it and checks the answer. Returns its status, and the content if it is a stream that goes on.
    async fn send(&self, router: &Router) -> (StatusCode, Option<Body>) {
        let mut request = Request::new(Body::from(self.content.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.address.clone();
        *request.headers_mut() = self.headers.clone();
        let answered = timeout(PATIENCE, any_service(router.clone()).call(request, ())).await;
        let response = answered.expect("every request has an answer");
        let (parts, body) = response.into_parts();
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // The rules of TCP answer a stranger before anything else does.
        let is_stranger = matches!(parts.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let kept = (header("cache-control"), header("x-content-type-options"));
        assert!(kept == ("no-store", "nosniff") || is_stranger, "{kept:?}");
        let kind = header("content-type").to_owned();
        if kind == "text/event-stream" {
            return (parts.status, Some(body));
        }
        let content = timeout(PATIENCE, to_bytes(body, CONTENT_MAX)).await.expect("it ends").expect("it is whole");
        if content.is_empty() {
            // The answer to `HEAD` is without the content that its kind is of.
            return (parts.status, None);
        }
        match kind.as_str() {
            "application/json" => is_enveloped(parts.status, &content),
            "application/schema+json" => drop(serde_json::from_slice::<Value>(&content).expect("a schema is JSON")),
            _ => assert_eq!(Dump::read(&content[..]).expect("a dump").damage, None, "{kind}"),
        }
        (parts.status, None)
    }
}

/// Checks that an answer says what it is, and is no failure of the source's own.
fn is_enveloped(status: StatusCode, content: &[u8]) {
    let text = String::from_utf8_lossy(content);
    let told: Envelope<Value> = serde_json::from_slice(content).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(told.outcome == Outcome::Ok, status.is_success(), "{status}: {text}");
    assert_eq!(told.outcome == Outcome::Failed, status.is_server_error(), "{status}: {text}");
    if told.outcome != Outcome::Ok {
        let issue = told.issues.first().expect("refused without a reason");
        assert!(!issue.text.is_empty(), "{text}");
        // An act may fail because of the child, and a part of the library may not be compiled.
        let is_own = status.is_server_error() && !matches!(issue.code, IssueCode::ActFailed | IssueCode::NotAvailable);
        assert!(!is_own, "the source failed: {text}");
    }
}

/// Checks a stream of a tree that is over by now: it ends, and every event can be read.
async fn is_followed(stream: Body) {
    // A stream that has nothing to say any more may stay open: it is given up, as by a client that goes away.
    let Ok(Ok(content)) = timeout(PATIENCE, to_bytes(stream, CONTENT_MAX)).await else { return };
    let (events, _) = doors::events([&content[..]]).expect("a stream of events");
    for event in events {
        serde_json::from_str::<Message>(&event).unwrap_or_else(|error| panic!("{error}: {event}"));
    }
}

/// What is seen of each child, without the time.
fn looks(tree: &Tree) -> Vec<DirectoryEntry> {
    tree.directory().entries()
}

fn balances(tree: &Tree) {
    for entry in tree.directory().entries() {
        assert!(entry.accounting.is_balanced(), "{}: {}", entry.path, entry.accounting);
    }
}

/// Status and content of an answer.
pub(super) struct Answered {
    pub(super) content: Vec<u8>,
}

/// Makes a request and returns its answer.
pub(super) async fn ask(
    router: &Router,
    method: &str,
    address: &str,
    headers: &[(&str, &str)],
    content: &[u8],
) -> Answered {
    let mut request = Request::builder().method(method).uri(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(content.to_vec())).expect("a request");
    let response = any_service(router.clone()).call(request, ()).await;
    Answered { content: to_bytes(response.into_body(), CONTENT_MAX).await.expect("it is whole").to_vec() }
}
