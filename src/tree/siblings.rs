//! The paths one level below a path, in order, for little work at each start of a child.
//!
//! They lie in blocks. A block has the paths between its own bound and that of the next block, unordered: a new path is
//! appended to its block, and a reader sorts the few blocks that it comes to. A full block is halved.
//!
//! Each entry has the begin of its name beside it, as a number. Most comparisons look at that number only, and read no
//! path, which would lie elsewhere in memory.
//!
//! Invariants:
//! 1. No path is less than the bound of its block, and each is less than the bound of the next block. The bound of the
//!    first block is ignored: every path that is less than the next bound belongs there.
//! 2. No block is empty, and no path is there twice.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::tree::paths::name_of;

/// Number of paths in a full block. A removal looks through one block.
const BLOCK: usize = 256;
/// Number of paths by which a block grows.
const GROWTH: usize = 32;

/// Paths with the same path above them.
#[derive(Default)]
pub(super) struct Siblings {
    /// The blocks in order. Each split moves all blocks behind it, so their entries here are small.
    blocks: Vec<Bounded>,
    len: usize,
    /// Block of the path that was added last. The next path often belongs to the same one.
    latest: usize,
}

/// A block, and the begin of its bound.
struct Bounded {
    begin: u64,
    block: Box<Block>,
}

struct Block {
    /// The path of its bound.
    bound: Arc<str>,
    paths: Vec<Sibling>,
}

#[derive(Clone)]
struct Sibling {
    /// The first eight bytes of the name.
    begin: u64,
    path: Arc<str>,
}

/// Returns the first eight bytes of a name as a number with the same order. Missing bytes count as zero, which no byte
/// is less than.
fn begin_of(name: &[u8]) -> u64 {
    match name.first_chunk() {
        Some(begin) => u64::from_be_bytes(*begin),
        None => {
            let bytes = name.iter().fold(0, |begin, byte| begin << 8 | u64::from(*byte));
            // Without a byte there is nothing to be shifted.
            bytes.checked_shl(64 - 8 * name.len() as u32).unwrap_or_default()
        }
    }
}

/// Compares paths of one level, by the begins of their names first. Up to their names the paths are the same.
#[inline]
fn order(a: (u64, &str), b: (u64, &str)) -> Ordering {
    match a.0.cmp(&b.0) {
        Ordering::Equal => a.1.cmp(b.1),
        order => order,
    }
}

impl Bounded {
    /// Whether its bound is not greater than a path.
    #[inline]
    fn is_before(&self, key: (u64, &str)) -> bool {
        order((self.begin, &self.block.bound), key) != Ordering::Greater
    }
}

impl Sibling {
    fn key(&self) -> (u64, &str) {
        (self.begin, &self.path)
    }
}

impl Siblings {
    /// Adds a path that is not there. Its name begins at this byte.
    pub(super) fn insert(&mut self, path: Arc<str>, name_at: usize) {
        let new = Sibling { begin: begin_of(&path.as_bytes()[name_at..]), path };
        self.len += 1;
        let at = if self.is_place(self.latest, new.key()) { self.latest } else { self.place(new.key()) };
        self.latest = at;
        let Some(Bounded { block, .. }) = self.blocks.get_mut(at) else {
            let block = Box::new(Block { bound: new.path.clone(), paths: vec![new] });
            return self.blocks.push(Bounded { begin: block.paths[0].begin, block });
        };
        if block.paths.len() >= BLOCK {
            let upper = block.halve(new);
            self.blocks.insert(at + 1, upper);
            return;
        }
        if block.paths.len() == block.paths.capacity() {
            block.paths.reserve_exact(GROWTH);
        }
        block.paths.push(new);
    }

    /// Removes a path, if it is there. Its name begins at this byte.
    pub(super) fn remove(&mut self, path: &str, name_at: usize) {
        let gone = (begin_of(&path.as_bytes()[name_at..]), path);
        let at = self.place(gone);
        let Some(Bounded { block, .. }) = self.blocks.get_mut(at) else { return };
        let paths = &mut block.paths;
        let Some(found) = paths.iter().position(|sibling| sibling.begin == gone.0 && *sibling.path == *path) else {
            return;
        };
        paths.swap_remove(found);
        self.len -= 1;
        if paths.len() < paths.capacity() / 4 {
            paths.shrink_to(2 * paths.len());
        }
        if paths.is_empty() {
            self.blocks.remove(at);
            if self.blocks.len() < self.blocks.capacity() / 8 {
                self.blocks.shrink_to(2 * self.blocks.len());
            }
        }
    }

    /// The block to which a path belongs.
    #[inline]
    fn place(&self, key: (u64, &str)) -> usize {
        // Invariant 1: the bound of the first block is ignored.
        self.blocks.get(1..).map_or(0, |blocks| blocks.partition_point(|block| block.is_before(key)))
    }

    /// Whether a path belongs to this block.
    #[inline]
    fn is_place(&self, at: usize, key: (u64, &str)) -> bool {
        let is_above = at == 0 || self.blocks.get(at).is_some_and(|block| block.is_before(key));
        is_above && !self.blocks.get(at + 1).is_some_and(|next| next.is_before(key))
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The paths, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.blocks.iter().flat_map(|bounded| &bounded.block.paths).map(|sibling| &sibling.path)
    }

    /// The paths, in order.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter { blocks: self.blocks.iter(), block: Vec::new() }
    }

    /// The paths behind this one, which need not be there, in order.
    pub(super) fn after(&self, path: &str) -> Iter<'_> {
        let last = (begin_of(name_of(path).as_bytes()), path);
        let mut blocks = self.blocks.get(self.place(last)..).unwrap_or_default().iter();
        let is_behind = |sibling: &&Sibling| order(sibling.key(), last) == Ordering::Greater;
        let block = blocks.next().map(|it| sorted(it.block.paths.iter().filter(is_behind)));
        Iter { blocks, block: block.unwrap_or_default() }
    }
}

impl Block {
    /// Splits a full block, and adds a path. Returns the upper half.
    fn halve(&mut self, new: Sibling) -> Bounded {
        let middle = self.middle();
        let mut upper = Vec::with_capacity(self.paths.len() / 2 + GROWTH);
        let mut at = 0;
        while let Some(sibling) = self.paths.get(at) {
            match order(sibling.key(), middle.key()) {
                Ordering::Less => at += 1,
                Ordering::Equal | Ordering::Greater => upper.push(self.paths.swap_remove(at)),
            }
        }
        // The lower half may never grow: names are often given in their order.
        self.paths.shrink_to_fit();
        let is_lower = order(new.key(), middle.key()) == Ordering::Less;
        if is_lower {
            self.paths.push(new)
        } else {
            upper.push(new)
        }
        Bounded { begin: middle.begin, block: Box::new(Block { bound: middle.path, paths: upper }) }
    }

    /// A path of about the middle, found among a few. It is not the least one.
    fn middle(&self) -> Sibling {
        let mut some = Vec::from_iter(self.paths.iter().step_by(self.paths.len() / 15 + 1));
        some.sort_unstable_by(|a, b| order(a.key(), b.key()));
        some[some.len() / 2].clone()
    }
}

/// Returns siblings in order, the first one at the end.
fn sorted<'a>(block: impl Iterator<Item = &'a Sibling>) -> Vec<&'a Sibling> {
    let mut block = Vec::from_iter(block);
    block.sort_unstable_by(|a, b| order(b.key(), a.key()));
    block
}

/// Siblings in order.
pub(super) struct Iter<'a> {
    blocks: std::slice::Iter<'a, Bounded>,
    /// Rest of the present block, the next one at the end.
    block: Vec<&'a Sibling>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Arc<str>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(sibling) = self.block.pop() {
                return Some(&sibling.path);
            }
            self.block = sorted(self.blocks.next()?.block.paths.iter());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: impl std::fmt::Display) -> Arc<str> {
        format!("app/{name}").into()
    }

    fn all(siblings: &Siblings) -> Vec<Arc<str>> {
        siblings.iter().cloned().collect()
    }

    #[test]
    fn the_begin_of_a_name_has_the_order_of_the_name() {
        let names = ["", "\0", "a", "a\0", "a b", "aa", "abcdefg", "abcdefgh", "abcdefghi", "abcdefgi", "b", "日本"];
        let begins = names.map(|name| begin_of(name.as_bytes()));
        assert!(begins.is_sorted());
        assert_eq!(begin_of(b"abc"), u64::from_be_bytes(*b"abc\0\0\0\0\0"));
        assert_eq!((begins[0], begins[7]), (0, begins[8]));
    }

    // In the order of the names, against it, and in no order; with names that differ early, and late.
    #[test]
    fn paths_come_in_order_however_they_were_added_and_removed() {
        for order in 0..3 {
            for width in [0, 12] {
                let mut rng = fastrand::Rng::with_seed(order);
                let mut added = Vec::from_iter((0..5_000).map(|number| path(format!("{number:0width$}"))));
                added.sort();
                match order {
                    0 => {}
                    1 => added.reverse(),
                    _ => rng.shuffle(&mut added),
                }
                let mut siblings = Siblings::default();
                added.iter().for_each(|path| siblings.insert(path.clone(), 4));
                let mut left = added.clone();
                left.sort();
                assert_eq!(all(&siblings), left);
                rng.shuffle(&mut added);
                for gone in added.drain(..4_000) {
                    siblings.remove(&gone, 4);
                    siblings.remove(&gone, 4);
                    left.remove(left.binary_search(&gone).unwrap());
                }
                assert_eq!(all(&siblings), left);
                assert_eq!(siblings.len(), left.len());
                assert_eq!(siblings.all().count(), left.len());
                for at in (0..left.len()).step_by(7) {
                    assert_eq!(
                        Vec::from_iter(siblings.after(&left[at]).take(5)),
                        Vec::from_iter(left[at + 1..].iter().take(5))
                    );
                }
                assert_eq!(siblings.after("app/").count(), left.len());
                added.iter().for_each(|path| siblings.remove(path, 4));
                assert!(siblings.is_empty() && siblings.blocks.is_empty());
            }
        }
    }

    // Bytes of a path: 24, and what a block keeps for more.
    #[test]
    fn blocks_have_little_room_that_is_not_used() {
        for is_in_order in [true, false] {
            let mut paths = Vec::from_iter((0..20_000).map(|number| path(format!("{number:08}"))));
            if !is_in_order {
                fastrand::Rng::with_seed(1).shuffle(&mut paths);
            }
            let mut siblings = Siblings::default();
            paths.iter().for_each(|path| siblings.insert(path.clone(), 4));
            let capacity: usize = siblings.blocks.iter().map(|it| it.block.paths.capacity()).sum();
            assert!(capacity < paths.len() * 13 / 10, "{capacity}");
            // What is left of full blocks takes little memory.
            paths.iter().skip(1).filter(|path| !path.ends_with("00")).for_each(|path| siblings.remove(path, 4));
            let capacity: usize = siblings.blocks.iter().map(|it| it.block.paths.capacity()).sum();
            assert!(capacity < 4_000, "{capacity}");
        }
    }
}
