//! Watching services elsewhere that children depend on.
//!
//! Siblings the machine knows by itself. Of others it knows what it is told: a task for each of them follows the status and
//! tells when it becomes ready, and when it no longer is.

use std::collections::HashMap;
use std::sync::Arc;

use regrow_supervisors::{ChildSpec, Policy};
use tokio::task::AbortHandle;

use crate::log::line;
use crate::slot::status::{State, Status};
use crate::supervisor::facts::{Fact, Facts};
use crate::world::World;

/// The services that somebody depends on, by the name under which the machine knows them.
#[derive(Default)]
pub(crate) struct Lookout {
    watched: HashMap<Arc<str>, AbortHandle>,
}

/// The name by which a machine of the supervisor `scope` knows the service that its child calls `name`: its id where it is
/// a sibling, its full path behind a slash elsewhere.
pub(crate) fn known_as(world: &World, scope: &str, name: &str) -> Arc<str> {
    let path = world.directory.full_path(scope, name);
    match path.strip_prefix(scope).and_then(|rest| rest.strip_prefix('/')) {
        Some(sibling) if !sibling.contains('/') => sibling.into(),
        Some(_) | None => format!("/{path}").into(),
    }
}

/// The spec, with the names of services in `depends_on` as the machine knows them.
pub(crate) fn resolved(world: &World, scope: &str, spec: ChildSpec) -> ChildSpec {
    if spec.dependencies().is_empty() {
        return spec;
    }
    let names: Vec<_> = spec.dependencies().iter().map(|name| known_as(world, scope, name)).collect();
    let policy: Policy = spec.policy_rule().depends_on(names);
    spec.policy(policy)
}

impl Lookout {
    /// Watches those that the child depends on, and tells how they stand now.
    pub(crate) fn watch(&mut self, world: &Arc<World>, facts: &Arc<Facts>, spec: &ChildSpec) {
        for name in spec.dependencies() {
            let Some(path) = name.strip_prefix('/') else { continue };
            if self.watched.contains_key(name) {
                continue;
            }
            if world.directory.get(path).is_none() {
                line!(ERROR, { path = %path }, "a service that others depend on is not in the tree: they wait for it");
            }
            let task = tokio::spawn(follow(world.clone(), facts.clone(), name.clone()));
            self.watched.insert(name.clone(), task.abort_handle());
        }
    }
}

/// Tells how the service stands that is known by this name, whoever it is: one that is gone may come again.
async fn follow(world: Arc<World>, facts: Arc<Facts>, known: Arc<str>) {
    let path = known.trim_start_matches('/');
    let mut was_ready = false;
    loop {
        let mut arrival = std::pin::pin!(world.directory.arrivals.notified());
        arrival.as_mut().enable();
        if let Some(listed) = world.directory.get(path) {
            let mut status = listed.slot.watch();
            loop {
                let Status { state, ready: is_ready, .. } = *status.borrow_and_update();
                if is_ready != was_ready {
                    facts.push(Fact::Dependency { name: known.clone(), is_ready });
                    was_ready = is_ready;
                }
                if state == State::Gone || status.changed().await.is_err() {
                    break;
                }
            }
            if world.directory.get(path).is_some_and(|now| !Arc::ptr_eq(&now.slot, &listed.slot)) {
                continue;
            }
        }
        arrival.await;
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.watched.values().for_each(AbortHandle::abort);
    }
}
