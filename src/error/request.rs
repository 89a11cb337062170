//! The one error of a request: the fate of its call, or the service's own.

use std::fmt;

use crate::error::CallError;

/// Reason why a request has no answer, or the error that the service answered with.
///
/// Texts and [`source`](std::error::Error::source) are those of the error inside. So a
/// [`PeerUnavailable`](crate::PeerUnavailable) is found in the chain, as with a [`CallError`].
///
/// ```
/// use regrow::RequestError;
///
/// # #[derive(Debug)] enum DbError { NoSuchOrder }
/// fn status<M>(error: &RequestError<DbError, M>) -> u16 {
///     match error {
///         RequestError::Service(DbError::NoSuchOrder) => 404,
///         RequestError::Call(error) if error.is_safe_to_repeat() => 503, // nothing has happened
///         _ => 500,
///     }
/// }
/// ```
#[non_exhaustive]
pub enum RequestError<E, M> {
    /// The service did not answer.
    Call(CallError<M>),
    /// The service answered with this error, and lives on.
    Service(E),
}

impl<E, M> RequestError<E, M> {
    pub(crate) fn flatten<T>(outcome: Result<Result<T, E>, CallError<M>>) -> Result<T, Self> {
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Self::Service(error)),
            Err(error) => Err(Self::Call(error)),
        }
    }

    /// Whether the message certainly had no effect, so that repeating the request is safe. `false` if the service has
    /// answered.
    pub fn is_safe_to_repeat(&self) -> bool {
        match self {
            Self::Call(error) => error.is_safe_to_repeat(),
            Self::Service(_) => false,
        }
    }

    /// Returns the message, if it came back.
    pub fn into_message(self) -> Option<M> {
        match self {
            Self::Call(error) => error.into_message(),
            Self::Service(_) => None,
        }
    }
}

impl<E, M> From<CallError<M>> for RequestError<E, M> {
    fn from(error: CallError<M>) -> Self {
        Self::Call(error)
    }
}

impl<E: fmt::Debug, M> fmt::Debug for RequestError<E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => f.debug_tuple("Call").field(error).finish(),
            Self::Service(error) => f.debug_tuple("Service").field(error).finish(),
        }
    }
}

impl<E: fmt::Display, M> fmt::Display for RequestError<E, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Service(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error, M> std::error::Error for RequestError<E, M> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Service(error) => error.source(),
        }
    }
}
