//! What is needed of the machine: this program again, the second program, Erlang.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::job::Job;
use crate::system::SystemName;
use crate::systems::erlang::Erlang;

/// The feature of this package, and the program that needs it.
const SPANS_FEATURE: &str = "ractor-supervisor";
const SPANS_PROGRAM: &str = "peers-spans";

/// The programs that do the jobs; `None` where one cannot be had, and `left_out` says why.
#[derive(Debug)]
pub struct Host {
    program: PathBuf,
    spans: Option<PathBuf>,
    erlang: Option<Erlang>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

impl Host {
    /// Builds and compiles what `systems` need.
    ///
    /// # Errors
    ///
    /// When this program cannot find itself.
    pub fn prepare(systems: &[SystemName]) -> Result<Self> {
        let program = env::current_exe().context("where is this program?")?;
        let folder = program.parent().context("this program is in no folder")?.to_owned();
        let mut left_out = Vec::new();
        let mut keep = |what: &str, error: anyhow::Error| left_out.push(format!("{what} is left out: {error:#}"));
        let mut spans = None;
        if systems.iter().any(|system| system.needs_spans()) {
            spans = build_spans(&folder).map_err(|error| keep("ractor-supervisor", error)).ok();
        }
        let mut erlang = None;
        if systems.iter().any(|system| system.is_erlang()) {
            erlang = Erlang::compile(&folder.join("peers-erlang")).map_err(|error| keep("Erlang", error)).ok();
        }
        Ok(Self { program, spans, erlang, left_out })
    }

    pub fn has(&self, system: SystemName) -> bool {
        (!system.needs_spans() || self.spans.is_some()) && (!system.is_erlang() || self.erlang.is_some())
    }

    /// The process that does the job; `None` where its program is left out.
    pub fn command(&self, job: &Job) -> Result<Option<Command>> {
        let program = match (&self.spans, &self.erlang) {
            (_, Some(erlang)) if job.system.is_erlang() => return Ok(Some(erlang.command(job))),
            (_, None) if job.system.is_erlang() => return Ok(None),
            (None, _) if job.system.needs_spans() => return Ok(None),
            (Some(spans), _) if job.system.needs_spans() => spans,
            (_, _) => &self.program,
        };
        let mut command = Command::new(program);
        command.arg("run").arg(serde_json::to_string(job)?);
        Ok(Some(command))
    }

    /// One line: machine, versions.
    pub fn describe(&self) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let mut parts = vec![format!("{cores} cores, {}", processor())];
        for package in ["regrow", "tokio", "ractor", "ractor-supervisor", "kameo", "actix"] {
            parts.push(format!("{package} {}", locked_version(package)));
        }
        if let Some(erlang) = &self.erlang {
            parts.push(format!("Erlang/OTP {}", erlang.release()));
        }
        parts.join(", ")
    }
}

/// ractor-supervisor switches on a feature of ractor that costs every message 50 ns, and cargo would switch it on for
/// everybody in the same program: so it gets a program of its own, built here.
fn build_spans(folder: &Path) -> Result<PathBuf> {
    let program = folder.join(format!("{SPANS_PROGRAM}{}", env::consts::EXE_SUFFIX));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    build.args(["--features", SPANS_FEATURE, "--bin", SPANS_PROGRAM, "--target-dir"]);
    build.arg(folder.parent().context("this program is in no target folder")?);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    eprintln!("building the second program, with ractor's span propagation and ractor-supervisor");
    let built = build.stdin(Stdio::null()).status().context("cargo")?;
    if !built.success() || !program.exists() {
        bail!("its program could not be built");
    }
    Ok(program)
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    model.unwrap_or(env::consts::ARCH).trim().to_owned()
}

fn locked_version(package: &str) -> &'static str {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let lock = include_str!("../Cargo.lock");
    lock.split(&entry).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("?")
}
