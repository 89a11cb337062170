//! Texts that have words of a file in them, and go to a terminal.

/// Returns the text with a mark in the place of each control character that is no line break.
#[allow(dead_code, reason = "experiments and policies in files are features")]
pub(crate) fn plain_lines(text: &str) -> String {
    text.replace(|letter: char| letter.is_control() && letter != '\n', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_and_no_order_to_a_terminal_does() {
        assert_eq!(plain_lines("a\u{1b}[2J\u{9b}1m\r\nb\té"), "a\u{fffd}[2J\u{fffd}1m\u{fffd}\nb\u{fffd}é");
    }
}
