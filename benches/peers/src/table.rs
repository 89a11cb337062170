//! How it is printed.

use std::collections::BTreeSet;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Row, Table};

use crate::measure::Summary;
use crate::system::SystemName;
use crate::targets::{GROWTH_MAX, TARGETS};
use crate::workload::{Mode, Workload};

/// The table of one workload, and under it the targets that are about it.
pub fn workload(workload: Workload, summaries: &[Summary]) -> String {
    let figures: BTreeSet<_> = summaries.iter().map(|summary| by_size(&summary.workload)).collect();
    let mut header = vec!["system".to_owned()];
    let mut columns = Vec::new();
    for (_, figure) in &figures {
        for mode in [Mode::St, Mode::Mt] {
            if summaries.iter().any(|summary| summary.workload == *figure && summary.mode == mode) {
                header.push(format!("{figure} {mode}"));
                columns.push((figure, mode));
            }
        }
    }
    let mut table = table(header);
    let systems: BTreeSet<_> = summaries.iter().map(|summary| summary.system).collect();
    for system in systems {
        let cell = |(figure, mode): &(&&str, Mode)| {
            let found = summaries.iter().find(|s| s.workload == **figure && s.mode == *mode && s.system == system);
            found.map_or_else(|| "-".to_owned(), median_and_range)
        };
        let mut row = vec![label(system, workload, summaries)];
        row.extend(columns.iter().map(cell));
        table.add_row(row);
    }
    align(&mut table);
    let mut text = format!("## {}\n\n{table}\n", workload.title());
    text += &targets(summaries);
    if workload == Workload::Growth {
        text += &growth(summaries);
    }
    text
}

/// Sorts `growth-1000` before `growth-10000`, and leaves the others in the order of their names.
fn by_size(figure: &str) -> (usize, &str) {
    (figure.rsplit('-').next().and_then(|size| size.parse().ok()).unwrap_or(0), figure)
}

/// Trees of different sizes are told apart where a table has both.
fn label(system: SystemName, workload: Workload, summaries: &[Summary]) -> String {
    let children = summaries.iter().find(|summary| summary.system == system).map_or(0, |summary| summary.children);
    match workload {
        Workload::Start => format!("{system}, {} children", grouped(children)),
        _ => system.to_string(),
    }
}

fn median_and_range(summary: &Summary) -> String {
    format!("{} ({}..{})", number(summary.median), number(summary.min), number(summary.max))
}

/// Three digits that say something.
fn number(value: f64) -> String {
    match value {
        value if value >= 1_000.0 => grouped(value.round() as usize),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn targets(summaries: &[Summary]) -> String {
    let mut table = table(["target", "ratio", ""]);
    for target in TARGETS {
        let verdicts = target.verdicts(summaries);
        if !verdicts.is_empty() {
            let is_met = verdicts.iter().all(|verdict| verdict.is_met);
            let ratios: Vec<_> = verdicts.iter().map(|v| format!("{} {}", v.mode, number(v.ratio))).collect();
            table.add_row([target.text(), ratios.join(", "), mark(is_met)]);
        }
    }
    unless_empty(&table)
}

fn growth(summaries: &[Summary]) -> String {
    let mut table = table(["target", "ratio", ""]);
    for system in [SystemName::Regrow, SystemName::RegrowActor] {
        let mut ratios = Vec::new();
        let mut is_met = true;
        for mode in [Mode::St, Mode::Mt] {
            let mut sizes: Vec<_> = summaries.iter().filter(|s| s.system == system && s.mode == mode).collect();
            sizes.sort_by_key(|summary| summary.children);
            if let [smallest, .., largest] = &sizes[..] {
                let ratio = largest.median / smallest.median;
                is_met &= ratio <= GROWTH_MAX;
                ratios.push(format!("{mode} {}", number(ratio)));
            }
        }
        if !ratios.is_empty() {
            let text = format!("{system} in its largest tree at most {GROWTH_MAX} x in its smallest");
            table.add_row([text, ratios.join(", "), mark(is_met)]);
        }
    }
    unless_empty(&table)
}

fn unless_empty(table: &Table) -> String {
    if table.is_empty() { String::new() } else { format!("\n{table}\n") }
}

fn mark(is_met: bool) -> String {
    if is_met { "met".to_owned() } else { "MISSED".to_owned() }
}

fn table(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    table
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_that_say_something() {
        assert_eq!([0.5, 12.34, 123.4, 1_234_567.8].map(number), ["0.50", "12.3", "123", "1,234,568"]);
    }

    #[test]
    fn sizes_are_sorted_as_numbers() {
        let mut figures = ["growth-100000", "growth-100", "growth-10000"].map(by_size);
        figures.sort_unstable();
        assert_eq!(figures.map(|(size, _)| size), [100, 10_000, 100_000]);
    }
}
