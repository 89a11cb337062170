//! The tables of the guide, compared with `Cargo.toml` and with the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::{golden_file, package, read};

fn page(name: &str) -> String {
    read(&package().join("src/guide").join(name))
}

/// Words in backticks of a text.
fn code_words(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Rows of the tables below a heading, as cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let below = page.split(&format!("# {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading `{heading}`"));
    let section = below.split("\n# ").next().unwrap_or(below);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Each feature of the manifest with those that it turns on.
fn features() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = read(&package().join("Cargo.toml"));
    let section = manifest.split("[features]\n").nth(1).and_then(|rest| rest.split("\n[").next()).expect("features");
    let lines: String = section.lines().filter(|line| !line.starts_with('#')).collect();
    let mut features = BTreeMap::new();
    for entry in lines.split(']').filter(|entry| !entry.trim().is_empty()) {
        let (name, on) = entry.split_once('=').expect("a feature and what it turns on");
        let on = on.split('"').skip(1).step_by(2);
        let own = on.filter(|item| !item.contains([':', '/', '?'])).map(str::to_owned);
        features.insert(name.trim().to_owned(), own.collect());
    }
    features.remove("default").expect("`default` is there, and empty");
    features
}

#[test]
fn the_table_of_features_is_that_of_the_manifest() {
    let known = features();
    let mut told = BTreeMap::new();
    for row in rows(&page("features.md"), "Features") {
        let [feature, _, with_it] = &row[..] else { panic!("a row with three cells: {row:?}") };
        told.insert(code_words(feature).pop_first().expect("a name"), code_words(with_it));
    }
    assert_eq!(told, known, "left: src/guide/features.md, right: Cargo.toml");
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// Names of variables in the line of a file: given as text, or by a constant of the same file.
fn variables(line: &str, file: &str) -> Vec<String> {
    let reads = ["env::var(", "env::var_os(", "env = ", "is_set("];
    let code = line.split("//").next().unwrap_or(line);
    if !code.contains("\"REGROW_") && !reads.iter().any(|read| code.contains(read)) {
        return Vec::new();
    }
    let is_name = |text: &str| text.len() > 1 && text.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let mut names: Vec<String> =
        code.split('"').skip(1).step_by(2).filter(|text| is_name(text)).map(str::to_owned).collect();
    let constant = reads[..2].iter().find_map(|read| code.split(read).nth(1)).and_then(|rest| rest.split(')').next());
    if let Some(constant) = constant.filter(|name| is_name(name)) {
        let line = file.lines().find(|line| line.contains(&format!("const {constant}: &str")));
        names.extend(line.and_then(|line| line.split('"').nth(1)).map(str::to_owned));
    }
    names
}

#[test]
fn every_environment_variable_that_the_code_reads_is_in_the_guide() {
    let told: BTreeSet<String> =
        rows(&page("features.md"), "Environment variables").iter().flat_map(|row| code_words(&row[0])).collect();
    let for_tests = code_words(&page("contributing.md"));
    let mut files = Vec::new();
    for folder in ["src", "supervisors/src", "macros/src"]
        .map(|folder| package().join(folder))
        .iter()
        .filter(|path| path.is_dir())
    {
        sources(folder, &mut files);
    }
    let mut known = BTreeSet::new();
    for path in &files {
        let text = read(path);
        for name in text.lines().flat_map(|line| variables(line, &text)) {
            // Fields of policies: `REGROW_DEFAULTS_DELAY` and its kin.
            known.insert(if name == "REGROW_DEFAULTS_" { "REGROW_DEFAULTS_FIELD".to_owned() } else { name });
        }
    }
    known.remove("CARGO_MANIFEST_DIR");
    let missing: Vec<_> = known.iter().filter(|name| !told.contains(*name) && !for_tests.contains(*name)).collect();
    assert!(missing.is_empty(), "src/guide/features.md does not have {missing:?}");
    // Read by the crate `sd-notify`.
    let elsewhere = ["WATCHDOG_USEC", "WATCHDOG_PID"];
    let unknown: Vec<_> =
        told.iter().filter(|name| !known.contains(*name) && !elsewhere.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "no code reads {unknown:?}");
    assert!(known.len() > 8, "the search is blind: it found {known:?}");
}

#[test]
fn the_format_of_experiments_has_every_kind_and_field() {
    let words = code_words(&page("files.md"));
    let faults = read(&package().join("src/chaos/fault.rs"));
    let names =
        faults.split("fn name(").nth(1).and_then(|rest| rest.split("\n    }").next()).expect("the names of faults");
    let kinds: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
    let file = read(&package().join("src/chaos/file.rs"));
    let mut fields = Vec::new();
    for of in ["struct File {", "struct Claims {", "struct FaultFile {"] {
        let body = file.split(of).nth(1).and_then(|rest| rest.split("\n}").next()).expect(of);
        let declared = body.lines().map(str::trim).filter(|line| !line.starts_with(['#', '/']));
        fields.extend(declared.filter_map(|line| line.split_once(':')).map(|(name, _)| name));
    }
    // These two are tables, and their headings say so.
    fields.retain(|field| !["hypothesis", "faults"].contains(field));
    assert!(kinds.len() > 20 && fields.len() > 15, "the search is blind: {kinds:?}, {fields:?}");
    let missing: Vec<_> = kinds.iter().chain(&fields).filter(|name| !words.contains(**name)).collect();
    assert!(missing.is_empty(), "src/guide/files.md does not have {missing:?}");
}

#[test]
fn each_page_is_in_an_index_and_each_recipe_is_compiled() {
    let modules = read(&package().join("src/guide/mod.rs"));
    let index = page("index.md") + &page("recipes/index.md");
    let pages = modules.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.split([' ', '{']).next());
    let pages: Vec<&str> = pages.filter(|page| *page != "coming_from").collect();
    assert!(pages.len() > 25, "the search is blind: it found {pages:?}");
    for page in &pages {
        let link = [format!("({page})"), format!("::{page})")];
        assert!(link.iter().any(|link| index.contains(link.as_str())), "no index of the guide has a link to {page}");
    }
    let Ok(compiled) = fs::read_to_string(package().join("examples/recipes/src/lib.rs")) else { return };
    let mut recipes = Vec::new();
    sources(&package().join("src/guide/recipes"), &mut recipes);
    for recipe in &recipes {
        let name = recipe.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(compiled.contains(&format!("guide/recipes/{name}")), "examples/recipes does not compile {name}");
    }
    assert!(recipes.len() > 4, "the search is blind: it found {recipes:?}");
}

#[test]
fn each_link_of_the_readme_to_a_file_leads_somewhere() {
    let readme = read(&package().join("README.md"));
    let links: Vec<&str> = readme.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()).collect();
    let local: Vec<_> = links.into_iter().filter(|link| !link.starts_with("https://")).collect();
    assert!(local.len() > 20, "the search is blind: it found {local:?}");
    for link in local {
        assert!(package().join(link).exists(), "README.md has a link to {link}");
    }
    let picture = read(&package().join(".pictures/healing.svg"));
    roxmltree::Document::parse(&picture).expect("a picture that browsers can read");
}

#[test]
fn the_page_of_policy_files_has_every_field_and_word() {
    let code = read(&package().join("src/policy/mod.rs"));
    let doc: String = code.lines().take_while(|line| line.starts_with("//!")).map(|line| format!("{line}\n")).collect();
    let words: BTreeSet<&str> = doc.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let schema = serde_json::from_str(&read(&package().join(".schema/policy.json"))).expect("a schema");
    let mut fields = BTreeSet::new();
    properties(&schema, &mut fields);
    assert!(fields.len() > 25, "the search is blind: it found {fields:?}");
    let missing: Vec<_> = fields.iter().filter(|field| !words.contains(field.as_str())).collect();
    assert!(missing.is_empty(), "the page of `regrow::policy` does not have {missing:?}");
}

/// Names of the properties of a schema, and the words that they may have, however deep.
fn properties(schema: &serde_json::Value, into: &mut BTreeSet<String>) {
    if let Some(fields) = schema.get("properties").and_then(|fields| fields.as_object()) {
        into.extend(fields.keys().cloned());
    }
    into.extend(schema.get("const").and_then(|word| word.as_str()).map(str::to_owned));
    match schema {
        serde_json::Value::Object(members) => members.values().for_each(|member| properties(member, into)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| properties(item, into)),
        _ => {}
    }
}

/// The version that a manifest, or a part of one, asks for of each crate.
fn versions(manifest: &str) -> BTreeMap<&str, &str> {
    let lines = manifest.lines().filter_map(|line| line.split_once(" = "));
    let version = |value: &'_ str| value.split("version = ").last().is_some_and(|value| value.starts_with('"'));
    lines
        .filter(|(_, value)| version(value))
        .map(|(name, value)| {
            let value = value.split("version = ").last().unwrap_or(value);
            (name, value.split('"').nth(1).unwrap_or_default())
        })
        .collect()
}

#[test]
fn the_versions_in_recipes_are_those_that_are_compiled() {
    let Ok(manifest) = fs::read_to_string(package().join("examples/recipes/Cargo.toml")) else { return };
    let compiled = versions(manifest.split("[dependencies]").nth(1).expect("dependencies"));
    let mut compared = 0;
    for recipe in ["axum", "tonic", "sqlx", "rusqlite", "reqwest", "websocket"] {
        let page = page(&format!("recipes/{recipe}.md"));
        let shown = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("dependencies");
        for (name, version) in versions(shown) {
            let Some(used) = compiled.get(name) else { continue };
            let is_same = *used == version || used.starts_with(&format!("{version}."));
            assert!(is_same, "{recipe}.md shows {name} {version}, and examples/recipes has {used}");
            compared += 1;
        }
    }
    assert!(compared > 15, "the search is blind: it compared {compared}");
}

#[test]
fn the_quick_start_shows_its_example_and_what_that_prints() {
    let (page, example) = (page("quick_start.md"), read(&package().join("examples/quick_start.rs")));
    // A new program has no header.
    let header = example.lines().take_while(|line| line.starts_with("//!") || line.is_empty()).count();
    let code: String = example.lines().skip(header).map(|line| format!("{line}\n")).collect();
    assert!(page.contains(&format!("```\n{code}```\n")), "src/guide/quick_start.md has other code than its example");

    let output = read(&golden_file("quick_start"));
    let (before, place) = output.split_once("examples/quick_start.rs:").expect("the place of the panic");
    let (line, after) = place.split_once(':').expect("a line");
    let line = line.parse::<usize>().expect("a number") - header;
    let shown = format!("{before}src/main.rs:{line}:{after}");
    assert!(page.contains(&format!("```text\n{shown}```\n")), "src/guide/quick_start.md does not show:\n{shown}");
}

#[test]
fn each_promise_of_the_guide_has_its_test() {
    let page = page("promises.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`: `"));
    let mut promises = 0;
    for row in rows {
        let test = row.rsplit(" | ").next().unwrap_or(row);
        let mut words = test.split('`').skip(1).step_by(2);
        let (file, name) = (words.next().expect("a file"), words.next().expect("a function"));
        let code = read(&package().join("tests").join(file));
        assert!(code.contains(&format!("fn {name}(")), "tests/{file} has no `{name}`: {row}");
        promises += 1;
    }
    assert!(promises > 100, "the search is blind: it found {promises}");
}

#[test]
fn the_promises_of_the_readme_are_the_first_sections_of_the_page_with_their_tests() {
    let (readme, page) = (read(&package().join("README.md")), page("promises.md"));
    let said =
        readme.split("## What is promised").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("the section");
    let promised = said.split("Not promised").next().unwrap_or(said);
    let claims: Vec<&str> = promised.split("- **").skip(1).filter_map(|rest| rest.split(".**").next()).collect();
    let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# ")).take(claims.len()).collect();
    assert!(claims.len() > 8, "the search is blind: it found {claims:?}");
    assert_eq!(sections, claims);
    for file in said.split("[test](tests/").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(
            page.contains(&format!("`{file}`: ")),
            "promises.md has no row with tests/{file}, which the README names"
        );
    }
}
