//! A report as one page of HTML, with its pictures, that needs no network.
//!
//! | file | idea |
//! |---|---|
//! | `scale.rs`, `cluster.rs` | times as coordinates; neighbours that are too narrow to be drawn apart |
//! | `rows.rs`, `ending.rs`, `timeline.rs` | the services that get a row; how lives ended; bars and marks |
//! | `availability.rs`, `histogram.rs` | the share that was up; the recovery times |
//! | `head.rs`, `tables.rs` | verdicts and totals; what the pictures cannot tell |

mod availability;
mod cluster;
mod ending;
mod head;
mod histogram;
mod rows;
mod scale;
mod tables;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chaos::report::ExperimentReport;

const STYLE: &str = include_str!("style.css");

impl ExperimentReport {
    /// Returns the report as one page of HTML. It loads no script, font or picture from elsewhere, and can be read on a
    /// light or a dark ground, and printed.
    ///
    /// The page stays within about two megabytes, however long the run. With many services it shows those that were
    /// touched. What is too close to be told apart is drawn together, tables and log are cut, and each says what it
    /// leaves out. [`to_json`](Self::to_json) leaves nothing out. Texts of the program (titles, paths, errors) are
    /// escaped, and their control characters replaced.
    ///
    /// ```
    /// # use regrow::chaos::ExperimentReport;
    /// fn save(report: &ExperimentReport) -> std::io::Result<()> {
    ///     std::fs::write("report.html", report.to_html())
    /// }
    /// ```
    pub fn to_html(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (if self.passed() { "passed" } else { "BROKEN" }) ": " (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body { (header(self)) (body(self)) }
            }
        };
        printable(page.into_string())
    }
}

fn header(report: &ExperimentReport) -> Markup {
    html! { header { (head::headline(report)) } }
}

fn body(report: &ExperimentReport) -> Markup {
    html! {
        main {
            section { h2 { "Claims" } (head::claims(report)) }
            section { h2 { "Totals" } (head::totals(report)) }
            section class="long" { h2 { "Timeline" } (timeline::timeline(report)) }
            section { h2 { "Availability over time" } (availability::availability(report)) }
            section { h2 { "Time to recover" } (histogram::histogram(report)) }
            section { h2 { "Faults by kind" } (tables::kinds(report)) }
            section class="pair" {
                div { h2 { "Calls by outcome" } (tables::calls(report)) }
                div { h2 { "Messages" } (tables::messages(report)) }
            }
            section class="long" { h2 { "Services" } (tables::services(report)) }
            section class="long" { h2 { "Faults, one by one" } (tables::faults(report)) }
            section class="long" { h2 { "Log" } (tables::log(report)) }
        }
        footer { "To see it again: " (head::again(report)) ", with regrow " (report.version) "." }
    }
}

/// Control characters have no place in a page, not even as entities.
fn printable(page: String) -> String {
    let is_bad = |letter: char| (letter.is_control() && letter != '\n' && letter != '\t') || letter > '\u{10fffd}';
    let is_bad = |letter| is_bad(letter) || matches!(letter, '\u{fffe}' | '\u{ffff}');
    if page.contains(is_bad) { page.replace(is_bad, "\u{fffd}") } else { page }
}
