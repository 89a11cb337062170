//! Tables by name or path, with a hasher that is fast for short texts.
//!
//! Names may come from outside: a session is often named by its client. So each table has a random key of its own.
//! Names that collide cannot be chosen without that key. The hasher is no cryptographic one: it is made for tables
//! whose order and hashes no outsider sees.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Table by name or path.
pub type ByName<T> = HashMap<Arc<str>, T, NameHashing>;

/// Key of one table, and the source of its hashers.
#[derive(Debug, Clone, Copy)]
pub struct NameHashing {
    start: u64,
    factor: u64,
}

/// Hasher for short texts. It multiplies sixteen bytes at a time, and folds the product.
#[derive(Debug, Clone, Copy)]
pub struct NameHasher {
    state: u64,
    factor: u64,
}

impl Default for NameHashing {
    fn default() -> Self {
        let random = RandomState::new();
        Self { start: random.hash_one(0_u8), factor: random.hash_one(1_u8) }
    }
}

impl BuildHasher for NameHashing {
    type Hasher = NameHasher;

    #[inline]
    fn build_hasher(&self) -> NameHasher {
        NameHasher { state: self.start, factor: self.factor }
    }
}

/// Returns the product, with its upper half folded into the lower one.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    (product >> 64) as u64 ^ product as u64
}

/// Returns at most sixteen bytes as two numbers. They overlap if there are fewer.
#[inline]
fn halves(bytes: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
    } else if let (Some(first), Some(last)) = (bytes.first(), bytes.last()) {
        // At most three bytes: the first, the middle and the last one.
        (u64::from(*first) << 8 | u64::from(bytes[bytes.len() / 2]), u64::from(*last))
    } else {
        (0, 0)
    }
}

impl NameHasher {
    #[inline]
    fn mix(&mut self, bytes: &[u8]) {
        let (first, last) = halves(bytes);
        self.state = fold(self.state ^ first, self.factor ^ last);
    }
}

impl Hasher for NameHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        // Texts of different lengths may have the same halves. The factor keeps the difference secret.
        self.state = self.state.wrapping_add(self.factor.wrapping_mul(bytes.len() as u64));
        let mut rest = bytes;
        while let Some((sixteen, behind)) = rest.split_first_chunk::<16>()
            && !behind.is_empty()
        {
            self.mix(sixteen);
            rest = behind;
        }
        self.mix(rest);
    }

    /// The end of a text. Its length is a part of the hash already.
    #[inline]
    fn write_u8(&mut self, end: u8) {
        self.state = self.state.rotate_left(u32::from(end) & 63);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hashes(texts: impl Iterator<Item = String>) -> Vec<u64> {
        let hashing = NameHashing::default();
        texts.map(|text| hashing.hash_one(&*text)).collect()
    }

    /// Largest number of hashes with the same value of these bits, of 65,536 hashes or fewer.
    fn crowd(hashes: &[u64], bits: impl Fn(u64) -> u64) -> usize {
        let mut crowds = HashMap::<u64, usize>::new();
        hashes.iter().for_each(|hash| *crowds.entry(bits(*hash)).or_default() += 1);
        crowds.into_values().max().unwrap_or_default()
    }

    // A table uses the lower bits for the place, and the upper seven to tell neighbours apart.
    #[test]
    fn names_that_are_alike_are_spread() {
        let numbers = |form: fn(u32) -> String| hashes((0..65_536).map(form));
        for all in [
            numbers(|number| number.to_string()),
            numbers(|number| format!("app/{number}")),
            numbers(|number| format!("app/pool/{number:08}")),
            numbers(|number| format!("a-rather-long-name-of-an-application/sessions/{number}/connection")),
            numbers(|number| "x".repeat(number as usize % 1024) + &format!("{}", number / 1024)),
            numbers(|number| format!("{number:0>24}{number:0>24}")),
        ] {
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
            assert!(crowd(&all, |hash| hash & 0xFFFF) <= 16, "{}", crowd(&all, |hash| hash & 0xFFFF));
            assert!(crowd(&all, |hash| hash >> 57) <= 1024, "{}", crowd(&all, |hash| hash >> 57));
        }
    }

    #[test]
    fn each_table_has_a_key_of_its_own() {
        let [a, b] = [NameHashing::default(), NameHashing::default()].map(|hashing| hashing.hash_one("app/web"));
        assert_ne!(a, b);
    }

    #[test]
    fn texts_of_each_length_differ_from_those_that_are_one_byte_shorter_and_in_each_byte() {
        let hashing = NameHashing::default();
        for length in 1..100 {
            let text = "\0".repeat(length);
            assert_ne!(hashing.hash_one(&*text), hashing.hash_one(&text[1..]), "{length}");
            for at in 0..length {
                let mut other = text.clone();
                other.replace_range(at..=at, "a");
                assert_ne!(hashing.hash_one(&*text), hashing.hash_one(&*other), "{length} {at}");
            }
        }
    }
}
