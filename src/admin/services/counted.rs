//! Totals and groups.

use std::collections::HashMap;
use std::sync::Arc;

use crate::admin::row::messages;
use crate::admin::services::filter::Filter;
use crate::admin::services::listing::Listing;
use crate::admin::services::scan::Look;
use crate::admin::services::survey::{Latest, Sums};
use crate::admin::template::gives_names;
use crate::admin::wire::services::{Group, Messages, State, Totals};
use crate::slot::accounting::Accounting;
use crate::tree::directory::ChildKind;
use crate::tree::totals::Total;

/// Totals and groups of a page.
pub(super) struct Counted {
    totals: Totals,
    groups: Option<Groups>,
}

/// The groups, in the order in which they were met, and their places.
#[derive(Default)]
struct Groups {
    places: HashMap<(Arc<str>, Arc<str>, ChildKind), usize>,
    groups: Vec<Group>,
    /// The group of the last child. The next one is often of the same.
    last: Option<(Arc<str>, ChildKind, usize)>,
}

impl Counted {
    pub(super) fn new(is_grouped: bool) -> Self {
        Self { totals: Totals::default(), groups: is_grouped.then(Groups::default) }
    }

    /// Counts a child. Children come in the order of their tree.
    pub(super) fn add(&mut self, look: &Look<'_>, templates: &mut Templates, kind: ChildKind) {
        count(&mut self.totals, look);
        match &mut self.groups {
            Some(groups) => groups.add(look, templates.of(&look.path, kind), kind),
            None => templates.note(&look.path, kind),
        }
    }

    /// Counts the children of a tree of which only those in `found` are not up.
    pub(super) fn add_unwalked(&mut self, tree: &Listing, found: &[Look<'_>], is_partial: bool) {
        let children = tree.shared.directory.len() as u64;
        self.totals.children += children;
        for look in found {
            *self.totals.by_state.entry(look.state).or_default() += 1;
        }
        *self.totals.by_state.entry(State::Up).or_default() += children.saturating_sub(found.len() as u64);
        self.totals.is_partial |= is_partial;
    }

    /// Adds sums of an earlier walk.
    pub(super) fn add_sums(&mut self, latest: Option<&Latest>) {
        let Some(&Latest { sums, age_ms }) = latest else {
            self.totals.are_sums_missing = true;
            return;
        };
        sums.add_to(&mut self.totals);
        self.totals.sums_age_ms = Some(self.totals.sums_age_ms.unwrap_or_default().max(age_ms));
    }

    /// Counts what services of a tree counted that are not listed any more.
    pub(super) fn add_ended(&mut self, tree: &Listing, filter: &Filter) {
        let ended = tree.shared.directory.ended();
        for ended in ended.iter().filter(|ended| filter.lets_ended_through(&ended.template, ended.kind)) {
            self.totals.dead_letters += ended.tally.accounting.dead_lettered;
            if let Some(groups) = &mut self.groups {
                groups.add_ended(tree, ended);
            }
        }
    }

    pub(super) fn finish(self) -> (Totals, Vec<Group>) {
        (self.totals, self.groups.map(|groups| groups.groups).unwrap_or_default())
    }
}

fn count(totals: &mut Totals, look: &Look<'_>) {
    totals.children += 1;
    *totals.by_state.entry(look.state).or_default() += 1;
    Sums::of(look).add_to(totals);
}

impl Groups {
    fn add(&mut self, look: &Look<'_>, template: Arc<str>, kind: ChildKind) {
        let known = self.last.as_ref().filter(|(last, of, _)| Arc::ptr_eq(last, &template) && *of == kind);
        let place = match known {
            Some((.., place)) => *place,
            None => {
                let place = self.place(look.tree, &template, kind);
                self.last = Some((template, kind, place));
                place
            }
        };
        let Some(group) = self.groups.get_mut(place) else { return };
        count(&mut group.totals, look);
        group.restarts += look.restarts.total;
        add_messages(&mut group.messages, look.accounting);
    }

    fn add_ended(&mut self, tree: &Listing, ended: &Total) {
        let place = self.place(tree, &ended.template, ended.kind);
        let Some(group) = self.groups.get_mut(place) else { return };
        group.totals.dead_letters += ended.tally.accounting.dead_lettered;
        group.restarts += ended.restarts();
        add_messages(&mut group.messages, ended.tally.accounting);
    }

    /// Returns the place of a group, which is made if it is new.
    fn place(&mut self, tree: &Listing, template: &Arc<str>, kind: ChildKind) -> usize {
        let new = self.groups.len();
        let place = *self.places.entry((tree.root.clone(), template.clone(), kind)).or_insert(new);
        if place == new {
            self.groups.push(Group {
                tree: tree.root.to_string(),
                template: template.to_string(),
                kind: kind.to_string(),
                totals: Totals::default(),
                messages: Messages::default(),
                restarts: 0,
            });
        }
        place
    }
}

fn add_messages(sum: &mut Messages, accounting: Accounting) {
    let more = messages(accounting);
    sum.accepted += more.accepted;
    sum.handled += more.handled;
    sum.crashed += more.crashed;
    sum.returned += more.returned;
    sum.dead_lettered += more.dead_lettered;
    sum.in_hand += more.in_hand;
}

/// Templates of the children of a tree, which come in its order: the supervisors above a child came before it.
#[derive(Default)]
pub(super) struct Templates {
    /// The supervisors from the top to that of the last child.
    above: Vec<Above>,
}

struct Above {
    path: Arc<str>,
    template: Arc<str>,
    /// The template of its children, if it gives them their names.
    of_children: Option<Arc<str>>,
}

impl Templates {
    /// Notes a child.
    pub(super) fn note(&mut self, path: &Arc<str>, kind: ChildKind) {
        if kind.is_supervisor() {
            self.of(path, kind);
        }
    }

    /// Returns the template of the next child, and notes it.
    pub(super) fn of(&mut self, path: &Arc<str>, kind: ChildKind) -> Arc<str> {
        let (up, name) = path.rsplit_once('/').unwrap_or(("", path));
        while self.above.last().is_some_and(|above| *above.path != *up) {
            self.above.pop();
        }
        let template = match self.above.last() {
            Some(Above { of_children: Some(template), .. }) => template.clone(),
            Some(Above { template, .. }) => format!("{template}/{name}").into(),
            // The top of a walk, or a child that came after its supervisor had gone.
            None => path.clone(),
        };
        if kind.is_supervisor() {
            let of_children = gives_names(kind).then(|| format!("{template}/*").into());
            self.above.push(Above { path: path.clone(), template: template.clone(), of_children });
        }
        template
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_knows_the_templates_of_all() {
        let mut templates = Templates::default();
        let service = ChildKind::Service;
        for (path, kind, template) in [
            ("shop", ChildKind::Supervisor, "shop"),
            ("shop/a", service, "shop/a"),
            ("shop/s", ChildKind::Dynamic, "shop/s"),
            ("shop/s/1", ChildKind::Supervisor, "shop/s/*"),
            ("shop/s/1/db", service, "shop/s/*/db"),
            ("shop/s/1/p", ChildKind::Partitioned, "shop/s/*/p"),
            ("shop/s/1/p/0", service, "shop/s/*/p/*"),
            ("shop/s/2", service, "shop/s/*"),
            ("shop/z", service, "shop/z"),
        ] {
            assert_eq!(&*templates.of(&path.into(), kind), template);
        }
    }
}
