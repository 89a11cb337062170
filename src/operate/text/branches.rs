//! Paths as a tree of branches, folded where a supervisor has many children.

use std::collections::BTreeMap;

use crate::admin::wire::services::{State, Totals};
use crate::operate::text::headline::counts;
use crate::operate::text::screen::{Colour, Screen, colour, fit, word};

/// Child at a place of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) path: String,
    pub(crate) state: State,
    /// Text beside its name and state.
    pub(crate) note: String,
}

#[derive(Debug, Default)]
struct Branch {
    leaf: Option<(State, String)>,
    /// Below it, in the order in which they came.
    below: Vec<(String, Branch)>,
    names: BTreeMap<String, usize>,
    /// Whether it, or a child below it, is not well.
    is_unwell: bool,
}

/// Writes the tree. A supervisor with more than `fold` children shows as many, and says how many more there are.
///
/// What is not well is always shown, beyond `fold` if need be, and so are the supervisors above it.
pub(crate) fn branches(leaves: &[Leaf], fold: usize, screen: &Screen, out: &mut String) {
    let mut root = Branch::default();
    for leaf in leaves {
        root.insert(leaf);
    }
    for (name, branch) in &root.below {
        branch.write(name, "", "", fold, screen, out);
    }
}

impl Branch {
    fn insert(&mut self, leaf: &Leaf) {
        let mut at = self;
        for name in leaf.path.split('/') {
            at.is_unwell |= leaf.state.is_unwell();
            let next = *at.names.entry(name.to_owned()).or_insert(at.below.len());
            if next == at.below.len() {
                at.below.push((name.to_owned(), Self::default()));
            }
            at = &mut at.below[next].1;
        }
        at.is_unwell |= leaf.state.is_unwell();
        at.leaf = Some((leaf.state, leaf.note.clone()));
    }

    /// Writes this branch and what is below it. `own` is drawn before its name, `lead` before the lines below.
    fn write(&self, name: &str, own: &str, lead: &str, fold: usize, screen: &Screen, out: &mut String) {
        out.push_str(&self.line(name, own, screen));
        let mut room = fold.saturating_sub(self.below.iter().filter(|(_, below)| below.is_unwell).count());
        let mut shown = Vec::new();
        let mut folded = Totals::default();
        for (name, below) in &self.below {
            if below.is_unwell {
                shown.push((name, below));
            } else if room > 0 {
                room -= 1;
                shown.push((name, below));
            } else {
                below.count(&mut folded);
            }
        }
        let has_folded = folded.children > 0;
        for (nth, (name, below)) in shown.iter().enumerate() {
            let is_last = nth + 1 == shown.len() && !has_folded;
            let (own, further) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
            below.write(name, &format!("{lead}{own}"), &format!("{lead}{further}"), fold, screen, out);
        }
        if has_folded {
            let more = fit(&format!("and {} more: {}", folded.children, states(&folded)), screen.width());
            out.push_str(&format!("{lead}└── {}\n", screen.paint(Colour::Dim, &more)));
        }
    }

    fn line(&self, name: &str, own: &str, screen: &Screen) -> String {
        let room = screen.width().saturating_sub(own.chars().count());
        let Some((state, note)) = &self.leaf else {
            return format!("{own}{}\n", fit(name, room));
        };
        let state_word = word(*state);
        let name = fit(name, room.saturating_sub(state_word.len() + 2).max(8));
        let used = unicode_width::UnicodeWidthStr::width(name.as_str()) + state_word.len() + 4;
        let note =
            if note.is_empty() || room < used + 4 { String::new() } else { format!("  {}", fit(note, room - used)) };
        format!("{own}{name}  {}{note}\n", screen.paint(colour(*state), state_word))
    }

    fn count(&self, totals: &mut Totals) {
        if let Some((state, _)) = &self.leaf {
            totals.children += 1;
            *totals.by_state.entry(*state).or_default() += 1;
        }
        self.below.iter().for_each(|(_, below)| below.count(totals));
    }
}

/// Returns the counts by state without the number of children.
fn states(totals: &Totals) -> String {
    let counts = counts(totals);
    counts.split_once(": ").map_or_else(String::new, |(_, states)| states.to_owned())
}
