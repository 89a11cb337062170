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
    /// User in whose folder it is.
    user: u32,
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

/// Folder in which the programs of a user make their sockets by default.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    user: u32,
}

/// Returns the folders of this user.
fn folders() -> Vec<Folder> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").filter(|dir: &OsString| !dir.is_empty());
    let user = own_uid();
    let of_user = env::temp_dir().join(format!("regrow-{user}"));
    let paths = runtime.map(|dir| PathBuf::from(dir).join("regrow")).into_iter().chain([of_user]);
    paths.map(|path| Folder { path, user }).collect()
}

/// Returns the folders of the other users, in which root may look. At night a service of another user is asked with `sudo`.
fn folders_of_others() -> Vec<Folder> {
    let number = |name: &str| name.parse().ok().filter(|user| *user != own_uid());
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let (temporary, runtime) = (env::temp_dir(), Path::new("/run/user"));
    let in_temporary = names(&temporary).into_iter().filter_map(|name| {
        let user = number(name.strip_prefix("regrow-")?)?;
        Some(Folder { path: temporary.join(name), user })
    });
    let in_runtime =
        names(runtime).into_iter().filter_map(|name| Some((number(&name)?, runtime.join(name).join("regrow"))));
    let mut all: Vec<_> = in_temporary.chain(in_runtime.map(|(user, path)| Folder { path, user })).collect();
    all.sort_by(|one, other| one.path.cmp(&other.path));
    all
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn choose(of: Option<&str>, folders: &[Folder]) -> Result<Place, Trouble> {
    let mut remarks = Vec::new();
    let mut all: Vec<Found> = folders.iter().flat_map(|folder| sockets(folder, &mut remarks)).collect();
    let is_meant = |found: &&Found| {
        of.is_none_or(|of| found.program == of || found.program == file_name(of) || found.pid.to_string() == of)
    };
    if own_uid() == 0 && !all.iter().filter(is_meant).any(|found| found.state == State::Live) {
        // What is odd in a folder of another user is no news.
        all.extend(folders_of_others().iter().flat_map(|folder| sockets(folder, &mut Vec::new())));
    }
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
        let folders: Vec<String> = folders.iter().map(|folder| shown(&folder.path)).collect();
        text.push_str(&format!(
            "\nThese folders were searched: {}. A program has one if its code says `Admin::new(..).listen_unix()`; \
             `--socket PATH` names a socket elsewhere.",
            folders.join(", ")
        ));
    }
    Err(Trouble::new(Code::NoProgram, text))
}

/// Returns the sockets of a folder, by name. A folder that another user could have made is left out, with a remark.
fn sockets(Folder { path: folder, user }: &Folder, remarks: &mut Vec<String>) -> Vec<Found> {
    let is_ours = |metadata: &Metadata| metadata.is_dir() && (metadata.uid() == *user || metadata.uid() == 0);
    match fs::symlink_metadata(folder) {
        Ok(metadata) if is_ours(&metadata) => {}
        Ok(_) => {
            remarks.push(format!("{} is left out: it is no folder of this user", shown(folder)));
            return Vec::new();
        }
        Err(_) => return Vec::new(),
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<Found> = entries.filter_map(|entry| socket(&entry.path(), *user)).collect();
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn socket(path: &Path, user: u32) -> Option<Found> {
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
    Some(Found { path: path.to_owned(), program: program.to_owned(), pid, user, state })
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = shell_word(&self.path.display().to_string());
        match self.state {
            State::Live => {
                write!(f, "--of {}  ({}, {}", self.pid, safe(&self.program), shown(&self.path))?;
                if self.user == own_uid() { f.write_str(")") } else { write!(f, ", of uid {})", self.user) }
            }
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
