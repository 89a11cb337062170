//! Messages from when they are accepted: queues, limits, the wait for room, redelivery, dead letters.

#[path = "../common/mod.rs"]
mod common;

mod dead_letters;
mod dead_letters_shown;
mod drain;
mod keep_and_drop;
mod law;
mod overflow;
mod redelivery;
mod room;
mod room_reported;
mod room_time;
mod small_promises;
mod stress;
mod unwanted_calls;
