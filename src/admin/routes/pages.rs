//! `GET /v1/services`: a page of rows, and what is not well before them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::admin::answer::Answer;
use crate::admin::door::Door;
use crate::admin::record::Changes;
use crate::admin::routes::reading::Asked;
use crate::admin::row;
use crate::admin::services::{Listing, Record, list};
use crate::admin::shown::Shown;
use crate::admin::wire::envelope::{Envelope, Issue, IssueCode};
use crate::admin::wire::query::ServicesQuery;
use crate::admin::wire::services::{Service, Services};

/// Time in which supervisors are asked about the rows that are not well. The others have what their slots say.
const ASK_LIMIT: Duration = Duration::from_secs(2);

pub(super) async fn services(State(door): State<Arc<Door>>, Asked(asked): Asked<ServicesQuery>) -> Answer<Services> {
    let trees = match (&asked.tree, &asked.below) {
        (Some(name), _) => vec![door.source.tree(Some(name))?],
        (None, Some(below)) => vec![door.source.tree_of(below)?],
        (None, None) => door.source.trees(),
    };
    let viewer = asked.viewer.as_deref().map(|name| door.source.viewers.get(name));
    let read = trees.clone();
    let listings = move || read.iter().map(listing).collect();
    let mut page = list(listings, asked, viewer, door.source.surveys.clone()).await?;
    let unwell = page.unwell.len();
    let mut first = Vec::from_iter(page.unwell.drain(..).chain(page.doubtful.iter().map(|row| row.service.clone())));
    // A supervisor that is busy answers late, and the rest of the page is worth more.
    let _ = timeout(ASK_LIMIT, ask_all(&trees, &mut first)).await;
    for (doubtful, asked) in page.doubtful.iter_mut().zip(first.split_off(unwell)) {
        doubtful.service = asked;
    }
    page.unwell = first;
    for asked in page.unwell.iter().chain(page.doubtful.iter().map(|row| &row.service)) {
        if let Some(row) = page.rows.iter_mut().find(|row| row.path == asked.path) {
            row.clone_from(asked);
        }
    }
    let is_empty = page.totals.children == 0;
    let answer = Envelope::ok(page);
    if !is_empty {
        return Ok(answer);
    }
    Ok(answer.with_issue(Issue::new(IssueCode::NothingMatches, "no child matches what was asked for")))
}

fn listing(shown: &Arc<Shown>) -> Listing {
    let record: Arc<dyn Record> = Arc::new(Changes::of(&shown.shared));
    Listing { root: shown.name.clone(), shared: shown.shared.clone(), record: Some(record) }
}

/// Asks the supervisors of these rows, all at once: one that is busy does not keep the answers of the others.
async fn ask_all(trees: &[Arc<Shown>], rows: &mut [Service]) {
    let mut asked = JoinSet::new();
    for (place, row) in rows.iter().enumerate() {
        if let Some(shown) = trees.iter().find(|shown| *shown.name == *row.tree) {
            let (shared, mut row) = (shown.shared.clone(), row.clone());
            asked.spawn(async move {
                row::ask(&shared, &mut row).await;
                (place, row)
            });
        }
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok((place, row)) = answer
            && let Some(asked) = rows.get_mut(place)
        {
            *asked = row;
        }
    }
}
