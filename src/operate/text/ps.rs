//! `regrow ps`: what is not well, then the rows or groups of a page.

use std::collections::BTreeSet;

use crate::admin::wire::greeting::Greeting;
use crate::admin::wire::services::{Age, Group, Restarts, Service, Services};
use crate::operate::text::headline::{counts, headline};
use crate::operate::text::length;
use crate::operate::text::notice::{doubtful, in_short, is_full, notices};
use crate::operate::text::screen::{Colour, Screen, colour, word};
use crate::operate::text::table::{Align, Cell, Column, Table};

/// Returns the text of `regrow ps`: the headline, a notice for each child that is not well, and a table of the others.
pub fn ps(services: &Services, greeting: Option<&Greeting>, screen: &Screen) -> String {
    let mut out = String::new();
    headline(&services.totals, greeting, screen, &mut out);
    if !services.unwell.is_empty() || !services.doubtful.is_empty() {
        out.push('\n');
        notices(services, screen, &mut out);
        doubtful(services, screen, &mut out);
    }
    let shown: BTreeSet<&str> = services.unwell.iter().map(|service| service.path.as_str()).collect();
    let table = if services.groups.is_empty() {
        rows(services.rows.iter().filter(|row| !shown.contains(row.path.as_str())), services.now_ms)
    } else {
        groups(&services.groups)
    };
    if !table.is_empty() {
        out.push('\n');
        table.write(screen, &mut out);
    }
    if services.next.is_some() {
        let seen = services.rows.len().max(services.groups.len());
        let more = format!("and more: {seen} are shown; --all shows all, --limit N more");
        out.push_str(&format!("{}\n", screen.paint(Colour::Dim, &more)));
    }
    out
}

fn rows<'a>(services: impl Iterator<Item = &'a Service>, now_ms: u64) -> Table {
    let mut table = Table::new(vec![
        Column::new("PATH", Align::Path).least(12),
        Column::new("STATE", Align::Left),
        Column::new("FOR", Align::Right).leave_out(4),
        Column::new("GEN", Align::Right).leave_out(5),
        Column::new("RESTARTS 1M/1H/ALL", Align::Right).leave_out(3),
        Column::new("QUEUE", Align::Right).leave_out(2),
        Column::new("OLDEST", Align::Right).leave_out(6),
        Column::new("IN HAND", Align::Right).leave_out(7),
        Column::new("KIND", Align::Left).leave_out(8),
        Column::new("LAST EXIT", Align::Left).least(8).leave_out(9),
    ]);
    for service in services {
        let state =
            if service.state.is_unwell() || service.ready || service.state != crate::admin::wire::services::State::Up {
                word(service.state)
            } else {
                "up, not ready"
            };
        let since = service.since_ms.map(|since| length(now_ms.saturating_sub(since)));
        table.row(vec![
            Cell::new(&service.path),
            Cell::coloured(state, if service.ready { colour(service.state) } else { Colour::Yellow }),
            Cell::new(since.unwrap_or_default()),
            Cell::new(service.generation.to_string()),
            Cell::new(service.restarts.as_ref().map(restarts).unwrap_or_default()),
            if is_full(service) { Cell::coloured(queue(service), Colour::Yellow) } else { Cell::new(queue(service)) },
            Cell::new(service.oldest.map(age).unwrap_or_default()),
            Cell::new(service.in_hand.map(age).unwrap_or_default()),
            Cell::new(&service.kind),
            Cell::new(service.last_exit.as_ref().map_or_else(String::new, in_short)),
        ]);
    }
    table
}

fn groups(groups: &[Group]) -> Table {
    let mut table = Table::new(vec![
        Column::new("TEMPLATE", Align::Path).least(12),
        Column::new("CHILDREN", Align::Left).least(44),
        Column::new("RESTARTS 1M/1H/ALL", Align::Right).leave_out(1),
        Column::new("QUEUE", Align::Right).leave_out(2),
        Column::new("DEAD LETTERS", Align::Right).leave_out(3),
        Column::new("HANDLED", Align::Right).leave_out(4),
        Column::new("KIND", Align::Left).leave_out(5),
    ]);
    for group in groups {
        let is_unwell = group.totals.by_state.iter().any(|(state, count)| state.is_unwell() && *count > 0);
        let children = counts(&group.totals);
        let totals = &group.totals;
        table.row(vec![
            Cell::new(&group.template),
            if is_unwell { Cell::coloured(children, Colour::Yellow) } else { Cell::new(children) },
            Cell::new(format!("{}/{}/{}", totals.restarts_minute, totals.restarts_hour, group.restarts)),
            Cell::new(totals.queued.to_string()),
            Cell::new(group.messages.dead_lettered.to_string()),
            Cell::new(group.messages.handled.to_string()),
            Cell::new(&group.kind),
        ]);
    }
    table
}

/// Returns the restarts of the last minute, the last hour and in all: `0/2/14`.
pub(crate) fn restarts(restarts: &Restarts) -> String {
    format!("{}/{}/{}", restarts.minute, restarts.hour, restarts.total)
}

/// Returns `3s`, or `>= 3s` for a lower bound.
pub(crate) fn age(age: Age) -> String {
    format!("{}{}", if age.is_lower_bound { ">= " } else { "" }, length(age.ms))
}

/// Returns the messages that wait, and the capacity: `3/100`.
pub(crate) fn queue(service: &Service) -> String {
    match service.capacity {
        Some(capacity) => format!("{}/{capacity}", service.queued),
        None => service.queued.to_string(),
    }
}
