//! The same work on regrow, tokio's channels, ractor, ractor-supervisor, kameo, actix and Erlang/OTP.
//!
//! Every measurement runs in a process of its own, which checks its work, prints one line of JSON and ends. So a system
//! cannot leave anything behind for the next one, and one that hangs can be ended and named.
//!
//! | file | idea |
//! |---|---|
//! | `workload.rs`, `job.rs` | what is measured; one measurement, as data, and what comes of it |
//! | `scale.rs` | how much work each job is given |
//! | `gate.rs` | counts lives, and wakes the driver when enough have begun or ended |
//! | `system.rs` | what a system must be able to do, and which one can do what |
//! | `work/` | the workloads, written once over `System` |
//! | `systems/` | a file per system |
//! | `run.rs` | does one job, in the process made for it |
//! | `measure.rs` | the passes: makes those processes, interleaves the systems, takes medians |
//! | `targets.rs`, `table.rs` | the ratios aimed at; how it is printed |
//! | `host.rs` | what is needed of the machine: erl, the second program, versions |

pub mod gate;
pub mod host;
pub mod job;
pub mod measure;
pub mod run;
pub mod scale;
pub mod system;
pub mod systems;
pub mod table;
pub mod targets;
pub mod work;
pub mod workload;
