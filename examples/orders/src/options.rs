//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::exit;
use std::str::FromStr;
use std::time::Duration;

const HELP: &str = "orders: a small web backend on regrow

  --listen ADDRESS         where to listen [127.0.0.1:8080]
  --probes ADDRESS         where /livez, /readyz and /startupz are [127.0.0.1:8081]
  --metrics ADDRESS        where /metrics is [127.0.0.1:9464]
  --database FILE          the SQLite file [orders.db]
  --workers N              number of customers served side by side [8]
  --limit SECONDS          the time from SIGTERM to the end [25]
  --drain SECONDS          time to serve on after SIGTERM, while not ready [0]
  --gateway-latency MS     the mean time of a charge [20]
  --gateway-failures SHARE the share of charges that fail, 0 to 1 [0.1]
  --seed N                 seed of the gateway's failures [1]
  --chaos mailbox-full     one second after the start, the database has no room for a second
  --chaos operator         `regrow experiment run FILE --of orders` may inject faults
";

/// Source of faults.
#[derive(PartialEq, Eq)]
pub enum Chaos {
    MailboxFull,
    Operator,
}

pub struct Options {
    pub listen: String,
    pub probes: SocketAddr,
    pub metrics: SocketAddr,
    pub database: PathBuf,
    pub workers: usize,
    pub limit: Duration,
    pub drain: Duration,
    pub gateway_latency: Duration,
    pub gateway_failures: f64,
    pub seed: u64,
    pub chaos: Option<Chaos>,
}

impl Options {
    /// Reads the options. If one is invalid, the process ends with status 2.
    pub fn from_command_line() -> Self {
        let mut options = Self {
            listen: "127.0.0.1:8080".into(),
            probes: ([127, 0, 0, 1], 8081).into(),
            metrics: ([127, 0, 0, 1], 9464).into(),
            database: "orders.db".into(),
            workers: 8,
            limit: Duration::from_secs(25),
            drain: Duration::ZERO,
            gateway_latency: Duration::from_millis(20),
            gateway_failures: 0.1,
            seed: 1,
            chaos: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            if name == "--help" {
                print!("{HELP}");
                exit(0);
            }
            let value = words.next().unwrap_or_else(|| refuse(&name, "it needs a value"));
            match name.as_str() {
                "--listen" => options.listen = value,
                "--probes" => options.probes = parse(&name, &value),
                "--metrics" => options.metrics = parse(&name, &value),
                "--database" => options.database = value.into(),
                "--workers" => options.workers = parse(&name, &value),
                "--limit" => options.limit = Duration::from_secs(parse(&name, &value)),
                "--drain" => options.drain = Duration::from_secs(parse(&name, &value)),
                "--gateway-latency" => options.gateway_latency = Duration::from_millis(parse(&name, &value)),
                "--gateway-failures" => options.gateway_failures = parse(&name, &value),
                "--seed" => options.seed = parse(&name, &value),
                "--chaos" if value == "mailbox-full" => options.chaos = Some(Chaos::MailboxFull),
                "--chaos" if value == "operator" => options.chaos = Some(Chaos::Operator),
                _ => refuse(&name, "there is no such option: see --help"),
            }
        }
        options
    }
}

fn parse<T: FromStr>(name: &str, value: &str) -> T {
    value.parse().unwrap_or_else(|_| refuse(name, &format!("`{value}` is not a valid value")))
}

fn refuse(name: &str, why: &str) -> ! {
    eprintln!("orders: {name}: {why}");
    exit(2)
}
