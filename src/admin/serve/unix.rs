//! The unix socket: its place, its modes, and the users that may connect.
//!
//! The directory of the socket has mode 0700 and belongs to this user, so no other user can reach the socket between its
//! creation and the change of its mode, nor put another file in its place.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::{Extension, Router};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use crate::admin::answer::Refused;
use crate::admin::door::{Door, Operator};
use crate::admin::routes;
use crate::admin::serve::error::ListenError;
use crate::admin::serve::listening::{Accept, Listening, Place, Socket};
use crate::admin::wire::envelope::IssueCode;

/// Longest path of a socket, in bytes: what the system has room for, without the byte that ends it.
const PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
/// Time that a program on an existing socket has to answer. One that is slower counts as there.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Time in which the turn comes: several others may wait for answers before.
const TURN_LIMIT: Duration = Duration::from_secs(10);
/// Pause between two looks whether the turn has come.
const TURN_PAUSE: Duration = Duration::from_millis(5);

/// The path of the socket of this process, if no other is given.
pub(crate) fn default_place(program: &str) -> PathBuf {
    let name = format!("{}.{}.sock", file_name(program), std::process::id());
    directory().join(name)
}

/// The directory in which the sockets of this user are.
pub(crate) fn directory() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // After `sudo` it may still be that of another user. Such a user could turn everything below it elsewhere.
    let is_own = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == own_uid());
    match runtime.filter(|path| path.is_absolute() && is_own(path)) {
        Some(runtime) => runtime.join("regrow"),
        None => std::env::temp_dir().join(format!("regrow-{}", own_uid())),
    }
}

/// The name of a program as part of a file name.
fn file_name(program: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let name: String = program.chars().map(|char| if is_plain(char) { char } else { '_' }).collect();
    if name.is_empty() { "program".into() } else { name }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub(crate) async fn listen(door: Arc<Door>, path: PathBuf, uids: Vec<u32>) -> Result<Listening, ListenError> {
    let bytes = path.as_os_str().len();
    if bytes > PATH_BYTES_MAX {
        return Err(ListenError::PathTooLong { path, bytes, bytes_max: PATH_BYTES_MAX });
    }
    let directory = match path.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => return Err(ListenError::NotOurSocket { path, found: "a directory".into() }),
    };
    make_private(directory)?;
    // Of processes that find the same stale socket, one replaces it at a time, and the others find a live one then.
    let _turn = Turn::take(directory).await.ok_or_else(|| ListenError::InUse { path: path.clone() })?;
    make_room(&path).await?;
    let failed = |what: &str, error: &io::Error| ListenError::system(format!("{what} `{}`", path.display()), error);
    let listener = UnixListener::bind(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { path: path.clone() },
        _ => failed("cannot listen on", &error),
    })?;
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(&path, mode).map_err(|error| failed("cannot set the mode of", &error))?;
    let found = fs::symlink_metadata(&path).map_err(|error| failed("cannot look at", &error))?;
    let place = Place::Unix(Socket { file: (found.dev(), found.ino()), path });
    Ok(Listening::begin(place, Unix { listener, router: routes::router(door), uids }))
}

/// Makes the directory of the socket, or checks the one that is there.
fn make_private(directory: &Path) -> Result<(), ListenError> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            return Err(ListenError::system(format!("cannot make the directory `{}`", directory.display()), &error));
        }
    }
    let unsafe_as = |problem: String| ListenError::UnsafeDirectory { path: directory.into(), problem };
    let found = fs::symlink_metadata(directory)
        .map_err(|error| ListenError::system(format!("cannot look at `{}`", directory.display()), &error))?;
    let (kind, mode, uid) = (found.file_type(), found.mode() & 0o777, found.uid());
    if kind.is_symlink() {
        return Err(unsafe_as("is a symbolic link, which can be turned elsewhere: name the directory itself".into()));
    }
    if !kind.is_dir() {
        return Err(unsafe_as("is no directory".into()));
    }
    if uid != own_uid() {
        let own = own_uid();
        return Err(unsafe_as(format!("belongs to uid {uid}, and this process runs as uid {own}: take another one")));
    }
    if mode != 0o700 {
        return Err(unsafe_as(format!("has mode {mode:04o}, and must have 0700: `chmod 700` it, or take another one")));
    }
    stays(directory).map_err(unsafe_as)
}

/// Checks that no other user can put another directory in the place of this one.
fn stays(directory: &Path) -> Result<(), String> {
    let above = fs::canonicalize(directory).map_err(|error| format!("cannot be followed to its place: {error}"))?;
    for above in above.ancestors().skip(1) {
        let found = fs::symlink_metadata(above).map_err(|error| format!("is below a directory that {error}"))?;
        let (mode, uid, above) = (found.mode(), found.uid(), above.display());
        if uid != 0 && uid != own_uid() {
            return Err(format!("is below `{above}` of uid {uid}, who can replace it: take another one"));
        }
        // In a directory with the sticky bit, as `/tmp`, users replace only what is theirs.
        if mode & 0o022 != 0 && mode & 0o1000 == 0 {
            let mode = mode & 0o7777;
            return Err(format!("is below `{above}` of mode {mode:04o}, so others can replace it: take another one"));
        }
    }
    Ok(())
}

/// Turn of a process to change what is in the directory of the sockets.
///
/// A socket is found stale by an attempt to connect, and then it is removed. Without turns a process could remove the socket
/// that another one has put in the place of the stale one meanwhile.
struct Turn {
    /// Locked as long as it is open. On a file system without such locks there are no turns.
    _locked: Option<OwnedFd>,
}

impl Turn {
    /// Waits for the turn. `None`: another process has had it for longer than any takes.
    async fn take(directory: &Path) -> Option<Self> {
        let limit = Instant::now().checked_add(TURN_LIMIT)?;
        loop {
            match Self::take_now(directory) {
                Some(turn) => return Some(turn),
                None if Instant::now() > limit => return None,
                None => tokio::time::sleep(TURN_PAUSE).await,
            }
        }
    }

    /// Takes the turn, if no other process has it.
    fn take_now(directory: &Path) -> Option<Self> {
        let Ok(opened) = fs::File::open(directory).map(OwnedFd::from) else { return Some(Self { _locked: None }) };
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Some(Self { _locked: Some(opened) }),
            Err(Errno::WOULDBLOCK | Errno::INTR) => None,
            Err(_) => Some(Self { _locked: None }),
        }
    }
}

/// Removes a socket that an earlier process has left at this path. It is the turn of this process.
async fn make_room(path: &Path) -> Result<(), ListenError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let other = |found: &str| ListenError::NotOurSocket { path: path.into(), found: found.into() };
    if !found.file_type().is_socket() {
        return Err(other("no socket"));
    }
    if found.uid() != own_uid() {
        return Err(other("a socket of another user"));
    }
    match timeout(ANSWER_LIMIT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // One whose queue of connections is full is alive, too.
        Ok(Ok(_) | Err(_)) | Err(_) => return Err(ListenError::InUse { path: path.into() }),
    }
    fs::remove_file(path)
        .map_err(|error| ListenError::system(format!("cannot remove the stale socket `{}`", path.display()), &error))
}

struct Unix {
    listener: UnixListener,
    router: Router,
    uids: Vec<u32>,
}

impl Accept for Unix {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<UnixStream> {
        Ok(self.listener.accept().await?.0)
    }

    fn admit(&self, stream: &UnixStream) -> Result<Router, Refused> {
        let uid = match stream.peer_cred() {
            Ok(peer) => peer.uid(),
            Err(error) => {
                let text = format!("the system does not say which user connects: {error}");
                return Err(Refused::new(IssueCode::Internal, text));
            }
        };
        if uid == 0 || uid == own_uid() || self.uids.contains(&uid) {
            return Ok(self.router.clone().layer(Extension(Operator::new(format!("uid {uid}")))));
        }
        let text = format!("uid {uid} may not connect: the program allows users with `Admin::allow_uid`, in code");
        Err(Refused::new(IssueCode::MissingCapability, text).about(format!("uid {uid}")))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A process that has the turn sees that this socket is stale, or does not need its path.
        let directory = self.path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Some(_turn) = Turn::take_now(directory) else { return };
        let is_ours = |found: &fs::Metadata| (found.dev(), found.ino()) == self.file;
        if fs::symlink_metadata(&self.path).is_ok_and(|found| is_ours(&found)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_leads_to_no_other_directory() {
        assert_eq!(file_name("shop"), "shop");
        assert_eq!(file_name("../../etc/x y"), "______etc_x_y");
        assert_eq!(file_name(""), "program");
    }

    // The race itself, step by step: another process finds the same stale socket, and is the first to replace it.
    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_new_in_the_place_of_a_stale_one_is_not_removed() {
        let dir = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap();
        let place = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&place).unwrap());
        let inode = || fs::symlink_metadata(&place).unwrap().ino();
        let stale = inode();
        let turn = Turn::take_now(dir.path()).unwrap();
        let admin = crate::admin::Admin::new("shop");
        let other = async {
            assert_eq!(inode(), stale, "it is not the turn of the process that listens");
            fs::remove_file(&place).unwrap();
            let other = std::os::unix::net::UnixListener::bind(&place).unwrap();
            drop(turn);
            (other, inode())
        };
        let (listening, (_other, new)) = tokio::join!(admin.listen_unix_at(&place), other);
        assert_eq!(listening.unwrap_err(), ListenError::InUse { path: place.clone() });
        assert_eq!(inode(), new);
    }
}
