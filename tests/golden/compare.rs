//! Comparison of a text with lines of which some may be left out.

/// Line that stands for any number of lines.
const LEFT_OUT: &str = "...";

/// The first line of `text` that no line of `pattern` allows, counted from 0; `None` if the whole text fits.
pub(crate) fn first_difference(pattern: &[String], text: &[String]) -> Option<usize> {
    match pattern.split_first() {
        None => (!text.is_empty()).then_some(0),
        Some((line, rest)) if line == LEFT_OUT => {
            let attempts = (0..=text.len()).map(|skipped| (skipped, first_difference(rest, &text[skipped..])));
            // Shows the difference of the attempt in which most lines fit.
            let best = attempts.rev().max_by_key(|(_, at)| at.unwrap_or(usize::MAX));
            best.and_then(|(skipped, at)| Some(skipped + at?))
        }
        Some((line, rest)) if text.first() == Some(line) => first_difference(rest, &text[1..]).map(|at| at + 1),
        Some(_) => Some(0),
    }
}

#[test]
fn lines_that_are_left_out_are_allowed_where_dots_say_so() {
    let split = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let cases = [
        ("a b", "a b", None),
        ("a b", "a", Some(1)),
        ("a", "a b", Some(1)),
        ("a ... d", "a b c d", None),
        ("a ... d", "a d", None),
        ("... d ...", "a b c d e", None),
        ("a ... c x", "a b c d", Some(3)),
        ("...", "", None),
        ("a ... b", "a ... b", None),
    ];
    for (pattern, text, difference) in cases {
        assert_eq!(first_difference(&split(pattern), &split(text)), difference, "{pattern} | {text}");
    }
}
