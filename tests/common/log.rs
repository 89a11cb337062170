//! The log of a test, line by line.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Log lines of this thread, as `LEVEL message key=value key=value`, followed by the names of their spans.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

thread_local! {
    static LISTENING: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Guard that stops the listening when it is dropped.
pub(crate) struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENING.set(None);
    }
}

impl Log {
    /// Listens until the guard is dropped. Meant for runtimes with one thread.
    ///
    /// The process has one subscriber. `tracing` remembers whether a subscriber wants a line, and with one for each
    /// thread it may ask the wrong one.
    pub(crate) fn listen() -> (Self, Listening) {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let subscriber = tracing_subscriber::registry().with(ToThread);
            tracing::subscriber::set_global_default(subscriber).unwrap();
        });
        let log = Self::default();
        LISTENING.set(Some(log.clone()));
        (log, Listening)
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

struct ToThread;

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToThread {
    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != "regrow" {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let mut line = format!("{} {}{}", event.metadata().level(), line.message, line.fields);
        for span in context.event_scope(event).into_iter().flatten() {
            line += &format!(" in {}", span.name());
        }
        LISTENING.with_borrow(|log| {
            if let Some(Log(lines)) = log {
                lines.borrow_mut().push(line);
            }
        });
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields += &format!(" {name}={value:?}"),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields += &format!(" {}={value}", field.name());
    }
}
