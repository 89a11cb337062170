//! A peer that nothing depends on: it would write a letter about each order.
//!
//! Its mailbox is small and sheds the oldest letter when it is full, so that a slow mailer costs its senders neither time
//! nor memory.

use regrow::{Child, Context, Overflow, Service, ServiceChild};

use crate::order::Status;

pub struct Mail {
    pub order: i64,
    pub status: Status,
}

struct Mailer;

pub fn child() -> ServiceChild<Mail> {
    Child::service("mailer", |_| async { Ok(Mailer) }).capacity(100).overflow(Overflow::DropOldest)
}

impl Service for Mailer {
    type Msg = Mail;

    async fn handle(&mut self, Mail { order, status }: Mail, _: &mut Context<Self>) -> anyhow::Result<()> {
        tracing::debug!(order, status = status.word(), "a letter");
        Ok(())
    }
}
