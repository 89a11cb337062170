//! The templates by which the children of a tree are grouped.
//!
//! The template of a path is the path with `*` for each name that a dynamic or partitioned supervisor gave:
//! `shop/sessions/4711` belongs to `shop/sessions/*`. A child that was described is its own template, and has a number only
//! when its counters are part of the totals.
//!
//! There are at most [`TEMPLATES_MAX`] numbers. All further templates share the name [`OTHER`].

use std::collections::HashMap;
use std::sync::Arc;

/// Most templates with totals of their own. The ended services of all further ones share the template `other`.
pub(super) const TEMPLATES_MAX: usize = 1_000;

/// Name of the template that stands for all further ones.
pub(crate) const OTHER: &str = "other";

/// Number of a template that has totals; zero for a child that is its own template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TemplateId(u32);

impl TemplateId {
    pub(crate) const OWN: Self = Self(0);

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The template of which a slot keeps this number.
    pub(super) fn of(kept: u16) -> Self {
        Self(kept.into())
    }

    /// The template at this place.
    pub(super) fn at(place: usize) -> Self {
        Self(u32::try_from(place + 1).unwrap_or(u32::MAX))
    }

    /// Place of the template among all that have a number.
    pub(super) fn place(self) -> usize {
        self.0 as usize - 1
    }

    /// The number as a slot keeps it.
    pub(super) fn kept(self) -> u16 {
        u16::try_from(self.0)
            .unwrap_or_else(|_| unreachable!("there are at most {TEMPLATES_MAX} templates, and one more"))
    }
}

/// Rule by which the children of a supervisor belong to templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Each is its own template.
    Own,
    /// All have this template.
    Shared(TemplateId),
    /// The template of each is this one and the name of the child.
    Below(TemplateId),
}

/// The templates that have a number.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<Arc<str>, TemplateId>,
    /// The template with the number n is at place n - 1.
    all: Vec<Arc<str>>,
}

impl Names {
    /// Returns the number of a template, which is given if it has none.
    pub(super) fn number(&mut self, name: &str) -> TemplateId {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let name: Arc<str> = if self.all.len() < TEMPLATES_MAX { name.into() } else { OTHER.into() };
        if let Some(other) = self.numbers.get(&name) {
            return *other;
        }
        let number = TemplateId::at(self.all.len());
        self.all.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    pub(super) fn get(&self, id: TemplateId) -> &Arc<str> {
        &self.all[id.place()]
    }

    /// All templates, each at its [place](TemplateId::place).
    pub(super) fn all(&self) -> &[Arc<str>] {
        &self.all
    }
}
