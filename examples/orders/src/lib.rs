//! A web backend to copy: orders come in over HTTP, are kept in SQLite, are charged through a gateway that fails, and are
//! told to a warehouse. Whatever dies in between, no order that was acknowledged is lost, and none is there twice.
//!
//! One command starts it, plays customers, breaks it, and reports what was lost. It needs Rust and nothing else:
//!
//! ```text
//! cargo run --release --manifest-path examples/orders/Cargo.toml -- demo
//! ```
//!
//! It takes a minute, after the build. See [`demo`] for what it prints.
//!
//! By hand:
//!
//! ```text
//! cargo run --release --manifest-path examples/orders/Cargo.toml -- --admin-token secret
//! curl -s localhost:8080/orders -H 'idempotency-key: 1' -H 'content-type: application/json' -d '{"customer": "ada", "cents": 1200}'
//! curl -s localhost:8080/orders/1; curl -s localhost:8080/customers/ada; curl -s localhost:8080/statistics
//! curl -s localhost:8081/readyz; curl -s localhost:9464/metrics
//! curl -s localhost:8080/admin/v1/services -H 'authorization: Bearer secret'
//! cargo run --features cli -- ps --of orders
//! ```
//!
//! # The way of an order
//!
//! ```text
//!  POST /orders ─► session of the customer ─► database ─► 201, open      it is on the disk: from here on it cannot be lost
//!                                    │
//!                                    └─► worker ─► gateway ─► database: paid, and an event      one transaction
//!                                          ▲                      │
//!                 collector: what is open ─┘        publisher ◄───┘ ─► warehouse
//! ```
//!
//! 1. An order has a key of the customer's. It is safe to send it again, and the server itself does so if a service dies in
//!    the middle: a crash costs the customer milliseconds, and not an error.
//! 2. It is acknowledged when it is on the disk, and not before.
//! 3. The quick way from the session to the worker may fail. The collector finds what is open in the database.
//! 4. A charge has the number of the order, and is safe to repeat. See `gateway`.
//! 5. The event is stored with what it is about, and the receiver knows its number. See [`outbox`] for what is promised.
//!
//! # What to look for
//!
//! * A service that is slow, full or away costs its callers time, or an honest answer, and not their lives: see
//!   [`workers`] and `http/orders.rs`. `?` in a factory is for peers without which this life is useless.
//! * A crash is a fresh start: a new connection, a new state. Data that has to last is in the database.
//! * A message that may be missed is sent with `cast`, one that is needed with `call`, which waits for room.
//! * SIGTERM stops the tree from the outside in, so that requests which were taken are answered: see [`tree`].
//! * The shape of the program is in the code. Numbers that an operator may change are in `policies.toml`, which is followed.
//! * Probes, metrics and the admin source are beside the orders, each where only its readers reach it: see [`operations`].
//!
//! # How it ends
//!
//! | end | status | last line of standard error |
//! |---|---|---|
//! | SIGTERM or Ctrl-C, and all children stopped within their times | 0 | the log |
//! | the same, but the limit was reached, and the rest was killed | 1 | the children that were killed |
//! | the root gave up, for example because the port is taken | 1 | the child, and the reason |
//! | policies that are not valid | 1 | each mistake, and its line |
//! | options that are not valid | 2 | the option, and the reason |
//!
//! # Layout
//!
//! | file | one idea |
//! |---|---|
//! | `main.rs`, `options.rs`, `logs.rs` | the process, its command line, and its log |
//! | `tree.rs`, `policies.toml` | the supervision tree, and the order in which it stops; how often each part may fail |
//! | `order.rs` | an order, and the reason why one is not taken |
//! | `http/` | the web server, as a child like any other; requests, answers, and the guard of the admin source |
//! | `sessions.rs` | a session for each customer that is active |
//! | `workers.rs` | each customer's orders, charged one after the other |
//! | `gateway.rs` | connections to a gateway that is slow, declines, and is down now and then |
//! | `database/` | SQLite on a thread; migrations; queries |
//! | `outbox.rs`, `warehouse.rs` | events that are published once in effect; their receiver |
//! | `collector.rs` | jobs that are due every so often |
//! | `existing/` | code that was there before: a task of tokio, and an actor of ractor |
//! | `operations.rs` | probes, metrics, policies that are followed, and the admin source |
//! | `load/`, `bin/load.rs` | customers in an open loop, their figures, and the check of the databases |
//! | `demo/`, `chaos.toml` | the demonstration, and its experiment |
//! | `gateway.toml` | a small experiment for an operator |
//! | `deploy/` | Dockerfile, systemd unit, Kubernetes |
//!
//! The tests start the real process: `cargo test --manifest-path examples/orders/Cargo.toml`. The example is a separate package,
//! so that the tests of regrow do not build axum and SQLite.
//!
//! # To make it yours
//!
//! Copy the folder, and name regrow by its version in `Cargo.toml` instead of by its path. Without `load/` and `demo/` it has
//! some 1,300 lines. What is simulated is the gateway and the warehouse: put your clients in their places, with their keys.

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
