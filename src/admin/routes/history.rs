//! `GET /v1/history`: the entries of the record, newest first, and the tree as it was.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::admin::answer::{Answer, Refused};
use crate::admin::aside::aside;
use crate::admin::door::Door;
use crate::admin::record;
use crate::admin::routes::past::Page;
use crate::admin::routes::reading::Asked;
use crate::admin::shown::Shown;
use crate::admin::wire::envelope::{Envelope, Issue, IssueCode};
use crate::admin::wire::history::{History, Was};
use crate::admin::wire::query::{DumpQuery, HistoryQuery};
use crate::base::name::is_within;
use crate::tree::Directory;

/// Entries of a page, if the client names no number, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 8192;
/// Most children of the tree as it was.
const WAS_MAX: usize = 10_000;

pub(super) async fn history(State(door): State<Arc<Door>>, Asked(asked): Asked<HistoryQuery>) -> Answer<History> {
    let shown = match (&asked.tree, &asked.below) {
        (None, Some(below)) => door.source.tree_of(below)?,
        (name, _) => door.source.tree(name.as_deref())?,
    };
    aside(move || look(&shown, &asked)).await?
}

/// `GET /v1/history/dump`: the whole record as the lines of a [dump](crate::admin::Dump).
pub(super) async fn dump(State(door): State<Arc<Door>>, Asked(asked): Asked<DumpQuery>) -> Result<Response, Refused> {
    let shown = door.source.tree(asked.tree.as_deref())?;
    let lines = aside(move || {
        let mut lines = Vec::new();
        Directory { shared: shown.shared.clone() }.history().write_to(&mut lines).map(|()| lines)
    });
    let lines = lines.await?.map_err(|error| Refused::new(IssueCode::Internal, format!("no dump: {error}")))?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
}

fn look(shown: &Arc<Shown>, asked: &HistoryQuery) -> Answer<History> {
    let history = Directory { shared: shown.shared.clone() }.history();
    let boot = history.boot;
    let is_asked = |path: &str| asked.below.as_deref().is_none_or(|below| is_within(path, below));
    let limit = asked.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX));
    let mut newest_first = history.entries.iter().rev().filter(|entry| {
        is_asked(&entry.path)
            && asked.before.is_none_or(|before| entry.seq < before)
            && (!asked.failures || entry.kind.is_failure())
    });
    let entries: Vec<_> = newest_first.by_ref().take(limit).map(|entry| record::entry(entry, boot)).collect();
    let next = newest_first.next().and(entries.last()).map(|entry| entry.seq);
    let mut answer = Envelope::ok(History {
        tree: shown.name.to_string(),
        now_ms: record::moment(boot, history.now),
        failures_begin: record::begin(history.failures, boot),
        ordinary_begin: record::begin(history.ordinary, boot),
        entries,
        as_it_was: Vec::new(),
        next_was: None,
        at_ms: asked.at_ms,
        next,
    });
    let Some(at_ms) = asked.at_ms else { return Ok(answer) };
    let too_early = |begins: Duration| {
        let begins = record::moment(boot, begins);
        let text =
            format!("the record begins at {begins} ms since 1970, and {at_ms} is earlier: ask for a later moment");
        Refused::new(IssueCode::BeforeBegin, text).about(begins.to_string())
    };
    let past = match end_of(at_ms).duration_since(boot) {
        Ok(at) => history.at(at).map_err(|early| too_early(early.begins))?,
        // The tree was not made yet.
        Err(_) => return Err(too_early(history.failures.at.max(history.ordinary.at))),
    };
    let past = past.into_iter().filter(|status| is_asked(&status.path)).filter_map(|status| {
        let state = record::state(status.state)?;
        Some(Was { path: status.path.to_string(), state, generation: status.generation })
    });
    let page = Page::of(past, asked.was_after.as_deref(), WAS_MAX);
    if page.left_out > 0 {
        let text =
            format!("{} more children were there then: name a path with `below`, or use `next_was`", page.left_out);
        answer = answer.with_issue(Issue::new(IssueCode::LeftOut, text).about("as_it_was"));
    }
    if let Some(history) = &mut answer.data {
        (history.as_it_was, history.next_was) = (page.rows, page.next);
    }
    Ok(answer)
}

/// Returns the last moment of a millisecond: what happened in it has happened.
fn end_of(at_ms: u64) -> SystemTime {
    let end = Duration::from_millis(at_ms).saturating_add(Duration::from_nanos(999_999));
    UNIX_EPOCH.checked_add(end).unwrap_or(UNIX_EPOCH)
}
