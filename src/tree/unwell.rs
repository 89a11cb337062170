//! The children that are not up, as their supervisors last said: an operator sees them first, and finding them among a
//! million others takes no look at those.
//!
//! A supervisor enters a child when it begins to start it, learns that it ended, or lets it wait or rest. It takes it out
//! when it is up or gone. So what is entered may be up by now: a reader looks at the slot. Children of a supervisor that
//! is not up need not be entered: a reader finds them below it.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use crate::base::sync::lock;

/// The paths of children that are not up.
#[derive(Default)]
pub(crate) struct Unwell(Mutex<Table>);

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    /// The first free row.
    free: Option<NonZeroU32>,
    len: usize,
}

enum Row {
    Taken(Arc<str>),
    /// The next free row.
    Free(Option<NonZeroU32>),
}

/// Place of an entered child: the number of its row, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU32);

impl Unwell {
    /// Enters a child. `None` if there is no room for more: then it is not found here.
    pub(crate) fn enter(&self, path: &Arc<str>) -> Option<Place> {
        let mut table = lock(&self.0);
        let table = &mut *table;
        let place = match table.free {
            Some(place) => {
                let row = table.rows.get_mut(place.get() as usize - 1)?;
                if let Row::Free(next) = std::mem::replace(row, Row::Taken(path.clone())) {
                    table.free = next;
                }
                place
            }
            None => {
                table.rows.push(Row::Taken(path.clone()));
                NonZeroU32::new(u32::try_from(table.rows.len()).ok()?)?
            }
        };
        table.len += 1;
        Some(Place(place))
    }

    /// Takes a child out.
    pub(crate) fn leave(&self, Place(place): Place) {
        let mut table = lock(&self.0);
        let table = &mut *table;
        let Some(row) = table.rows.get_mut(place.get() as usize - 1) else { return };
        *row = Row::Free(table.free);
        table.free = Some(place);
        table.len -= 1;
        if table.len == 0 {
            // Few tables are longer than this but for a moment.
            if table.rows.capacity() > 64 {
                table.rows = Vec::new();
            }
            table.rows.clear();
            table.free = None;
        }
    }

    /// Returns the entered paths of some rows, in no order, and the row to go on with.
    #[allow(dead_code, reason = "only the admin source reads them, and it is a feature")]
    pub(crate) fn slice(&self, first: usize, rows: usize) -> (Vec<Arc<str>>, Option<usize>) {
        let table = lock(&self.0);
        let paths = table.rows.iter().skip(first).take(rows).filter_map(|row| match row {
            Row::Taken(path) => Some(path.clone()),
            Row::Free(_) => None,
        });
        let next = first.saturating_add(rows);
        (paths.collect(), (next < table.rows.len()).then_some(next))
    }

    /// Number of entered children.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(unwell: &Unwell) -> Vec<String> {
        let (mut all, mut at) = (Vec::new(), Some(0));
        while let Some(first) = at {
            let (some, next) = unwell.slice(first, 2);
            all.extend(some.iter().map(|path| path.to_string()));
            at = next;
        }
        all.sort();
        all
    }

    #[test]
    fn what_entered_and_has_not_left_is_there() {
        let unwell = Unwell::default();
        let places: Vec<_> = (0..9).map(|number| unwell.enter(&number.to_string().into()).unwrap()).collect();
        [1, 4, 8].iter().for_each(|number| unwell.leave(places[*number]));
        assert_eq!(paths(&unwell), ["0", "2", "3", "5", "6", "7"]);
        unwell.enter(&"again".into()).unwrap();
        assert_eq!((paths(&unwell).len(), unwell.len(), lock(&unwell.0).rows.len()), (7, 7, 9));
    }

    #[test]
    fn nothing_is_left_of_very_many() {
        let unwell = Unwell::default();
        let places: Vec<_> = (0..10_000).map(|number| unwell.enter(&number.to_string().into()).unwrap()).collect();
        places.into_iter().for_each(|place| unwell.leave(place));
        assert_eq!((unwell.len(), lock(&unwell.0).rows.capacity()), (0, 0));
        assert_eq!(paths(&unwell), [""; 0]);
    }
}
