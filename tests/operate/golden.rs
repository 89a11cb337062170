//! The texts, compared with files: whole, on a narrow screen, and with colours.

use std::fs;
use std::path::Path;

use regrow::admin::wire::event::{Child, Message};
use regrow::admin::wire::greeting::TreeState;
use regrow::admin::wire::services::{Age, Doubtful, LastExit, Restarts, Services, State};
use regrow::operate::text::{self, Screen};
use unicode_width::UnicodeWidthStr;

use crate::data;

fn wide() -> Screen {
    Screen::plain(120).command("regrow", ["--of", "bank"])
}

fn narrow() -> Screen {
    Screen::plain(40).command("regrow", ["--of", "bank"])
}

/// Compares a text with its file. A new text is written beside the tests' other files, to be read and copied.
fn is_golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operate/golden");
    let file = folder.join(format!("{name}.txt"));
    // Escapes are kept readable in the files.
    let shown = text.replace('\u{1b}', "<esc>");
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if shown != expected {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
        fs::write(&fresh, &shown).expect("cargo's folder for tests can be written");
        panic!("the text is not that of the file; if it is right: cp {} {}\n{text}", fresh.display(), file.display());
    }
    assert!(text.ends_with('\n') || text.is_empty(), "whole lines");
}

/// Lines that are wider than the screen, without the commands, which are never cut.
fn too_wide<'a>(text: &'a str, screen: &Screen) -> Vec<&'a str> {
    text.lines().filter(|line| line.width() > screen.width() && !line.trim_start().starts_with("regrow ")).collect()
}

#[test]
fn ps_shows_what_is_not_well_first() {
    is_golden("ps", &text::ps(&data::services(), Some(&data::greeting()), &wide()));
}

/// Found by an operator at night: a mailbox that refused everything was a row like the others.
#[test]
fn a_full_mailbox_is_among_the_first_and_one_with_room_is_not() {
    let mut services = data::services();
    let row = services.rows.iter_mut().find(|row| row.state == State::Up && row.kind == "service").expect("one is up");
    (row.queued, row.capacity) = (100, Some(100));
    row.oldest = Some(Age { ms: 12_000, is_lower_bound: true });
    let (path, service) = (row.path.clone(), row.clone());
    services.doubtful = vec![Doubtful { service, is_full: true, is_looping: false, circle: Vec::new() }];
    let notice = format!("{path}  up, its mailbox is full: 100/100 wait\n    the oldest waits for >= 12s\n");
    let command = format!("    regrow why --of bank {path}\n");
    for text in [text::ps(&services, None, &wide()), text::tree(&services, None, 9, &wide())] {
        let at = text.find(&notice).unwrap_or_else(|| panic!("{text}"));
        assert!(text[at + notice.len()..].starts_with(&command), "{text}");
        assert!(text.find("PATH ").is_none_or(|table| at < table), "{text}");
    }
    services.doubtful.clear();
    assert!(!text::ps(&services, None, &wide()).contains("mailbox is full"));
}

/// Found by review: only the rows of the page were searched for a full mailbox, and circles of waits were not.
#[test]
fn a_circle_of_waits_is_named_from_one_member_to_itself() {
    let mut services = data::services();
    let service = services.rows[1].clone();
    let mut circle = vec![service.path.clone(), "bank/b\u{1b}[2J".to_owned()];
    services.rows.clear();
    let told = |services: &mut Services, circle: &[String]| {
        let circle = circle.to_vec();
        services.doubtful = vec![Doubtful { service: service.clone(), is_full: false, is_looping: false, circle }];
        services.doubtful_left_out = 4;
        text::ps(services, None, &wide())
    };
    let text = told(&mut services, &circle);
    let path = &service.path;
    assert!(text.contains(&format!("{path}  up, waits in a circle\n    {path} waits for bank/b")), "{text}");
    assert!(text.contains(&format!(", that for {path}\n")) && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("and 4 more that are up and full or restarted often"), "{text}");
    circle.extend((0..50).map(|number| format!("bank/{number}")));
    let text = told(&mut services, &circle);
    assert!(text.contains("46 more, the last of them for") && !text.contains("bank/20"), "{text}");
}

/// Found by an operator at night: a service in a loop of crashes was up at the moment of the look, and a row like the others.
#[test]
fn a_child_that_fails_again_and_again_is_among_the_first_while_it_is_up() {
    let mut services = data::services();
    let row = services.rows.iter_mut().find(|row| row.state == State::Up && row.kind == "service").expect("one is up");
    row.restarts = Some(Restarts { total: 9, minute: 2, hour: 9, ..Restarts::default() });
    let text = "failed: no such file".into();
    row.last_exit = Some(LastExit { cause: "failed".into(), text, at_ms: Some(services.now_ms - 3_000) });
    let (path, service) = (row.path.clone(), row.clone());
    services.doubtful = vec![Doubtful { service, is_full: false, is_looping: true, circle: Vec::new() }];
    let notice = format!(
        "{path}  up, restarted 2 times in the last minute\n    failed 3.0s ago: no such file\n    regrow why --of bank {path}\n"
    );
    for text in [text::ps(&services, None, &wide()), text::tree(&services, None, 9, &wide())] {
        assert!(text.contains(&notice), "{text}");
    }
}

#[test]
fn ps_fits_forty_columns() {
    let text = text::ps(&data::services(), Some(&data::greeting()), &narrow());
    assert_eq!(too_wide(&text, &narrow()), Vec::<&str>::new());
    is_golden("ps-40", &text);
}

#[test]
fn ps_is_coloured_only_if_the_screen_is() {
    let coloured = text::ps(&data::services(), Some(&data::greeting()), &wide().coloured(true));
    is_golden("ps-coloured", &coloured);
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').expect("a colour ends").1;
    }
    plain.push_str(rest);
    assert_eq!(plain, text::ps(&data::services(), Some(&data::greeting()), &wide()));
}

#[test]
fn groups_are_counted_by_state() {
    is_golden("ps-group", &text::ps(&data::groups(), Some(&data::greeting()), &wide()));
}

#[test]
fn a_tree_that_is_over_is_named_in_the_headline() {
    let mut greeting = data::greeting();
    greeting.trees[0].state = TreeState::Failed;
    greeting.trees[0].ended = Some("gave up: bank/tellers was restarted 4 times in 5s".into());
    greeting.trees[0].ended_at_ms = Some(data::NOW - 20_000);
    let mut services = data::services();
    services.unwell.clear();
    services.rows.clear();
    is_golden("ps-over", &text::ps(&services, Some(&greeting), &wide()));
}

#[test]
fn the_tree_is_drawn_with_folds_and_what_is_not_well_stays_visible() {
    let text = text::tree(&data::services(), Some(&data::greeting()), 5, &wide());
    is_golden("tree", &text);
    let folded = text::tree(&data::services(), None, 0, &wide());
    assert!(folded.contains("ledger  parked"), "{folded}");
}

#[test]
fn the_tree_fits_forty_columns() {
    let text = text::tree(&data::services(), Some(&data::greeting()), 5, &narrow());
    assert_eq!(too_wide(&text, &narrow()), Vec::<&str>::new());
    is_golden("tree-40", &text);
}

#[test]
fn status_is_one_screen() {
    let text = text::status(&data::full(), data::NOW, false, &wide());
    is_golden("status", &text);
    assert!(text.lines().count() <= 48, "{} lines", text.lines().count());
}

#[test]
fn status_counts_the_settings_that_were_not_set_and_shows_them_when_asked() {
    let text = text::status(&data::full(), data::NOW, false, &wide());
    assert!(
        text.contains("1 more at their defaults: regrow status --of bank --policy bank/tellers/ledger\n"),
        "{text}"
    );
    assert!(!text.contains("permanent"), "{text}");
    let text = text::status(&data::full(), data::NOW, true, &wide());
    assert!(text.contains("restart  permanent  default\n") && !text.contains("more at their defaults"), "{text}");
}

#[test]
fn status_of_a_child_that_is_well_fits_forty_columns() {
    let mut full = data::full();
    full.service = data::service("bank/clock");
    full.why = "bank/clock is up.".into();
    full.history.clear();
    let text = text::status(&full, data::NOW, false, &narrow());
    is_golden("status-40", &text);
}

#[test]
fn why_is_a_paragraph_and_a_command() {
    is_golden("why", &text::why(&data::full(), &wide()));
}

#[test]
fn history_says_where_the_record_begins() {
    is_golden("history", &text::history(&data::history(), 12, &wide()));
}

#[test]
fn the_tree_as_it_was_shows_what_was_not_well() {
    is_golden("history-at", &text::history(&data::as_it_was(), 5, &wide()));
}

#[test]
fn events_take_a_line_each() {
    let tree = || "bank".to_owned();
    let child = |path: &str, state| Child { path: path.into(), state, generation: 2 };
    let messages = [
        Message::Resumed { tree: tree(), seq: 40 },
        Message::Event { tree: tree(), entry: data::entries().remove(0), after: Some(State::Parked) },
        Message::Gap { tree: tree(), from: 41, to: 250 },
        Message::SnapshotBegins { tree: tree(), seq: 250, at_ms: data::NOW },
        Message::Snapshot {
            tree: tree(),
            children: vec![child("bank/audit", State::Restarting), child("bank/clock", State::Up)],
        },
        Message::SnapshotEnds { tree: tree(), children: 2 },
        Message::TreeOver { tree: tree(), reason: "shut down".into() },
    ];
    let text: String = messages.iter().map(|message| text::message(message, &wide())).collect();
    is_golden("events", &text);
}

#[test]
fn dead_letters_are_counted_and_listed() {
    let text = format!("{}\n{}", text::letters(&data::letters(), &wide()), text::letter(&data::letter(), &wide()));
    is_golden("dead-letters", &text);
}

#[test]
fn dead_letters_fit_forty_columns() {
    let text = text::letters(&data::letters(), &narrow());
    assert_eq!(too_wide(&text, &narrow()), Vec::<&str>::new());
}

#[test]
fn an_experiment_shows_its_report() {
    is_golden("experiments", &text::experiments(&[data::experiment()], data::NOW, &wide()));
}

#[test]
fn lengths_of_time_have_two_units() {
    let shown = [0, 999, 1_000, 9_999, 59_999, 60_000, 3_599_999, 3_600_000, 86_400_000, u64::MAX].map(text::length);
    assert_eq!(shown[..9], ["0ms", "999ms", "1.0s", "9.9s", "59s", "1m 00s", "59m 59s", "1h 00m", "1d 00h"]);
}

#[test]
fn moments_are_read_and_the_rest_is_refused() {
    let now = data::NOW;
    let moment = |text: &str| text::moment(text, now);
    assert_eq!(moment("-5m"), Ok(now - 300_000));
    assert_eq!(moment("-1h 30m"), Ok(now - 5_400_000));
    assert_eq!(moment("03:12"), Ok(now));
    assert_eq!(moment("03:12:00"), Ok(now));
    assert_eq!(moment("03:13"), Ok(now + 60_000 - 86_400_000), "yesterday's");
    assert_eq!(moment("2026-11-29T03:12:00"), Ok(now));
    assert_eq!(moment("2026-11-29 03:12:00Z"), Ok(now));
    for refused in ["", "-", "5m", "-5x", "24:00", "03:60", "3", "1:2:3:4", "2026-13-01T00:00:00", "now\u{1b}"] {
        let error = moment(refused).expect_err(refused);
        assert!(error.contains("is not a moment") && !error.contains('\u{1b}'), "{error}");
    }
}
