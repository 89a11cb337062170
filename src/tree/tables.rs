//! The sizes of all tables that live as long as a tree or the process, for tests that look for leaks.
//!
//! Each table is bounded by what there is now, and not by what there ever was:
//!
//! | table | bounded by |
//! |---|---|
//! | directory | the children that have a spec |
//! | children that are not up | the children that have a spec |
//! | directory: awaited paths | the names that specs give, and what waits for readiness |
//! | directory: completed jobs | the awaited paths, and the jobs that static supervisors describe |
//! | dependencies in force, stop order | the children that have a spec |
//! | watchdog: watched | the incarnations that are watched |
//! | watchdog: waiters, open calls | twice the incarnations that wait, or calls that are open |
//! | log | the children that have written a line in the last second, twice |
//! | dead letters | the capacity that the user sets |
//! | recorder (not counted here) | two rings of 4,160 entries, each with at most a few texts of 1 KiB |
//! | chaos: services with faults | the services that have faults, or had some |
//! | places of panics | the code of the program |
//! | driver, dependency_watch, gates, machine | the children of the supervisor, and the orders that wait for an answer |

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::hook;
use crate::tree::dead_letters::DeadLetters;
use crate::tree::shared::Shared;

impl Shared {
    /// The sizes by name. A supervisor that is not running has no tables.
    pub(crate) async fn tables(self: &Arc<Self>) -> BTreeMap<&'static str, usize> {
        let mut tables = BTreeMap::from([
            ("dependencies in force", self.in_force.len()),
            ("children that are not up", self.unwell.len()),
            ("open calls", self.open_calls.len()),
            ("log: children", self.log.limited()),
            (
                "dead letters",
                self.dead_letters.get().map_or(0, |dead_letter_queue| DeadLetters::new(dead_letter_queue).len()),
            ),
            ("panics: places", hook::places()),
        ]);
        tables.extend(self.directory.tables());
        tables.extend(self.stop_order.tables());
        tables.extend(self.watchdog.tables());
        tables.insert("chaos: services with faults", self.faults().map_or(0, |faults| faults.remembered()));
        let supervisors: Vec<_> =
            self.directory.entries().iter().filter_map(|entry| self.supervisor_of(&entry.path)).collect();
        for supervisor in supervisors {
            for (name, size) in supervisor.tables().await.unwrap_or_default() {
                *tables.entry(name).or_default() += size;
            }
        }
        tables
    }
}
