//! The backend as a process that is started, killed and asked to end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::load::client::Client;

/// Longest wait for a line, and for the end. It is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Token of the admin source in each process here.
pub const TOKEN: &str = "demo";

/// A program and its folder: the databases are there, and the log.
#[derive(Debug, Clone)]
pub struct Program {
    pub file: PathBuf,
    pub folder: PathBuf,
    /// Where it listens. Port 0 in the beginning; the same port in each life after that.
    pub listen: SocketAddr,
    /// More variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// A life of it. It is killed when this is dropped.
pub struct Process {
    child: Child,
    pub client: Client,
    pub probes: Client,
    pub metrics: Client,
}

impl Program {
    pub fn new(file: impl Into<PathBuf>, folder: &Path) -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        Self { file: file.into(), folder: folder.to_owned(), listen, environment: Vec::new() }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.join("orders.db")
    }

    pub fn warehouse(&self) -> PathBuf {
        self.folder.join("warehouse.db")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn command(&self, options: &[&str]) -> anyhow::Result<Command> {
        let log = std::fs::File::options().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.file);
        command
            .args(["--probes", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--admin-token", TOKEN])
            .args(["--listen", &self.listen.to_string()])
            .arg("--database")
            .arg(self.database())
            .arg("--warehouse")
            .arg(self.warehouse())
            .args(options)
            .env_remove("RUST_BACKTRACE")
            // The socket of the admin source lies there, and goes with it.
            .env("XDG_RUNTIME_DIR", &self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        Ok(command)
    }

    /// Starts it, and waits until all of it is up.
    pub async fn start(&mut self, options: &[&str]) -> anyhow::Result<Process> {
        let mut child = self.command(options)?.spawn().with_context(|| format!("{}", self.file.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        let said = timeout(PATIENCE, addresses(&mut lines)).await.context("it does not say where it listens")?;
        let [listen, probes, metrics] = said?;
        self.listen = listen;
        // Whatever it says later is read, so that it never waits for a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let [client, probes, metrics] = [listen, probes, metrics].map(Client::new);
        Ok(Process { child, client, probes, metrics })
    }

    /// Starts it, and waits for its end, for what ends at once.
    pub async fn fail(&self, options: &[&str]) -> anyhow::Result<ExitStatus> {
        let mut child = self.command(options)?.spawn()?;
        Ok(timeout(PATIENCE, child.wait()).await.context("it does not end")??)
    }
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Kills it with SIGKILL, as the kernel does when memory is out.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks it to end, with SIGTERM.
    pub async fn terminate(&self) -> anyhow::Result<()> {
        let sent = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().await?;
        anyhow::ensure!(sent.success(), "it is over already");
        Ok(())
    }

    pub async fn end(mut self) -> anyhow::Result<ExitStatus> {
        Ok(timeout(PATIENCE, self.child.wait()).await.context("it does not end")??)
    }
}

/// Reads where it listens for customers, for probes and for scrapes. It says so in any order.
async fn addresses(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<[SocketAddr; 3]> {
    let mut found = [None; 3];
    loop {
        if let [Some(listen), Some(probes), Some(metrics)] = found {
            return Ok([listen, probes, metrics]);
        }
        let line = lines.next_line().await?.context("it ended at its start: see the log")?;
        for (found, start) in found.iter_mut().zip(["listening on ", "probes on ", "metrics on "]) {
            if let Some(address) = line.strip_prefix(start) {
                *found = Some(address.parse()?);
            }
        }
    }
}
