//! The parent of a supervisor: the supervisor above, or the tree. It learns that the supervisor is up and how it ended.

use std::sync::Arc;

use regrow_supervisors::{Attempt, Exit};
use tokio::sync::watch;

use crate::error::gave_up::GaveUp;
use crate::slot::fact::Fact;
use crate::slot::inbox::Inbox;
use crate::tree::root::Root;

/// The way to the parent. It reports the end exactly once: a supervisor that is dropped unfinished counts as killed.
pub(crate) struct Parent {
    link: Link,
    is_up: bool,
    told: bool,
}

pub(crate) enum Link {
    Supervisor { inbox: Arc<Inbox>, attempt: Attempt },
    Tree(watch::Sender<Root>),
}

impl Parent {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, is_up: false, told: false }
    }

    pub(crate) fn is_tree(&self) -> bool {
        matches!(self.link, Link::Tree(_))
    }

    pub(crate) fn has_been_told(&self) -> bool {
        self.told
    }

    pub(crate) fn was_up(&self) -> bool {
        self.is_up
    }

    pub(crate) fn tell_up(&mut self, generation: u64) {
        self.is_up = true;
        match &self.link {
            Link::Supervisor { inbox, attempt } => {
                inbox.push(Fact::Started { attempt: *attempt, generation, info: None });
            }
            Link::Tree(root) => {
                root.send_replace(Root::Up);
            }
        }
    }

    pub(crate) fn tell_end(&mut self, exit: Exit, gave_up: Option<Arc<GaveUp>>) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        match &self.link {
            Link::Supervisor { inbox, attempt } => {
                let attempt = *attempt;
                inbox.push(Fact::Ending { attempt, gave_up });
                inbox.push(match self.is_up {
                    true => Fact::Ended { attempt, exit },
                    false => Fact::StartFailed { attempt, exit },
                });
            }
            Link::Tree(root) => {
                root.send_replace(Root::Ended { exit, was_up: self.is_up });
            }
        }
    }
}
