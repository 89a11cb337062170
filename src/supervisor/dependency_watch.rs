//! The watch on services elsewhere in the tree that children depend on.
//!
//! The machine knows siblings itself. For each service elsewhere, a task follows its status and reports what dependents
//! can count on. The task ends when no child depends on that service any more.

use std::collections::HashMap;
use std::sync::Arc;

use regrow_supervisors::{ByChild, ChildKey, ChildSpec, Dependency, Outlook, Prospect};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::base::background::keep;
use crate::base::thrift;
use crate::log::line;
use crate::slot::erased::{AnySlot, Control};
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::slot::status::{ServiceState, ServiceStatus};
use crate::tree::directory::full_path;
use crate::tree::shared::Shared;

/// The services that children depend on, by the name under which the machine knows them.
#[derive(Default)]
pub(crate) struct DependencyWatch {
    watched: HashMap<Arc<str>, Watch>,
    /// The names of the watched services that each child depends on.
    by_child: ByChild<Vec<Arc<str>>>,
}

struct Watch {
    dependents: usize,
    shared: Arc<Shared>,
    path: Arc<str>,
    task: AbortHandle,
}

/// The name by which the machine of the supervisor `scope` knows the service that its child calls `name`. A sibling is
/// known by its id, any other service by a slash and its full path.
fn known_as(scope: &str, name: &str, exists: impl Fn(&str) -> bool) -> Arc<str> {
    let path = full_path(scope, name, exists);
    match path.strip_prefix(scope).and_then(|rest| rest.strip_prefix('/')) {
        Some(sibling) if !sibling.contains('/') => sibling.into(),
        Some(_) | None => format!("/{path}").into(),
    }
}

/// Returns the spec, with the names in `depends_on` as the machine knows them.
pub(crate) fn resolved(shared: &Shared, scope: &str, spec: ChildSpec) -> ChildSpec {
    resolved_among(scope, spec, |path| shared.directory.is_known(path))
}

/// Does what [`resolved`] does, with paths that `exists` knows.
pub(super) fn resolved_among(scope: &str, spec: ChildSpec, exists: impl Fn(&str) -> bool) -> ChildSpec {
    if spec.dependencies().is_empty() {
        return spec;
    }
    let known = |on: &Dependency| Dependency { name: known_as(scope, &on.name, &exists), ..on.clone() };
    let dependencies = spec.dependencies().iter().map(known).collect();
    let mut policy = spec.policy_rule();
    policy.depends_on = Some(dependencies);
    spec.policy(policy)
}

/// Whether the supervisor with this path, or one above it, is ending.
pub(super) fn is_within_an_end(shared: &Shared, path: &str) -> bool {
    let is_ending = |path: &str| match shared.directory.get(path).and_then(|listed| listed.slot.control()) {
        Some(Control::Supervisor(inbox)) => inbox.is_ending(),
        Some(Control::Signals(_)) | None => false,
    };
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above)).any(is_ending)
}

impl DependencyWatch {
    /// Watches the services that the child depends on, and lets go of those it depended on before. Returns the siblings
    /// among them.
    pub(crate) fn watch(
        &mut self,
        shared: &Arc<Shared>,
        inbox: &Arc<Inbox>,
        child: ChildKey,
        spec: &ChildSpec,
    ) -> Vec<Arc<str>> {
        let before = self.by_child.remove(&child);
        let names = spec.dependencies().iter().map(|on| on.name.clone());
        let (elsewhere, siblings): (Vec<_>, Vec<_>) = names.partition(|name| name.starts_with('/'));
        for name in &elsewhere {
            let watch = self.watched.entry(name.clone()).or_insert_with(|| Watch::new(shared, inbox, name));
            watch.dependents += 1;
        }
        if !elsewhere.is_empty() {
            self.by_child.insert(child, elsewhere);
        }
        self.let_go(before.unwrap_or_default());
        siblings
    }

    /// Whether the child depends on services elsewhere.
    pub(crate) fn knows(&self, child: ChildKey) -> bool {
        self.by_child.contains_key(&child)
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 2] {
        [("dependency_watch: watched", self.watched.len()), ("dependency_watch: children", self.by_child.len())]
    }

    /// Lets go of the services that a forgotten child depended on.
    pub(crate) fn unwatch(&mut self, child: ChildKey) {
        if let Some(names) = self.by_child.remove(&child) {
            thrift::give_back(&mut self.by_child);
            self.let_go(names);
        }
    }

    fn let_go(&mut self, names: Vec<Arc<str>>) {
        for name in names {
            let Some(watch) = self.watched.get_mut(&name) else { continue };
            watch.dependents -= 1;
            if watch.dependents == 0 {
                self.watched.remove(&name);
                thrift::give_back(&mut self.watched);
            }
        }
    }
}

impl Watch {
    fn new(shared: &Arc<Shared>, inbox: &Arc<Inbox>, name: &Arc<str>) -> Self {
        let path: Arc<str> = name.trim_start_matches('/').into();
        if !shared.directory.is_known(&path) {
            line!(ERROR, { path = %path }, "a service that others depend on is not in the tree");
        }
        let arrival = shared.directory.add_watcher(&path);
        let (seen, inbox, known) = (shared.clone(), inbox.clone(), name.clone());
        let task = keep("the watch on a dependency", move || {
            follow(seen.clone(), inbox.clone(), known.clone(), arrival.clone())
        });
        Self { dependents: 0, shared: shared.clone(), path, task }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.directory.remove_watcher(&self.path);
    }
}

/// Reports what dependents can expect of the service with this name, now and later. A service that is gone may come
/// back.
async fn follow(shared: Arc<Shared>, inbox: Arc<Inbox>, known: Arc<str>, arrivals: Arc<Notify>) {
    let path = known.trim_start_matches('/');
    let mut told = None;
    let mut tell = |outlook: Outlook| {
        if told.replace(outlook) != Some(outlook) {
            inbox.push(Fact::Dependency { name: known.clone(), outlook });
        }
    };
    loop {
        let mut arrival = std::pin::pin!(arrivals.notified());
        arrival.as_mut().enable();
        if let Some(listed) = shared.directory.get(path) {
            let mut status = listed.slot.watch();
            loop {
                let seen = *status.borrow_and_update();
                tell(outlook(&shared, &*listed.slot, seen));
                if seen.state == ServiceState::Gone || status.changed().await.is_err() {
                    break;
                }
            }
            if shared.directory.get(path).is_some_and(|now| !Arc::ptr_eq(&now.slot, &listed.slot)) {
                continue;
            }
        } else {
            tell(Outlook { completion: shared.directory.completion(path), ..Prospect::Gone.into() });
        }
        arrival.await;
    }
}

fn outlook(shared: &Shared, slot: &dyn AnySlot, ServiceStatus { state, ready, generation }: ServiceStatus) -> Outlook {
    let prospect = match state {
        ServiceState::Up if ready => Prospect::Ready,
        ServiceState::Waiting | ServiceState::Starting | ServiceState::Up | ServiceState::Restarting => {
            Prospect::MayCome
        }
        ServiceState::Parked { until } => Prospect::Parked { until: until.map(|until| shared.clock.time_of(until)) },
        ServiceState::Down | ServiceState::Gone => Prospect::Gone,
    };
    let completion = slot.completion().filter(|_| prospect != Prospect::Ready);
    Outlook { prospect, completion, life: generation }
}
