//! The paths one level below a path, in order.
//!
//! Each entry has the begin of its name beside it, as a number. Most comparisons look at that number only, and read no
//! path, which would lie elsewhere in memory.

use std::cmp::Ordering;
use std::collections::{BTreeSet, btree_set};
use std::ops::Bound;
use std::sync::Arc;

use crate::tree::paths::name_of;

/// Paths with the same path above them, in the order of their names.
#[derive(Default)]
pub(super) struct Siblings(BTreeSet<Sibling>);

struct Sibling {
    /// The first eight bytes of the name.
    begin: u64,
    path: Arc<str>,
}

impl Sibling {
    fn new(path: Arc<str>) -> Self {
        Self { begin: begin_of(name_of(&path)), path }
    }
}

/// Returns the first eight bytes of a name as a number with the same order. Missing bytes count as zero, which no byte
/// is less than.
fn begin_of(name: &str) -> u64 {
    let mut begin = [0; 8];
    let name = name.as_bytes();
    let len = name.len().min(begin.len());
    begin[..len].copy_from_slice(&name[..len]);
    u64::from_be_bytes(begin)
}

impl Ord for Sibling {
    fn cmp(&self, other: &Self) -> Ordering {
        // Up to their names the paths are the same.
        self.begin.cmp(&other.begin).then_with(|| self.path.cmp(&other.path))
    }
}

impl PartialOrd for Sibling {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sibling {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sibling {}

impl Siblings {
    pub(super) fn insert(&mut self, path: Arc<str>) {
        self.0.insert(Sibling::new(path));
    }

    pub(super) fn remove(&mut self, path: &Arc<str>) {
        self.0.remove(&Sibling::new(path.clone()));
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter(self.0.range(..))
    }

    /// The paths behind this one, which need not be there.
    pub(super) fn after(&self, path: &str) -> Iter<'_> {
        Iter(self.0.range((Bound::Excluded(Sibling::new(path.into())), Bound::Unbounded)))
    }
}

/// Siblings in order.
pub(super) struct Iter<'a>(btree_set::Range<'a, Sibling>);

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Arc<str>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|sibling| &sibling.path)
    }
}
