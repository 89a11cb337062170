//! Files that import each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::Package;

/// The loops of files that import each other, largest first.
pub(crate) fn loops(imports: &[BTreeMap<usize, usize>]) -> Vec<Vec<usize>> {
    let reach = |from: usize, back: bool| {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            let next: Vec<usize> = if back {
                (0..imports.len()).filter(|other| imports[*other].contains_key(&at)).collect()
            } else {
                imports[at].keys().copied().collect()
            };
            open.extend(next.into_iter().filter(|other| seen.insert(*other)));
        }
        seen
    };
    let mut left: BTreeSet<usize> = (0..imports.len()).collect();
    let mut found = Vec::new();
    while let Some(at) = left.first().copied() {
        let both: Vec<usize> = reach(at, false).intersection(&reach(at, true)).copied().collect();
        left.retain(|file| !both.contains(file));
        if both.len() > 1 {
            found.push(both);
        }
    }
    found.sort_by_key(|files| usize::MAX - files.len());
    found
}

pub(crate) fn graph(package: &Package) {
    let imports = package.imports();
    for files in loops(&imports) {
        println!("loop of {}:", files.len());
        for at in &files {
            let to: Vec<String> = imports[*at]
                .iter()
                .filter(|(to, _)| files.contains(to))
                .map(|(to, line)| format!("{}:{}", package.files[*to].name, line + 1))
                .collect();
            println!("  {} -> {}", package.files[*at].name, to.join(", "));
        }
    }
}

/// Each import as a line: the file, the one that it imports, and where.
pub(crate) fn edges(package: &Package) {
    for (from, to) in package.imports().iter().enumerate() {
        for (to, line) in to {
            let (from, to) = (&package.files[from], &package.files[*to]);
            println!("{} {} {}: {}", from.name, to.name, line + 1, from.lines[*line].trim());
        }
    }
}
