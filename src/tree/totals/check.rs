//! A look at the slots of a tree: whether each is counted in one place.

use super::*;
use crate::tree::directory::Directory;

impl Directory {
    /// Returns what is wrong with the directory, its lists and its totals.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = self.lists_faults();
        let listed = self.picked(|path, listed| Some((path.clone(), listed.clone())));
        let state = lock(&self.templates.0);
        for (path, Listed { slot, .. }) in &listed {
            if slot.standing() != Standing::Listed || slot.path() != *path {
                faults.push(format!("`{path}` is listed, and its slot is {:?} as `{}`", slot.standing(), slot.path()));
            }
        }
        for (place, Leaving { slot, .. }) in state.leaving.iter().enumerate() {
            let is_same = |other: &Arc<dyn AnySlot>| Arc::ptr_eq(other, slot);
            let is_listed = listed.iter().any(|(_, listed)| is_same(&listed.slot));
            let is_twice = state.leaving.iter().skip(place + 1).any(|other| is_same(&other.slot));
            if !matches!(slot.standing(), Standing::Leaving | Standing::Returning) || is_listed || is_twice {
                let (path, standing) = (slot.path(), slot.standing());
                faults.push(format!("`{path}` leaves, and is {standing:?}: listed {is_listed}, twice {is_twice}"));
            }
        }
        if state.readers == 0 && !state.owed.is_empty() {
            faults.push(format!("{} totals are owed, and nothing reads", state.owed.len()));
        }
        faults
    }
}
