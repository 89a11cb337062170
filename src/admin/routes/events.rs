//! `GET /v1/events`: the events of a tree as server-sent events.
//!
//! The rings of the recorder are the buffer of every client. A client that is slower than they turn gets a gap and a new
//! snapshot, and costs no memory. While no client follows, an event costs one look at a counter.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::admin::answer::Refused;
use crate::admin::aside::aside;
use crate::admin::door::Door;
use crate::admin::record;
use crate::admin::routes::failing::Failing;
use crate::admin::routes::reading::Asked;
use crate::admin::shown::Shown;
use crate::admin::snapshot::{self, Snapshot};
use crate::admin::stream::{Batches, Stepwise};
use crate::admin::wire::event::{Child, Message};
use crate::admin::wire::query::EventsQuery;
use crate::recorder::entry::HistoryEntry;
use crate::tree::Directory;

/// Time without an event after which the client gets a sign of life.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Most events of a batch, and most children of a part of a snapshot.
const BATCH: usize = 500;
/// Header with the position at which a client resumes.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) async fn events(
    State(door): State<Arc<Door>>,
    headers: HeaderMap,
    Asked(asked): Asked<EventsQuery>,
) -> Result<Response, Refused> {
    // The name of a tree may have letters beyond ASCII.
    let named = headers.get(LAST_EVENT_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let named = named.or(asked.from);
    let from = named.as_deref().map(Position::read).transpose()?;
    let shown = match (&asked.tree, &from) {
        (None, Some(position)) => door.source.tree(Some(&position.tree))?,
        (name, _) => door.source.tree(name.as_deref())?,
    };
    let boot = shown.boot.clone();
    let phase = match from {
        None => Phase::Look,
        // A position in another tree, even of the same name, or another run of the program is held by no record.
        Some(position) if position.boot != boot || *position.tree != *shown.name => Phase::Missed(position.seq),
        Some(position) => Phase::Resume(position.seq),
    };
    let following = Following::new(shown, boot, asked.failures, phase);
    let body = Body::from_stream(Stepwise::new(following));
    let headers = [(CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((headers, body).into_response())
}

/// Position in a stream, as a client names it: `BOOT:TREE:SEQ`.
struct Position {
    boot: String,
    tree: String,
    seq: u64,
}

impl Position {
    fn read(text: &str) -> Result<Self, Refused> {
        let parts = text.split_once(':').and_then(|(boot, rest)| Some((boot, rest.rsplit_once(':')?)));
        let position = parts.and_then(|(boot, (tree, seq))| {
            Some(Self { boot: boot.into(), tree: tree.into(), seq: seq.parse().ok()? })
        });
        position
            .ok_or_else(|| Refused::bad("a position is `BOOT:TREE:SEQ`, as an event gave it").about("last-event-id"))
    }
}

/// A client that follows a tree.
struct Following {
    shown: Arc<Shown>,
    boot: String,
    /// The failures that the client knows, if it asks for failures only.
    failing: Option<Failing>,
    phase: Phase,
}

enum Phase {
    /// The client names a position of this run.
    Resume(u64),
    /// The client has missed entries after this one.
    Missed(u64),
    /// A snapshot is due.
    Look,
    /// A snapshot is being sent, from this child on.
    Show(Snapshot, usize),
    /// Everything up to this entry was sent.
    Follow(u64),
    /// Nothing is left to send.
    Over,
}

impl Following {
    fn new(shown: Arc<Shown>, boot: String, only_failures: bool, phase: Phase) -> Self {
        shown.shared.recorder.followers().begin();
        Self { shown, boot, failing: only_failures.then(Failing::default), phase }
    }

    fn tree(&self) -> String {
        self.shown.name.to_string()
    }

    fn after(&self, seq: u64) -> crate::tree::history::HistoryAfter {
        Directory { shared: self.shown.shared.clone() }.history_after(seq)
    }

    /// The frame of a message. With a position, the client resumes there.
    fn frame(&self, seq: Option<u64>, message: &Message) -> String {
        let id = seq.map(|seq| format!("id: {}:{}:{seq}\n", self.boot, self.shown.name)).unwrap_or_default();
        format!("{id}data: {}\n\n", json(message))
    }

    fn resume(&mut self, seq: u64) -> String {
        if !self.after(seq).is_complete {
            self.phase = Phase::Missed(seq);
            return String::new();
        }
        if self.failing.is_some() {
            let mut known = self.after(0).entries;
            known.truncate(known.partition_point(|entry| entry.seq <= seq));
            self.failing = Some(Failing::after(&known));
        }
        self.phase = Phase::Follow(seq);
        self.frame(Some(seq), &Message::Resumed { tree: self.tree(), seq })
    }

    fn tell_gap(&mut self, from: u64) -> String {
        let held = self.after(u64::MAX);
        self.phase = Phase::Look;
        self.frame(None, &Message::Gap { tree: self.tree(), from, to: held.first_held })
    }

    async fn look(&mut self) -> String {
        let shown = self.shown.clone();
        let Ok(Some(snapshot)) = aside(move || snapshot::read(&shown.shared, &shown.name)).await else {
            // The client comes again, when less happens.
            self.phase = Phase::Over;
            return ": the tree changes faster than it can be read\n\n".into();
        };
        let begins = Message::SnapshotBegins { tree: self.tree(), seq: snapshot.seq, at_ms: snapshot.at_ms };
        let frame = self.frame(None, &begins);
        self.phase = Phase::Show(snapshot, 0);
        frame
    }

    fn show(&mut self, snapshot: Snapshot, sent: usize) -> String {
        let part: Vec<Child> = snapshot.children.iter().skip(sent).take(BATCH).cloned().collect();
        if part.is_empty() {
            let ends = Message::SnapshotEnds { tree: self.tree(), children: snapshot.children.len() as u64 };
            self.phase = Phase::Follow(snapshot.seq);
            return self.frame(Some(snapshot.seq), &ends);
        }
        if let Some(failing) = &mut self.failing {
            failing.note(&part);
        }
        let sent = sent.saturating_add(part.len());
        let frame = self.frame(None, &Message::Snapshot { tree: self.tree(), children: part });
        self.phase = Phase::Show(snapshot, sent);
        frame
    }

    /// Waits for entries after this one. An empty text: all of them were left out.
    async fn follow(&mut self, seq: u64) -> String {
        let shared = self.shown.shared.clone();
        // Enabled before the rings are read, so that no entry after that is missed.
        let mut noted = pin!(shared.recorder.followers().noted().notified());
        noted.as_mut().enable();
        let mut root = self.shown.root.clone();
        root.mark_unchanged();
        let after = self.after(seq);
        if !after.is_complete {
            let missed = after.first_held.saturating_sub(seq).saturating_sub(1);
            self.shown.shared.counts.events_missed.add(missed);
            self.phase = Phase::Missed(seq);
            return String::new();
        }
        if !after.entries.is_empty() {
            return self.tell(&after.entries);
        }
        if let Some(end) = self.shown.end() {
            self.phase = Phase::Over;
            return self.frame(Some(seq), &Message::TreeOver { tree: self.tree(), reason: end.reason });
        }
        tokio::select! {
            () = noted => String::new(),
            // Whether the root has ended is looked at again, also if the runtime took it away.
            _ = root.changed() => String::new(),
            // The position moves on, though nothing was sent.
            () = tokio::time::sleep(KEEP_ALIVE) => format!(": alive\nid: {}:{}:{seq}\n\n", self.boot, self.shown.name),
        }
    }

    fn tell(&mut self, entries: &[HistoryEntry]) -> String {
        let boot = self.shown.shared.clock.boot();
        let mut frames = String::new();
        for entry in entries.iter().take(BATCH) {
            self.phase = Phase::Follow(entry.seq);
            if self.failing.as_mut().is_some_and(|failing| !failing.tells(entry)) {
                continue;
            }
            let after = record::state(entry.after());
            let message = Message::Event { tree: self.tree(), entry: record::entry(entry, boot), after };
            frames.push_str(&self.frame(Some(entry.seq), &message));
        }
        frames
    }
}

impl Batches for Following {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let frames = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Over => return None,
                Phase::Resume(seq) => self.resume(seq),
                Phase::Missed(seq) => self.tell_gap(seq),
                Phase::Look => self.look().await,
                Phase::Show(snapshot, sent) => self.show(snapshot, sent),
                Phase::Follow(seq) => {
                    self.phase = Phase::Follow(seq);
                    self.follow(seq).await
                }
            };
            if !frames.is_empty() {
                return Some(frames.into());
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.shown.shared.recorder.followers().end();
    }
}

fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_default()
}
