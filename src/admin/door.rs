//! A door: the capabilities of what comes in through one listener or mounted router, and the name of the operator.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

use crate::admin::answer::Refused;
use crate::admin::source::Source;
use crate::admin::wire::greeting::Capability;

/// The operator of a request to a [mounted router](crate::admin::Admin::router), set by the program's own
/// authentication as an extension of the request.
///
/// The name is in the log line, the event and the entry of each act.
///
/// ```
/// use axum::extract::Request;
/// use axum::middleware::{Next, from_fn};
/// use regrow::admin::{Admin, Operator};
///
/// let known = from_fn(async |mut request: Request, next: Next| {
///     // Here the program checks its session, and refuses those that it does not know.
///     request.extensions_mut().insert(Operator::new("alice"));
///     next.run(request).await
/// });
/// let app: axum::Router = axum::Router::new().nest("/admin", Admin::new("shop").router().layer(known));
/// # let _ = app;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator(Arc<str>);

impl Operator {
    /// Names the operator.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self::new("mounted")))
    }
}

/// Capabilities of the requests through one listener or mounted router.
pub(crate) struct Door {
    pub(crate) source: Arc<Source>,
    granted: BTreeSet<Capability>,
}

impl Door {
    pub(crate) fn new(source: Arc<Source>, granted: BTreeSet<Capability>) -> Arc<Self> {
        Arc::new(Self { source, granted })
    }

    /// The capabilities that the program grants here. To look is always granted.
    pub(crate) fn granted(&self) -> &BTreeSet<Capability> {
        &self.granted
    }

    /// Refuses what needs a capability that is not granted.
    pub(crate) fn need(&self, capability: Capability) -> Result<(), Refused> {
        if self.granted.contains(&capability) { Ok(()) } else { Err(Refused::missing(capability)) }
    }
}
