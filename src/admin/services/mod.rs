//! The list of services: pages of rows, orders, filters, totals, groups, over one tree or several, of up to millions of
//! services.
//!
//! | file | idea |
//! |---|---|
//! | `listing` | a tree that is listed, and what its record adds |
//! | `asked` | a query, read and checked |
//! | `filter` | patterns of paths, and the other filters |
//! | `scan` | a walk through a tree in slices, and what is read of each child |
//! | `place` | the place of a row in an order, as a cursor too |
//! | `order` | the orders of rows, and the best few of many |
//! | `growth` | the growth of mailboxes since the viewer's last list |
//! | `counted` | totals and groups |
//! | `unwell` | the rows that are not well, without a walk |
//! | `doubtful` | the rows that are up and not in order: full mailboxes, restarts again and again, circles of waits |
//! | `survey` | sums of a large tree from its latest walk |
//!
//! A page of an unfiltered list in the order of the paths reads its own rows and those that are not well, and no others. All
//! else walks through the tree, except in small trees, in which everything does.
//!
//! Invariants:
//! 1. No lock of the directory is held for more than a slice of [`SLICE`](crate::tree::directory::SLICE) children, and no row
//!    is made under it.
//! 2. This is blocking work. [`list`] runs it in a thread for that, in the turn of all that reads whole trees.

mod asked;
mod counted;
mod doubtful;
mod filter;
mod growth;
mod listing;
mod order;
mod place;
mod scan;
mod survey;
#[cfg(test)]
mod tests;
mod unwell;

use std::sync::Arc;

use crate::admin::answer::Refused;
use crate::admin::aside::aside;
use crate::admin::row::{now_ms, root_of};
use crate::admin::services::asked::Asked;
use crate::admin::services::counted::Counted;
use crate::admin::services::doubtful::Candidates;
use crate::admin::services::growth::Growth;
pub(crate) use crate::admin::services::listing::{Listing, Record};
use crate::admin::services::order::Best;
use crate::admin::services::place::Place;
use crate::admin::services::scan::{Look, scan};
pub(crate) use crate::admin::services::survey::Surveys;
use crate::admin::services::unwell::Unwell;
use crate::admin::viewer::Viewer;
use crate::admin::wire::envelope::Issue;
use crate::admin::wire::query::ServicesQuery;
use crate::admin::wire::services::{Doubtful, Service, Services};

/// Number of children up to which a tree is walked through for each page.
const SMALL: usize = if cfg!(test) { 50 } else { 20_000 };

/// Returns a page of the trees. It works in a thread for blocking work, and needs a runtime.
///
/// # Errors
///
/// A parameter makes no sense: the issue names it.
pub(crate) async fn list(
    trees: impl FnOnce() -> Vec<Listing> + Send + 'static,
    query: ServicesQuery,
    viewer: Option<Arc<Viewer>>,
    surveys: Arc<Surveys>,
) -> Result<Services, Refused> {
    let work = move || list_here(&trees(), &query, viewer.as_deref(), &surveys);
    let page = aside(work).await?;
    page.map_err(|Issue { code, text, about }| Refused::new(code, text).about(about.unwrap_or_default()))
}

/// Does what [`list`] does, in this thread.
pub(crate) fn list_here(
    trees: &[Listing],
    query: &ServicesQuery,
    viewer: Option<&Viewer>,
    surveys: &Arc<Surveys>,
) -> Result<Services, Issue> {
    let asked = Asked::read(query)?;
    let mut trees = Vec::from_iter(trees.iter().filter(|tree| asked.may_be_in(&tree.root)));
    trees.sort_by(|a, b| a.root.cmp(&b.root));
    let mut page = Page {
        asked: &asked,
        viewer,
        counted: Counted::new(asked.is_grouped),
        unwell: Unwell::default(),
        rows: Best::new(&asked),
        growth: Growth::begin(query, viewer),
        doubtful: asked.is_doubtful.then(Vec::new),
    };
    for tree in &trees {
        let is_large = tree.shared.directory.len() > SMALL;
        if is_large && asked.is_plain() {
            page.read(tree, surveys);
        } else {
            page.walk(tree);
        }
        page.counted.add_ended(tree, &asked.filter);
    }
    Ok(page.finish(&trees))
}

/// A page in the making.
struct Page<'a> {
    asked: &'a Asked,
    viewer: Option<&'a Viewer>,
    counted: Counted,
    unwell: Unwell,
    rows: Best<'a>,
    growth: Option<Growth<'a>>,
    /// Candidates of each tree, if they are asked for.
    doubtful: Option<Vec<Arc<Candidates>>>,
}

impl Page<'_> {
    /// Walks through all that is asked for of a tree.
    fn walk(&mut self, tree: &Listing) {
        let top = self.asked.top.as_deref().unwrap_or(&tree.root);
        let mut templates = counted::Templates::default();
        let mut candidates = self.doubtful.is_some().then(Candidates::default);
        scan(&tree.shared, top, |path, listed| {
            if !self.asked.filter.lets_path_through(path, listed.kind) {
                // A supervisor that is left out still says how the names below it are given.
                templates.note(path, listed.kind);
                return;
            }
            let look = Look::at(path, listed, tree);
            if self.asked.filter.lets_state_through(look.state) {
                self.counted.add(&look, &mut templates, listed.kind);
                self.unwell.add(&look);
                if let Some(candidates) = &mut candidates {
                    candidates.add(&look, listed);
                }
                let key = order::key(self.asked.sort, &look, tree, self.growth.as_mut());
                self.rows.add(Place { key, path: path.clone() });
            } else {
                templates.note(path, listed.kind);
            }
        });
        if let Some(doubtful) = &mut self.doubtful {
            doubtful.extend(candidates.map(Arc::new));
        }
    }

    /// Reads the page of a large tree, in the order of the paths, and what is not well.
    fn read(&mut self, tree: &Listing, surveys: &Arc<Surveys>) {
        let after = self.asked.after.as_ref().map(|place| &*place.path);
        // The page begins in this tree, or in one before it.
        let after = after.filter(|after| root_of(after) == &*tree.root);
        let is_to_come = self.asked.after.as_ref().is_none_or(|place| root_of(&place.path) <= &*tree.root);
        let wanted = if is_to_come { self.rows.wanted() } else { 0 };
        for (path, _) in scan::page(&tree.shared, &tree.root, after, wanted) {
            self.rows.add(Place { key: 0, path });
        }
        let (found, is_partial) = unwell::find(tree);
        self.counted.add_unwalked(tree, &found, is_partial);
        found.iter().for_each(|look| self.unwell.add(look));
        if let Some(doubtful) = &mut self.doubtful {
            doubtful.push(surveys.candidates(tree));
        }
        self.counted.add_sums(surveys.latest(tree).as_ref());
    }

    fn finish(self, trees: &[&Listing]) -> Services {
        if let Some(growth) = self.growth {
            growth.finish();
        }
        let row = |path: &Arc<str>, viewer: Option<&Viewer>| {
            let tree = trees.iter().find(|tree| *tree.root == *root_of(path))?;
            tree.row(path, viewer)
        };
        let (unwell, unwell_left_out) = self.unwell.finish();
        // The viewer notes each path once.
        let shown = Vec::from_iter(unwell.iter().filter_map(|path| row(path, self.viewer)));
        let (places, next) = self.rows.finish();
        let rows = places.iter().filter_map(|place| match shown.iter().find(|row| *row.path == *place.path) {
            Some(row) => Some(row.clone()),
            None => row(&place.path, self.viewer),
        });
        let rows: Vec<Service> = if self.asked.is_grouped { Vec::new() } else { rows.collect() };
        let (mut doubtful, mut doubtful_left_out) = (Vec::new(), 0_u64);
        for candidates in self.doubtful.into_iter().flatten() {
            let (found, left_out) = candidates.look_again(trees);
            doubtful_left_out = doubtful_left_out.saturating_add(left_out);
            doubtful.extend(found.into_iter().filter_map(|found| {
                let known = shown.iter().chain(&rows).find(|row| *row.path == *found.path).cloned();
                let service = known.or_else(|| row(&found.path, self.viewer))?;
                let circle = found.circle.iter().map(|path| path.to_string()).collect();
                Some(Doubtful { service, is_full: found.is_full, is_looping: found.is_looping, circle })
            }));
        }
        let (totals, groups) = self.counted.finish();
        let next = next.filter(|_| !self.asked.is_grouped);
        Services {
            now_ms: now_ms(),
            totals,
            unwell: shown,
            unwell_left_out,
            doubtful,
            doubtful_left_out,
            rows,
            groups,
            next: next.map(|place| place.cursor(self.asked.sort)),
        }
    }
}
