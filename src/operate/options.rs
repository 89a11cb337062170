//! Options that all commands share: which program, and how the answer is printed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::operate::code::EXIT_CODES;

/// Options that find the running program, and those of the output.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Target {
    /// The running program, by its name or the number of its process.
    #[arg(long, value_name = "NAME|PID", env = "REGROW_OF", help_heading = "Which program")]
    pub(crate) of: Option<String>,
    /// The socket of its admin source.
    #[arg(long, value_name = "PATH", conflicts_with = "tcp", help_heading = "Which program")]
    pub(crate) socket: Option<PathBuf>,
    /// The address of its admin source, if it listens on TCP. It needs `--token-file`.
    #[arg(long, value_name = "ADDRESS", requires = "token_file", value_parser = address, help_heading = "Which program")]
    pub(crate) tcp: Option<SocketAddr>,
    /// A file with the token for `--tcp`.
    #[arg(long, value_name = "FILE", requires = "tcp", help_heading = "Which program")]
    pub(crate) token_file: Option<PathBuf>,
    /// The longest wait for an answer. Default: 30s, and 90s for an act.
    #[arg(long, value_name = "TIME", value_parser = time, help_heading = "Which program")]
    pub(crate) timeout: Option<Duration>,
    /// Print the data as JSON, as the program gave them.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
    /// Print no colours. They are used on a terminal only, and not if `NO_COLOR` is set.
    #[arg(long, help_heading = "Output")]
    pub(crate) no_color: bool,
}

impl Target {
    /// Returns the options of this target for a command that is offered to be pasted.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut option = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([name.to_owned(), value]);
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        option("--socket", path(&self.socket));
        option("--tcp", self.tcp.map(|address| address.to_string()));
        option("--token-file", path(&self.token_file));
        if self.socket.is_none() && self.tcp.is_none() {
            option("--of", self.of.clone());
        }
        words
    }

    /// Returns the longest wait for an answer to a look.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(30))
    }

    /// Returns the longest wait for the end of an act. The program itself waits for a minute.
    pub(crate) fn patience_for_act(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(90))
    }
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write `500ms`, `30s` or `2m`"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write the number of an address and a port: `127.0.0.1:4711`".to_owned())
}
