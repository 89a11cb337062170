//! The slot asks its service for words, and keeps what an incarnation says about its state.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use crate::base::panics;
use crate::base::sync::lock;
use crate::slot::Slot;
use crate::slot::wording::{Aspect, Description, Wording};

/// Longest text of a service about its state, in bytes. The rest is cut off.
const DESCRIPTION_MAX: usize = 4096;

impl<M: Send + 'static> Slot<M> {
    /// Sets the function of the service. Only the first call has an effect.
    pub(crate) fn set_wording(&self, wording: Wording<M>) {
        let _ = self.wording.set(wording);
    }

    /// Returns the label of a message. One that panics counts as none.
    pub(super) fn label_of(&self, message: &M) -> Option<&'static str> {
        let wording = self.wording.get()?;
        match panics::catch(|| wording(message, Aspect::Label)).unwrap_or(None) {
            Some(Cow::Borrowed(label)) => Some(label),
            Some(Cow::Owned(_)) | None => None,
        }
    }

    /// Describes a message, if its service does. A description that panics counts as none.
    pub(super) fn describe_message(&self, message: &dyn Any) -> Option<String> {
        let (wording, message) = (self.wording.get()?, message.downcast_ref::<M>()?);
        panics::catch(|| wording(message, Aspect::Description)).unwrap_or(None).map(Cow::into_owned)
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
