//! One service, task, thread or actor: its factory, its lives, and all the ways in which they end.

#[path = "../common/mod.rs"]
mod common;

mod abandon;
mod as_actor;
mod asking;
mod chosen_ends;
mod destructor_panics;
mod destructors;
mod ended_monitors;
mod exits;
mod extremes;
mod factory;
mod foreign_actors;
mod functions;
mod idle;
mod keeping;
mod kept_ends;
mod kept_hostile;
mod kept_poison;
mod kept_race;
mod kept_survives;
mod killed_through_ractor;
mod killing;
mod leaving;
mod linked_tasks;
mod monitors;
mod monitors_and_mailboxes;
mod old_state_first;
mod readiness;
mod reported;
mod running_tasks;
mod runtime_gone;
mod stop_hook;
mod tasks;
mod threads;
mod timers;
mod unwanted_ends;
mod watcher;
