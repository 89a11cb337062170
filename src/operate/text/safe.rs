//! Texts of a program, made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns the text with every character shown as such that would move the cursor, colour, hide or turn text.
///
/// A program's exit texts, labels and paths are hostile until shown otherwise. A line break becomes `\n`, an escape
/// becomes `\u{1b}`, so the text always takes one line.
///
/// ```
/// assert_eq!(regrow::operate::text::safe("db\u{1b}[2J\nup"), "db\\u{1b}[2J\\nup");
/// ```
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            letter if is_hostile(letter) => {
                // Writing to a `String` cannot fail.
                let _ = write!(shown, "{}", letter.escape_unicode());
            }
            letter => shown.push(letter),
        }
    }
    Cow::Owned(shown)
}

/// Returns the lines of a longer text, each made [`safe`].
pub(crate) fn safe_lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.lines().map(|line| safe(line.trim_end()))
}

/// Returns a word for a shell: as it is, in single quotes, or as `$'...'` if it has characters that a terminal hides.
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:@%+=,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_hostile) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut quoted = String::from("$'");
    for letter in word.chars() {
        match letter {
            '\'' | '\\' => {
                quoted.push('\\');
                quoted.push(letter);
            }
            letter if is_hostile(letter) => {
                let mut buffer = [0; 4];
                for byte in letter.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(quoted, "\\x{byte:02x}");
                }
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('\'');
    quoted
}

/// Whether a terminal would not show it as a character of its own: control and format characters of Unicode.
fn is_hostile(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
