//! A model of a disk: what is durable, and what was written and not synced.
//!
//! `fsync` of a file makes its data durable, and not its name; `fsync` of a folder makes the names in it durable. Until
//! then each change of a name is there or not, whatever became of those before it, and each write is there, or not, or in
//! part, in any order. A rename is one change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::strace::SystemCall;
use crate::torn::record::strings;

type Node = usize;

/// Change of the data of a file.
enum Data {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// Change of names. Each is there as a whole or not.
#[derive(Clone)]
enum Names {
    Folder(PathBuf),
    Set(PathBuf, Node),
    Remove(PathBuf),
    Move(PathBuf, PathBuf, Node),
}

impl Names {
    fn is_in(&self, folder: &Path) -> bool {
        match self {
            Self::Folder(path) | Self::Set(path, _) | Self::Remove(path) => path.parent() == Some(folder),
            Self::Move(from, to, _) => from.parent() == Some(folder) || to.parent() == Some(folder),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, Option<Node>>) {
        match self {
            Self::Folder(path) => drop(names.insert(path, None)),
            Self::Set(path, node) => drop(names.insert(path, Some(node))),
            Self::Remove(path) => drop(names.remove(&path)),
            Self::Move(from, to, node) => {
                // The old name may be another file's by now, or was never there.
                if names.get(&from) == Some(&Some(node)) {
                    names.remove(&from);
                }
                names.insert(to, Some(node));
            }
        }
    }
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Data>,
}

enum Open {
    File { node: Node, offset: usize },
    Folder(PathBuf),
}

pub(super) struct Disk {
    root: PathBuf,
    files: Vec<File>,
    /// As processes see it; folders have no node.
    seen: BTreeMap<PathBuf, Option<Node>>,
    durable: BTreeMap<PathBuf, Option<Node>>,
    pending: Vec<Names>,
    open: HashMap<String, Open>,
}

impl Disk {
    pub(super) fn new(root: &Path) -> Self {
        let names = BTreeMap::from([(root.to_owned(), None)]);
        Self {
            root: root.to_owned(),
            files: Vec::new(),
            seen: names.clone(),
            durable: names,
            pending: Vec::new(),
            open: HashMap::new(),
        }
    }

    pub(super) fn begin_process(&mut self) {
        self.open.clear();
    }

    /// Plays a call. Returns whether it is about a file below the root, and changes something.
    pub(super) fn play(&mut self, call: &SystemCall, skip: Option<&str>) -> bool {
        if call.result < 0 {
            return false;
        }
        let first = || call.arguments.split(',').next().unwrap_or_default().trim().to_owned();
        let paths = || -> Vec<PathBuf> {
            strings(&call.arguments).into_iter().map(|name| PathBuf::from(String::from_utf8(name).unwrap())).collect()
        };
        match call.name.as_str() {
            "openat" => self.open(&paths()[0], call),
            "close" => {
                self.open.remove(&first());
                false
            }
            "mkdir" => self.change(Names::Folder(paths()[0].clone())),
            "unlink" | "unlinkat" => self.change(Names::Remove(paths()[0].clone())),
            "rename" | "renameat" | "renameat2" => match (self.seen.get(&paths()[0]), &paths()[..]) {
                (Some(Some(node)), [from, to]) => self.change(Names::Move(from.clone(), to.clone(), *node)),
                _ => false,
            },
            "link" | "linkat" => match (self.seen.get(&paths()[0]), &paths()[..]) {
                (Some(Some(node)), [_, to]) => self.change(Names::Set(to.clone(), *node)),
                _ => false,
            },
            "write" | "pwrite64" => {
                let at = call.arguments.rsplit(", ").next().and_then(|at| at.parse().ok());
                let Some(Open::File { node, offset }) = self.open.get_mut(&first()) else { return false };
                let mut bytes = strings(&call.arguments).concat();
                bytes.truncate(call.result as usize);
                let at = if call.name == "write" { *offset } else { at.unwrap() };
                *offset = at + bytes.len();
                self.files[*node].pending.push(Data::Write(at, bytes));
                true
            }
            "ftruncate" => {
                let length = call.arguments.rsplit(", ").next().unwrap().parse().unwrap();
                let Some(Open::File { node, .. }) = self.open.get(&first()) else { return false };
                self.files[*node].pending.push(Data::Truncate(length));
                true
            }
            "fsync" | "fdatasync" => self.sync(&first(), skip),
            // Locks, and files that are not the store's. None of the others is used on files of the store.
            "fcntl" | "fallocate" | "dup" => false,
            other => panic!("the model of the disk does not know {other}({})", call.arguments),
        }
    }

    fn open(&mut self, path: &Path, call: &SystemCall) -> bool {
        if !path.starts_with(&self.root) || path.to_string_lossy().ends_with("-shm") {
            return false;
        }
        let number = call.result.to_string();
        let (node, is_new) = match self.seen.get(path) {
            Some(None) => {
                self.open.insert(number, Open::Folder(path.to_owned()));
                return false;
            }
            Some(Some(node)) => (*node, false),
            None => {
                assert!(call.arguments.contains("O_CREAT"), "{path:?} was opened and is not there");
                self.files.push(File::default());
                (self.files.len() - 1, true)
            }
        };
        assert!(!call.arguments.contains("O_APPEND"), "the model of the disk does not know O_APPEND");
        self.open.insert(number, Open::File { node, offset: 0 });
        let is_cut = call.arguments.contains("O_TRUNC");
        if is_cut {
            self.files[node].pending.push(Data::Truncate(0));
        }
        if is_new {
            self.change(Names::Set(path.to_owned(), node));
        }
        is_cut || is_new
    }

    fn change(&mut self, change: Names) -> bool {
        let (Names::Folder(path) | Names::Set(path, _) | Names::Remove(path) | Names::Move(path, ..)) = &change;
        if !path.starts_with(&self.root) || path.to_string_lossy().ends_with("-shm") {
            return false;
        }
        change.clone().apply(&mut self.seen);
        self.pending.push(change);
        true
    }

    fn sync(&mut self, number: &str, skip: Option<&str>) -> bool {
        match self.open.get(number) {
            Some(Open::File { node, .. }) if !matches!(skip, Some("file-sync" | "all-syncs")) => {
                let file = &mut self.files[*node];
                for data in file.pending.drain(..) {
                    apply(&mut file.durable, &data);
                }
                true
            }
            Some(Open::Folder(folder)) if !matches!(skip, Some("folder-sync" | "all-syncs")) => {
                for change in std::mem::take(&mut self.pending) {
                    if change.is_in(folder) {
                        change.apply(&mut self.durable);
                    } else {
                        self.pending.push(change);
                    }
                }
                true
            }
            Some(_) | None => false,
        }
    }

    /// Builds the disk in `target` as a crash could leave it now.
    pub(super) fn crash(&self, target: &Path, random: &mut Rng) -> Loss {
        let mut loss = Loss::default();
        let mut names = self.durable.clone();
        // Sometimes nearly all is lost, and sometimes nearly nothing.
        let chance = [0, 25, 50, 75, 100][random.usize(..5)];
        for change in &self.pending {
            match random.u32(..100) < chance {
                true => change.clone().apply(&mut names),
                false => loss.names += 1,
            }
        }
        let mut contents = BTreeMap::new();
        for node in names.values().flatten().copied().collect::<BTreeSet<_>>() {
            contents.insert(node, self.files[node].crash(random, &mut loss));
        }
        for (path, node) in names {
            let path = target.join(path.strip_prefix(&self.root).unwrap());
            // A file in a folder that is lost is lost with it.
            let is_reachable = path.parent().is_some_and(Path::is_dir);
            match node {
                _ if !is_reachable => {}
                None => drop(fs::create_dir(path)),
                Some(node) => fs::write(path, &contents[&node]).unwrap(),
            }
        }
        loss
    }
}

impl File {
    fn crash(&self, random: &mut Rng, loss: &mut Loss) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let mut pending: Vec<&Data> = self.pending.iter().collect();
        if pending.len() > 1 && random.bool() {
            random.shuffle(&mut pending);
            loss.reordered += 1;
        }
        let chance = [0, 30, 60, 90][random.usize(..4)];
        for data in pending {
            if random.u32(..100) < chance {
                apply(&mut bytes, data);
                continue;
            }
            match data {
                Data::Write(at, written) if written.len() > 1 && random.bool() => {
                    loss.torn += 1;
                    tear(&mut bytes, *at, written, random);
                }
                Data::Write(..) | Data::Truncate(_) => loss.writes += 1,
            }
        }
        bytes
    }
}

/// Applies a part of a write: its begin, to the byte or to the sector, or sectors drawn at random.
fn tear(bytes: &mut Vec<u8>, at: usize, written: &[u8], random: &mut Rng) {
    const SECTOR: usize = 512;
    match random.u32(..3) {
        0 => apply(bytes, &Data::Write(at, written[..random.usize(1..written.len())].to_vec())),
        1 => {
            let end =
                (at + random.usize(1..written.len())).next_multiple_of(SECTOR).saturating_sub(at).min(written.len());
            apply(bytes, &Data::Write(at, written[..end].to_vec()));
        }
        _ => {
            let mut from = 0;
            while from < written.len() {
                let to = ((at + from + 1).next_multiple_of(SECTOR) - at).min(written.len());
                if random.bool() {
                    apply(bytes, &Data::Write(at + from, written[from..to].to_vec()));
                }
                from = to;
            }
        }
    }
}

fn apply(bytes: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Truncate(length) => bytes.resize(*length, 0),
        Data::Write(at, written) => {
            bytes.resize(bytes.len().max(at + written.len()), 0);
            bytes[*at..at + written.len()].copy_from_slice(written);
        }
    }
}

/// Count of what crashes lost.
#[derive(Default)]
pub(super) struct Loss {
    names: usize,
    writes: usize,
    torn: usize,
    reordered: usize,
}

impl Loss {
    pub(super) fn add(&mut self, other: &Self) {
        self.names += other.names;
        self.writes += other.writes;
        self.torn += other.torn;
        self.reordered += other.reordered;
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, writes, torn, reordered } = self;
        write!(
            f,
            "lost {names} changes of names and {writes} writes, tore {torn}, reordered those of {reordered} files"
        )
    }
}
