//! `regrow status` and `regrow why`: one child on one screen, and the reason for its state.

use crate::admin::wire::service::ServiceInFull;
use crate::admin::wire::services::{Messages, Service, State};
use crate::operate::text::event::entry;
use crate::operate::text::headline::many;
use crate::operate::text::notice::{act_on, cause, command, is_full};
use crate::operate::text::ps::{age, queue};
use crate::operate::text::screen::{Colour, Screen, colour, fit, word, wrap};
use crate::operate::text::table::{Align, Cell, Column, Table};
use crate::operate::text::{clock, length, safe, safe_lines, shell_word};

/// Entries of the record that are shown.
const ENTRIES: usize = 8;
/// Origin of a setting that was not set.
const DEFAULT: &str = "default";
/// Width of the names of the fields.
const NAMES: usize = 15;

/// Returns the text of `regrow status`: state, restarts, budget, mailbox, last exit, what to do, entries and policy.
///
/// Of the policy it shows what was set, and `with_defaults` the rest, too.
pub fn status(full: &ServiceInFull, now_ms: u64, with_defaults: bool, screen: &Screen) -> String {
    let service = &full.service;
    let mut out = String::new();
    let path = fit(&service.path, screen.width());
    let not_ready = if service.state == State::Up && !service.ready { ", not ready" } else { "" };
    let state = format!("{}{not_ready}", word(service.state));
    out.push_str(&format!("{}: {}", screen.paint(Colour::Bold, &path), screen.paint(colour(service.state), &state)));
    if let Some(since) = service.since_ms {
        out.push_str(&format!(" for {}, since {}", length(now_ms.saturating_sub(since)), clock(since)));
    }
    out.push('\n');
    for (name, text) in fields(full, now_ms) {
        let room = screen.width().saturating_sub(NAMES + 2);
        for (nth, line) in wrap(&text, room).into_iter().enumerate() {
            let name = format!("{:<NAMES$}", if nth == 0 { name } else { "" });
            out.push_str(&format!("  {}{line}\n", screen.paint(Colour::Dim, &name)));
        }
    }
    heading("why", screen, &mut out);
    paragraph(&full.why, "  ", screen, &mut out);
    to_do(full, screen, &mut out);
    if !full.history.is_empty() {
        heading("last entries", screen, &mut out);
        full.history.iter().take(ENTRIES).rev().for_each(|last| out.push_str(&entry(last, screen)));
        let more = full.history.len().saturating_sub(ENTRIES);
        if more > 0 {
            let shows = screen.paste("history", &[], None);
            let word = shell_word(&service.path);
            out.push_str(&format!("and {more} more: {shows} --below {word}\n"));
        }
    }
    policy(full, with_defaults, screen, &mut out);
    out
}

/// Writes the settings in force, with their origins.
fn policy(full: &ServiceInFull, with_defaults: bool, screen: &Screen, out: &mut String) {
    if full.policy.is_empty() {
        return;
    }
    heading("policy", screen, out);
    let mut table = Table::new(vec![
        Column::new("SETTING", Align::Left),
        Column::new("VALUE", Align::Left).least(10),
        Column::new("FROM", Align::Left).least(8).leave_out(1),
    ]);
    let shown = full.policy.iter().filter(|setting| with_defaults || setting.origin != DEFAULT);
    for setting in shown.clone() {
        table.row(vec![Cell::new(&setting.field), Cell::new(&setting.value), Cell::new(&setting.origin)]);
    }
    if !table.is_empty() {
        table.write(screen, out);
    }
    let defaults = full.policy.len().saturating_sub(shown.count());
    if defaults > 0 {
        let shows = screen.paste("status", &["--policy"], Some(&full.service.path));
        out.push_str(&format!("{defaults} more at their defaults: {shows}\n"));
    }
}

/// Returns the text of `regrow why`: the paragraph, and the command that acts now.
pub fn why(full: &ServiceInFull, screen: &Screen) -> String {
    let mut out = String::new();
    paragraph(&full.why, "", screen, &mut out);
    let service = &full.service;
    let offered = if service.state.is_unwell() || service.was_terminated { command(service, screen) } else { None };
    // The paragraph says what it waits for, and this command would only print it again.
    let itself = act_on(service, "why", screen);
    if let Some(command) = offered.filter(|command| *command != itself) {
        out.push_str(&format!("{}\n", screen.paint(Colour::Bold, &command)));
    }
    out
}

fn heading(text: &str, screen: &Screen, out: &mut String) {
    out.push_str(&format!("\n{}\n", screen.paint(Colour::Dim, text)));
}

fn paragraph(text: &str, indent: &str, screen: &Screen, out: &mut String) {
    for line in safe_lines(text) {
        for line in wrap(&line, screen.width().saturating_sub(indent.len())) {
            out.push_str(&format!("{indent}{line}\n"));
        }
    }
}

fn fields(full: &ServiceInFull, now_ms: u64) -> Vec<(&'static str, String)> {
    let service = &full.service;
    let mut fields = vec![("kind", kind(full)), ("generation", service.generation.to_string())];
    if let Some(restarts) = &service.restarts {
        let causes: Vec<String> =
            restarts.by_cause.iter().map(|(cause, count)| format!("{count} {}", safe(cause))).collect();
        let causes = if causes.is_empty() { String::new() } else { format!(": {}", causes.join(", ")) };
        let along = match restarts.taken_along {
            0 => String::new(),
            along => format!("; {along} taken along by a sibling"),
        };
        let (minute, hour) = (restarts.minute, restarts.hour);
        let windows = format!(" ({minute} in the last minute, {hour} in the last hour)");
        fields.push(("restarts", format!("{}{causes}{along}{windows}", restarts.total)));
    }
    if let Some(left) = service.budget_left {
        fields.push(("budget left", many(u64::from(left), "restart", "restarts")));
    }
    if let Some(next) = service.next_try_in_ms {
        fields.push(("next try", format!("in {}", length(next))));
    }
    // Tasks and supervisors take no messages, and the source gives no type for them.
    if !full.message_type.is_empty() {
        fields.push(("mailbox", mailbox(service)));
        fields.push(("messages", messages(&service.messages)));
    }
    if let Some(cause) = cause(service, now_ms) {
        fields.push(("last exit", cause));
    }
    if !service.waits_for.is_empty() {
        let paths: Vec<String> = service.waits_for.iter().map(|path| safe(path).into_owned()).collect();
        fields.push(("waits for", paths.join(", ")));
    }
    if !full.depends_on.is_empty() {
        let on = full.depends_on.iter();
        let on: Vec<String> =
            on.map(|on| format!("{} ({})", safe(&on.path), if on.ready { "ready" } else { "not ready" })).collect();
        fields.push(("depends on", on.join(", ")));
    }
    if let Some(described) = &full.described {
        fields.push(("its own words", safe(described).into_owned()));
    }
    fields
}

fn kind(full: &ServiceInFull) -> String {
    let service = &full.service;
    let mut kind = format!("{} of the tree {}", safe(&service.kind), safe(&service.tree));
    if service.template != service.path {
        kind.push_str(&format!(", template {}", safe(&service.template)));
    }
    if !full.message_type.is_empty() {
        kind.push_str(&format!(", takes {}", safe(&full.message_type)));
    }
    kind
}

fn mailbox(service: &Service) -> String {
    let full = if is_full(service) { ", which is full" } else { "" };
    let mut text = format!("{} queued{full}", queue(service));
    if let Some(oldest) = service.oldest {
        text.push_str(&format!(", the oldest for {}", age(oldest)));
    }
    if let Some(in_hand) = service.in_hand {
        text.push_str(&format!("; one in hand for {}", age(in_hand)));
    }
    text
}

fn messages(messages: &Messages) -> String {
    let Messages { accepted, handled, crashed, returned, dead_lettered, in_hand } = messages;
    format!(
        "{accepted} accepted: {handled} handled, {crashed} crashed, {returned} returned, {dead_lettered} dead letters, \
         {in_hand} in hand"
    )
}

/// Writes the acts that apply now, as commands. What is not well has the one that the source offers first.
fn to_do(full: &ServiceInFull, screen: &Screen, out: &mut String) {
    let offered = if full.service.state.is_unwell() { command(&full.service, screen) } else { None };
    let others = full.acts.iter().map(|verb| act_on(&full.service, &safe(verb), screen));
    let mut commands: Vec<String> = offered.into_iter().collect();
    for command in others {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    if !commands.is_empty() {
        heading("to act", screen, out);
        commands.iter().for_each(|command| out.push_str(&format!("  {command}\n")));
    }
}
