//! Reads the sources of both packages and says how they stand: `house figures` prints the figures, `house walls` checks what
//! must hold and prints each line that offends, and `house sample SEED` draws comments, pages and error texts at random.
//! `.ci/run` builds it with rustc alone; the first argument is the root folder.
//!
//! A file imports another one if a path in its code, outside of comments, strings and its own tests, leads to a name of that
//! file. Re-exports are followed to the file that defines the name.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs, process};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [root, command, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: house FOLDER figures|walls|graph|edges|sample SEED");
        process::exit(2);
    };
    let root = Path::new(root);
    let runtime = Package::read(&root.join("src"));
    let machine = Package::read(&root.join("supervisors/src"));
    match command.as_str() {
        "figures" => figures(root, &runtime, &machine),
        "graph" => graph(&runtime),
        "edges" => edges(&runtime),
        "walls" => walls(&runtime, &machine),
        "sample" => sample(&runtime, &machine, rest.first().and_then(|seed| seed.parse().ok()).unwrap_or(1)),
        other => {
            eprintln!("house: no command `{other}`");
            process::exit(2);
        }
    }
}

// ---- what is read ----

/// One source file: its module path, its code without comments, strings and tests, and its lines as they are.
struct File {
    name: String,
    module: Vec<String>,
    code: Vec<String>,
    lines: Vec<String>,
}

/// The files of one package, and where every path of it leads.
struct Package {
    files: Vec<File>,
    by_module: BTreeMap<Vec<String>, usize>,
    /// For each module the names that it re-exports, with the path they come from.
    reexports: BTreeMap<Vec<String>, BTreeMap<String, Vec<String>>>,
}

impl Package {
    fn read(src: &Path) -> Self {
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
    fn leads_to(&self, path: &[String], depth: usize) -> Option<usize> {
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
    fn imports(&self) -> Vec<BTreeMap<usize, usize>> {
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
        self.files.iter().enumerate().map(|(at, file)| {
            let mut found = of(file);
            found.remove(&at);
            found
        }).collect()
    }
}

impl File {
    fn read(src: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let relative = path.strip_prefix(src).expect("below the root");
        let name = relative.to_string_lossy().into_owned();
        let mut module: Vec<String> = relative.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
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
        is_test |= line.starts_with("#[cfg(") && line.contains("test") && next.starts_with("mod ") && next.ends_with('{');
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

/// The paths of all `use` items, groups taken apart, each with its line; `public`: those with a visibility.
fn uses(code: &[String], public: bool) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize)> = None;
    for (at, line) in code.iter().enumerate() {
        let trimmed = line.trim();
        if open.is_none() {
            let rest = match trimmed.strip_prefix("use ") {
                Some(rest) if !public => rest,
                Some(_) => continue,
                None if public && trimmed.starts_with("pub") => match trimmed.split_once(" use ") {
                    Some((before, rest)) if before.len() < 20 && !before.contains(' ') => rest,
                    _ => continue,
                },
                None => continue,
            };
            open = Some((rest.to_owned(), at));
        } else if let Some((text, _)) = &mut open {
            text.push_str(trimmed);
        }
        if let Some((text, begun)) = open.take_if(|(text, _)| text.contains(';')) {
            let whole = text.split(';').next().unwrap_or_default().to_owned();
            expand(&whole, &[], &mut |path| found.push((path, begun)));
        }
    }
    found
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expand(text: &str, before: &[String], found: &mut dyn FnMut(Vec<String>)) {
    let text = text.trim();
    if let Some(open) = text.find('{') {
        let mut before = before.to_vec();
        before.extend(segments(text[..open].trim_end_matches("::")));
        let inner = text[open + 1..].trim_end().trim_end_matches('}');
        let (mut depth, mut begun) = (0, 0);
        for (at, letter) in inner.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand_part(&inner[begun..at], &before, found);
                    begun = at + 1;
                }
                _ => {}
            }
        }
        expand_part(&inner[begun..], &before, found);
    } else if !text.is_empty() {
        let mut path = before.to_vec();
        path.extend(segments(text.split(" as ").next().unwrap_or_default()));
        path.retain(|segment| segment != "self" || path_is_only_self(before, text));
        found(path);
    }
}

fn expand_part(text: &str, before: &[String], found: &mut dyn FnMut(Vec<String>)) {
    // A part with a group of its own lost its closing brace only if it was the last one: it is given back.
    let open = text.matches('{').count();
    let text = format!("{text}{}", "}".repeat(open.saturating_sub(text.matches('}').count())));
    expand(&text, before, found);
}

fn path_is_only_self(before: &[String], text: &str) -> bool {
    before.is_empty() && text.starts_with("self")
}

fn segments(text: &str) -> Vec<String> {
    text.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// Paths in code that begin with `crate::` or `super::`.
fn inline(code: &[String]) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    for (at, line) in code.iter().enumerate() {
        for start in ["crate::", "super::"] {
            for (begun, _) in line.match_indices(start) {
                if line[..begun].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                    continue;
                }
                let path: String =
                    line[begun..].chars().take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':')).collect();
                // Of a group the names are found as those of a `use`.
                if !path.ends_with("::") {
                    found.push((segments(&path), at));
                }
            }
        }
    }
    found
}

/// A path as it is from the root of the package; `None` for one into another package.
fn absolute(module: &[String], path: &[String], modules: &BTreeMap<Vec<String>, usize>) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            let base = module.get(..module.len().checked_sub(ups)?)?;
            Some([base, &path[ups..]].concat())
        }
        first => {
            let mut inner = module.to_vec();
            inner.push(first.to_owned());
            modules.contains_key(&inner).then(|| [module, path].concat())
        }
    }
}

// ---- the graph ----

/// The loops of files that import each other, largest first.
fn loops(imports: &[BTreeMap<usize, usize>]) -> Vec<Vec<usize>> {
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

fn graph(package: &Package) {
    let imports = package.imports();
    for files in loops(&imports) {
        println!("loop of {}:", files.len());
        for at in &files {
            let to: Vec<String> = imports[*at].iter().filter(|(to, _)| files.contains(to))
                .map(|(to, line)| format!("{}:{}", package.files[*to].name, line + 1)).collect();
            println!("  {} -> {}", package.files[*at].name, to.join(", "));
        }
    }
}

/// Each import as a line: the file, the one that it imports, and where.
fn edges(package: &Package) {
    for (from, to) in package.imports().iter().enumerate() {
        for (to, line) in to {
            let (from, to) = (&package.files[from], &package.files[*to]);
            println!("{} {} {}: {}", from.name, to.name, line + 1, from.lines[*line].trim());
        }
    }
}

// ---- figures ----

/// (`whose` is fine for things.)
const PRONOUNS: [&str; 7] = ["who", "whom", "whoever", "somebody", "anybody", "nobody", "everybody"];
const BARE: [&str; 10] = ["What", "How", "When", "Why", "Which", "It", "One", "As", "So", "Whoever"];

fn figures(root: &Path, runtime: &Package, machine: &Package) {
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
    let at_root = |folder: bool| fs::read_dir(root.join("src")).into_iter().flatten().flatten()
        .filter(|entry| entry.path().is_dir() == folder).count();
    println!("root of src: {} files, {} folders", at_root(false), at_root(true));
    println!("public names at the root: {}", public_names(runtime));
    println!("cfg(feature = \"chaos\") outside of chaos/: {}", chaos_cfgs(runtime).len());
    for tests in ["tests", "supervisors/tests"] {
        println!("{tests}: {} programs", programs(&root.join(tests)));
    }
}

fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    ["///", "//!", "//"].iter().find_map(|mark| line.strip_prefix(mark))
}

fn pronoun(text: &str) -> Option<&str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '`')
        .find(|word| PRONOUNS.contains(&word.to_lowercase().as_str()))
}

/// The first line of each doc comment, with its number.
fn first_doc_lines(file: &File) -> Vec<(usize, &str)> {
    let doc = |line: &str| line.trim_start().starts_with("///") || line.starts_with("//!");
    let lines = file.lines.iter().enumerate();
    lines.filter(|(at, line)| doc(line) && (*at == 0 || !doc(&file.lines[at - 1])))
        .filter_map(|(at, line)| Some((at, comment(line)?.trim()))).collect()
}

fn begins_bare(text: &str) -> bool {
    let first: String = text.chars().take_while(|letter| letter.is_alphabetic()).collect();
    BARE.contains(&first.as_str())
}

fn public_names(runtime: &Package) -> usize {
    runtime.files.iter().find(|file| file.name == "lib.rs").map_or(0, |file| uses(&file.code, true).len())
}

/// The lines outside of `chaos/` at which the feature makes a difference, without the line of the module.
fn chaos_cfgs(runtime: &Package) -> Vec<(&File, usize)> {
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
    fs::read_dir(tests).into_iter().flatten().flatten().map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs") || path.join("main.rs").is_file()).count()
}

// ---- walls ----

/// Files whose doc comments are texts of `.schema/policy.json`, which stays as it is.
const SCHEMA: [&str; 2] = ["policy/fields.rs", "policy/rules.rs"];
/// Rooms below, and what they must not know.
const BELOW: [&str; 4] = ["slot", "call", "tree", "incarnation"];
const ABOVE: [&str; 4] = ["supervisor", "policy", "chaos", "otp"];
/// The most files that may import each other among the builders and the driver of a supervisor, and anywhere else.
const LARGEST_LOOPS: [usize; 2] = [13, 6];

fn walls(runtime: &Package, machine: &Package) {
    let mut offences = Vec::new();
    let imports = runtime.imports();
    let room = |file: &File| file.module.first().cloned().unwrap_or_default();
    for (from, to) in imports.iter().enumerate() {
        for (to, line) in to {
            let (from, to) = (&runtime.files[from], &runtime.files[*to]);
            if BELOW.contains(&room(from).as_str()) && ABOVE.contains(&room(to).as_str()) {
                offences.push(format!("src/{}:{}: names {}: {}", from.name, line + 1, to.name, from.lines[*line].trim()));
            }
        }
    }
    for files in loops(&imports) {
        let is_of_supervisors = files.iter().all(|file| matches!(room(&runtime.files[*file]).as_str(), "supervisor" | "child"));
        let most = LARGEST_LOOPS[usize::from(!is_of_supervisors)];
        if files.len() > most {
            let names: Vec<&str> = files.iter().map(|file| runtime.files[*file].name.as_str()).collect();
            offences.push(format!("{} files import each other, and {most} may: {}", files.len(), names.join(" ")));
        }
    }
    for (file, at) in chaos_cfgs(runtime) {
        offences.push(format!("src/{}:{}: the feature `chaos` outside of chaos/: {}", file.name, at + 1, file.lines[at].trim()));
    }
    for (folder, package) in [("src", runtime), ("supervisors/src", machine)] {
        for file in package.files.iter().filter(|file| !SCHEMA.contains(&file.name.as_str())) {
            for (at, text) in first_doc_lines(file).into_iter().filter(|(_, text)| begins_bare(text)) {
                offences.push(format!("{folder}/{}:{}: a doc comment begins with a noun phrase or a verb: {text}", file.name, at + 1));
            }
            for (at, line) in file.lines.iter().enumerate() {
                if let Some(word) = comment(line).and_then(pronoun) {
                    offences.push(format!("{folder}/{}:{}: `{word}` is a word for people: {}", file.name, at + 1, line.trim()));
                }
            }
        }
    }
    offences.iter().for_each(|offence| println!("{offence}"));
    println!("{} offences", offences.len());
    process::exit(i32::from(!offences.is_empty()));
}

// ---- samples ----

/// Prints twenty comments, twenty public pages and ten error texts that the seed draws.
fn sample(runtime: &Package, machine: &Package, seed: u64) {
    let (mut comments, mut pages, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (folder, package) in [("src", runtime), ("supervisors/src", machine)] {
        for file in &package.files {
            let mut at = 0;
            while at < file.lines.len() {
                let begun = at;
                while file.lines.get(at).is_some_and(|line| comment(line).is_some()) {
                    at += 1;
                }
                if at > begun {
                    let text = file.lines[begun..at].join("\n");
                    let item = file.lines[at..].iter().map(|line| line.trim()).find(|line| !line.starts_with("#["));
                    let is_public = item.is_some_and(|item| item.starts_with("pub ")) && !file.lines[begun].trim_start().starts_with("// ");
                    let place = format!("{folder}/{}:{}", file.name, begun + 1);
                    if is_public { pages.push((place, text)) } else { comments.push((place, text)) }
                }
                at += 1;
            }
            let mut is_error = false;
            for (at, line) in file.lines.iter().enumerate() {
                if line.starts_with("impl") {
                    is_error = line.contains("Display for") && line.contains("Error");
                }
                let text = line.split('"').nth(1).filter(|text| text.contains(' '));
                errors.extend(text.filter(|_| is_error).map(|text| (format!("{folder}/{}:{}", file.name, at + 1), text.to_owned())));
            }
        }
    }
    println!("seed {seed}");
    let mut state = seed;
    for (name, count, mut all) in [("comments", 20, comments), ("public pages", 20, pages), ("error texts", 10, errors)] {
        println!("\n== {count} of {} {name}", all.len());
        for _ in 0..count.min(all.len()) {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let (place, text) = all.swap_remove(((mixed ^ (mixed >> 31)) % all.len() as u64) as usize);
            println!("-- {place}\n{text}");
        }
    }
}
