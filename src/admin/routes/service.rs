//! `GET /v1/service?path=`: one child in full.

use std::sync::Arc;

use axum::extract::State;

use crate::admin::answer::{Answer, Refused};
use crate::admin::door::Door;
use crate::admin::record::{self, Changes};
use crate::admin::routes::reading::Asked;
use crate::admin::services::Record;
use crate::admin::shown::Shown;
use crate::admin::wire::envelope::{Envelope, IssueCode};
use crate::admin::wire::query::ServiceQuery;
use crate::admin::wire::service::{Dependency, ServiceInFull};
use crate::admin::wire::services::State as ServiceState;
use crate::admin::{row, settings};
use crate::tree::Directory;
use crate::tree::directory::ChildKind;
use crate::tree::lookup::LookupError;
use crate::tree::paths::path_of;
use crate::tree::shared::Shared;

/// Entries of its record that are shown.
const ENTRIES_MAX: usize = 100;

pub(super) async fn service(State(door): State<Arc<Door>>, Asked(asked): Asked<ServiceQuery>) -> Answer<ServiceInFull> {
    let path: Arc<str> = asked.path.trim_start_matches('/').into();
    let shown = door.source.tree_of(&path)?;
    let shared = &shown.shared;
    let listed = shared.directory.get(&path).ok_or_else(|| unknown(&shown, &path))?;
    let viewer = asked.viewer.as_deref().map(|name| door.source.viewers.get(name));
    let mut service = row::row(shared, &path, &listed, viewer.as_deref());
    let why = row::ask(shared, &mut service).await.ok_or_else(|| unknown(&shown, &path))?;
    Changes::of(shared).fill(&mut service);
    let boot = shared.clock.boot();
    let entries = Directory { shared: shared.clone() }.history_after(0).entries;
    let history = entries.iter().rev().filter(|entry| entry.path == path).take(ENTRIES_MAX);
    Ok(Envelope::ok(ServiceInFull {
        why: why.to_string(),
        why_short: format!("{why:#}"),
        policy: settings::in_force(shared, &path).await,
        message_type: row::message_type(&*listed.slot).into(),
        depends_on: depends_on(shared, &path).await,
        history: history.map(|entry| record::entry(entry, boot)).collect(),
        described: listed.slot.described().map(|text| text.to_string()),
        acts: acts(above(shared, &path), service.state),
        service,
    }))
}

/// The refusal of a path that nothing has, with one that may have been meant.
pub(crate) fn unknown(shown: &Shown, path: &str) -> Refused {
    let error = LookupError::not_found(&shown.shared.directory, path);
    Refused::new(IssueCode::UnknownPath, error.to_string()).about(path)
}

/// The services that a child depends on, as its supervisor knows them.
async fn depends_on(shared: &Arc<Shared>, path: &str) -> Vec<Dependency> {
    let Some((scope, name)) = path.rsplit_once('/') else { return Vec::new() };
    let Some(supervisor) = shared.supervisor_of(scope) else { return Vec::new() };
    let Ok(Some(spec)) = supervisor.child_spec(name).await else { return Vec::new() };
    let needs = spec.dependencies().iter().map(|need| {
        let path = path_of(scope, &need.name);
        let ready = shared.directory.get(&path).is_some_and(|peer| peer.slot.status().ready);
        Dependency { path: path.to_string(), ready }
    });
    needs.collect()
}

/// Kind of the supervisor of a child. `None` for a root.
fn above(shared: &Shared, path: &str) -> Option<ChildKind> {
    let (scope, _) = path.rsplit_once('/')?;
    shared.directory.get(scope).map(|listed| listed.kind)
}

/// The acts that apply to a child of such a supervisor in this state: see the table of `supervisor/acts`.
fn acts(supervisor: Option<ChildKind>, state: ServiceState) -> Vec<String> {
    let applies: fn(&str) -> bool = match supervisor {
        // The root ends with its program.
        None => return Vec::new(),
        Some(ChildKind::Dynamic) => |act| act != "start",
        Some(ChildKind::Partitioned) => |act| act != "start" && act != "terminate",
        Some(_) => |_| true,
    };
    let acts: &[&str] = match state {
        ServiceState::Up => &["kill", "restart", "terminate", "park"],
        ServiceState::Starting => &["kill", "terminate", "park"],
        ServiceState::Restarting => &["revive", "terminate", "park"],
        ServiceState::Waiting => &["terminate", "park"],
        ServiceState::Parked => &["revive", "terminate"],
        ServiceState::Down => &["start"],
        ServiceState::Gone => &[],
    };
    acts.iter().filter(|act| applies(act)).map(ToString::to_string).collect()
}
