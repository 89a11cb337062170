//! Experiments: faults, their reports, virtual time, and the bugs that they find.

#[path = "../common/mod.rs"]
mod common;
// The command line's own demo trees and soak: they use the public API alone.
#[path = "../../src/cli/demo.rs"]
mod demo;
#[path = "../../src/cli/soak.rs"]
mod soak_of_the_forest;
#[path = "../../src/cli/tills.rs"]
mod tills;

mod attribution;
mod drill;
mod drill_trees;
mod endless;
mod faults;
mod files;
mod healing;
mod leftovers;
mod limits;
mod no_false_alarms;
mod random_trees;
mod report;
mod saves;
mod soak;
mod supervision;
mod virtual_time;
