//! What a policy adds to OTP: delays, budgets of one child, parking, readiness, dependencies, rules.

#[path = "../common/mod.rs"]
mod common;

mod adjust;
mod backoff;
mod budgets;
mod delay;
mod dependencies;
mod exit_rules;
mod give_up;
mod groups;
mod kept;
mod ordered_park;
mod park;
mod rate;
mod ready;
mod renewal;
mod thundering_herd;
mod waiting;
