//! The paths in a file's code: those of its `use` items, and those that begin with `crate::` or `super::`.

use std::collections::BTreeMap;

/// The paths of all `use` items, groups taken apart, each with its line; `public`: those with a visibility.
pub(crate) fn uses(code: &[String], public: bool) -> Vec<(Vec<String>, usize)> {
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
pub(crate) fn inline(code: &[String]) -> Vec<(Vec<String>, usize)> {
    let mut found = Vec::new();
    for (at, line) in code.iter().enumerate() {
        for start in ["crate::", "super::"] {
            for (begun, _) in line.match_indices(start) {
                if line[..begun].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                    continue;
                }
                let path: String = line[begun..]
                    .chars()
                    .take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':'))
                    .collect();
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
pub(crate) fn absolute(
    module: &[String],
    path: &[String],
    modules: &BTreeMap<Vec<String>, usize>,
) -> Option<Vec<String>> {
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
