//! Values that an incarnation keeps for the next one.

use std::any::type_name;
use std::sync::Arc;

use crate::context::{Context, Inner, TaskContext};
use crate::error::kept::{KeptError, NotKept};
use crate::slot::kept::{AnyValue, Change, KeptValue};

impl<M: Send + 'static> Inner<M> {
    pub(crate) fn keep<T: Send + Sync + 'static>(&self, value: T, bytes: Option<usize>) {
        self.slot.keep(&self.signals, Change::Keep(KeptValue::new(value, bytes)));
    }

    pub(crate) fn keep_now<T: Send + Sync + 'static>(&self, value: T) -> Result<(), NotKept<T>> {
        match self.slot.keep_now(&self.signals, Change::Keep(KeptValue::new(value, None))) {
            None => Ok(()),
            Some(Change::Keep(kept)) => match kept.into_inner() {
                Some(value) => Err(NotKept { path: self.slot.path(), value }),
                None => unreachable!("a value that was refused has one owner, and its own type"),
            },
            Some(Change::Forget | Change::Made(_)) => unreachable!("what is refused is what was asked for"),
        }
    }

    pub(crate) fn forget_kept(&self) {
        self.slot.keep(&self.signals, Change::Forget);
    }

    pub(crate) fn kept<T: Send + Sync + 'static>(&self) -> Result<Option<Arc<T>>, KeptError> {
        self.typed(self.slot.kept(&self.signals, false))
    }

    pub(crate) fn kept_aside<T: Send + Sync + 'static>(&self) -> Result<Option<Arc<T>>, KeptError> {
        self.typed(self.slot.kept(&self.signals, true))
    }

    fn typed<T: Send + Sync + 'static>(
        &self,
        found: Option<(AnyValue, &'static str)>,
    ) -> Result<Option<Arc<T>>, KeptError> {
        let Some((value, found)) = found else { return Ok(None) };
        match value.downcast() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(KeptError { path: self.slot.path(), found, wanted: type_name::<T>() }),
        }
    }
}

impl<S: crate::Service> Context<S> {
    /// Keeps a value for the next incarnation, in memory. The next factory gets it from [`kept`](Self::kept).
    ///
    /// It takes effect when the message in hand is counted as handled, in the same step. If the incarnation ends before
    /// that, the value from before stays. So a [redelivered](crate::ServiceChild::redeliver) message never meets a state
    /// that has it already. The last value of a message counts.
    ///
    /// The value survives every kind of restart: a crash, a kill, an order, a restart of the group or of the supervisor,
    /// a stop that is followed by another start. It ends with the service: when its spec is deleted, its dynamic
    /// supervisor restarts, or the tree ends. It does not survive the process.
    ///
    /// ```
    /// use regrow::{Child, Context, Reply, Service, Supervisor};
    /// use std::collections::HashMap;
    ///
    /// struct Prices(HashMap<&'static str, u32>);
    /// enum Msg { Set(&'static str, u32), Get(&'static str, Reply<Option<u32>>) }
    ///
    /// impl Service for Prices {
    ///     type Msg = Msg;
    ///     async fn handle(&mut self, msg: Msg, ctx: &mut Context<Self>) -> anyhow::Result<()> {
    ///         match msg {
    ///             Msg::Set(name, price) => {
    ///                 self.0.insert(name, price);
    ///                 ctx.keep(self.0.clone());
    ///             }
    ///             Msg::Get(name, reply) => { reply.send(self.0.get(name).copied()); }
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
    /// let prices = Child::service("prices", |ctx: Context<Prices>| async move {
    ///     let kept = ctx.kept::<HashMap<_, _>>()?;
    ///     if let (Some(kept), Some(exit)) = (&kept, ctx.last_exit()) {
    ///         println!("{} prices are left after: {exit}", kept.len());
    ///     }
    ///     Ok(Prices(kept.map(|kept| (*kept).clone()).unwrap_or_default()))
    /// });
    /// let tree = Supervisor::one_for_one("shop").child(prices).start().await?;
    /// let prices = tree.lookup::<Msg>("shop/prices")?;
    /// prices.cast(Msg::Set("tea", 3))?;
    /// prices.call(|reply| Msg::Get("tea", reply)).await?;
    ///
    /// prices.kill()?;
    /// assert_eq!(prices.call(|reply| Msg::Get("tea", reply)).await?, Some(3));
    /// # tree.shutdown().await; Ok(()) }
    /// ```
    ///
    /// # Without a message in hand
    ///
    /// * In the factory, it takes effect when the incarnation is up.
    /// * In the stop hook, and when a stop was asked for or chosen, it takes effect when the hook has ended without an
    ///   error. After a failed handler the message is still in hand, and never handled: the value is dropped.
    /// * In a linked task, it goes with the message that the service has in hand. Between two messages it takes effect
    ///   at once.
    ///
    /// An incarnation that is over or was abandoned keeps nothing, and its value is dropped.
    ///
    /// # Cost
    ///
    /// One lock, and two allocations for each message that keeps a value. The value that it replaces is dropped by the
    /// incarnation, between two messages. Share what is large: keep an `Arc`, or a persistent map.
    ///
    /// # A value that ends its lives
    ///
    /// A value with which three lives in a row fail is set aside, and the next one begins without it. That takes a budget
    /// that forgives four restarts, and the default one forgives one. [`Policy::kept`](field@crate::Policy::kept) sets
    /// another number or parks the service, and [`state`](crate::state#the-heir) says how to get out of that.
    pub fn keep<T: Send + Sync + 'static>(&self, value: T) {
        self.inner.keep(value, None);
    }

    /// Does what [`keep`](Self::keep) does, and tells the size of the value in bytes.
    /// [`Handle::kept`](crate::Handle::kept) and [`Why`](crate::Why) show it.
    pub fn keep_sized<T: Send + Sync + 'static>(&self, value: T, bytes: usize) {
        self.inner.keep(value, Some(bytes));
    }

    /// Keeps a value for the next incarnation at once, whatever becomes of the message in hand. What
    /// [`keep`](Self::keep) was given for that message is dropped.
    ///
    /// If the incarnation ends before the message is handled, the next one begins with a state that has the effects of
    /// that message already. With [redelivery](crate::ServiceChild::redeliver) the message then runs a second time on
    /// top of them: a deposit is made twice. Use it only if a second run does no harm, for instance because the value
    /// remembers which messages it has.
    ///
    /// # Errors
    ///
    /// [`NotKept`] with the value, if this incarnation is over or was abandoned.
    pub fn keep_now<T: Send + Sync + 'static>(&self, value: T) -> Result<(), NotKept<T>> {
        self.inner.keep_now(value)
    }

    /// Returns the value that the service keeps; `None` if it keeps none, or if the value was set aside. A value that is
    /// kept with the message in hand is not there yet.
    ///
    /// The first call makes this a life that *began with* the value: if it fails, that counts against the value.
    ///
    /// # Errors
    ///
    /// [`KeptError`] if the value has another type. It stays as it is.
    pub fn kept<T: Send + Sync + 'static>(&self) -> Result<Option<Arc<T>>, KeptError> {
        self.inner.kept()
    }

    /// Returns the value that was set aside, because too many lives in a row that began with it failed. It is there
    /// until the service keeps another one, forgets it or ends.
    ///
    /// # Errors
    ///
    /// [`KeptError`] if the value has another type. It stays as it is.
    pub fn kept_aside<T: Send + Sync + 'static>(&self) -> Result<Option<Arc<T>>, KeptError> {
        self.inner.kept_aside()
    }

    /// Drops what the service keeps, also a value that was set aside. It takes effect as [`keep`](Self::keep) does.
    pub fn forget_kept(&self) {
        self.inner.forget_kept();
    }
}

impl TaskContext {
    /// Keeps a value for the next incarnation, at once. See [`Context::keep`](crate::Context::keep) for how long it is
    /// kept. A task has no messages that it could belong to.
    ///
    /// # Errors
    ///
    /// [`NotKept`] with the value, if this incarnation is over or was abandoned.
    ///
    /// ```
    /// use regrow::{Child, Supervisor};
    ///
    /// # async fn upload(_part: u32) -> anyhow::Result<()> { Ok(()) }
    /// let uploader = Child::task("uploader", |ctx| async move {
    ///     // A life that fails is followed by one that begins with the next part.
    ///     let done = ctx.kept::<u32>()?.map_or(0, |done| *done);
    ///     for part in done..100 {
    ///         upload(part).await?;
    ///         ctx.keep_now(part + 1)?;
    ///     }
    ///     Ok(())
    /// });
    /// # let _ = Supervisor::one_for_one("app").child(uploader);
    /// ```
    pub fn keep_now<T: Send + Sync + 'static>(&self, value: T) -> Result<(), NotKept<T>> {
        self.inner.keep_now(value)
    }

    /// Returns the value that the task keeps: see [`Context::kept`](crate::Context::kept).
    ///
    /// # Errors
    ///
    /// [`KeptError`] if the value has another type. It stays as it is.
    pub fn kept<T: Send + Sync + 'static>(&self) -> Result<Option<Arc<T>>, KeptError> {
        self.inner.kept()
    }

    /// Returns the value that was set aside: see [`Context::kept_aside`](crate::Context::kept_aside).
    ///
    /// # Errors
    ///
    /// [`KeptError`] if the value has another type. It stays as it is.
    pub fn kept_aside<T: Send + Sync + 'static>(&self) -> Result<Option<Arc<T>>, KeptError> {
        self.inner.kept_aside()
    }

    /// Drops what the task keeps, at once, also a value that was set aside. An incarnation that is over or was abandoned
    /// drops nothing.
    pub fn forget_kept(&self) {
        self.inner.slot.keep_now(&self.inner.signals, Change::Forget);
    }
}
