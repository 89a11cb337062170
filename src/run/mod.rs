//! From an operating system's signal to the exit status of the process.

mod builder;
pub(crate) mod os_signals;
pub(crate) mod run_error;
#[cfg(all(feature = "sd-notify", target_os = "linux"))]
mod systemd;
#[cfg(not(all(feature = "sd-notify", target_os = "linux")))]
#[path = "no_systemd.rs"]
mod systemd;
#[cfg(all(feature = "sd-notify", target_os = "linux"))]
mod systemd_socket;
pub(crate) mod until_signal;
