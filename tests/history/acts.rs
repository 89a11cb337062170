//! Acts of operators, in words.

use regrow::{Act, ActKind, ActOutcome};

#[test]
fn an_act_tells_the_operator_the_reason_and_the_outcome() {
    let mut act = Act {
        kind: ActKind::Kill,
        by: "uid 0".into(),
        reason: "it leaks".into(),
        generation: None,
        outcome: ActOutcome::Done,
    };
    assert_eq!(act.to_string(), "kill by uid 0 (it leaks): done");
    act.generation = Some(4);
    act.outcome = ActOutcome::Refused("already replaced".into());
    assert_eq!(act.to_string(), "kill by uid 0, meant for generation 4 (it leaks): refused: already replaced");
}

#[test]
fn each_kind_of_act_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = ActKind::ALL.iter().map(|kind| kind.word()).collect();
    assert_eq!(words.len(), ActKind::ALL.len());
}
