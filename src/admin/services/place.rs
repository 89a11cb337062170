//! The place of a row in an order, as a cursor too.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::admin::services::filter::bad;
use crate::admin::wire::envelope::Issue;
use crate::admin::wire::query::Sort;

/// Place of a row: the value that decides, the greatest first, then the order of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: i64,
    pub(super) path: Arc<str>,
}

impl Place {
    /// Reads a cursor, as [`cursor`](Self::cursor) wrote it.
    pub(super) fn read(text: &str, sort: Sort) -> Result<Self, Issue> {
        if sort == Sort::Path {
            return Ok(Self { key: 0, path: text.into() });
        }
        let read =
            text.split_once(' ').and_then(|(key, path)| Some(Self { key: key.parse().ok()?, path: path.into() }));
        let why = "give the value of `next` of the page before, with the same order";
        read.ok_or_else(|| bad("after", format!("`{text}` is no position in this order: {why}")))
    }

    /// The value for `after` of the next page.
    pub(super) fn cursor(&self, sort: Sort) -> String {
        if sort == Sort::Path { self.path.to_string() } else { format!("{} {}", self.key, self.path) }
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key).then_with(|| in_tree(&self.path, &other.path))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares paths in the order of a tree: name by name, a supervisor before its children.
pub(super) fn in_tree(a: &str, b: &str) -> Ordering {
    // The slash comes before every byte of a name.
    let rank = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_and_not_texts() {
        let mut paths = ["a", "a/b", "a/b/c", "a/b\0", "a/b-", "a/b c", "b"];
        paths.sort_by(|a, b| a.split('/').cmp(b.split('/')));
        assert!(paths.is_sorted_by(|a, b| in_tree(a, b) == Ordering::Less));
    }

    #[test]
    fn a_position_of_another_order_is_refused() {
        let error = Place::read("app/x", Sort::Mailbox).unwrap_err();
        assert_eq!(error.about.as_deref(), Some("after"));
        assert!(error.text.contains("`app/x` is no position in this order"));
    }
}
