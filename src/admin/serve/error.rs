//! The reasons why an admin source does not listen.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Reason for which an [`Admin`](crate::admin::Admin) does not listen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// The path is too long for a unix socket.
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        bytes: usize,
        /// Greatest length that the system allows.
        bytes_max: usize,
    },
    /// The directory of the socket is not safe: other users could put a socket of theirs there.
    UnsafeDirectory {
        /// The directory.
        path: PathBuf,
        /// The problem, and what to do.
        problem: String,
    },
    /// A program listens on this socket.
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else than a socket of ours has this path.
    NotOurSocket {
        /// The path.
        path: PathBuf,
        /// Kind of file that is there.
        found: String,
    },
    /// Other machines can reach the address.
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The address is in use.
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The system refused.
    System {
        /// Attempt that failed, with the path or the address.
        what: String,
        /// The error of the system.
        error: String,
    },
}

impl ListenError {
    pub(super) fn system(what: impl Into<String>, error: &std::io::Error) -> Self {
        Self::System { what: what.into(), error: error.to_string() }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathTooLong { path, bytes, bytes_max } => write!(
                f,
                "the path `{}` has {bytes} bytes, and a unix socket may have {bytes_max}: use `listen_unix_at` with a shorter one",
                path.display()
            ),
            Self::UnsafeDirectory { path, problem } => {
                write!(f, "the directory `{}` of the admin socket {problem}", path.display())
            }
            Self::InUse { path } => write!(f, "a program listens on `{}` already", path.display()),
            Self::NotOurSocket { path, found } => {
                write!(f, "`{}` is {found}, and is left alone: remove it or take another path", path.display())
            }
            Self::NotLoopback { address } => {
                write!(f, "other machines can reach `{address}`: take a loopback address, or call `allow_remote`")
            }
            Self::AddressInUse { address } => write!(f, "the address `{address}` is in use"),
            Self::System { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {}
