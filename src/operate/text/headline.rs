//! The headline: how many children, in which states, how often they were restarted.

use crate::admin::wire::greeting::{Capability, Greeting, Tree, TreeState};
use crate::admin::wire::services::{State, Totals};
use crate::operate::text::screen::{Colour, Screen, colour, word, wrap};
use crate::operate::text::{ago, safe};

/// Order of states in a headline: what an operator should look at first.
const ORDER: [State; 7] =
    [State::Parked, State::Restarting, State::Starting, State::Waiting, State::Down, State::Gone, State::Up];

/// Writes the program, trees that are over or not ready, and the totals.
pub(crate) fn headline(totals: &Totals, greeting: Option<&Greeting>, screen: &Screen, out: &mut String) {
    let mut text = String::new();
    if let Some(greeting) = greeting {
        let trees: Vec<String> = greeting.trees.iter().map(|tree| safe(&tree.name).into_owned()).collect();
        text = format!("{} (pid {}), tree {}: ", safe(&greeting.program), greeting.pid, trees.join(", "));
    }
    text.push_str(&counts(totals));
    text.push_str(&format!(
        "; restarts: {} in the last minute, {} in the last hour; {}",
        totals.restarts_minute,
        totals.restarts_hour,
        many(totals.dead_letters, "dead letter", "dead letters"),
    ));
    for line in wrap(&text, screen.width()) {
        out.push_str(&screen.paint(Colour::Bold, &line));
        out.push('\n');
    }
    let is_unwell = totals.by_state.iter().any(|(state, count)| state.is_unwell() && *count > 0);
    if is_unwell && greeting.is_some_and(|greeting| !greeting.capabilities.contains(&Capability::Control)) {
        for line in wrap("The program does not grant `control`: acts are refused", screen.width()) {
            out.push_str(&format!("{}\n", screen.paint(Colour::Dim, &line)));
        }
    }
    for tree in greeting.into_iter().flat_map(|greeting| &greeting.trees) {
        if let Some((text, colour)) = trouble_of(tree, greeting.map_or(0, |greeting| greeting.now_ms)) {
            for line in wrap(&text, screen.width()) {
                out.push_str(&screen.paint(colour, &line));
                out.push('\n');
            }
        }
    }
}

/// Returns `14 children: 1 parked, 13 up`.
pub(crate) fn counts(totals: &Totals) -> String {
    let states: Vec<String> = ORDER
        .iter()
        .filter_map(|state| Some((state, *totals.by_state.get(state)?)))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", word(*state)))
        .collect();
    let children = many(totals.children, "child", "children");
    if states.is_empty() { children } else { format!("{children}: {}", states.join(", ")) }
}

/// Returns the number and its noun.
pub(crate) fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Returns the line about a tree that is over, is ending or is not ready.
fn trouble_of(tree: &Tree, now_ms: u64) -> Option<(String, Colour)> {
    let name = safe(&tree.name);
    let ended = tree.ended_at_ms.map_or_else(String::new, |at| format!(", {}", ago(at, now_ms)));
    let reason = tree.ended.as_ref().map_or_else(String::new, |reason| format!(": {}", safe(reason)));
    match tree.state {
        TreeState::Failed => Some((format!("The tree {name} is over, failed{ended}{reason}"), Colour::Red)),
        TreeState::Ended => Some((format!("The tree {name} is over, as asked{ended}{reason}"), Colour::Dim)),
        TreeState::Draining => Some((format!("The tree {name} is ending"), Colour::Yellow)),
        TreeState::Starting => Some((format!("The tree {name} is starting its children"), Colour::Yellow)),
        TreeState::Up if !tree.ready => {
            let waits: Vec<_> = tree.not_ready.iter().map(|path| safe(path).into_owned()).collect();
            let waits = if waits.is_empty() { String::new() } else { format!(": it waits for {}", waits.join(", ")) };
            Some((format!("The tree {name} is not ready{waits}"), colour(State::Waiting)))
        }
        TreeState::Up => None,
    }
}
