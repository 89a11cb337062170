//! Texts of the user in a line: they break no line, and their escape codes reach no terminal.

use std::fmt::{self, Write};

/// Text with its control characters, and all else that ends a line, escaped as Rust does: `\n`, `\u{1b}`.
pub(crate) struct OneLine<'a, T: ?Sized>(&'a T);

pub(crate) fn one_line<T: fmt::Display + ?Sized>(text: &T) -> OneLine<'_, T> {
    OneLine(text)
}

impl<T: fmt::Display + ?Sized> fmt::Display for OneLine<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_odd = |char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}');
        for part in text.split_inclusive(is_odd) {
            let odd = part.chars().next_back().filter(|last| is_odd(*last));
            self.0.write_str(&part[..part.len() - odd.map_or(0, char::len_utf8)])?;
            if let Some(odd) = odd {
                write!(self.0, "{}", odd.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_or_steer_a_terminal_is_escaped_and_nothing_else() {
        let cases = [
            ("", ""),
            ("caf\u{e9} \"a\" \\ 'b'", "caf\u{e9} \"a\" \\ 'b'"),
            ("a\nb\r\n", "a\\nb\\r\\n"),
            ("\u{1b}[31mred\t\0", "\\u{1b}[31mred\\t\\0"),
            ("\u{85}\u{2028}x\u{7f}", "\\u{85}\\u{2028}x\\u{7f}"),
        ];
        for (text, line) in cases {
            assert_eq!(one_line(text).to_string(), line);
        }
        assert_eq!(one_line(&format_args!("{}\n{}", 1, 2)).to_string(), "1\\n2");
    }
}
