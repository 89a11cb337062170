//! A small web backend: orders come in over HTTP, are kept in SQLite, and are paid for through a gateway that fails.
//!
//! ```text
//! cargo run --manifest-path examples/orders/Cargo.toml -- --listen 127.0.0.1:8080
//! curl -s localhost:8080/orders -H 'content-type: application/json' -d '{"customer": "ada", "cents": 1200}'
//! curl -s localhost:8080/orders/1; curl -s localhost:8080/tree
//! curl -s localhost:8081/readyz; curl -s localhost:9464/metrics; cargo run --features cli -- ps --of orders
//! ```
//!
//! It is a separate package, so that the tests of regrow do not build axum and SQLite: `cargo test --manifest-path
//! examples/orders/Cargo.toml`. Its tests start the real process. A database without room for a second ends no service
//! and loses no request. After SIGTERM while eight workers are busy, the requests that were taken are answered.
//!
//! # What to look for
//!
//! * A service that is slow, full or away costs its callers time, or an honest answer, and not their lives
//!   (`worker.rs`).
//! * A message that may be missed is sent with `cast`, and its refusal is handled (`mailer.rs`). A message that is
//!   needed is sent with `call`, which waits for room. `?` in a factory is for peers without which this life is
//!   useless.
//! * A crash is a fresh start: a new connection, a new state. Data that has to last is in the database.
//! * SIGTERM stops the tree from the outside in, so that requests which were taken are answered (`tree.rs`). With `--drain`,
//!   `/readyz` says so first, while orders are still taken.
//! * Probes, metrics and the admin source are beside the orders, each where only its readers reach it (`operations.rs`).
//!   `.ci/watch-orders` uses all of them under faults.
//!
//! # How it ends
//!
//! | end | status | last line of standard error |
//! |---|---|---|
//! | SIGTERM or Ctrl-C, and all children stopped within their times | 0 | the log |
//! | the same, but the limit was reached, and the rest was killed | 1 | the children that were killed |
//! | the root gave up, for example because the port is taken | 1 | the child, and the reason |
//! | invalid options | 2 | the option, and the reason |
//!
//! # Layout
//!
//! | file | one idea |
//! |---|---|
//! | `tree.rs` | the supervision tree, and the order in which it stops |
//! | `order.rs` | an order, and the reason why one is not taken |
//! | `database.rs` | SQLite on a separate thread |
//! | `gateway.rs` | a payment gateway that is slow, declines, and loses its connection |
//! | `worker.rs` | one customer's orders, one after the other |
//! | `mailer.rs` | a peer that nothing depends on |
//! | `http.rs` | the web server, as a child like any other |
//! | `operations.rs` | probes, metrics, and the admin source |
//! | `chaos.rs`, `gateway.toml` | experiments on the running program, by itself and by an operator |
//! | `options.rs` | the command line |

mod chaos;
mod database;
mod gateway;
mod http;
mod mailer;
mod operations;
mod options;
mod order;
mod tree;
mod worker;

use std::io::stderr;

use regrow::{RunError, Tree};

use crate::options::{Chaos, Options};

#[tokio::main]
async fn main() -> Result<(), RunError> {
    tracing_subscriber::fmt().with_writer(stderr).with_ansi(false).init();
    let options = Options::from_command_line();
    let orders = tree::describe(&options);
    // If the end was not wanted, it is an error: the process exits with status 1, and the reason is its last line.
    let mut open = None;
    let when_up = |tree: &Tree| open = Some(operations::open(tree, &options));
    if options.chaos != Some(Chaos::MailboxFull) {
        // Signals count from here on: one that comes while the tree starts also stops it in order.
        let run = orders.run_until_signal().drain(options.drain).within(options.limit);
        return run.sd_notify().when_up(when_up).await.map(|_| ());
    }
    let tree = orders.start().await.map_err(RunError::Start)?;
    let run = tree.run_until_signal().drain(options.drain).within(options.limit);
    tokio::select! {
        ended = run.sd_notify().when_up(when_up) => ended.map(|_| ()),
        never = chaos::run(&tree) => match never {},
    }
}
