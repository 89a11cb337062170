//! The stream of events, followed across lost connections.
//!
//! The position of the last event that was printed is sent again (`Last-Event-ID`), so nothing is printed twice and nothing
//! is missing, unless the record no longer holds it: then the source says that there is a gap, and sends the state.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::admin::wire::event::Message;
use crate::admin::wire::query::EventsQuery;
use crate::operate::ask::answer::open;
use crate::operate::ask::exchange::{Ask, exchange, stream};
use crate::operate::ask::parameters::address;
use crate::operate::ask::source::Source;
use crate::operate::ask::sse::Decoder;
use crate::operate::code::Code;
use crate::operate::find::find;
use crate::operate::run::output::Output;
use crate::operate::text::message;
use crate::operate::trouble::Trouble;

/// The source sends a comment at least every 15 s. A connection that is silent for three times as long is lost.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Time without a connection after which the follower gives up.
const OUTAGE_MAX: Duration = Duration::from_secs(60);
/// Waits between two tries to connect.
const DELAYS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Follower of the events of a tree.
#[derive(Debug)]
pub(crate) struct Follower {
    program: String,
    tree: String,
    failures: bool,
    /// Position of the last event that was printed.
    position: String,
}

/// Reason why a stream is over.
enum End {
    /// The tree is over: no event follows.
    TreeOver,
    /// The connection was lost, after the stream had begun.
    Lost(Trouble),
}

impl Follower {
    pub(crate) fn new(program: String, tree: String, failures: bool, position: String) -> Self {
        Self { program, tree, failures, position }
    }

    /// Prints the events until the tree is over, the output is closed, or the program stays away for a minute.
    pub(crate) fn follow(mut self, source: &mut Source<'_>, output: &Output) -> Result<Code, Trouble> {
        let mut lost_at: Option<Instant> = None;
        let mut delay = DELAYS[0];
        loop {
            // The handle to the runtime is taken first: the place may change while it runs.
            let (place, patience) = (source.place.clone(), source.target.patience());
            let ended = source.runtime.block_on(self.stream(&place, patience, output, &mut lost_at));
            let trouble = match ended {
                Ok(End::TreeOver) => return Ok(Code::Done),
                Ok(End::Lost(trouble)) => trouble,
                Err(trouble) => match trouble.code() {
                    Code::Lost | Code::NoProgram => trouble,
                    Code::Done | Code::NotWell | Code::Usage | Code::Unknown | Code::Refused | Code::Schema => {
                        return Err(trouble);
                    }
                },
            };
            let now = source.runtime.block_on(async { Instant::now() });
            if lost_at.is_none() {
                eprintln!("-- {trouble}; connecting again");
                delay = DELAYS[0];
            }
            let since = *lost_at.get_or_insert(now);
            if now.duration_since(since) > OUTAGE_MAX {
                return Err(Trouble::lost(format!("{trouble}; the program stayed away for a minute")));
            }
            source.runtime.block_on(async { sleep(delay).await });
            delay = delay.saturating_mul(2).min(DELAYS[1]);
            // A program that was started again has a new process, and so another socket.
            let mut again = source.target.clone();
            // Without it, any program that is the only one now would be taken for the one that went away.
            again.of.get_or_insert_with(|| self.program.clone());
            if let Ok(place) = find(&again) {
                source.place = place;
            }
        }
    }

    async fn stream(
        &mut self,
        place: &crate::operate::find::Place,
        patience: Duration,
        output: &Output,
        lost_at: &mut Option<Instant>,
    ) -> Result<End, Trouble> {
        let query = EventsQuery { tree: Some(self.tree.clone()), failures: self.failures, from: None };
        let mut ask = Ask::look(address("/v1/events", &query));
        ask.last_event = Some(self.position.clone());
        let mut streaming = stream(place, &ask, patience).await?;
        if !streaming.status.is_success() {
            // A refusal is no stream: it is read as a whole.
            let (status, content) = exchange(place, &ask, patience).await?;
            open::<Value>(status, &content)?;
            return Err(Trouble::lost(format!("the program answered {status}")));
        }
        if lost_at.take().is_some() {
            eprintln!("-- connected again");
        }
        let mut decoder = Decoder::default();
        loop {
            let frame = match timeout(SILENCE_MAX, streaming.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    return Ok(End::Lost(Trouble::lost(format!("the connection was lost: {error}"))));
                }
                Ok(None) => return Ok(End::Lost(Trouble::lost("the program closed the connection"))),
                Err(_) => return Ok(End::Lost(Trouble::lost("the program is silent"))),
            };
            let chunk = frame.into_data().unwrap_or_default();
            let received =
                decoder.take(&chunk).map_err(|_| Trouble::lost("the program sent an event without an end"))?;
            for data in received {
                if self.print(&data, output)? {
                    return Ok(End::TreeOver);
                }
            }
            if !decoder.position().is_empty() {
                decoder.position().clone_into(&mut self.position);
            }
        }
    }

    /// Prints an event, and returns whether the tree is over.
    fn print(&self, data: &str, output: &Output) -> Result<bool, Trouble> {
        let unreadable = |error| Trouble::new(Code::Schema, format!("an event cannot be read: {error}"));
        let raw: Value = serde_json::from_str(data).map_err(unreadable)?;
        // A newer program may send messages that this command does not know: they are left out of the text.
        let known: Option<Message> = serde::Deserialize::deserialize(&raw).ok();
        match &known {
            _ if output.is_json => output.json(&raw)?,
            Some(event) => output.text(&message(event, &output.screen))?,
            None => eprintln!("-- a message of a newer program is left out: --json shows it"),
        }
        Ok(matches!(known, Some(Message::TreeOver { .. })))
    }
}
