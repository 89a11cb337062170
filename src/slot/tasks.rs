//! The list of the tasks that are linked to an incarnation.
//!
//! Invariant: no future is dropped, and no task spawned or aborted, under the lock of the list (invariant 2 of
//! `linked_tasks.rs`).

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};
use std::task::{Context, Poll, Waker};

use regrow_supervisors::Exit;
use tokio::task::AbortHandle;

use crate::base::sync::lock;

#[derive(Debug, Default)]
pub(crate) struct Tasks {
    list: Mutex<List>,
    /// Exit of the incarnation.
    end: OnceLock<Exit>,
}

#[derive(Debug, Default)]
struct List {
    /// Tasks by number; `None` for a task that is being spawned.
    tasks: BTreeMap<u64, Option<AbortHandle>>,
    /// Number of the latest task.
    number: u64,
    /// Called when the last task is gone.
    waker: Option<Waker>,
}

impl List {
    fn enter(&mut self) -> u64 {
        self.number += 1;
        self.tasks.insert(self.number, None);
        self.number
    }
}

impl Tasks {
    /// Enters a task into the list; `None` if the incarnation is over. That is checked under the lock: a close that
    /// comes later finds the task in the list.
    pub(super) fn enter(&self, is_over: impl FnOnce() -> bool) -> Option<u64> {
        let mut list = lock(&self.list);
        if is_over() { None } else { Some(list.enter()) }
    }

    /// Records that the task with this number has been spawned. Returns whether the incarnation is over, checked under
    /// the lock.
    pub(super) fn spawned(&self, number: u64, task: &AbortHandle, is_over: impl FnOnce() -> bool) -> bool {
        let mut list = lock(&self.list);
        if let Some(place) = list.tasks.get_mut(&number) {
            *place = Some(task.clone());
        }
        is_over()
    }

    /// Aborts all tasks. The incarnation is over already, so no more can be started.
    pub(crate) fn close(&self, exit: &Exit) {
        let _ = self.end.set(exit.clone());
        let tasks: Vec<_> = lock(&self.list).tasks.values().flatten().cloned().collect();
        tasks.iter().for_each(AbortHandle::abort);
    }

    pub(crate) fn end(&self) -> Option<&Exit> {
        self.end.get()
    }

    pub(crate) fn is_gone(&self) -> bool {
        lock(&self.list).tasks.is_empty()
    }

    /// Ready when the last task has been dropped.
    pub(crate) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let (before, is_gone) = {
            let mut list = lock(&self.list);
            (list.waker.replace(waker), list.tasks.is_empty())
        };
        drop(before);
        if is_gone { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Records that the future of this task has been dropped.
    pub(crate) fn ended(&self, number: u64) {
        let (task, waker) = {
            let mut list = lock(&self.list);
            let task = list.tasks.remove(&number);
            (task, if list.tasks.is_empty() { list.waker.take() } else { None })
        };
        drop(task);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
