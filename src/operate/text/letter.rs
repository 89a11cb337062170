//! `regrow dead-letters`: the messages that no incarnation will handle.

use crate::admin::wire::letter::{Letter, Letters};
use crate::operate::text::headline::many;
use crate::operate::text::screen::{Colour, Screen, wrap};
use crate::operate::text::table::{Align, Cell, Column, Table};
use crate::operate::text::{length, safe, safe_lines};

/// Returns the text of `regrow dead-letters list`: counts by reason and receiver, then the letters, oldest first.
pub fn letters(letters: &Letters, screen: &Screen) -> String {
    let mut out = String::new();
    let mut head = format!("{}: {} kept", safe(&letters.tree), many(letters.kept, "dead letter", "dead letters"));
    if letters.dropped > 0 {
        head.push_str(&format!(", {} dropped to make room", letters.dropped));
    }
    if !letters.are_kept {
        head.push_str("; letters are not kept: the program has to ask for that (`keep_dead_letters`)");
    }
    for line in wrap(&head, screen.width()) {
        out.push_str(&format!("{}\n", screen.paint(Colour::Bold, &line)));
    }
    for (reason, receivers) in &letters.by_reason {
        for (receiver, count) in receivers {
            let text = format!("{count} to {}, {}", safe(receiver), safe(reason));
            wrap(&text, screen.width()).iter().for_each(|line| out.push_str(&format!("{line}\n")));
        }
    }
    let mut table = Table::new(vec![
        Column::new("NUMBER", Align::Right),
        Column::new("TO", Align::Path).least(10),
        Column::new("AGE", Align::Right).leave_out(2),
        Column::new("REASON", Align::Left).leave_out(1),
        Column::new("TRIES", Align::Right).leave_out(4),
        Column::new("LABEL", Align::Left).least(6).leave_out(3),
        Column::new("TYPE", Align::Left).least(8).leave_out(5),
        Column::new("MESSAGE", Align::Left).leave_out(6),
    ]);
    for letter in &letters.letters {
        table.row(vec![
            Cell::new(letter.number.to_string()),
            Cell::new(&letter.path),
            Cell::new(length(letter.age_ms)),
            Cell::new(&letter.reason),
            Cell::new(letter.attempt.to_string()),
            Cell::new(letter.label.clone().unwrap_or_default()),
            Cell::new(&letter.message_type),
            Cell::new(if letter.is_whole { "whole" } else { "taken" }),
        ]);
    }
    if !table.is_empty() {
        out.push('\n');
        table.write(screen, &mut out);
    }
    if letters.next.is_some() {
        out.push_str(&screen.paint(Colour::Dim, "and more: --limit N shows more"));
        out.push('\n');
    }
    out
}

/// Returns the text of `regrow dead-letters show`: one letter, and the command that replays it.
pub fn letter(letter: &Letter, screen: &Screen) -> String {
    let label = letter.label.as_ref().map_or_else(String::new, |label| format!(" `{}`", safe(label)));
    let text = format!(
        "dead letter {}: a {}{label} to {}, generation {}, {} ago: {}. {}.",
        letter.number,
        safe(&letter.message_type),
        safe(&letter.path),
        letter.generation,
        length(letter.age_ms),
        safe(&letter.reason_text),
        match letter.attempt {
            0 => "No incarnation had it in hand".to_owned(),
            attempt => format!("It was in hand {}", many(u64::from(attempt), "time", "times")),
        },
    );
    let described = letter.described.as_deref().unwrap_or_default();
    let mut out: String = wrap(&text, screen.width()).into_iter().map(|line| line + "\n").collect();
    safe_lines(described).for_each(|line| out.push_str(&format!("    {line}\n")));
    if letter.is_whole {
        let number = letter.number.to_string();
        let command = screen.paste("dead-letters replay", &["--reason", "by hand", &number], None);
        out.push_str(&format!("{}\n", screen.paint(Colour::Bold, &command)));
    } else {
        out.push_str("Its message is not in it any more: it cannot be replayed.\n");
    }
    out
}
