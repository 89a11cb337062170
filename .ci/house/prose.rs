//! Comments, and the words in them.

use crate::sources::File;

/// (`whose` is fine for things.)
const PRONOUNS: [&str; 7] = ["who", "whom", "whoever", "somebody", "anybody", "nobody", "everybody"];
const BARE: [&str; 10] = ["What", "How", "When", "Why", "Which", "It", "One", "As", "So", "Whoever"];

pub(crate) fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    ["///", "//!", "//"].iter().find_map(|mark| line.strip_prefix(mark))
}

pub(crate) fn pronoun(text: &str) -> Option<&str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '`')
        .find(|word| PRONOUNS.contains(&word.to_lowercase().as_str()))
}

/// The first line of each doc comment, with its number.
pub(crate) fn first_doc_lines(file: &File) -> Vec<(usize, &str)> {
    let doc = |line: &str| line.trim_start().starts_with("///") || line.starts_with("//!");
    let lines = file.lines.iter().enumerate();
    lines
        .filter(|(at, line)| doc(line) && (*at == 0 || !doc(&file.lines[at - 1])))
        .filter_map(|(at, line)| Some((at, comment(line)?.trim())))
        .collect()
}

pub(crate) fn begins_bare(text: &str) -> bool {
    let first: String = text.chars().take_while(|letter| letter.is_alphabetic()).collect();
    BARE.contains(&first.as_str())
}
