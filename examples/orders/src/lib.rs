//! A web backend to copy.
pub mod collector;
pub mod database;
pub mod demo;
pub mod existing;
pub mod gateway;
pub mod http;
pub mod load;
pub mod logs;
pub mod operations;
pub mod options;
pub mod order;
pub mod outbox;
pub mod sessions;
pub mod tree;
pub mod warehouse;
pub mod workers;
