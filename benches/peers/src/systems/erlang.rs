//! Erlang/OTP: a module of its own, compiled with `erlc` when the program starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::job::Job;
use crate::system::SystemName;
use crate::workload::Mode;

const MODULE: &str = include_str!("../../erlang/peers.erl");

/// The compiled module.
#[derive(Debug, Clone)]
pub struct Erlang {
    folder: PathBuf,
    release: String,
}

impl Erlang {
    /// Compiles the module into `folder`.
    ///
    /// # Errors
    ///
    /// When there is no Erlang on the path, or it does not take the module.
    pub fn compile(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let module = folder.join("peers.erl");
        fs::write(&module, MODULE)?;
        let compiler = Command::new("erlc").arg("-o").arg(folder).arg(&module).stdin(Stdio::null()).output();
        let compiled = compiler.context("no `erlc` on the path")?;
        if !compiled.status.success() {
            bail!("erlc: {}", String::from_utf8_lossy(&compiled.stdout).trim());
        }
        let release = "io:put_chars(erlang:system_info(otp_release)), halt().";
        let output = Command::new("erl").args(["-noinput", "-eval", release]).stdin(Stdio::null()).output();
        let release = String::from_utf8_lossy(&output.context("no `erl` on the path")?.stdout).trim().to_owned();
        Ok(Self { folder: folder.to_owned(), release })
    }

    /// Such as `25`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The process that does the job.
    pub fn command(&self, job: &Job) -> Command {
        let schedulers = match job.mode {
            Mode::St => "1:1",
            Mode::Mt => "2:2",
        };
        let kind = if job.system == SystemName::ErlangDynamic { "dynamic" } else { "static" };
        let mut command = Command::new("erl");
        command
            .args(["-noinput", "+S", schedulers, "+P", "5000000", "-kernel", "logger_level", "none", "-pa"])
            .arg(&self.folder)
            .args(["-run", "peers", "main", &job.workload.to_string(), kind])
            .args([job.children.to_string(), job.work.to_string()]);
        command
    }
}
