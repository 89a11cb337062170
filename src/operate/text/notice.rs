//! The notice about a child that is not well: state, cause, next try, budget left, and the command that acts now.

use crate::admin::wire::services::{Doubtful, LastExit, Service, Services};
use crate::operate::text::headline::many;
use crate::operate::text::ps::{age, queue};
use crate::operate::text::screen::{Colour, Screen, colour, fit_end, word, wrap};
use crate::operate::text::{ago, length, safe};

/// Begin of the lines below the first one of a notice.
const INDENT: &str = "    ";
/// Reason in a command that is offered. It is meant to be replaced, and is true if it is not.
const BY_HAND: &str = "by hand";
/// Members of a circle of waits that are named, beside the first.
const AROUND: usize = 5;
/// Commands that a row may offer.
const VERBS: [&str; 7] = ["kill", "restart", "terminate", "start", "park", "revive", "why"];

/// Writes a notice for every row that is not well.
pub(crate) fn notices(services: &Services, screen: &Screen, out: &mut String) {
    for service in &services.unwell {
        notice(service, services.now_ms, screen, out);
    }
    if services.unwell_left_out > 0 {
        let more = format!(
            "and {} more that are not well: --state STATE or --below PATH shows them",
            services.unwell_left_out
        );
        remark(&more, screen, out);
    }
}

/// Writes a notice for every child that is up and yet not in order: its mailbox is full, so it refuses or sheds messages; it
/// fails again and again and happens to be up at this look; or it waits for itself, by way of others.
pub(crate) fn doubtful(services: &Services, screen: &Screen, out: &mut String) {
    for Doubtful { service, is_full, is_looping, circle } in &services.doubtful {
        let loops = service.restarts.as_ref().filter(|_| *is_looping);
        let loops = loops.map(|restarts| format!("restarted {} times in the last minute", restarts.minute));
        let full = is_full.then(|| format!("its mailbox is full: {} wait", queue(service)));
        let waits = (!circle.is_empty()).then(|| "waits in a circle".to_owned());
        let state =
            std::iter::once("up".to_owned()).chain(waits).chain(loops).chain(full).collect::<Vec<_>>().join(", ");
        heading(service, &state, Colour::Yellow, screen, out);
        let around = around(circle);
        let cause = if *is_looping { cause(service, services.now_ms) } else { None };
        let oldest = service.oldest.map(|oldest| format!("the oldest waits for {}", age(oldest)));
        let in_hand = service.in_hand.map(|held| format!("one is in hand for {}", age(held)));
        let ages: Vec<String> = [oldest, in_hand].into_iter().flatten().collect();
        let ages = if ages.is_empty() { None } else { Some(ages.join("; ")) };
        below([around, cause, ages], Some(act_on(service, "why", screen)), screen, out);
    }
    if services.doubtful_left_out > 0 {
        let more = format!(
            "and {} more that are up and full or restarted often: --below PATH shows them",
            services.doubtful_left_out
        );
        remark(&more, screen, out);
    }
}

/// Returns the circle of waits in one line: `shop/a waits for shop/b, that for shop/a`. The middle of a long one is left out.
fn around(circle: &[String]) -> Option<String> {
    let (first, others) = circle.split_first()?;
    let more = others.len().saturating_sub(AROUND);
    let mut text = format!("{} waits", safe(first));
    for peer in others.iter().take(AROUND) {
        text.push_str(&format!(" for {}, that", safe(peer)));
    }
    if more > 0 {
        text.push_str(&format!(" for {}, the last of them", many(more as u64, "more", "more")));
    }
    text.push_str(&format!(" for {}", safe(first)));
    Some(text)
}

/// Whether no more messages fit into its mailbox.
pub(crate) fn is_full(service: &Service) -> bool {
    service.capacity.is_some_and(|capacity| capacity > 0 && service.queued >= capacity)
}

/// Writes the notice: a few lines that fit the screen, and the command, which is never cut.
pub(crate) fn notice(service: &Service, now_ms: u64, screen: &Screen, out: &mut String) {
    let state = match service.since_ms {
        Some(since) => format!("{} for {}", word(service.state), length(now_ms.saturating_sub(since))),
        None => word(service.state).to_owned(),
    };
    heading(service, &state, colour(service.state), screen, out);
    // It was not parked for an exit that came before the order.
    let cause = by_order(service).or_else(|| cause(service, now_ms));
    below([cause, prospects(service)], command(service, screen), screen, out);
}

/// Writes the first line of a notice: the path, and the state in this colour.
fn heading(service: &Service, state: &str, colour: Colour, screen: &Screen, out: &mut String) {
    let path = fit_end(&service.path, screen.width().saturating_sub(state.len() + 2).max(screen.width() / 2));
    out.push_str(&format!("{}  {}\n", screen.paint(Colour::Bold, &path), screen.paint(colour, state)));
}

/// Writes the lines below it: texts that fit the screen, and a command, which is never cut.
fn below(texts: impl IntoIterator<Item = Option<String>>, command: Option<String>, screen: &Screen, out: &mut String) {
    let room = screen.width().saturating_sub(INDENT.len());
    let lines = texts.into_iter().flatten().flat_map(|text| wrap(&text, room));
    for line in lines.chain(command.map(|command| screen.paint(Colour::Bold, &command))) {
        out.push_str(&format!("{INDENT}{line}\n"));
    }
}

/// Writes a remark in a line of its own.
fn remark(text: &str, screen: &Screen, out: &mut String) {
    out.push_str(&screen.paint(Colour::Yellow, text));
    out.push('\n');
}

/// Returns the reason of the order that parked it: `by order: the disk is full`.
fn by_order(service: &Service) -> Option<String> {
    service.parked_by_order.as_deref().map(|reason| format!("by order: {}", safe(reason)))
}

/// Returns the last exit: `panicked 3m 12s ago: index out of bounds`.
pub(crate) fn cause(service: &Service, now_ms: u64) -> Option<String> {
    let exit = service.last_exit.as_ref()?;
    let when = exit.at_ms.map_or_else(String::new, |at| format!(" {}", ago(at, now_ms)));
    Some(format!("{}{when}{}", safe(&exit.cause), detail(exit)))
}

/// Returns an exit in a few words: `panicked: index out of bounds`, or only `killed`.
pub(crate) fn in_short(exit: &LastExit) -> String {
    format!("{}{}", safe(&exit.cause), detail(exit))
}

/// Returns what the text of an exit adds to its cause, after a colon. Most texts begin with the cause.
fn detail(exit: &LastExit) -> String {
    let text = exit.text.strip_prefix(&*exit.cause).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&exit.text);
    if text.is_empty() || text == exit.cause { String::new() } else { format!(": {}", safe(text)) }
}

/// Returns what happens next: the next try, the budget left, and what it waits for.
pub(crate) fn prospects(service: &Service) -> Option<String> {
    let next = service.next_try_in_ms.map(|ms| format!("next try in {}", length(ms)));
    let budget = service.budget_left.map(|left| match left {
        0 => "no restart left in its budget".to_owned(),
        left => format!("{} left in its budget", many(u64::from(left), "restart", "restarts")),
    });
    let waits: Vec<String> = service.waits_for.iter().map(|path| safe(path).into_owned()).collect();
    let waits = if waits.is_empty() { None } else { Some(format!("waits for {}", waits.join(", "))) };
    let parts: Vec<String> = [next, budget, waits].into_iter().flatten().collect();
    if parts.is_empty() { None } else { Some(parts.join("; ")) }
}

/// Returns the command that acts now, for this program, ready to paste. The act is the one that the source offers.
pub(crate) fn command(service: &Service, screen: &Screen) -> Option<String> {
    let offered = service.act.as_deref()?;
    let verb = offered.split_whitespace().nth(1).and_then(|word| VERBS.into_iter().find(|verb| *verb == word));
    Some(match verb {
        Some(verb) => act_on(service, verb, screen),
        None => safe(offered).into_owned(),
    })
}

/// Returns the command for an act, with the generation that is shown if a newer one must not be struck.
pub(crate) fn act_on(service: &Service, verb: &str, screen: &Screen) -> String {
    let generation = service.generation.to_string();
    match verb {
        "why" => screen.paste(verb, &[], Some(&service.path)),
        "start" | "revive" => screen.paste(verb, &["--reason", BY_HAND], Some(&service.path)),
        _ => {
            let yes: &[&str] = if screen.asks() { &[] } else { &["--yes"] };
            let options = [&["--generation", &generation, "--reason", BY_HAND], yes].concat();
            screen.paste(verb, &options, Some(&service.path))
        }
    }
}
