//! The command line of the backend. An option that is not valid ends the process with status 2.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Where to listen for customers
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where /livez, /readyz and /startupz are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub probes: SocketAddr,
    /// Where /metrics is
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    pub metrics: SocketAddr,
    /// The SQLite file of the shop
    #[arg(long, value_name = "FILE", default_value = "orders.db")]
    pub database: PathBuf,
    /// The SQLite file of the warehouse
    #[arg(long, value_name = "FILE", default_value = "warehouse.db")]
    pub warehouse: PathBuf,
    /// Restart policies, followed while the program runs [default: those in the program]
    #[arg(long, value_name = "FILE")]
    pub policies: Option<PathBuf>,
    /// Customers whose orders are charged side by side
    #[arg(long, value_name = "N", default_value = "8")]
    pub workers: usize,
    /// Connections to the gateway
    #[arg(long, value_name = "N", default_value = "8")]
    pub connections: usize,
    /// Orders that a customer may place in a second
    #[arg(long, value_name = "N", default_value = "20")]
    pub orders_per_second: u32,
    /// Time from SIGTERM to the end, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = seconds)]
    pub limit: Duration,
    /// Time to serve on after SIGTERM, while not ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub drain: Duration,
    /// Token that opens /admin [default: /admin is not there]
    #[arg(long, value_name = "TOKEN", env = "ORDERS_ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// Let operators run experiments, which inject faults
    #[arg(long)]
    pub experiments: bool,
    /// Form of the log on standard error; RUST_LOG says how much
    #[arg(long, value_enum, default_value = "text")]
    pub log: LogForm,
    #[command(flatten)]
    pub gateway: Gateway,
}

/// The simulated gateway.
#[derive(Debug, Clone, Args)]
pub struct Gateway {
    /// Mean time of a charge, in milliseconds
    #[arg(long, value_name = "MS", default_value = "20", value_parser = milliseconds)]
    pub gateway_latency: Duration,
    /// Share of charges that fail, 0 to 1
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    pub gateway_failures: f64,
    /// Seed of the failures
    #[arg(long, value_name = "N", default_value = "1")]
    pub gateway_seed: u64,
    /// Time after the start at which the gateway is down, in seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub gateway_down_after: Option<Duration>,
    /// How long it is down then, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub gateway_down_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogForm {
    Text,
    Json,
}

pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_millis).map_err(|_| "not a number of milliseconds".into())
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is between 0 and 1".into()) }
}

/// Reads the rate of a load.
pub fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if rate > 0.0 && rate <= 1e6 { Ok(rate) } else { Err("more than 0, and at most 1,000,000".into()) }
}
