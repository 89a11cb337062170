//! What the sources must keep: each line that offends is printed.

use std::process;

use crate::figures::chaos_cfgs;
use crate::loops::loops;
use crate::prose::{begins_bare, comment, first_doc_lines, pronoun};
use crate::sources::{File, Package};

/// Files whose doc comments are texts of `.schema/policy.json`, which stays as it is.
const SCHEMA: [&str; 2] = ["policy/fields.rs", "policy/rules.rs"];
/// Rooms below, and what they must not know.
const BELOW: [&str; 4] = ["slot", "call", "tree", "incarnation"];
const ABOVE: [&str; 5] = ["supervisor", "policy", "chaos", "otp", "metrics"];
/// The most files that may import each other among the builders and the driver of a supervisor, and anywhere else.
const LARGEST_LOOPS: [usize; 2] = [13, 6];

pub(crate) fn walls(runtime: &Package, machine: &Package, macros: &Package) {
    let mut offences = Vec::new();
    let imports = runtime.imports();
    let room = |file: &File| file.module.first().cloned().unwrap_or_default();
    for (from, to) in imports.iter().enumerate() {
        for (to, line) in to {
            let (from, to) = (&runtime.files[from], &runtime.files[*to]);
            if BELOW.contains(&room(from).as_str()) && ABOVE.contains(&room(to).as_str()) {
                offences.push(format!(
                    "src/{}:{}: names {}: {}",
                    from.name,
                    line + 1,
                    to.name,
                    from.lines[*line].trim()
                ));
            }
        }
    }
    for files in loops(&imports) {
        let is_of_supervisors =
            files.iter().all(|file| matches!(room(&runtime.files[*file]).as_str(), "supervisor" | "child"));
        let most = LARGEST_LOOPS[usize::from(!is_of_supervisors)];
        if files.len() > most {
            let names: Vec<&str> = files.iter().map(|file| runtime.files[*file].name.as_str()).collect();
            offences.push(format!("{} files import each other, and {most} may: {}", files.len(), names.join(" ")));
        }
    }
    for (file, at) in chaos_cfgs(runtime) {
        offences.push(format!(
            "src/{}:{}: the feature `chaos` outside of chaos/: {}",
            file.name,
            at + 1,
            file.lines[at].trim()
        ));
    }
    for (folder, package) in [("src", runtime), ("supervisors/src", machine), ("macros/src", macros)] {
        for file in package.files.iter().filter(|file| !SCHEMA.contains(&file.name.as_str())) {
            for (at, text) in first_doc_lines(file).into_iter().filter(|(_, text)| begins_bare(text)) {
                offences.push(format!(
                    "{folder}/{}:{}: a doc comment begins with a noun phrase or a verb: {text}",
                    file.name,
                    at + 1
                ));
            }
            for (at, line) in file.lines.iter().enumerate() {
                if let Some(word) = comment(line).and_then(pronoun) {
                    offences.push(format!(
                        "{folder}/{}:{}: `{word}` is a word for people: {}",
                        file.name,
                        at + 1,
                        line.trim()
                    ));
                }
            }
        }
    }
    offences.iter().for_each(|offence| println!("{offence}"));
    println!("{} offences", offences.len());
    process::exit(i32::from(!offences.is_empty()));
}
