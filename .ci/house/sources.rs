//! The source files of a package, and the file to which each path of its code leads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::paths::{absolute, inline, uses};

/// A source file: its module path, its code without comments, strings and tests, and its lines as they are.
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) module: Vec<String>,
    pub(crate) code: Vec<String>,
    pub(crate) lines: Vec<String>,
}

/// The files of one package, and where every path of it leads.
pub(crate) struct Package {
    pub(crate) files: Vec<File>,
    pub(crate) by_module: BTreeMap<Vec<String>, usize>,
    /// For each module the names that it re-exports, with the path they come from.
    pub(crate) reexports: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl Package {
    pub(crate) fn read(src: &Path) -> Self {
        let mut paths = Vec::new();
        walk(src, &mut paths);
        paths.sort();
        let files: Vec<File> = paths.iter().map(|path| File::read(src, path)).collect();
        let by_module = files.iter().enumerate().map(|(at, file)| (file.module.clone(), at)).collect();
        let mut package = Self { files, by_module, reexports: BTreeMap::new() };
        for at in 0..package.files.len() {
            let file = &package.files[at];
            let mut names = BTreeMap::new();
            for (path, _) in uses(&file.code, true) {
                if let Some(target) = absolute(&file.module, &path, &package.by_module) {
                    let name = target.last().cloned().unwrap_or_default();
                    names.insert(name, target);
                }
            }
            let module = file.module.clone();
            package.reexports.insert(module, names);
        }
        package
    }

    /// The file in which the name at the end of `path` is defined.
    pub(crate) fn leads_to(&self, path: &[String], depth: usize) -> Option<usize> {
        let mut module: Vec<String> = Vec::new();
        for (at, segment) in path.iter().enumerate() {
            let mut inner = module.clone();
            inner.push(segment.clone());
            if self.by_module.contains_key(&inner) {
                module = inner;
                continue;
            }
            if depth < 8 {
                if let Some(target) = self.reexports.get(&module).and_then(|names| names.get(segment)) {
                    let mut whole = target.clone();
                    whole.extend(path[at + 1..].iter().cloned());
                    if whole != path {
                        return self.leads_to(&whole, depth + 1);
                    }
                }
            }
            break;
        }
        self.by_module.get(&module).copied()
    }

    /// For each file those that it imports, with a line that does.
    pub(crate) fn imports(&self) -> Vec<BTreeMap<usize, usize>> {
        let of = |file: &File| {
            let mut found = BTreeMap::new();
            let mut paths = uses(&file.code, false);
            paths.extend(uses(&file.code, true));
            paths.extend(inline(&file.code));
            for (path, line) in paths {
                let Some(path) = absolute(&file.module, &path, &self.by_module) else { continue };
                if let Some(to) = self.leads_to(&path, 0) {
                    found.entry(to).or_insert(line);
                }
            }
            found
        };
        self.files
            .iter()
            .enumerate()
            .map(|(at, file)| {
                let mut found = of(file);
                found.remove(&at);
                found
            })
            .collect()
    }
}

impl File {
    pub(crate) fn read(src: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let relative = path.strip_prefix(src).expect("below the root");
        let name = relative.to_string_lossy().into_owned();
        let mut module: Vec<String> =
            relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            let main = module.pop().is_some_and(|last| last == "main");
            if main {
                module = vec!["main".into()];
            }
        }
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Self { name, module, code: code(&lines), lines }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The code of each line: comments and strings are blanks, and from `#[cfg(test)]` before a `mod` on there is none.
fn code(lines: &[String]) -> Vec<String> {
    let mut out = Vec::with_capacity(lines.len());
    let mut is_test = false;
    for (at, line) in lines.iter().enumerate() {
        let next = lines.get(at + 1).map_or("", |line| line.trim());
        is_test |=
            line.starts_with("#[cfg(") && line.contains("test") && next.starts_with("mod ") && next.ends_with('{');
        out.push(if is_test || line.trim_start().starts_with("//") { String::new() } else { bare(line) });
    }
    out
}

/// A line without its strings and the comment at its end.
fn bare(line: &str) -> String {
    let mut out = String::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                while let Some(inner) = letters.next() {
                    match inner {
                        '\\' => drop(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                out.push_str("\"\"");
            }
            '/' if letters.peek() == Some(&'/') => break,
            letter => out.push(letter),
        }
    }
    out
}
