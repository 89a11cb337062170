//! `GET /v1/services`: a page of rows.

use std::sync::Arc;

use axum::extract::State;

use crate::admin::answer::Answer;
use crate::admin::door::Door;
use crate::admin::record::Changes;
use crate::admin::routes::reading::{Asked, aside};
use crate::admin::row;
use crate::admin::wire::envelope::{Envelope, Issue, IssueCode};
use crate::admin::wire::query::ServicesQuery;
use crate::admin::wire::services::{Service, Services, Totals};
use crate::base::name::is_within;

/// Rows of a page, if the client names no number, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;
/// Most rows that are not well.
const UNWELL_MAX: usize = 200;

pub(super) async fn services(State(door): State<Arc<Door>>, Asked(asked): Asked<ServicesQuery>) -> Answer<Services> {
    let trees = match (&asked.tree, &asked.below) {
        (Some(name), _) => vec![door.source.tree(Some(name))?],
        (None, Some(below)) => vec![door.source.tree_of(below)?],
        (None, None) => door.source.trees(),
    };
    let viewer = asked.viewer.as_deref().map(|name| door.source.viewers.get(name));
    let (read, query) = (trees.clone(), asked.clone());
    let all: Vec<Service> = aside(move || {
        let mut rows = Vec::new();
        for shown in &read {
            let changes = Changes::of(&shown.shared);
            let mut listed = shown.shared.directory.all();
            listed.retain(|(path, listed)| is_asked(&query, path, &listed.kind.to_string()));
            listed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            rows.extend(listed.iter().map(|(path, listed)| {
                let mut row = row::row(&shown.shared, path, listed, viewer.as_deref());
                changes.fill(&mut row);
                row
            }));
        }
        rows.retain(|row| query.state.is_none_or(|state| row.state == state));
        rows
    })
    .await?;
    let mut totals = Totals { children: all.len() as u64, ..Totals::default() };
    for row in &all {
        let count = totals.by_state.entry(row.state).or_default();
        *count = count.saturating_add(1);
        totals.queued = totals.queued.saturating_add(row.queued);
        totals.dead_letters = totals.dead_letters.saturating_add(row.messages.dead_lettered);
    }
    let is_empty = all.is_empty();
    let unwell = all.iter().filter(|row| row.state.is_unwell());
    let unwell_left_out = unwell.clone().count().saturating_sub(UNWELL_MAX) as u64;
    let mut unwell: Vec<_> = unwell.take(UNWELL_MAX).cloned().collect();
    for row in &mut unwell {
        if let Ok(shown) = door.source.tree(Some(&row.tree)) {
            row::ask(&shown.shared, row).await;
        }
    }
    let limit = asked.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX));
    let mut rest = all.into_iter().filter(|row| asked.after.as_ref().is_none_or(|after| row.path > *after));
    let rows: Vec<_> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(rows.last()).map(|row| row.path.clone());
    let mut answer = Envelope::ok(Services {
        now_ms: row::now_ms(),
        totals,
        unwell,
        unwell_left_out,
        rows,
        groups: Vec::new(),
        next,
    });
    if is_empty {
        answer = answer.with_issue(Issue::new(IssueCode::NothingMatches, "no child matches what was asked for"));
    }
    Ok(answer)
}

fn is_asked(query: &ServicesQuery, path: &Arc<str>, kind: &str) -> bool {
    query.below.as_deref().is_none_or(|below| is_within(path, below))
        && query.filter.as_deref().is_none_or(|filter| path.contains(filter))
        && query.kind.as_deref().is_none_or(|asked| asked == kind)
}
