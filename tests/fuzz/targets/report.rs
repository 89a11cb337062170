//! Reports of experiments: as pages, as JSON, as text.

use regrow::chaos::ExperimentReport;

/// A report as JSON.
pub(super) fn page(data: &[u8]) {
    let Ok(report) = serde_json::from_slice::<ExperimentReport>(data) else { return };
    is_well_formed(&report.to_html());
    let written = report.to_json();
    let again: ExperimentReport = serde_json::from_str(&written).expect("it was written as JSON");
    // Numbers are rounded to microseconds once. Of numbers with more digits the reader of JSON promises no more than the
    // nearest two.
    let digits_max = written.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if digits_max < 10 && !written.contains("e+") {
        assert_eq!(again.to_json(), written);
    }
    assert!(!report.to_string().is_empty());
}

/// Checks a page: XML can read it, and no text of a program has become markup or an order to a terminal.
pub(super) fn is_well_formed(page: &str) {
    let bad = |letter: &char| letter.is_control() && *letter != '\n' && *letter != '\t';
    assert_eq!(page.chars().find(bad), None, "a control character is in the page");
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let read = match roxmltree::Document::parse_with_options(&xml(page), options) {
        Ok(read) => {
            let names = ["script", "iframe", "img", "link", "object", "embed", "form", "input", "a", "base"];
            read.descendants()
                .find(|node| names.contains(&node.tag_name().name()))
                .map(|node| node.tag_name().name().to_owned())
        }
        Err(error) => panic!("{error}: {page}"),
    };
    assert_eq!(read, None, "a text has become markup");
}

/// HTML as XML: elements without an end get one.
fn xml(page: &str) -> String {
    let mut page = page.replacen("<!DOCTYPE html>", "", 1);
    for name in ["<meta charset=\"utf-8\">", "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"]
    {
        page = page.replacen(name, "", 1);
    }
    page
}
