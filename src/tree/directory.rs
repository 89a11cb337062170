//! The directory: path to slot, authoritative, behind a lock. Only supervisors write it.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use regrow_supervisors::Completion;
use tokio::sync::Notify;

use crate::base::name::{NAME_MAX, bounds_below};
use crate::base::sync::lock;
use crate::base::thrift;
use crate::handle::Handle;
use crate::recorder::state;
use crate::slot::Slot;
use crate::slot::accounting::Accounting;
use crate::slot::erased::AnySlot;
use crate::slot::status::{ServiceState, ServiceStatus};
use crate::tree::lookup::{LookupError, slip};
use crate::tree::paths::Paths;
use crate::tree::templates::TemplateId;
use crate::tree::totals::{Reading, Templates};

/// In a directory of more paths than this, errors suggest no similar name.
const SIMILAR_MAX: usize = 10_000;

/// Number of children that a walk reads in one hold of the lock: a fraction of a millisecond.
pub(crate) const SLICE: usize = 256;

/// The kind of a child in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildKind {
    /// A [`Service`](crate::Service).
    Service,
    /// A future.
    Task,
    /// A service that owns an OS thread.
    Thread,
    /// A `ractor::Actor` that knows nothing of regrow.
    Actor,
    /// A [`Supervisor`](crate::Supervisor).
    Supervisor,
    /// A [`DynamicSupervisor`](crate::DynamicSupervisor).
    Dynamic,
    /// A [`Partitioned`](crate::Partitioned) supervisor.
    Partitioned,
}

impl ChildKind {
    /// Whether it has a mailbox.
    #[cfg(feature = "metrics")]
    pub(crate) fn takes_messages(self) -> bool {
        match self {
            Self::Service | Self::Thread | Self::Actor => true,
            Self::Task | Self::Supervisor | Self::Dynamic | Self::Partitioned => false,
        }
    }

    /// Whether it is a supervisor of any kind.
    pub fn is_supervisor(self) -> bool {
        match self {
            Self::Supervisor | Self::Dynamic | Self::Partitioned => true,
            Self::Service | Self::Task | Self::Thread | Self::Actor => false,
        }
    }
}

impl fmt::Display for ChildKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "service",
            Self::Task => "task",
            Self::Thread => "thread",
            Self::Actor => "actor",
            Self::Supervisor => "supervisor",
            Self::Dynamic => "dynamic supervisor",
            Self::Partitioned => "partitioned supervisor",
        })
    }
}

/// Line of the directory: a child as it was at the moment of the look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// Its full path.
    pub path: Arc<str>,
    /// Its kind.
    pub kind: ChildKind,
    /// Its status.
    pub status: ServiceStatus,
    /// The message counters of its mailbox.
    pub accounting: Accounting,
    /// The type of its messages.
    pub message_type: &'static str,
}

/// The part of a supervisor's handle that the slot does not have. Only supervisors know its type.
pub(crate) type Facet = Arc<dyn Any + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Listed {
    pub(crate) kind: ChildKind,
    /// The template to whose sums its counters belong.
    pub(crate) template: TemplateId,
    pub(crate) slot: Arc<dyn AnySlot>,
    pub(crate) facet: Option<Facet>,
}

impl Listed {
    fn entry(self, path: Arc<str>) -> DirectoryEntry {
        let Self { kind, slot, template: _, facet: _ } = self;
        DirectoryEntry {
            path,
            kind,
            status: slot.status(),
            accounting: slot.accounting(),
            message_type: slot.message_type(),
        }
    }
}

#[derive(Default)]
pub(crate) struct Directory {
    paths: Paths<Listed>,
    pub(crate) templates: Templates,
    awaited: Mutex<Awaited>,
}

/// Paths that dependents elsewhere, and waits for readiness, look at. Also jobs that are done and forgotten.
#[derive(Default)]
struct Awaited {
    paths: HashMap<Arc<str>, Awaiting>,
    completed: BTreeMap<Arc<str>, Remembered>,
}

struct Awaiting {
    watchers: usize,
    /// Notified when the path is listed.
    arrival: Arc<Notify>,
}

#[derive(Clone, Copy)]
struct Remembered {
    completion: Completion,
    /// Whether it was described with its supervisor. Such a job is remembered even if no spec names it.
    is_described: bool,
}

impl Directory {
    /// Lists a slot. Returns the other slot that had the path before, if one had: a life may still be in it.
    pub(crate) fn insert(
        &self,
        path: &Arc<str>,
        kind: ChildKind,
        slot: Arc<dyn AnySlot>,
        facet: Option<Facet>,
    ) -> Option<Arc<dyn AnySlot>> {
        let own = slot.clone();
        let listed = Listed { kind, template: TemplateId::OWN, slot, facet };
        let before = self.paths.insert(path, listed, &self.templates);
        match &before {
            Some(before) if Arc::ptr_eq(&before.slot, &own) => {}
            Some(before) => {
                state::follows(own.recorded(), before.slot.recorded());
                own.continue_after(before.slot.status().generation);
            }
            None => state::returns(own.recorded()),
        }
        self.wake_watchers(path);
        before.map(|before| before.slot).filter(|before| !Arc::ptr_eq(before, &own))
    }

    /// Makes room for this many more paths.
    pub(crate) fn reserve(&self, more: usize) {
        self.paths.reserve(more);
    }

    /// Wakes the watchers of the path.
    fn wake_watchers(&self, path: &str) {
        if let Some(awaiting) = lock(&self.awaited).paths.get(path) {
            awaiting.arrival.notify_waiters();
        }
    }

    /// Adds a watcher of the path. The returned `Notify` wakes it when the path is listed.
    pub(crate) fn add_watcher(&self, path: &str) -> Arc<Notify> {
        let mut awaited = lock(&self.awaited);
        let new = || Awaiting { watchers: 0, arrival: Arc::default() };
        let awaiting = awaited.paths.entry(path.into()).or_insert_with(new);
        awaiting.watchers += 1;
        awaiting.arrival.clone()
    }

    /// Removes a watcher of the path.
    pub(crate) fn remove_watcher(&self, path: &str) {
        let mut awaited = lock(&self.awaited);
        let Some(awaiting) = awaited.paths.get_mut(path) else { return };
        awaiting.watchers -= 1;
        if awaiting.watchers == 0 {
            awaited.paths.remove(path);
            thrift::give_back(&mut awaited.paths);
            // The memory is bounded by the paths that specs name.
            if awaited.completed.get(path).is_some_and(|remembered| !remembered.is_described) {
                awaited.completed.remove(path);
            }
        }
    }

    /// Remembers a job that is done and about to be forgotten.
    pub(crate) fn remember(&self, path: &Arc<str>, completion: Completion, is_described: bool) {
        let mut awaited = lock(&self.awaited);
        if is_described || awaited.paths.contains_key(path) {
            awaited.completed.insert(path.clone(), Remembered { completion, is_described });
        }
    }

    /// Forgets the completion of the job with this path, for an attempt to start it begins.
    pub(crate) fn begins(&self, path: &str) {
        let mut awaited = lock(&self.awaited);
        if !awaited.completed.is_empty() {
            awaited.completed.remove(path);
        }
    }

    /// Forgets the jobs below this path.
    pub(crate) fn forget_below(&self, path: &str) {
        let mut awaited = lock(&self.awaited);
        if !awaited.completed.is_empty() {
            let (first, last) = bounds_below(path);
            let range = (Bound::Included(&*first), Bound::Excluded(&*last));
            let jobs: Vec<_> = awaited.completed.range::<str, _>(range).map(|(path, _)| path.clone()).collect();
            for job in &jobs {
                awaited.completed.remove(job);
            }
        }
    }

    /// Marks the jobs below this path that are not described any more. They are remembered while a spec names them.
    pub(crate) fn describe_no_more(&self, path: &str, is_described: impl Fn(&str) -> bool) {
        let mut awaited = lock(&self.awaited);
        let Awaited { paths, completed } = &mut *awaited;
        let (first, last) = bounds_below(path);
        let range = (Bound::Included(&*first), Bound::Excluded(&*last));
        let mut dropped = Vec::new();
        for (job, remembered) in completed.range_mut::<str, _>(range).filter(|(job, _)| !is_described(job)) {
            remembered.is_described = false;
            if !paths.contains_key(job) {
                dropped.push(job.clone());
            }
        }
        for job in &dropped {
            completed.remove(job);
        }
    }

    /// The completion of the job with this path, if it was done and is not listed any more.
    pub(crate) fn completion(&self, path: &str) -> Option<Completion> {
        lock(&self.awaited).completed.get(path).map(|remembered| remembered.completion)
    }

    /// Whether a service has this path, or a completed job had it.
    pub(crate) fn is_known(&self, path: &str) -> bool {
        self.paths.contains(path) || self.completion(path).is_some()
    }

    /// Takes this slot out, unless the path belongs to another one by now. Closes it after that, so that a look-up never
    /// finds one that is gone.
    pub(crate) fn remove(&self, path: &str, slot: &Arc<dyn AnySlot>) {
        let gone = self.paths.remove_if(path, |listed| Arc::ptr_eq(&listed.slot, slot), &self.templates);
        slot.close(ServiceState::Gone);
        self.templates.settle(slot);
        drop(gone);
    }

    /// Returns all children, and a reader of the totals of those that have left. Each slot that was there at the begin is
    /// in exactly one of both. The children are taken in slices, so that no start waits for long.
    pub(crate) fn read(&self) -> (Vec<(Arc<str>, Listed)>, Reading<'_>) {
        let mut reading = self.paths.while_unchanged(|| self.templates.begin_to_read());
        let roots = self.paths.roots();
        let mut listed = Vec::from_iter(roots.iter().flat_map(|root| self.slices(root, |_, _| true)).flatten());
        reading.complete(&mut listed);
        (listed, reading)
    }

    pub(crate) fn get(&self, path: &str) -> Option<Listed> {
        self.paths.get(path)
    }

    /// Returns the children at `path` and below it, leaves first.
    pub(crate) fn under(&self, path: &str) -> Vec<(Arc<str>, Listed)> {
        self.paths.under(path)
    }

    /// Returns the first children behind `after`, in the order of the tree, of those at `top` and below it: see
    /// [`Paths::page`].
    #[allow(dead_code, reason = "only the admin source reads pages, and it is a feature")]
    pub(crate) fn page(&self, top: &str, after: Option<&str>, max: usize) -> Vec<(Arc<str>, Listed)> {
        self.paths.page(top, after, max)
    }

    /// Returns the child at `top` and those below it, in the order of the tree and in slices, each read in one hold of the
    /// lock. What is below a child that `is_entered` refuses is left out. Those that are there all the time come exactly once.
    pub(crate) fn slices(
        &self,
        top: &str,
        is_entered: impl Fn(&str, &Listed) -> bool,
    ) -> impl Iterator<Item = Vec<(Arc<str>, Listed)>> {
        let mut last: Option<Arc<str>> = None;
        std::iter::from_fn(move || {
            let slice = self.paths.page_within(top, last.as_deref(), SLICE, &is_entered);
            last = Some(slice.last()?.0.clone());
            Some(slice)
        })
    }

    /// The listed paths without one above them: that of the root.
    pub(crate) fn roots(&self) -> Vec<Arc<str>> {
        self.paths.roots()
    }

    /// Number of children.
    #[allow(dead_code, reason = "only the admin source counts them, and it is a feature")]
    pub(crate) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Puts a child and everything below it into a state in which nothing is accepted. Returns them, leaves first.
    pub(crate) fn close(&self, path: &str, state: ServiceState) -> Vec<(Arc<str>, Listed)> {
        // The walk includes what is below a child that is no supervisor: it may have been one in an earlier
        // description.
        let closed = self.under(path);
        for (path, listed) in &closed {
            match state {
                ServiceState::Gone => self.remove(path, &listed.slot),
                ServiceState::Waiting
                | ServiceState::Starting
                | ServiceState::Up
                | ServiceState::Restarting
                | ServiceState::Parked { .. }
                | ServiceState::Down => listed.slot.close(state),
            }
        }
        closed
    }

    /// Lets a child that rested, and everything below it, take messages again: it waits for what it depends on.
    pub(crate) fn open(&self, path: &str) {
        self.under(path).iter().for_each(|(_, listed)| listed.slot.wait());
    }

    /// Returns what `pick` takes of the children, in no order. They are not seen at one moment. `pick` must be short and
    /// use no other path, for a part of the directory is locked.
    pub(crate) fn picked<R>(&self, pick: impl FnMut(&Arc<str>, &Listed) -> Option<R>) -> Vec<R> {
        self.paths.picked(pick)
    }

    #[cfg(test)]
    pub(super) fn lists_faults(&self) -> Vec<String> {
        self.paths.faults()
    }

    /// Returns the slots of all children, in no order.
    pub(crate) fn slots(&self) -> Vec<Arc<dyn AnySlot>> {
        self.paths.all(|_, listed| listed.slot.clone())
    }

    /// Closes the slots that have no incarnation.
    pub(crate) fn close_vacant(&self) {
        for slot in self.slots().into_iter().filter(|slot| slot.control().is_none()) {
            slot.close(ServiceState::Gone);
        }
    }

    /// Closes all slots, as the tree is over. Paths can still be looked up, and their handles say that they are gone.
    pub(crate) fn close_all(&self) {
        for slot in self.slots() {
            slot.close(ServiceState::Gone);
        }
    }

    pub(crate) fn find<M: Send + 'static>(&self, path: &str) -> Result<Handle<M>, LookupError> {
        let listed = self.get(path).ok_or_else(|| LookupError::not_found(self, path))?;
        let found = listed.slot.message_type();
        let kind = listed.kind;
        match listed.slot.as_any().downcast::<Slot<M>>() {
            Ok(slot) => Ok(Handle::new(slot)),
            Err(_) if kind.is_supervisor() || kind == ChildKind::Task => {
                Err(LookupError::TakesNoMessages { path: path.into(), found: kind })
            }
            Err(_) => Err(LookupError::WrongType { path: path.into(), found, asked: std::any::type_name::<M>() }),
        }
    }

    /// Does what `find` does, for names from outside of the tree. The error suggests a path that may have been meant.
    pub(crate) fn find_full<M: Send + 'static>(&self, path: &str) -> Result<Handle<M>, LookupError> {
        self.find(path).map_err(|error| self.of_full(path, error))
    }

    /// Returns the error of a path that was looked up from outside of the tree, with the path that may have been meant.
    pub(crate) fn of_full(&self, path: &str, error: LookupError) -> LookupError {
        let is_unknown = matches!(error, LookupError::NotFound { .. } | LookupError::NoChild { meant: None, .. });
        let meant = || match path.strip_prefix('/') {
            // Dependencies are written like this.
            Some(path) => self.get(path).map(|_| path.into()),
            None => self.paths.longer(path),
        };
        match is_unknown.then(meant).flatten() {
            Some(meant) => LookupError::NotFullPath { path: path.into(), meant },
            None => error,
        }
    }

    /// Finds `name` as seen from below the supervisor `scope`: beside, then further up, then as a full path.
    pub(crate) fn resolve<M: Send + 'static>(&self, scope: &str, name: &str) -> Result<Handle<M>, LookupError> {
        self.find(&self.full_path(scope, name)).map_err(|error| self.in_scope(scope, name, error))
    }

    /// Returns the error of a name that was looked up from below the supervisor `scope` and is no full path.
    pub(crate) fn in_scope(&self, scope: &str, name: &str, error: LookupError) -> LookupError {
        if !matches!(error, LookupError::NotFound { .. }) || name.starts_with('/') {
            return error;
        }
        let mut scopes = std::iter::successors(Some(scope), |scope| scope.rsplit_once('/').map(|(above, _)| above))
            .map(|scope| LookupError::not_found(self, &format!("{scope}/{name}")).of(name))
            .peekable();
        let nearest = scopes.peek().cloned();
        let guess = scopes.find(|error| matches!(error, LookupError::NoChild { meant: Some(_), .. }));
        guess.or(nearest).unwrap_or(error)
    }

    /// The child of a supervisor with the name that is most like this one, if one is like it.
    pub(crate) fn similar(&self, supervisor: &str, name: &str) -> Option<Arc<str>> {
        // The suggestion is a hint for the reader of an error, and not worth a search among very many.
        if name.len() > NAME_MAX {
            return None;
        }
        let below = self.paths.just_below(supervisor, SIMILAR_MAX)?;
        let slip_of = |path: &Arc<str>| slip(path.rsplit_once('/')?.1, name);
        below.into_iter().filter_map(|path| Some((slip_of(&path)?, path))).min().map(|(_, path)| path)
    }

    pub(crate) fn tables(&self) -> [(&'static str, usize); 4] {
        let listed = self.paths.len();
        let awaited = lock(&self.awaited);
        [
            ("directory", listed),
            // The totals of templates stay, up to a limit of their own.
            ("directory: services that leave", self.templates.leaving()),
            ("directory: awaited paths", awaited.paths.len()),
            ("directory: completed jobs", awaited.completed.len()),
        ]
    }

    /// The path that `name` means as seen from below the supervisor `scope`.
    pub(crate) fn full_path(&self, scope: &str, name: &str) -> String {
        full_path(scope, name, |path| self.is_known(path))
    }

    pub(crate) fn entry(&self, path: &str) -> Option<DirectoryEntry> {
        let (path, listed) = self.paths.get_listed(path)?;
        Some(listed.entry(path))
    }

    /// Returns all lines, in the order of the paths. A child that comes or goes meanwhile does not wait for that.
    pub(crate) fn entries(&self) -> Vec<DirectoryEntry> {
        self.entries_where(|_, _| true)
    }

    /// Returns the lines of the children that pass the filter, in the order of the paths. The filter runs without a
    /// lock.
    pub(crate) fn entries_where(&self, mut filter: impl FnMut(&str, ChildKind) -> bool) -> Vec<DirectoryEntry> {
        let mut paths = self.paths.all(|path, listed| (path.clone(), listed.kind));
        paths.retain(|(path, kind)| filter(path, *kind));
        paths.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        paths.into_iter().filter_map(|(path, _)| self.entry(&path)).collect()
    }

    /// Returns the lines of this path and of what is below it, in the order of the paths.
    pub(crate) fn entries_below(&self, path: &str) -> Vec<DirectoryEntry> {
        let leaves_first = self.under(path).into_iter();
        leaves_first.rev().map(|(path, listed)| listed.entry(path)).collect()
    }
}

/// The path that `name` means as seen from below the supervisor `scope`, among those that exist.
pub(crate) fn full_path(scope: &str, name: &str, exists: impl Fn(&str) -> bool) -> String {
    if let Some(full) = name.strip_prefix('/') {
        return full.into();
    }
    let mut scope = Some(scope);
    while let Some(here) = scope {
        let path = format!("{here}/{name}");
        if exists(&path) {
            return path;
        }
        scope = here.rsplit_once('/').map(|(up, _)| up);
    }
    name.into()
}
