//! Turns: work on one key is done by one task after the other, and by any number of tasks on different keys.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use crate::base::sync::lock;

/// Held by the task whose turn it is.
pub(super) type Turn = tokio::sync::Mutex<()>;

/// Turns by key. A key that no task works on takes no room, or little.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    turns: BTreeMap<Arc<str>, Weak<Turn>>,
    /// Number of entries at which those that are gone are removed. It follows the number of those that are not, so that
    /// each removal is paid for by the entries since the one before.
    full: usize,
}

/// Number of entries up to which none is removed.
const FEW: usize = 64;

impl Turns {
    /// Returns the turn for work on a key.
    pub(super) fn of(&self, key: &str) -> Arc<Turn> {
        let mut table = lock(&self.0);
        if let Some(turn) = table.turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        if table.turns.len() >= table.full {
            table.turns.retain(|_, turn| turn.strong_count() > 0);
            table.full = FEW.max(table.turns.len() * 2);
        }
        let turn = Arc::default();
        table.turns.insert(key.into(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found by a measurement: 30,000 starts that claimed at once took eleven times as long as 10,000, because each of them
    // looked at all others.
    #[test]
    fn the_table_is_as_long_as_what_is_under_way_and_is_seldom_searched() {
        let turns = Turns::default();
        let held: Vec<_> = (0..10_000).map(|key| turns.of(&key.to_string())).collect();
        assert!(held.iter().enumerate().all(|(key, turn)| Arc::ptr_eq(turn, &turns.of(&key.to_string()))));
        assert!(lock(&turns.0).full >= 10_000);
        drop(held);
        (0..30_000).for_each(|key| drop(turns.of(&format!("later {key}"))));
        assert!(lock(&turns.0).turns.len() <= FEW);
    }
}
