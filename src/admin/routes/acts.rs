//! `POST /v1/acts`: the acts of operators.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};

use crate::admin::acts::{self, note, note_unpermitted, reload, replay};
use crate::admin::answer::{Answer, Refused};
use crate::admin::door::{Door, Operator};
use crate::admin::routes::letters::is_asked;
use crate::admin::routes::reading::order;
use crate::admin::routes::service::unknown;
use crate::admin::shown::Shown;
use crate::admin::wire::act::{ActKind as Asked, ActRequest, Acted};
use crate::admin::wire::envelope::{Envelope, IssueCode};
use crate::admin::wire::greeting::Capability;
use crate::event::act::ActKind;
use crate::supervisor::acts::Deed;

/// Largest request.
const BYTES_MAX: usize = 64 << 10;
/// Longest reason, in bytes.
const REASON_MAX: usize = 1024;
/// Time for which the end of an act is waited for. The act goes on after that.
const ACT_LIMIT: Duration = Duration::from_secs(60);

pub(super) async fn act(State(door): State<Arc<Door>>, by: Operator, request: Request) -> Answer<Acted> {
    let mut asked: ActRequest = order(request, BYTES_MAX).await?;
    let reason: Arc<str> = reasoned(&asked.reason)?.into();
    let kind = kind_of(asked.act)?;
    asked.path = asked.path.trim_start_matches('/').into();
    let shown = door.source.tree_of(&asked.path)?;
    if shown.shared.directory.get(&asked.path).is_none() {
        // There is no child that an entry could be about.
        shown.shared.counts.note_act(kind, false);
        return Err(unknown(&shown, &asked.path));
    }
    if let Err(refused) = door.need(Capability::Control) {
        note_unpermitted(&door.source, &shown, &asked.path, kind, &by, &reason, &refused);
        return Err(refused);
    }
    let outcome = in_a_task(&door, &shown, &asked, kind, &by, &reason).await?;
    let ActRequest { act, path, generation, .. } = asked;
    let (by, reason) = (by.name().to_string(), reason.to_string());
    Ok(Envelope::ok(Acted { act, path, by, reason, generation, outcome, is_done: true }))
}

/// Checks a reason: it is there, and not too long for a log line.
pub(super) fn reasoned(reason: &str) -> Result<&str, Refused> {
    match reason.trim() {
        "" => Err(Refused::bad("an act needs a reason, for the log and the record").about("reason")),
        reason if reason.len() > REASON_MAX => {
            Err(Refused::bad(format!("the reason is longer than {REASON_MAX} bytes")).about("reason"))
        }
        reason => Ok(reason),
    }
}

/// Carries an act out, and notes it. Both go on if the client goes away in the middle: no act is without a note.
async fn in_a_task(
    door: &Arc<Door>,
    shown: &Arc<Shown>,
    asked: &ActRequest,
    kind: ActKind,
    by: &Operator,
    reason: &Arc<str>,
) -> Result<String, Refused> {
    let (door, shown, asked, by, reason) = (door.clone(), shown.clone(), asked.clone(), by.clone(), reason.clone());
    let task = tokio::spawn(async move {
        let done = perform(&door, &shown, &asked, &reason).await;
        let outcome = done.as_ref().map(|_| ()).map_err(Refused::text);
        note(&shown, &asked.path, kind, &by, &reason, asked.generation, outcome);
        done
    });
    match tokio::time::timeout(ACT_LIMIT, task).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(Refused::new(IssueCode::Internal, "the task that acted has ended before its time")),
        Err(_) => Ok(format!("under way after {ACT_LIMIT:?}: its end follows as an event")),
    }
}

async fn perform(door: &Door, shown: &Arc<Shown>, asked: &ActRequest, reason: &Arc<str>) -> Result<String, Refused> {
    if let Some(end) = shown.end() {
        return Err(Refused::new(IssueCode::TreeOver, format!("the tree is over: {}", end.reason)).about(&*shown.name));
    }
    let child = |deed| acts::perform(shown, deed, &asked.path, reason.clone(), asked.generation);
    match asked.act {
        Asked::Kill => child(Deed::Kill).await,
        Asked::Restart => child(Deed::Restart).await,
        Asked::Terminate => child(Deed::Terminate).await,
        Asked::Start => child(Deed::Start).await,
        Asked::Park => child(Deed::Park).await,
        Asked::Revive => child(Deed::Revive).await,
        Asked::Replay => replay(shown, |letter| {
            let is_to_meant = is_asked(letter, asked.receiver.as_deref(), None);
            if asked.letters.is_empty() { is_to_meant } else { asked.letters.contains(&letter.number()) && is_to_meant }
        }),
        Asked::ReloadPolicy => reload(shown, &door.source.reloads).await,
        Asked::RunExperiment | Asked::StopExperiment => Err(elsewhere()),
    }
}

fn kind_of(asked: Asked) -> Result<ActKind, Refused> {
    Ok(match asked {
        Asked::Kill => ActKind::Kill,
        Asked::Restart => ActKind::Restart,
        Asked::Terminate => ActKind::Terminate,
        Asked::Start => ActKind::Start,
        Asked::Park => ActKind::Park,
        Asked::Revive => ActKind::Revive,
        Asked::Replay => ActKind::Replay,
        Asked::ReloadPolicy => ActKind::ReloadPolicy,
        Asked::RunExperiment | Asked::StopExperiment => return Err(elsewhere()),
    })
}

fn elsewhere() -> Refused {
    Refused::bad("experiments are run and stopped at `/v1/experiments`").about("act")
}
