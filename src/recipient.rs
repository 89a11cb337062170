//! The handle of a part of a protocol: it takes one type of message, and hides the type of its service.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use crate::error::SendError;
use crate::error::refusal::Refusal;
use crate::error::unavailable::type_name;
use crate::handle::Handle;
use crate::slot::erased::AnySlot;
use crate::slot::status::ServiceStatus;

/// Address of a service that takes messages of type `A` among others. [`Handle::narrow`] makes it.
///
/// Services of different types can be kept in one list, if each of their messages can be made from an `A`. Like a
/// handle, it is cheap to clone, valid for ever, and does not keep the service alive. Two are equal if they address the
/// same service.
///
/// ```
/// # use regrow::{Child, Context, Reply, Service, Supervisor};
/// use regrow::Recipient;
///
/// #[derive(Clone)]
/// struct PriceChanged { item: u32, cents: u64 }
///
/// enum CartMsg { Price(PriceChanged), Total(Reply<u64>) }
/// impl From<PriceChanged> for CartMsg {
///     fn from(change: PriceChanged) -> Self { Self::Price(change) }
/// }
///
/// struct Shop { subscribers: Vec<Recipient<PriceChanged>> } // knows nothing of carts
/// impl Shop {
///     fn announce(&mut self, change: &PriceChanged) {
///         self.subscribers.retain(|subscriber| subscriber.cast(change.clone()).is_ok());
///     }
/// }
/// # struct Cart(u64);
/// # impl Service for Cart {
/// #     type Msg = CartMsg;
/// #     async fn handle(&mut self, msg: CartMsg, _: &mut Context<Self>) -> anyhow::Result<()> {
/// #         match msg {
/// #             CartMsg::Price(change) => self.0 += change.cents + u64::from(change.item),
/// #             CartMsg::Total(reply) => { reply.send(self.0); }
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// # let tree = Supervisor::one_for_one("app").child(Child::service("cart", |_| async { Ok(Cart(0)) })).start().await?;
///
/// let cart = tree.lookup::<CartMsg>("app/cart")?;
/// let mut shop = Shop { subscribers: vec![cart.narrow()] };
/// shop.announce(&PriceChanged { item: 7, cents: 250 });
/// assert_eq!(cart.call(CartMsg::Total).await?, 257);
/// # tree.shutdown().await;
/// shop.announce(&PriceChanged { item: 7, cents: 260 });
/// assert!(shop.subscribers.is_empty(), "the cart is gone");
/// # Ok(()) }
/// ```
pub struct Recipient<A> {
    to: Arc<dyn Receives<A>>,
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), RecipientError>> + Send + 'a>>;

/// Handle without its type of messages. A message is converted in the calling code, before any lock is taken.
trait Receives<A>: Send + Sync {
    fn cast(&self, message: A) -> Result<(), RecipientError>;
    fn send(&self, message: A) -> Sending<'_>;
    fn blocking_send(&self, message: A) -> Result<(), RecipientError>;
    fn slot(&self) -> &dyn AnySlot;
}

impl<A: Into<M> + 'static, M: Send + 'static> Receives<A> for Handle<M> {
    fn cast(&self, message: A) -> Result<(), RecipientError> {
        self.cast(message.into()).map_err(|error| RecipientError::new::<A, M>(self, error))
    }

    fn send(&self, message: A) -> Sending<'_> {
        let message = message.into();
        Box::pin(async move { self.send(message).await.map_err(|error| RecipientError::new::<A, M>(self, error)) })
    }

    fn blocking_send(&self, message: A) -> Result<(), RecipientError> {
        self.blocking_send(message.into()).map_err(|error| RecipientError::new::<A, M>(self, error))
    }

    fn slot(&self) -> &dyn AnySlot {
        self.slot()
    }
}

impl<M: Send + 'static> Handle<M> {
    /// Returns the address of this service for messages of type `A`, from which the service's own messages can be made.
    /// Its type hides the service: see [`Recipient`].
    pub fn narrow<A: Into<M> + 'static>(&self) -> Recipient<A> {
        Recipient { to: Arc::new(self.clone()) }
    }
}

impl<A> Recipient<A> {
    /// Puts a message into the mailbox and returns at once: see [`Handle::cast`]. The message is converted first, in
    /// the calling code.
    ///
    /// # Errors
    ///
    /// Those of [`Handle::cast`]. The converted message is inside.
    ///
    /// # Panics
    ///
    /// If the conversion panics. Nothing has been sent then.
    pub fn cast(&self, message: A) -> Result<(), RecipientError> {
        self.to.cast(message)
    }

    /// Puts a message into the mailbox, and waits for room if there is none: see [`Handle::send`]. The message is
    /// converted at once, and sent when the future is first polled.
    ///
    /// # Errors
    ///
    /// Those of [`Handle::send`]. The converted message is inside.
    ///
    /// # Panics
    ///
    /// The same as [`cast`](Self::cast) and [`Handle::send`].
    pub fn send(&self, message: A) -> impl Future<Output = Result<(), RecipientError>> + Send {
        self.to.send(message)
    }

    /// Does what [`send`](Self::send) does in code that is not async: see [`Handle::blocking_send`].
    ///
    /// # Errors
    ///
    /// Those of [`Handle::blocking_send`]. The converted message is inside.
    ///
    /// # Panics
    ///
    /// The same as [`cast`](Self::cast).
    pub fn blocking_send(&self, message: A) -> Result<(), RecipientError> {
        self.to.blocking_send(message)
    }

    /// Returns the path of the service, `"(not in a tree)"` while it has none.
    pub fn path(&self) -> Arc<str> {
        self.to.slot().path()
    }

    /// Returns the present state and generation of the service.
    pub fn status(&self) -> ServiceStatus {
        self.to.slot().status()
    }

    /// Follows the status: see [`Handle::watch`].
    pub fn watch(&self) -> watch::Receiver<ServiceStatus> {
        self.to.slot().watch()
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self.to.slot()).addr()
    }
}

impl<A> Clone for Recipient<A> {
    fn clone(&self) -> Self {
        Self { to: self.to.clone() }
    }
}

impl<A> PartialEq for Recipient<A> {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl<A> Eq for Recipient<A> {}

impl<A> Hash for Recipient<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}

impl<A> fmt::Debug for Recipient<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recipient").field(&self.path()).field(&std::any::type_name::<A>()).finish()
    }
}

/// Message that a [`Recipient`] refused, with the reason. It was not enqueued.
///
/// It holds the converted message, because a conversion cannot be undone.
/// [`retry`](Self::retry) sends that again, and [`into_message`](Self::into_message) returns it to code that knows the
/// type. Keep a clone if the original is needed after a refusal.
///
/// Its [`source`](std::error::Error::source) is that of a [`SendError`].
pub struct RecipientError {
    unsent: Box<dyn Unsent>,
    /// Names the type of the message before it was converted.
    part: fn() -> String,
}

/// Refused message without its type.
trait Unsent: Send + Sync {
    fn refusal(&self) -> Refusal;
    fn path(&self) -> &str;
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)>;
    fn retry(self: Box<Self>) -> Result<(), Box<dyn Unsent>>;
    fn message(self: Box<Self>) -> Box<dyn Any>;
    fn is(&self, message_type: std::any::TypeId) -> bool;
}

struct Refused<M: Send + 'static> {
    to: Handle<M>,
    error: SendError<M>,
}

impl<M: Send + 'static> Unsent for Refused<M> {
    fn refusal(&self) -> Refusal {
        self.error.refusal()
    }

    fn path(&self) -> &str {
        self.error.path()
    }

    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }

    fn retry(self: Box<Self>) -> Result<(), Box<dyn Unsent>> {
        let Self { to, error } = *self;
        to.cast(error.into_message()).map_err(|error| Box::new(Self { to, error }) as _)
    }

    fn message(self: Box<Self>) -> Box<dyn Any> {
        Box::new(self.error.into_message())
    }

    fn is(&self, message_type: std::any::TypeId) -> bool {
        std::any::TypeId::of::<M>() == message_type
    }
}

impl RecipientError {
    fn new<A, M: Send + 'static>(to: &Handle<M>, error: SendError<M>) -> Self {
        Self { unsent: Box::new(Refused { to: to.clone(), error }), part: type_name::<A> }
    }

    /// Returns the reason of the refusal.
    pub fn refusal(&self) -> Refusal {
        self.unsent.refusal()
    }

    /// Returns the path of the service that refused it.
    pub fn path(&self) -> &str {
        self.unsent.path()
    }

    /// Sends the same message to the same service again, as by [`cast`](Recipient::cast).
    ///
    /// # Errors
    ///
    /// Those of [`Recipient::cast`], with the message inside.
    pub fn retry(self) -> Result<(), Self> {
        let Self { unsent, part } = self;
        unsent.retry().map_err(|unsent| Self { unsent, part })
    }

    /// Returns the converted message, if `M` is the type of message that the service takes.
    ///
    /// # Errors
    ///
    /// This error as it was, if the service takes other messages.
    pub fn into_message<M: 'static>(self) -> Result<M, Self> {
        if !self.unsent.is(std::any::TypeId::of::<M>()) {
            return Err(self);
        }
        match self.unsent.message().downcast() {
            Ok(message) => Ok(*message),
            Err(_) => unreachable!("the type was compared before"),
        }
    }
}

impl fmt::Debug for RecipientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecipientError")
            .field("path", &self.path())
            .field("refusal", &self.refusal())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RecipientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` refused the message `{}`: {}", self.path(), (self.part)(), self.refusal())
    }
}

impl std::error::Error for RecipientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.unsent.source()
    }
}
