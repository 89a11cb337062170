//! `GET /v1`: what this program is, and what the client may do.

use std::sync::Arc;

use axum::extract::State;

use crate::admin::answer::Answer;
use crate::admin::aside::aside;
use crate::admin::door::Door;
use crate::admin::row;
use crate::admin::wire::envelope::Envelope;
use crate::admin::wire::greeting::Greeting;

pub(super) async fn greet(State(door): State<Arc<Door>>) -> Answer<Greeting> {
    let source = door.source.clone();
    let trees = source.trees();
    let trees = aside(move || trees.iter().map(|shown| shown.greeted()).collect()).await?;
    Ok(Envelope::ok(Greeting {
        version: env!("CARGO_PKG_VERSION").into(),
        program: source.program.clone(),
        pid: std::process::id(),
        boot: source.boot.clone(),
        started_at_ms: source.started_at_ms,
        now_ms: row::now_ms(),
        trees,
        capabilities: door.granted().iter().copied().collect(),
        parts: parts(&door),
    }))
}

/// The parts of regrow that are compiled in (`policy`, `checkpoint`, `health`), and those that the program also gave to this
/// source (`chaos`, `metrics`).
fn parts(door: &Door) -> Vec<String> {
    let all = [
        ("policy", cfg!(feature = "policy")),
        ("checkpoint", cfg!(feature = "checkpoint")),
        ("chaos", door.source.experiments.are_allowed()),
        ("metrics", has_metrics(door)),
        ("health", cfg!(feature = "health")),
    ];
    all.into_iter().filter(|(_, is_in)| *is_in).map(|(name, _)| name.into()).collect()
}

#[cfg(feature = "metrics")]
fn has_metrics(door: &Door) -> bool {
    door.source.metrics.get().is_some()
}

#[cfg(not(feature = "metrics"))]
fn has_metrics(_: &Door) -> bool {
    false
}
