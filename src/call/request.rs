//! A call whose service answers with a `Result`, and whose caller sees one error.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::call::Call;
use crate::error::request::RequestError;

/// [`Call`] of a service that answers with a `Result<T, E>`: a future of the answer, with one error for the fate of the
/// call and the service's own `E`. Made by [`Call::flatten`], and by the client methods of
/// `#[regrow::service]` that say `#[call(error = E)]`.
///
/// It is sent like every call: at once if there is room, and otherwise when it is first polled. Dropping it does what
/// dropping the `Call` does.
///
/// ```
/// use regrow::{Handle, Reply, RequestError};
///
/// # #[derive(Debug)] struct NoSuchOrder(i64);
/// enum Msg { Price(i64, Reply<Result<u32, NoSuchOrder>>) }
///
/// async fn price(orders: &Handle<Msg>, id: i64) -> String {
///     match orders.call(|reply| Msg::Price(id, reply)).flatten().await {
///         Ok(cents) => format!("{cents} cents"),
///         Err(RequestError::Service(NoSuchOrder(id))) => format!("there is no order {id}"),
///         Err(error) if error.is_safe_to_repeat() => "try again".into(),
///         Err(_) => "the orders did not answer".into(),
///     }
/// }
/// ```
#[must_use = "a request does nothing more for you unless its answer is awaited"]
pub struct Request<M, T, E> {
    call: Call<M, Result<T, E>>,
}

impl<M, T, E> Call<M, Result<T, E>> {
    /// Makes one error of two: the fate of the call, and the error that the service answers with. See [`Request`].
    pub fn flatten(self) -> Request<M, T, E> {
        Request { call: self }
    }
}

impl<M, T, E> Request<M, T, E> {
    /// Limits the wait, as [`Call::within`] does.
    ///
    /// # Panics
    ///
    /// The same as `Call::within`.
    pub fn within(self, limit: Duration) -> Self {
        Self { call: self.call.within(limit) }
    }
}

impl<M: Send + 'static, T, E> Request<M, T, E> {
    /// Does not wait for room, as [`Call::try_now`] does not.
    pub fn try_now(self) -> Self {
        Self { call: self.call.try_now() }
    }

    /// Blocks the thread until the answer is there, as [`Call::blocking`] does.
    ///
    /// # Errors
    ///
    /// See [`RequestError`].
    pub fn blocking(self) -> Result<T, RequestError<E, M>> {
        RequestError::flatten(self.call.blocking())
    }
}

impl<M: Send + 'static, T, E> Future for Request<M, T, E> {
    type Output = Result<T, RequestError<E, M>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.call).poll(cx).map(RequestError::flatten)
    }
}

impl<M, T, E> fmt::Debug for Request<M, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.call).finish()
    }
}
