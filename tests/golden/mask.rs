//! The mask over figures that differ from run to run.

/// Units that may follow a figure, and are masked with it.
const UNITS: [&str; 6] = [" ms", "ns", "µs", "ms", "s", "%"];

/// The line with `N` in place of each figure, its unit included.
///
/// A figure is a word that begins with a digit, or an identifier of 16 hexadecimal digits. A `-` in a table stands for
/// a missing figure, and is also masked. The widths of columns depend on the figures, so runs of spaces and of rules
/// count as one.
pub(crate) fn masked(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let is_new_word = !masked.ends_with(|last: char| last.is_alphanumeric() || last == '-');
        match figure(rest).filter(|_| is_new_word) {
            Some(length) => {
                masked.push('N');
                rest = &rest[length..];
            }
            None => {
                if !(matches!(next, ' ' | '─' | '═') && masked.ends_with(next)) {
                    masked.push(next);
                }
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    masked.trim_end().to_owned()
}

/// The length of the figure at the start of a text, if there is one.
fn figure(text: &str) -> Option<usize> {
    let hexadecimal = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
    if hexadecimal == 16 {
        return Some(hexadecimal);
    }
    if text.starts_with("- ") {
        return Some(1);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ','))).unwrap_or(text.len());
    // A full stop or a comma after the figure belongs to the sentence.
    let digits = text[..end].trim_end_matches(['.', ',']).len();
    let is_unit = |unit: &&&str| {
        let behind = text[digits..].strip_prefix(**unit);
        behind.is_some_and(|behind| !behind.starts_with(|c: char| c.is_alphanumeric()))
    };
    Some(digits + UNITS.iter().find(is_unit).map_or(0, |unit| unit.len()))
}

#[test]
fn figures_are_masked_with_their_units_and_names_are_not() {
    let cases = [
        ("transfers  200,000 in 1.51s (132,886 a second)", "transfers N in N (N a second)"),
        ("│ bank/tellers/teller-1 ┆    51 ┆      0.09 ms │", "│ bank/tellers/teller-1 ┆ N ┆ N │"),
        ("│ tellers ┆ - ┆ recovery p50 │", "│ tellers ┆ N ┆ recovery p50 │"),
        ("1,000 accounts, digest dec566ba8196d484", "N accounts, digest N"),
        ("kills      300, 5 of them; ended after 309.0µs.", "kills N, N of them; ended after N."),
        ("╞═════════╪═══╡", "╞═╪═╡"),
        ("5 services, one-for-all", "N services, one-for-all"),
    ];
    for (line, expected) in cases {
        assert_eq!(masked(line), expected);
    }
}
