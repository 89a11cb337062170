//! Shrinks tables and queues that were full once. Their size follows their present content, and not the content at
//! their fullest.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};
use std::sync::Weak;

/// Capacity up to which a queue stays as it is.
const ROOMY: usize = 64;

/// Shrinks a table that is less than an eighth full. Called after entries were removed. The work is spread over the
/// removals that came before.
pub(crate) fn give_back<K: Eq + Hash, V, S: BuildHasher>(table: &mut HashMap<K, V, S>) {
    if table.len() < table.capacity() / 8 {
        table.shrink_to(table.len().saturating_mul(2));
    }
}

/// Shrinks an empty queue that has just held `held` entries, in the same way.
pub(crate) fn give_back_queue<T>(queue: &mut VecDeque<T>, held: usize) {
    if queue.capacity() > ROOMY && held < queue.capacity() / 8 {
        queue.shrink_to(held.saturating_mul(2));
    }
}

/// Adds to a list of things that others own. When the list is full, entries that are gone are removed. So the list is
/// at most twice as long as the number of things that existed at that time.
pub(crate) fn remember<T: ?Sized>(list: &mut Vec<Weak<T>>, new: Weak<T>) {
    if list.len() == list.capacity() {
        list.retain(|one| one.strong_count() > 0);
        list.shrink_to(list.len().saturating_mul(2));
    }
    list.push(new);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_table_that_was_full_once_is_small_again() {
        let mut table: HashMap<_, _> = (0..100_000).map(|number| (number, ())).collect();
        for number in 10..100_000 {
            table.remove(&number);
            give_back(&mut table);
        }
        assert!(table.len() == 10 && table.capacity() < 200, "{}", table.capacity());
    }

    #[test]
    fn a_queue_that_was_full_once_is_small_again_and_one_in_use_stays() {
        let mut queue: VecDeque<_> = (0..10_000).collect();
        queue.clear();
        give_back_queue(&mut queue, 10_000);
        assert!(queue.capacity() >= 10_000);
        give_back_queue(&mut queue, 3);
        assert!(queue.capacity() < 100, "{}", queue.capacity());
    }

    // Found by reading: the list kept its capacity, and was cleared only when it was full again.
    #[test]
    fn a_list_is_as_long_as_what_is_there() {
        let mut list = Vec::new();
        let crowd: Vec<_> = (0..10_000).map(Arc::new).collect();
        crowd.iter().for_each(|one| remember(&mut list, Arc::downgrade(one)));
        drop(crowd);
        let few: Vec<_> = (0..10).map(Arc::new).collect();
        for number in 0..20_000 {
            remember(&mut list, Arc::downgrade(&few[number % 10]));
            if number % 10 == 9 {
                list.truncate(list.len() - 10);
            }
        }
        (0..20_000).for_each(|number| remember(&mut list, Arc::downgrade(&Arc::new(number))));
        assert!(list.len() < 100 && list.capacity() < 100, "{}", list.len());
    }
}
