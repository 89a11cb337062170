//! The figures of the house.

use std::fs;
use std::path::Path;

use crate::loops::loops;
use crate::paths::uses;
use crate::prose::{begins_bare, comment, first_doc_lines, pronoun};
use crate::sources::{File, Package};

pub(crate) fn figures(root: &Path, runtime: &Package, machine: &Package) {
    for (name, package) in [("src", runtime), ("supervisors/src", machine)] {
        let imports = package.imports();
        let sizes: Vec<String> = loops(&imports).iter().take(4).map(|files| files.len().to_string()).collect();
        println!("{name}: {} files, loops of files that import each other: {}", package.files.len(), sizes.join(", "));
    }
    let files = || runtime.files.iter().chain(&machine.files);
    let comments: Vec<&str> = files().flat_map(|file| &file.lines).filter_map(|line| comment(line)).collect();
    let with = comments.iter().filter(|text| pronoun(text).is_some()).count();
    println!("comment lines: {}, of them with a word for people: {with}", comments.len());
    let firsts: Vec<&str> = files().flat_map(first_doc_lines).map(|(_, text)| text).collect();
    let bare = firsts.iter().filter(|text| begins_bare(text)).count();
    println!("first doc lines: {}, of them with a bare What, How, It and their kin: {bare}", firsts.len());
    let at_root = |folder: bool| {
        fs::read_dir(root.join("src"))
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().is_dir() == folder)
            .count()
    };
    println!("root of src: {} files, {} folders", at_root(false), at_root(true));
    println!("public names at the root: {}", public_names(runtime));
    println!("cfg(feature = \"chaos\") outside of chaos/: {}", chaos_cfgs(runtime).len());
    for tests in ["tests", "supervisors/tests"] {
        println!("{tests}: {} programs", programs(&root.join(tests)));
    }
}

fn public_names(runtime: &Package) -> usize {
    runtime.files.iter().find(|file| file.name == "lib.rs").map_or(0, |file| uses(&file.code, true).len())
}

/// The lines outside of `chaos/` at which the feature makes a difference, without the line of the module.
pub(crate) fn chaos_cfgs(runtime: &Package) -> Vec<(&File, usize)> {
    let mut found = Vec::new();
    for file in runtime.files.iter().filter(|file| !file.name.starts_with("chaos/")) {
        for (at, line) in file.lines.iter().enumerate() {
            let of_module = file.lines.get(at + 1).is_some_and(|next| next.starts_with("pub mod chaos"));
            if line.contains("feature = \"chaos\"") && comment(line).is_none() && !of_module {
                found.push((file, at));
            }
        }
    }
    found
}

/// Test programs as cargo finds them: each file, and each folder with a `main.rs`.
fn programs(tests: &Path) -> usize {
    fs::read_dir(tests)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file())
        .count()
}
