//! Trees: boot, restarts, budgets, orders, dependencies, and the end of it all.

#[path = "../common/mod.rs"]
mod common;

mod boot;
mod bounded_shutdown;
mod budget;
mod budget_each;
mod calls_at_random;
mod calls_together;
mod dependencies;
mod dynamic;
mod dynamic_living;
mod dynamic_managing;
mod events;
mod failure_rate;
mod forgotten;
mod get_or_start;
mod give_up;
mod init;
mod managing;
mod missing_dependencies;
mod nesting;
mod no_effect;
mod observing;
mod ordered_parks;
mod ordered_restarts;
mod partitioned;
mod policies;
mod proportional;
mod rebuilt_supervisors;
mod reconfiguring;
mod renewals;
mod resizing;
mod resizing_in_order;
mod resizing_mishaps;
mod rolling;
mod self_management;
mod shutdown_races;
mod start_children;
mod stop_order;
mod stopped_with_group;
mod stopping;
mod strategies;
mod subtrees;
mod task_pool;
