//! `/v1/experiments`: experiments are sent as content, run one at a time in a tree, and can be stopped.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;

use crate::admin::acts::{note, note_unpermitted};
use crate::admin::answer::{Answer, Refused};
use crate::admin::door::{Door, Operator};
use crate::admin::routes::acts::reasoned;
use crate::admin::routes::reading::{Asked, Numbered, only_by_a_program, order};
use crate::admin::wire::envelope::{Envelope, IssueCode};
use crate::admin::wire::experiment::{ExperimentRequest, ExperimentState};
use crate::admin::wire::greeting::Capability;
use crate::admin::wire::query::StopQuery;
use crate::event::act::ActKind;

/// Largest request with an experiment: a file of a mebibyte, as JSON.
const BYTES_MAX: usize = 2 << 20;
pub(super) async fn list(State(door): State<Arc<Door>>) -> Envelope<Vec<ExperimentState>> {
    Envelope::ok(door.source.experiments.list())
}

pub(super) async fn run(State(door): State<Arc<Door>>, by: Operator, request: Request) -> Answer<ExperimentState> {
    let asked: ExperimentRequest = order(request, BYTES_MAX).await?;
    let reason = reasoned(&asked.reason)?;
    let shown = door.source.tree(Some(&asked.tree))?;
    if let Err(refused) = door.need(Capability::Chaos) {
        note_unpermitted(&door.source, &shown, &shown.name, ActKind::RunExperiment, &by, reason, &refused);
        return Err(refused);
    }
    let begun = door.source.experiments.run(&shown, &asked.file, asked.seed);
    let outcome = begun.as_ref().map(|_| ()).map_err(Refused::text);
    note(&shown, &shown.name, ActKind::RunExperiment, &by, reason, None, outcome);
    Ok(Envelope::ok(begun?))
}

pub(super) async fn stop(
    State(door): State<Arc<Door>>,
    by: Operator,
    Numbered(number): Numbered,
    headers: HeaderMap,
    Asked(asked): Asked<StopQuery>,
) -> Answer<ExperimentState> {
    only_by_a_program(&headers)?;
    // A stop is never refused for want of a reason.
    let reason = asked.reason.as_deref().map_or(Ok("stopped by an operator"), reasoned)?;
    let unknown = || Refused::new(IssueCode::UnknownNumber, format!("no experiment has the number {number}"));
    let known = door.source.experiments.get(number).ok_or_else(unknown)?;
    let shown = door.source.tree(Some(&known.tree)).ok();
    if let Err(refused) = door.need(Capability::Chaos) {
        if let Some(shown) = shown {
            note_unpermitted(&door.source, &shown, &shown.name, ActKind::StopExperiment, &by, reason, &refused);
        }
        return Err(refused);
    }
    let (source, reason) = (door.source.clone(), reason.to_owned());
    // The stop and its note go on if the client goes away in the middle.
    let stopping = tokio::spawn(async move {
        source.experiments.stop(number).await;
        if let Some(shown) = shown {
            note(&shown, &shown.name, ActKind::StopExperiment, &by, &reason, None, Ok(()));
        }
    });
    let _ = stopping.await;
    Ok(Envelope::ok(door.source.experiments.get(number).ok_or_else(unknown)?))
}
