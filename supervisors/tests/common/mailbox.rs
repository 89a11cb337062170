//! What waits for a supervisor, in the order in which it came (OTP rules 31, 72).

use std::collections::{BTreeSet, VecDeque};

use regrow_supervisors::{Attempt, ChildKey};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mail {
    Exit(Attempt),
    Retry(ChildKey),
    Stop,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Mailbox(VecDeque<Mail>);

impl Mailbox {
    pub(crate) fn push(&mut self, mail: Mail) {
        // A stop has no name: a second one is dropped. An exit told twice is one exit.
        if matches!(mail, Mail::Retry(_)) || !self.0.contains(&mail) {
            self.0.push_back(mail);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is taken next. A retry of a child that is no longer retrying is dropped (OTP rule 32).
    pub(crate) fn next(&mut self, retrying: &BTreeSet<ChildKey>) -> Option<Mail> {
        while let Some(Mail::Retry(key)) = self.0.front()
            && !retrying.contains(key)
        {
            self.0.pop_front();
        }
        self.0.front().copied()
    }

    pub(crate) fn take(&mut self, retrying: &BTreeSet<ChildKey>) -> Option<Mail> {
        let next = self.next(retrying);
        self.0.pop_front();
        next
    }

    pub(crate) fn has_exit_of(&self, child: ChildKey) -> bool {
        self.0.iter().any(|mail| matches!(mail, Mail::Exit(attempt) if attempt.child() == child))
    }

    /// A group restart consumes the exits of its members (OTP rules 43, 52).
    pub(crate) fn consume_exits(&mut self, is_member: impl Fn(ChildKey) -> bool) {
        self.0.retain(|mail| !matches!(mail, Mail::Exit(attempt) if is_member(attempt.child())));
    }
}
