//! Questions that running code asks about itself and its tree: a stop that was ordered, reasons, events, dead letters.

use crate::context::{Context, Inner, TaskContext};
use crate::event::Events;
use crate::tree::Directory;
use crate::tree::dead_letters::DeadLetters;
use crate::tree::lookup::LookupError;
use crate::tree::why::Why;

impl<M: Send + 'static> Inner<M> {
    pub(crate) fn directory(&self) -> Directory {
        Directory { shared: self.shared().clone() }
    }

    pub(crate) async fn why(&self, name: &str) -> Result<Why, LookupError> {
        let (shared, scope) = (self.shared(), self.signals.scope());
        let path = shared.directory.full_path(scope, name);
        shared.why(&path).await.map_err(|error| shared.directory.in_scope(scope, name, error))
    }

    pub(crate) fn delivery(&self) -> u32 {
        self.slot.delivery(&self.signals)
    }

    fn describe(&self, text: &str) {
        self.slot.set_description(self.generation(), text);
    }

    fn stopping(&self) -> impl Future<Output = ()> + Send + use<M> {
        let signals = self.signals.clone();
        async move { signals.told_to_stop().await }
    }
}

impl<S: crate::Service> Context<S> {
    /// Completes when the supervisor asks this incarnation to stop. It also completes if the incarnation is over and
    /// the future has been moved elsewhere. [`stop`](Self::stop) and [`exit`](Self::exit) do not complete it.
    ///
    /// A service is asked to stop between two messages. Only a handler that waits for long needs this, to cut its wait
    /// short. The shutdown time has begun by then.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # struct Feed; impl Feed { async fn next_page(&mut self) -> u64 { 1 } }
    /// impl Service for Feed {
    ///     type Msg = ();
    ///     async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         let stopping = ctx.stopping();
    ///         tokio::select! {
    ///             _page = self.next_page() => {}
    ///             () = stopping => {} // the supervisor waits: leave the rest to the next life
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + use<S> {
        self.inner().stopping()
    }

    /// Returns the number of incarnations that have had the message in hand, this one included. It is 1 when the message
    /// runs for the first time, and more only if it is [redelivered](crate::ServiceChild::redeliver). Without a message
    /// in hand (in the factory, and in a stop hook that follows no error) it is 0.
    ///
    /// Kills count too, though they do not use up the redeliveries. The dead letter of a poison message shows the last
    /// of these numbers as its [`attempt`](crate::DeadLetter::attempt).
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # struct Mailer; impl Mailer { async fn was_sent(&self, _: &str) -> bool { true } }
    /// impl Service for Mailer {
    ///     type Msg = String;
    ///     async fn handle(&mut self, letter: String, ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         // An earlier try may have sent it, and crashed after that.
    ///         if ctx.delivery() > 1 && self.was_sent(&letter).await {
    ///             return Ok(());
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn delivery(&self) -> u32 {
        self.inner().delivery()
    }

    /// Tells why a child of the tree is in its present state, in words and as data. The child is found by name, as
    /// [`lookup`](Self::lookup) finds services, and may be of any kind.
    ///
    /// Its supervisor is asked, and never the child itself. The supervisor answers while it boots and while it waits for
    /// a child, so the question may be asked in a factory too. A supervisor whose start hangs answers within a
    /// millisecond.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # struct Front;
    /// impl Service for Front {
    ///     type Msg = ();
    ///     async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         if let Some(until) = ctx.why("stock").await?.next_try {
    ///             println!("the stock is tried again in {until:?}");
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing has that name.
    pub async fn why(&self, name: &str) -> Result<Why, LookupError> {
        self.inner().why(name).await
    }

    /// Returns the events of the tree from now on: see [`Tree::events`](crate::Tree::events). They outlive this
    /// incarnation.
    pub fn events(&self) -> Events {
        self.directory().events()
    }

    /// Returns the dead letters of the tree, from the first call on: see
    /// [`Tree::dead_letters`](crate::Tree::dead_letters).
    pub fn dead_letters(&self) -> DeadLetters {
        self.directory().dead_letters()
    }
}

impl<S: crate::Service> Context<S> {
    /// Says something about the state of this incarnation to operators. Without it, nothing of a state is ever shown.
    ///
    /// The text is kept until the next one, or until this incarnation ends. It is shown only
    /// to an operator that asks for this service in full. Text beyond 4,096 bytes is cut off. A call costs a lock and a copy of the text: call
    /// it when something worth telling has changed, and not for each message.
    ///
    /// ```
    /// # use regrow::{Context, Service};
    /// # struct Feed { pages: u64 }
    /// impl Service for Feed {
    ///     type Msg = ();
    ///     async fn handle(&mut self, (): (), ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         self.pages += 1;
    ///         ctx.describe(&format!("{} pages read", self.pages));
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn describe(&self, text: &str) {
        self.inner().describe(text);
    }
}

impl TaskContext {
    /// Says something about the state of this incarnation to operators: see [`Context::describe`].
    pub fn describe(&self, text: &str) {
        self.inner.describe(text);
    }

    /// Tells why a child of the tree is in its present state: see [`Context::why`].
    ///
    /// # Errors
    ///
    /// Nothing has that name.
    pub async fn why(&self, name: &str) -> Result<Why, LookupError> {
        self.inner.why(name).await
    }

    /// Returns the events of the tree from now on: see [`Context::events`].
    pub fn events(&self) -> Events {
        self.directory().events()
    }

    /// Returns the dead letters of the tree, from the first call on: see
    /// [`Tree::dead_letters`](crate::Tree::dead_letters).
    pub fn dead_letters(&self) -> DeadLetters {
        self.directory().dead_letters()
    }
}

impl Directory {
    /// Tells why the child with this path is in its present state: see [`Tree::why`](crate::Tree::why). It may be asked
    /// by code of the tree too: see [`Context::why`].
    ///
    /// # Errors
    ///
    /// Nothing has this path.
    pub async fn why(&self, path: &str) -> Result<Why, LookupError> {
        self.shared.why(path).await
    }

    /// Returns the events of the tree from now on: see [`Tree::events`](crate::Tree::events).
    pub fn events(&self) -> Events {
        Events::new(self.shared.subscribe())
    }

    /// Returns the dead letters of the tree, from the first call on: see
    /// [`Tree::dead_letters`](crate::Tree::dead_letters).
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(self.shared.keep_dead_letters())
    }
}
