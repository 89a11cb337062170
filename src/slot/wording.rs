//! Words of a service about its messages and its state, for operators.

use std::borrow::Cow;
use std::sync::Arc;

/// Function of a service that speaks about a message: one pointer for both aspects, since each slot has it.
pub(crate) type Wording<M> = fn(&M, Aspect) -> Option<Cow<'static, str>>;

/// Question to a service about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aspect {
    /// Its name, a constant.
    Label,
    /// Its description, for an operator.
    Description,
}

/// Text of an incarnation about its state.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    pub(super) generation: u64,
    pub(super) text: Arc<str>,
}
