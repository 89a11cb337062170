//! What is needed of the machine: this program again, the same with other features, Erlang.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::job::Job;
use crate::system::{Program, SystemName, Variant};
use crate::systems::erlang::Erlang;

/// The programs that do the jobs, those that can be had.
#[derive(Debug)]
pub struct Host {
    this: PathBuf,
    built: HashMap<&'static Variant, PathBuf>,
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
        let this = env::current_exe().context("where is this program?")?;
        let folder = this.parent().context("this program is in no folder")?.to_owned();
        let mut host = Self { this, built: HashMap::new(), erlang: None, left_out: Vec::new() };
        let mut tried = Vec::new();
        for program in systems.iter().map(|system| system.program()) {
            if tried.contains(&program) {
                continue;
            }
            tried.push(program);
            let prepared = match program {
                Program::This => Ok(()),
                Program::Built(variant) => build(variant, &folder).map(|path| drop(host.built.insert(variant, path))),
                Program::Erlang => {
                    Erlang::compile(&folder.join("peers-erlang")).map(|erlang| host.erlang = Some(erlang))
                }
            };
            if let Err(error) = prepared {
                let left_out: Vec<_> = systems.iter().filter(|system| system.program() == program).collect();
                host.left_out.extend(left_out.iter().map(|system| format!("{system} is left out: {error:#}")));
            }
        }
        Ok(host)
    }

    pub fn has(&self, system: SystemName) -> bool {
        match system.program() {
            Program::This => true,
            Program::Built(variant) => self.built.contains_key(variant),
            Program::Erlang => self.erlang.is_some(),
        }
    }

    /// The process that does the job; `None` where its program is left out.
    pub fn command(&self, job: &Job) -> Result<Option<Command>> {
        let program = match job.system.program() {
            Program::This => Some(&self.this),
            Program::Built(variant) => self.built.get(variant),
            Program::Erlang => return Ok(self.erlang.as_ref().map(|erlang| erlang.command(job))),
        };
        let Some(program) = program else { return Ok(None) };
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

fn build(Variant { feature, program }: &Variant, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("{program}{}", env::consts::EXE_SUFFIX));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    build.args(["--features", feature, "--bin", program, "--target-dir"]);
    build.arg(folder.parent().context("this program is in no target folder")?);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    eprintln!("building {program}, with the feature {feature}");
    let built = build.stdin(Stdio::null()).status().context("cargo")?;
    if !built.success() || !path.exists() {
        bail!("{program} could not be built");
    }
    Ok(path)
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
