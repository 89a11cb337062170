//! A query, read and checked.

use crate::admin::row::root_of;
use crate::admin::services::filter::Filter;
use crate::admin::services::place::Place;
use crate::admin::wire::envelope::Issue;
use crate::admin::wire::query::{ServicesQuery, Sort};

/// Rows of a page, if the query does not say, and at most.
const ROWS: u32 = 100;
const ROWS_MAX: u32 = 1_000;

/// A query that makes sense.
pub(super) struct Asked {
    pub(super) tree: Option<String>,
    /// Path below which all is that may match. It may be none.
    pub(super) top: Option<String>,
    pub(super) filter: Filter,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) limit: usize,
    pub(super) after: Option<Place>,
    pub(super) is_grouped: bool,
    pub(super) is_doubtful: bool,
}

impl Asked {
    pub(super) fn read(query: &ServicesQuery) -> Result<Self, Issue> {
        let filter = Filter::read(query)?;
        let after = query.after.as_deref().map(|after| Place::read(after, query.sort)).transpose()?;
        let below = query.below.as_deref().map(|below| below.trim_end_matches('/'));
        let top = match (below, filter.literal_begin()) {
            (Some(below), Some(begin)) if begin.len() > below.len() => Some(begin),
            (Some(below), _) => Some(below.to_owned()),
            (None, begin) => begin,
        };
        Ok(Self {
            tree: query.tree.clone(),
            top,
            filter,
            sort: query.sort,
            is_reversed: query.reverse,
            limit: query.limit.unwrap_or(ROWS).clamp(1, ROWS_MAX) as usize,
            after,
            is_grouped: query.group,
            is_doubtful: query.doubtful,
        })
    }

    /// Whether a tree may have what is asked for.
    pub(super) fn may_be_in(&self, root: &str) -> bool {
        self.tree.as_deref().is_none_or(|tree| tree == root)
            && self.top.as_deref().is_none_or(|top| root_of(top) == root)
    }

    /// Whether a page needs no other rows than its own.
    pub(super) fn is_plain(&self) -> bool {
        self.filter.lets_all_through()
            && self.top.is_none()
            && self.sort == Sort::Path
            && !self.is_reversed
            && !self.is_grouped
    }
}
