//! `GET /v1/dead-letters` and `GET /v1/dead-letters/NUMBER`: letters without their contents.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;

use crate::admin::answer::{Answer, Refused};
use crate::admin::door::Door;
use crate::admin::routes::reading::{Asked, Numbered};
use crate::admin::row;
use crate::admin::wire::envelope::{Envelope, IssueCode};
use crate::admin::wire::letter::{Letter, Letters};
use crate::admin::wire::query::{LetterQuery, LettersQuery};
use crate::tree::dead_letters::{DeadLetter, DeadLetters};

/// Letters of a page, if the client names no number, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

pub(super) async fn list(State(door): State<Arc<Door>>, Asked(asked): Asked<LettersQuery>) -> Answer<Letters> {
    let shown = match (&asked.tree, &asked.receiver) {
        (None, Some(receiver)) => door.source.tree_of(receiver)?,
        (name, _) => door.source.tree(name.as_deref())?,
    };
    let kept = DeadLetters::new(shown.shared.keep_dead_letters());
    let all = kept.list();
    let mut by_reason: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for letter in &all {
        let receivers = by_reason.entry(letter.reason.kind().into()).or_default();
        let count = receivers.entry(letter.path.to_string()).or_default();
        *count = count.saturating_add(1);
    }
    let limit = asked.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX));
    let mut matching = all.iter().filter(|letter| {
        is_asked(letter, asked.receiver.as_deref(), asked.reason.as_deref())
            && asked.after.is_none_or(|after| letter.number() > after)
    });
    let letters: Vec<_> = matching.by_ref().take(limit).map(|letter| shown_as(letter, None)).collect();
    let next = matching.next().and(letters.last()).map(|letter| letter.number);
    Ok(Envelope::ok(Letters {
        tree: shown.name.to_string(),
        now_ms: row::now_ms(),
        are_kept: true,
        kept: all.len() as u64,
        dropped: kept.shed(),
        by_reason,
        letters,
        next,
    }))
}

pub(super) async fn one(
    State(door): State<Arc<Door>>,
    Numbered(number): Numbered,
    Asked(asked): Asked<LetterQuery>,
) -> Answer<Letter> {
    let shown = door.source.tree(asked.tree.as_deref())?;
    let kept = DeadLetters::new(shown.shared.keep_dead_letters());
    let letter = kept.list().into_iter().find(|letter| letter.number() == number);
    let letter = letter.ok_or_else(|| unknown(number))?;
    let described = letter.describe();
    Ok(Envelope::ok(shown_as(&letter, described)))
}

/// The refusal of a number that no letter has.
pub(super) fn unknown(number: u64) -> Refused {
    let text = format!("no dead letter that is kept has the number {number}: `dead-letters` lists those that are");
    Refused::new(IssueCode::UnknownNumber, text).about(number.to_string())
}

/// Whether a letter is to this receiver and dead for this reason, if they were named.
pub(super) fn is_asked(letter: &DeadLetter, receiver: Option<&str>, reason: Option<&str>) -> bool {
    receiver.is_none_or(|receiver| *letter.path == *receiver)
        && reason.is_none_or(|reason| letter.reason.kind() == reason)
}

fn shown_as(letter: &DeadLetter, described: Option<String>) -> Letter {
    Letter {
        number: letter.number(),
        path: letter.path.to_string(),
        generation: letter.generation,
        message_type: letter.message_type.into(),
        label: letter.label().map(Into::into),
        attempt: letter.attempt,
        reason: letter.reason.kind().into(),
        reason_text: letter.reason.to_string(),
        age_ms: row::millis(letter.age()),
        is_whole: letter.is_whole(),
        described,
    }
}
