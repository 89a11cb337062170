//! Restart trees as OTP has them: boot, restarts under each strategy, budgets, orders, and the stop.

#[path = "../common/mod.rs"]
mod common;

mod boot;
mod budget;
mod dynamic;
mod late_facts;
mod leaving;
mod management;
mod meant;
mod nesting;
mod one_for_all;
mod one_for_one;
mod overlap;
mod prompt;
mod questions;
mod reconfigure;
mod renewal;
mod rest_for_one;
mod restart_types;
mod shutdown;
mod significant;
mod stop_order;
mod stopping;
