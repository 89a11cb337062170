//! Entries of the record and messages of the stream, a line each.

use crate::admin::wire::act::ActKind;
use crate::admin::wire::event::Message;
use crate::admin::wire::history::Entry;
use crate::operate::text::headline::many;
use crate::operate::text::screen::{Colour, Screen, word};
use crate::operate::text::{clock, safe};

/// Returns an entry as a line: moment, path, generation, the event in words. An act says which operator
/// ordered it, and the reason.
///
/// The line is not cut: it is made for `grep`, too.
pub fn entry(entry: &Entry, screen: &Screen) -> String {
    let colour = if entry.is_failure { Colour::Red } else { Colour::Green };
    let text = match &entry.act {
        Some(act) => format!("{} by {}: {}; {}", verb(act.act), safe(&act.by), safe(&act.reason), safe(&act.outcome)),
        None if entry.text.is_empty() => safe(&entry.kind).into_owned(),
        None => safe(&entry.text).into_owned(),
    };
    let text = screen.paint(colour, &text);
    let at = screen.paint(Colour::Dim, &clock(entry.at_ms));
    let path = screen.paint(Colour::Bold, &safe(&entry.path));
    format!("{at}  {path}  generation {}  {text}\n", entry.generation)
}

/// Returns a message of the stream as lines; none for what only a program needs to know.
///
/// A snapshot shows the children in it that are not well.
pub fn message(message: &Message, screen: &Screen) -> String {
    let remark = |text: String| format!("{}\n", screen.paint(Colour::Yellow, &format!("-- {text}")));
    match message {
        Message::SnapshotBegins { tree, at_ms, .. } => {
            remark(format!("{}: the state at {}, not well in it:", safe(tree), clock(*at_ms)))
        }
        Message::Snapshot { children, .. } => {
            let unwell = children.iter().filter(|child| child.state.is_unwell());
            unwell
                .map(|child| {
                    let (path, state) = (safe(&child.path), word(child.state));
                    remark(format!("{path}  generation {}  {state}", child.generation))
                })
                .collect()
        }
        Message::SnapshotEnds { tree, children } => {
            remark(format!("{}: {} in all", safe(tree), many(*children, "child", "children")))
        }
        Message::Resumed { .. } => String::new(),
        Message::Event { entry: event, .. } => entry(event, screen),
        Message::Gap { tree, from, to } => {
            let missing = to.saturating_sub(*from).saturating_sub(1);
            remark(format!(
                "{}: gap: {} after number {from} are missing, the record does not hold them any more",
                safe(tree),
                many(missing, "event", "events"),
            ))
        }
        Message::TreeOver { tree, reason } => remark(format!("{}: the tree is over: {}", safe(tree), safe(reason))),
    }
}

/// Returns the command that orders such an act.
pub(crate) fn verb(act: ActKind) -> &'static str {
    match act {
        ActKind::Kill => "kill",
        ActKind::Restart => "restart",
        ActKind::Terminate => "terminate",
        ActKind::Start => "start",
        ActKind::Park => "park",
        ActKind::Revive => "revive",
        ActKind::Replay => "replay",
        ActKind::ReloadPolicy => "policy reload",
        ActKind::RunExperiment => "experiment run",
        ActKind::StopExperiment => "experiment stop",
    }
}
