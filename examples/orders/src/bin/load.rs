//! The load generator alone, for a backend that runs somewhere.
//!
//! ```text
//! cargo run --release --manifest-path examples/orders/Cargo.toml
//! cargo run --release --manifest-path examples/orders/Cargo.toml --bin load -- --rate 500 --lasts 30
//! ```
//!
//! Exits with status 1 if an order was not acknowledged within its time.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use orders::load::client::Client;
use orders::load::figures::Table;
use orders::load::{self, Plan, Running};
use orders::options::{rate, seconds};

/// An open loop of orders
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where the backend listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    to: SocketAddr,
    /// Orders a second
    #[arg(long, value_name = "N", default_value = "200", value_parser = rate)]
    rate: f64,
    /// How long, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    lasts: Duration,
    /// Number of customers
    #[arg(long, value_name = "N", default_value = "100")]
    customers: usize,
    /// Time after which a customer gives up, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    patience: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Options { to, rate, lasts, customers, patience } = Options::parse();
    let orders = (rate * lasts.as_secs_f64()) as usize;
    // A name that no other run has: its keys are new.
    let name = format!("load-{:016x}", fastrand::u64(..));
    let plan = Plan { name, orders, rate, customers, patience };
    let figures = load::run(&plan, &Client::new(to), &Running::default(), &load::bar("load", orders)).await;
    println!("{}", Table(&[("load", &figures)]));
    if figures.given_up() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
