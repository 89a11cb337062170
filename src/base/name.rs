//! Rules for the names of children, and the greatest depth of a tree.
//!
//! A name appears in paths, in log lines, in patterns of policy and chaos files, and as the name of a thread. A name
//! that would be misread there is refused when a supervisor is planned, before anything starts.

use std::fmt;
use std::sync::Arc;

/// Greatest length of a name, in bytes.
pub const NAME_MAX: usize = 1024;

/// Greatest depth of a tree: the number of names in a path, from the root's to that of the deepest child.
pub const NESTING_MAX: usize = 256;

/// Reason for which a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name contains a slash, which separates the names of a path.
    Slash,
    /// The name is `.` or `..`, which look like steps through a path.
    Dots,
    /// The name begins or ends with white space, which a log line does not show.
    OuterSpace,
    /// The name contains a character that breaks a line, or changes how the line is shown. That is a control character
    /// such as a new line or an escape, or one that turns the direction of the text. (A NUL does neither, and is
    /// allowed.)
    Invisible(char),
    /// The name is longer than [`NAME_MAX`] bytes.
    TooLong,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::Slash => f.write_str("contains a slash, which separates the names of a path"),
            Self::Dots => f.write_str("looks like a step through a path"),
            Self::OuterSpace => f.write_str("begins or ends with white space"),
            Self::Invisible(letter) => {
                write!(f, "contains the character {}, which changes how a line is shown", letter.escape_unicode())
            }
            Self::TooLong => write!(f, "is longer than {NAME_MAX} bytes"),
        }
    }
}

impl std::error::Error for NameError {}

pub(crate) fn check(name: &str) -> Result<(), NameError> {
    match name {
        "" => return Err(NameError::Empty),
        "." | ".." => return Err(NameError::Dots),
        _ if name.len() <= NAME_MAX && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/') => {
            return Ok(());
        }
        _ if name.contains('/') => return Err(NameError::Slash),
        _ if name.len() > NAME_MAX => return Err(NameError::TooLong),
        _ => {}
    }
    match name.chars().find(|letter| is_invisible(*letter)) {
        Some(letter) => Err(NameError::Invisible(letter)),
        None if name.trim() != name => Err(NameError::OuterSpace),
        None => Ok(()),
    }
}

/// Whether it is a control character other than NUL, which does nothing, or a format character of Unicode that is part
/// of no word.
fn is_invisible(letter: char) -> bool {
    (letter.is_control() && letter != '\0')
        || matches!(letter, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Returns a refused name in the form in which it is shown: on one short line.
pub(crate) fn shown(name: &str) -> String {
    const LETTERS: usize = 64;
    let mut shown: String = name.chars().take(LETTERS).flat_map(char::escape_debug).collect();
    let more = name.chars().skip(LETTERS).count();
    if more > 0 {
        shown.push_str(&format!("... and {more} more characters"));
    }
    shown
}

/// Returns the name of a thread with this path: the operating system accepts no NUL.
pub(crate) fn of_thread(path: &str) -> String {
    path.replace('\0', "\\0")
}

/// Number of names in this path.
pub(crate) fn depth(path: &str) -> usize {
    1 + path.bytes().filter(|byte| *byte == b'/').count()
}

/// Returns the path of `name` below `scope`.
pub(crate) fn below(scope: &str, name: &str) -> Arc<str> {
    let mut path = String::with_capacity(scope.len() + 1 + name.len());
    path.push_str(scope);
    path.push('/');
    path.push_str(name);
    path.into()
}

/// Whether a path is this one, or below it.
pub(crate) fn is_within(path: &str, above: &str) -> bool {
    path == above || is_below(path, above)
}

/// Whether a path is below this one.
pub(crate) fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// Returns two bounds. All paths below this one are between them.
pub(crate) fn bounds_below(path: &str) -> (String, String) {
    let with = |end| {
        let mut bound = String::with_capacity(path.len() + 1);
        bound.push_str(path);
        bound.push(end);
        bound
    };
    // In ASCII the character after `/` is `0`.
    (with('/'), with('0'))
}

/// Greatest number of partitions of a [`Partitioned`](crate::Partitioned) supervisor.
pub const PARTITIONS_MAX: usize = 1_000_000;

/// Returns the name of a type without the modules.
pub(crate) fn short_type(full: &str) -> String {
    let is_of_path = |char: char| char.is_alphanumeric() || char == '_' || char == ':';
    let mut shown = String::new();
    let mut rest = full;
    while !rest.is_empty() {
        let path = rest.find(|char| !is_of_path(char)).unwrap_or(rest.len());
        shown.push_str(rest[..path].rsplit("::").next().unwrap_or_default());
        rest = &rest[path..];
        let other = rest.find(is_of_path).unwrap_or(rest.len());
        shown.push_str(&rest[..other]);
        rest = &rest[other..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_be_read_as_something_else_is_refused() {
        assert_eq!(check(""), Err(NameError::Empty));
        assert_eq!(check("a/b"), Err(NameError::Slash));
        assert_eq!(check("a\tb"), Err(NameError::Invisible('\t')));
        assert_eq!(check("a\nb"), Err(NameError::Invisible('\n')));
        assert_eq!(check("\u{1b}[31mred"), Err(NameError::Invisible('\u{1b}')));
        assert_eq!(check("admin\u{202e}gpj"), Err(NameError::Invisible('\u{202e}')));
        assert_eq!(check(".."), Err(NameError::Dots));
        assert_eq!(check(" a"), Err(NameError::OuterSpace));
        assert_eq!(check("\u{a0}"), Err(NameError::OuterSpace));
        assert_eq!(check(&"x".repeat(NAME_MAX + 1)), Err(NameError::TooLong));
    }

    #[test]
    fn addresses_numbers_and_words_of_every_language_are_names() {
        let longest = "x".repeat(NAME_MAX);
        for name in [
            "a",
            "7",
            "user 42",
            "[::1]:8080",
            "order#17",
            "*",
            "a.b",
            "a\0b",
            "...",
            "ужин",
            "日本",
            "می‌خواهم",
            "👩‍🚀",
            &longest,
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_refused_name_is_shown_on_one_short_line() {
        assert_eq!(shown("a\0b\n"), "a\\0b\\n");
        assert_eq!(of_thread("app/a\0b"), "app/a\\0b");
        assert_eq!(shown(&"x".repeat(100)), format!("{}... and 36 more characters", "x".repeat(64)));
    }
}
