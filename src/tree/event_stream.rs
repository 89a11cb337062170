//! The stream of a tree's events, which costs nothing until a subscriber asks for it.

use std::sync::Mutex;

use tokio::sync::broadcast;

use crate::base::sync::lock;
use crate::event::Event;

/// Number of events that a slow subscriber may lag behind before it loses the oldest.
const EVENTS_KEPT: usize = 4096;

#[derive(Default)]
pub(crate) struct EventStream(Mutex<Stream>);

#[derive(Default)]
enum Stream {
    /// No subscriber has asked yet.
    #[default]
    Unheard,
    To(broadcast::Sender<Event>),
    /// The tree is over, which ends the subscribers' streams.
    Over,
}

impl EventStream {
    /// Returns a receiver of all events from now on. Once the tree is over its stream ends at once.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        let mut stream = lock(&self.0);
        if let Stream::Unheard = *stream {
            *stream = Stream::To(broadcast::Sender::new(EVENTS_KEPT));
        }
        match &*stream {
            Stream::To(sender) => sender.subscribe(),
            Stream::Unheard | Stream::Over => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// The sender, if a subscriber has ever asked.
    pub(crate) fn sender(&self) -> Option<broadcast::Sender<Event>> {
        match &*lock(&self.0) {
            Stream::To(sender) => Some(sender.clone()),
            Stream::Unheard | Stream::Over => None,
        }
    }

    /// Ends the streams of all subscribers.
    pub(crate) fn end(&self) {
        let before = std::mem::replace(&mut *lock(&self.0), Stream::Over);
        drop(before);
    }
}
