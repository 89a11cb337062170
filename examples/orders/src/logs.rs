//! The log, on standard error: as text for people, or as JSON, one object a line, for collectors.

use std::io::stderr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::options::LogForm;

pub fn open(form: LogForm) {
    // RUST_LOG=info,regrow=debug and the like. Without it: INFO.
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let log = tracing_subscriber::fmt().with_writer(stderr).with_env_filter(filter);
    match form {
        LogForm::Text => log.with_ansi(false).init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
}
