//! Acts of operators: carried out, and noted with their outcome.

use std::sync::Arc;

use crate::admin::answer::Refused;
use crate::admin::door::Operator;
use crate::admin::reload::Reloads;
use crate::admin::shown::Shown;
use crate::admin::source::Source;
use crate::admin::wire::envelope::IssueCode;
use crate::error::manage::ManageError;
use crate::event::act::{Act, ActKind, ActOutcome};
use crate::supervisor::acts::{ActError, Acted as Done, Deed};
use crate::tree::KillError;
use crate::tree::dead_letters::{DeadLetter, DeadLetters};

/// Notes an act: an event, a line of the log, and an entry of the record.
pub(crate) fn note(
    shown: &Shown,
    path: &str,
    kind: ActKind,
    by: &Operator,
    reason: &str,
    generation: Option<u64>,
    outcome: Result<(), &str>,
) {
    let outcome = outcome.map_or_else(|why| ActOutcome::Refused(why.into()), |()| ActOutcome::Done);
    let act = Act { kind, by: by.name().clone(), reason: reason.into(), generation, outcome };
    shown.shared.note_act(&path.into(), act);
}

/// Notes an act that was refused for want of a capability, if not too many were noted lately. A client that may only look
/// could push everything else out of the record otherwise. It is counted in any case.
pub(crate) fn note_unpermitted(
    source: &Source,
    shown: &Shown,
    path: &str,
    kind: ActKind,
    by: &Operator,
    reason: &str,
    refused: &Refused,
) {
    if source.unpermitted.may_note() {
        note(shown, path, kind, by, reason, None, Err(refused.text()));
    } else {
        shown.shared.counts.note_act(kind, false);
    }
}

/// Carries out an act on one child. Returns how that went, in words.
pub(crate) async fn perform(
    shown: &Shown,
    deed: Deed,
    path: &str,
    reason: Arc<str>,
    generation: Option<u64>,
) -> Result<String, Refused> {
    match shown.shared.act(deed, path, reason, generation).await {
        Ok(Done::Done) => Ok(done(deed).into()),
        Ok(Done::Up(generation)) => Ok(format!("generation {generation} is up")),
        Ok(Done::Ignored) => Ok("the child says that it is not wanted".into()),
        Err(error) => Err(Refused::new(code_of(&error), refusal(deed, &error)).about(path)),
    }
}

/// Says what was done. A kill and a revival are done when they have been ordered, and their ends are to be looked at.
fn done(deed: Deed) -> &'static str {
    match deed {
        Deed::Kill => "killed: `why` says what follows",
        Deed::Revive => "its start is ordered: `why` says whether it is up",
        Deed::Terminate => "it is down until it is started",
        Deed::Park => "it is parked until it is revived",
        Deed::Restart | Deed::Start => "done",
    }
}

/// Says why an act was refused, and what to do instead, in the words of the commands. The errors themselves name methods.
fn refusal(deed: Deed, error: &ActError) -> String {
    match (deed, error) {
        (Deed::Start | Deed::Revive, ActError::Refused(ManageError::Running { path })) => {
            format!("`{path}` is running already: there is nothing to start")
        }
        (Deed::Park, ActError::Refused(ManageError::Parked { path })) => {
            format!("`{path}` is parked already: `why` has the reason")
        }
        (_, ActError::Refused(ManageError::Parked { path })) => format!("`{path}` is parked: revive it"),
        (_, ActError::Refused(ManageError::Down { path })) => format!("`{path}` is down: start it"),
        (_, ActError::NotKilled(KillError::NotRunning(error))) => {
            format!("`{}` is not running: `why` has the reason", error.path())
        }
        (_, error) => error.to_string(),
    }
}

fn code_of(error: &ActError) -> IssueCode {
    match error {
        ActError::NotFound { .. } => IssueCode::UnknownPath,
        ActError::IsRoot { .. }
        | ActError::IsDynamic { .. }
        | ActError::IsPartition { .. }
        | ActError::NotKilled(_) => IssueCode::NotApplicable,
        ActError::Replaced { .. } => IssueCode::AlreadyReplaced,
        ActError::Refused(ManageError::Failed { .. }) => IssueCode::ActFailed,
        ActError::Refused(_) => IssueCode::NotApplicable,
    }
}

/// Puts the letters into the mailboxes of their services, in the order in which they died. Returns how that went, in words.
pub(crate) fn replay(shown: &Shown, is_meant: impl Fn(&DeadLetter) -> bool) -> Result<String, Refused> {
    let letters: Vec<_> = DeadLetters::new(shown.shared.keep_dead_letters())
        .list()
        .into_iter()
        .filter(|letter| is_meant(letter))
        .collect();
    if letters.is_empty() {
        return Err(Refused::new(
            IssueCode::UnknownNumber,
            "no dead letter that is kept matches: `dead-letters` lists those that are",
        ));
    }
    let count = letters.len();
    let mut failed = letters.into_iter().filter_map(|letter| letter.replay().err().map(|error| error.to_string()));
    let Some(first) = failed.next() else { return Ok(format!("{count} replayed")) };
    let more = failed.count();
    let failures = more.saturating_add(1);
    let text = match more {
        0 => format!("{} of {count} replayed; {first}", count.saturating_sub(1)),
        more => format!("{} of {count} replayed; {first}; and {more} more were not", count.saturating_sub(failures)),
    };
    if failures == count { Err(Refused::new(IssueCode::NotApplicable, text)) } else { Ok(text) }
}

/// Has the policies of a tree read again. Returns what has changed, in words.
pub(crate) async fn reload(shown: &Arc<Shown>, reloads: &Reloads) -> Result<String, Refused> {
    let Some(reload) = reloads.of(&shown.name) else {
        let text = format!(
            "the program was not told how to read the policies of `{}` again: it calls `Admin::policy_file`, in code",
            shown.name
        );
        return Err(Refused::new(IssueCode::NotAvailable, text).about("policy"));
    };
    reload().await.map_err(|error| Refused::new(IssueCode::ActFailed, error).about(&*shown.name))
}
