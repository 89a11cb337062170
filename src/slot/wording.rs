//! What a service says about its messages and its state, for operators.

use std::any::Any;
use std::sync::Arc;

use crate::base::panics;
use crate::base::sync::lock;
use crate::slot::Slot;

/// Longest text of a service about its state, in bytes. The rest is cut off.
const DESCRIPTION_MAX: usize = 4096;

/// Functions of a service that name and describe a message.
pub(crate) struct Wording<M> {
    /// Names a message by its kind.
    pub(crate) label: fn(&M) -> Option<&'static str>,
    /// Describes a message to an operator.
    pub(crate) describe: fn(&M) -> Option<String>,
}

/// Text of an incarnation about its state.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    generation: u64,
    text: Arc<str>,
}

impl<M: Send + 'static> Slot<M> {
    /// Sets the functions of the service. Only the first call has an effect.
    pub(crate) fn set_wording(&self, wording: &'static Wording<M>) {
        let _ = self.wording.set(wording);
    }

    /// Returns the label of a message. One that panics counts as none.
    pub(super) fn label_of(&self, message: &M) -> Option<&'static str> {
        let wording = self.wording.get()?;
        panics::catch(|| (wording.label)(message)).unwrap_or(None)
    }

    /// Describes a message, if its service does. A description that panics counts as none.
    pub(super) fn describe_message(&self, message: &dyn Any) -> Option<String> {
        let (wording, message) = (self.wording.get()?, message.downcast_ref::<M>()?);
        panics::catch(|| (wording.describe)(message)).unwrap_or(None)
    }

    /// Keeps what an incarnation says about its state.
    pub(crate) fn set_description(&self, generation: u64, text: &str) {
        let end = (0..=text.len().min(DESCRIPTION_MAX)).rev().find(|end| text.is_char_boundary(*end));
        let text = text[..end.unwrap_or(0)].into();
        let before = lock(&self.back).losses().description.replace(Description { generation, text });
        drop(before);
    }

    /// Returns what the present incarnation has said about its state.
    pub(super) fn description(&self) -> Option<Arc<str>> {
        let back = lock(&self.back);
        let description = back.losses.as_ref()?.description.as_ref()?;
        (description.generation == back.generation).then(|| description.text.clone())
    }
}
