//! The admin source of the running program: found by name, by process, or because it is the only one.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{env, fmt};

use crate::operate::code::Code;
use crate::operate::options::Target;
use crate::operate::text::{safe, shell_word};
use crate::operate::trouble::Trouble;

/// Place of an admin source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A unix socket.
    Socket(PathBuf),
    /// An address, and the token for it.
    Tcp(SocketAddr, String),
}

/// Socket in a folder of sockets: `PROGRAM.PID.sock`.
#[derive(Debug, Clone)]
struct Found {
    path: PathBuf,
    program: String,
    pid: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live,
    /// The program that made it is gone.
    Stale,
    /// This user may not connect to it.
    Forbidden,
}

/// Finds the admin source that the options name.
///
/// # Errors
///
/// None or several are there: the error lists them and says what to type.
pub(crate) fn find(target: &Target) -> Result<Place, Trouble> {
    match (&target.socket, target.tcp, &target.token_file) {
        (Some(path), _, _) => Ok(Place::Socket(path.clone())),
        (None, Some(address), Some(file)) => Ok(Place::Tcp(address, token(file)?)),
        (None, Some(_), None) => Err(Trouble::usage("`--tcp` needs `--token-file`")),
        (None, None, _) => choose(target.of.as_deref(), &folders()),
    }
}

fn token(file: &Path) -> Result<String, Trouble> {
    let text = fs::read_to_string(file)
        .map_err(|error| Trouble::usage(format!("the token cannot be read from {}: {error}", shown(file))))?;
    let token = text.trim();
    let is_sendable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_sendable { Ok(token.to_owned()) } else { Err(Trouble::usage(format!("{} holds no token", shown(file)))) }
}

/// Returns the folders in which programs make their sockets by default.
fn folders() -> Vec<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|dir: &OsString| !dir.is_empty());
    let user = rustix::process::geteuid().as_raw();
    let of_user = env::temp_dir().join(format!("regrow-{user}"));
    runtime.map(|dir| PathBuf::from(dir).join("regrow")).into_iter().chain([of_user]).collect()
}

fn choose(of: Option<&str>, folders: &[PathBuf]) -> Result<Place, Trouble> {
    let mut remarks = Vec::new();
    let all: Vec<Found> = folders.iter().flat_map(|folder| sockets(folder, &mut remarks)).collect();
    let is_meant = |found: &&Found| {
        of.is_none_or(|of| found.program == of || found.program == file_name(of) || found.pid.to_string() == of)
    };
    let live: Vec<&Found> = all.iter().filter(|found| found.state == State::Live).filter(is_meant).collect();
    if let [only] = live.as_slice() {
        return Ok(Place::Socket(only.path.clone()));
    }
    let mut text = match (of, live.is_empty()) {
        (Some(of), true) => format!("no running program `{}` has an admin source here", safe(of)),
        (Some(of), false) => format!("several running programs are called `{}`: name one by its pid", safe(of)),
        (None, true) => "no running program has an admin source here".to_owned(),
        (None, false) => "several running programs have an admin source: name one".to_owned(),
    };
    let listed: Vec<&Found> = if live.is_empty() { all.iter().collect() } else { live };
    listed.iter().for_each(|found| text.push_str(&format!("\n  {found}")));
    remarks.iter().for_each(|remark| text.push_str(&format!("\n  {remark}")));
    if all.is_empty() {
        let folders: Vec<String> = folders.iter().map(|folder| shown(folder)).collect();
        text.push_str(&format!(
            "\nThese folders were searched: {}. A program has one if its code says `Admin::new(..).listen_unix()`; \
             `--socket PATH` names a socket elsewhere.",
            folders.join(", ")
        ));
    }
    Err(Trouble::new(Code::NoProgram, text))
}

/// Returns the sockets of a folder, by name. A folder that another user could have made is left out, with a remark.
fn sockets(folder: &Path, remarks: &mut Vec<String>) -> Vec<Found> {
    let is_ours = |metadata: &Metadata| {
        let owner = metadata.uid();
        metadata.is_dir() && (owner == rustix::process::geteuid().as_raw() || owner == 0)
    };
    match fs::symlink_metadata(folder) {
        Ok(metadata) if is_ours(&metadata) => {}
        Ok(_) => {
            remarks.push(format!("{} is left out: it is no folder of this user", shown(folder)));
            return Vec::new();
        }
        Err(_) => return Vec::new(),
    }
    let mut found: Vec<Found> =
        fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| socket(&entry.path())).collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn socket(path: &Path) -> Option<Found> {
    let (program, pid) = path.file_name()?.to_str()?.strip_suffix(".sock")?.rsplit_once('.')?;
    let pid = pid.parse().ok()?;
    if !fs::symlink_metadata(path).ok()?.file_type().is_socket() {
        return None;
    }
    let state = match UnixStream::connect(path) {
        Ok(_) => State::Live,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => State::Forbidden,
        Err(_) => State::Stale,
    };
    Some(Found { path: path.to_owned(), program: program.to_owned(), pid, state })
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = shell_word(&self.path.display().to_string());
        match self.state {
            State::Live => write!(f, "--of {}  ({}, {})", self.pid, safe(&self.program), shown(&self.path)),
            State::Stale => write!(f, "{} is stale: its program is gone; `rm {word}` removes it", shown(&self.path)),
            State::Forbidden => write!(f, "{} belongs to another user: use `sudo`", shown(&self.path)),
        }
    }
}

/// Returns the name of a program as it is in the name of its socket.
fn file_name(program: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    program.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect()
}

fn shown(path: &Path) -> String {
    safe(&path.display().to_string()).into_owned()
}
