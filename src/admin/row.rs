//! The row of one child: what its slot says without a question to its supervisor.
//!
//! [`row`] takes the locks of one slot, one after the other, and none of the directory while it does. [`ask`] adds what only
//! the supervisor knows: it is for the few rows that are not well, and for one child in full.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use regrow_supervisors::{ChildState, Exit};

use crate::admin::template;
use crate::admin::viewer::Viewer;
use crate::admin::wire::services::{Age, LastExit, Messages, Restarts, Service, State};
use crate::slot::NoMessages;
use crate::slot::accounting::Accounting;
use crate::slot::activity::Activity;
use crate::slot::erased::AnySlot;
use crate::slot::status::ServiceState;
use crate::tree::directory::Listed;
use crate::tree::shared::Shared;
use crate::tree::why::Why;

/// Returns the row of a child, as its slot has it now.
///
/// With a `viewer` the row has the ages that follow from the last look of that viewer, and this look is noted.
pub(crate) fn row(shared: &Shared, path: &Arc<str>, listed: &Listed, viewer: Option<&Viewer>) -> Service {
    let slot = &*listed.slot;
    // The status comes first: a child that ends meanwhile is shown with counters that are newer than its state, and the
    // state with which it is shown was true.
    let status = slot.status();
    let accounting = slot.accounting();
    let state = state_of(status.state);
    let ages = viewer.map(|viewer| viewer.look(path, &listed.slot, accounting)).unwrap_or_default();
    let measured = slot.is_measured().then(|| slot.look());
    let (oldest, running) = measured.map_or((None, None), |look| (look.oldest, look.running));
    Service {
        tree: root_of(path).to_owned(),
        path: path.to_string(),
        template: template::of(&shared.directory, path),
        kind: listed.kind.to_string(),
        state,
        ready: status.ready,
        since_ms: None,
        generation: status.generation,
        restarts: restarts(slot),
        budget_left: None,
        next_try_in_ms: next_try(status.state).map(millis),
        queued: accounting.queued,
        capacity: capacity(slot),
        oldest: oldest.map(exact).or(ages.oldest),
        in_hand: running.map(exact).or_else(|| watched(shared, path, slot)).or(ages.in_hand),
        last_exit: None,
        parked_by_order: None,
        was_terminated: false,
        waits_for: waits_for(slot),
        messages: messages(accounting),
        act: command(path, state),
    }
}

/// Adds what the supervisor of the child knows: the budget, the next try, the last exit, the services that it waits for.
/// Returns that answer, if the child is still listed.
pub(crate) async fn ask(shared: &Arc<Shared>, service: &mut Service) -> Option<Why> {
    let why = shared.why(&service.path).await.ok()?;
    service.budget_left = why.budget.as_ref().map(|budget| budget.left);
    if let Some(next) = why.next_try {
        service.next_try_in_ms = Some(millis(next));
    }
    // A supervisor that was started again itself knows no earlier exits, and the record does.
    if let Some(exit) = &why.exit {
        service.last_exit = Some(last_exit(exit, why.ago));
    }
    // A start that is under way or waits for its turn cannot be hurried, and a supervisor that does not run revives nothing.
    let is_restarting_by_itself = service.state == State::Restarting && why.standing != Some(ChildState::Retrying);
    if is_restarting_by_itself || (why.supervisor.is_some() && service.act.is_some()) {
        service.act = command(&service.path, State::Waiting);
    }
    // Its supervisor would start it without the service that it depends on. The explanation names that service.
    let is_parked_along = why.parked_by_order.is_none() && !why.waits_for.is_empty();
    if service.state == State::Parked && is_parked_along {
        service.act = command(&service.path, State::Waiting);
    }
    service.parked_by_order = why.parked_by_order.as_ref().map(|reason| reason.to_string());
    service.was_terminated = why.was_terminated;
    // Only its supervisor can help it.
    if service.act.is_some() {
        service.waits_for.extend(why.supervisor.iter().map(|supervisor| supervisor.to_string()));
    }
    let asked = why.paths_of(&why.waits_for).map(|path| path.to_string());
    let waited = [why.waits_for_answer.as_ref().map(|wait| &wait.0), why.waits_for_room.as_ref().map(|wait| &wait.0)];
    let all = asked.chain(waited.into_iter().flatten().map(|peer| peer.to_string()));
    for peer in all {
        if !service.waits_for.contains(&peer) {
            service.waits_for.push(peer);
        }
    }
    Some(why)
}

/// Returns the state as it goes over the wire.
pub(crate) fn state_of(state: ServiceState) -> State {
    match state {
        ServiceState::Waiting => State::Waiting,
        ServiceState::Starting => State::Starting,
        ServiceState::Up => State::Up,
        ServiceState::Restarting => State::Restarting,
        ServiceState::Parked { .. } => State::Parked,
        ServiceState::Down => State::Down,
        ServiceState::Gone => State::Gone,
    }
}

/// Returns the counters as they go over the wire.
pub(crate) fn messages(accounting: Accounting) -> Messages {
    let Accounting { accepted, handled, crashed, returned, dead_lettered, in_hand, .. } = accounting;
    Messages { accepted, handled, crashed, returned, dead_lettered, in_hand }
}

/// Returns the name of the root that a path begins with.
pub(crate) fn root_of(path: &str) -> &str {
    path.split_once('/').map_or(path, |(root, _)| root)
}

/// Returns the command that acts now, for a child that is not well or is down.
pub(crate) fn command(path: &str, state: State) -> Option<String> {
    let verb = match state {
        State::Parked | State::Restarting => "revive",
        State::Down => "start",
        // Only what it waits for can help it: the explanation names that.
        State::Waiting | State::Starting => return Some(format!("regrow why {}", quoted(path))),
        State::Up | State::Gone => return None,
    };
    Some(format!("regrow {verb} {} --reason TEXT", quoted(path)))
}

/// Returns a path as a shell takes it: in quotes if it has anything but letters, digits and a few signs.
fn quoted(path: &str) -> String {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '/' | '_' | '-' | '.' | ':' | '@');
    match path.chars().all(is_plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Whether a child with so many restarts in the last minute fails again and again.
pub(crate) fn is_looping(last_minute: u64) -> bool {
    last_minute >= 2
}

/// Returns the time of the wall clock in milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Returns the moment that lies so far back, on the clock of the system as it is set now. The time itself is counted by a clock
/// that is never set, so an age that is taken from this moment is right.
pub(crate) fn ago_ms(time: Duration) -> u64 {
    now_ms().saturating_sub(millis(time))
}

/// Returns the last exit of a row.
pub(crate) fn last_exit(exit: &Exit, ago: Option<Duration>) -> LastExit {
    LastExit { cause: exit.kind().to_string(), text: exit.to_string(), at_ms: ago.map(ago_ms) }
}

/// Returns a time in whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The time for which a child with a watchdog has had its message in hand.
fn watched(shared: &Shared, path: &str, slot: &dyn AnySlot) -> Option<Age> {
    if !shared.watchdog.is_on() {
        return None;
    }
    let (message, incarnation) = slot.in_hand()?;
    let time = shared.watchdog.in_hand_for(path, &incarnation, message)?;
    Some(exact(time))
}

fn exact(time: Duration) -> Age {
    Age { ms: millis(time), is_lower_bound: false }
}

/// Returns the restarts as they go over the wire. `None` before the first.
fn restarts(slot: &dyn AnySlot) -> Option<Restarts> {
    let restarts = slot.restarts();
    let by_cause = restarts.by_cause.iter().filter(|(.., count)| *count > 0);
    let by_cause = by_cause.map(|(_, cause, count)| (cause.to_owned(), count)).collect();
    (restarts.total > 0).then_some(Restarts {
        total: restarts.total,
        minute: restarts.last_minute,
        hour: restarts.last_hour,
        by_cause,
        taken_along: restarts.taken_along,
    })
}

fn next_try(state: ServiceState) -> Option<Duration> {
    match state {
        // Without a time: only an order revives it.
        ServiceState::Parked { until } => Some(until?.saturating_duration_since(Instant::now())),
        ServiceState::Waiting
        | ServiceState::Starting
        | ServiceState::Up
        | ServiceState::Restarting
        | ServiceState::Down
        | ServiceState::Gone => None,
    }
}

/// The type of its messages. Empty for a child that takes none: a task or a supervisor.
pub(crate) fn message_type(slot: &dyn AnySlot) -> &'static str {
    let known = slot.message_type();
    if known == std::any::type_name::<NoMessages>() { "" } else { known }
}

/// Messages that fit into its mailbox. `None` without a limit, and for a child without a mailbox.
pub(crate) fn capacity(slot: &dyn AnySlot) -> Option<u64> {
    if message_type(slot).is_empty() {
        return None;
    }
    let capacity = slot.settings().capacity;
    (capacity != usize::MAX).then_some(capacity as u64)
}

/// The peers that the present incarnation waits for, as far as its own notes know them.
fn waits_for(slot: &dyn AnySlot) -> Vec<String> {
    let Some(incarnation) = slot.life().owner() else { return Vec::new() };
    let answer = incarnation.activity().and_then(Activity::waits_for_answer).map(|(peer, _)| peer);
    let room = incarnation.room_waits().into_iter().next().map(|wait| wait.slot.path());
    let mut peers: Vec<_> = answer.into_iter().chain(room).map(|peer| peer.to_string()).collect();
    peers.dedup();
    peers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Journal, ProbeMsg};
    use crate::{Child, Context, GiveUp, Intensity, Policy, Supervisor, Tree};

    struct Idle;

    impl crate::Service for Idle {
        type Msg = ();

        async fn handle(&mut self, (): (), _ctx: &mut Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }

    const SEC: Duration = Duration::from_secs(1);

    async fn asked(tree: &Tree, path: &str) -> (Service, String) {
        let path: Arc<str> = path.into();
        let listed = tree.shared.directory.get(&path).expect("it is listed");
        let mut service = row(&tree.shared, &path, &listed, None);
        let why = ask(&tree.shared, &mut service).await.expect("it is listed");
        (service, why.to_string())
    }

    // Found by an operator: the pool was killed while a child of it was parked. Its next life was being started, and the
    // child could be revived, it was said, although nothing had ever gone wrong with it.
    #[tokio::test(start_paused = true)]
    async fn a_child_whose_supervisor_begins_again_is_not_offered_to_be_revived() {
        let journal = Journal::new();
        let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(100 * SEC));
        let hangs = Child::service("hangs", |ctx: Context<Idle>| async move {
            if ctx.generation() > 1 {
                std::future::pending::<()>().await;
            }
            Ok(Idle)
        });
        let pool = Supervisor::one_for_one("pool").child(hangs).child(journal.probe("parks").policy(parks));
        let app =
            Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(pool.child(journal.probe("well")));
        let tree = app.start().await.unwrap();
        tree.lookup::<ProbeMsg>("app/pool/parks").unwrap().kill().unwrap();
        tokio::time::sleep(SEC).await;
        let (parked, why) = asked(&tree, "app/pool/parks").await;
        assert!(parked.act.as_ref().is_some_and(|act| act.contains("revive")), "{:?}", parked.act);
        assert_eq!(parked.next_try_in_ms, Some(99_000), "{why}");

        tree.kill("app/pool").unwrap();
        tokio::time::sleep(SEC).await;
        for path in ["app/pool/parks", "app/pool/well"] {
            let (service, why) = asked(&tree, path).await;
            assert_eq!((service.state, service.next_try_in_ms), (State::Restarting, None), "{why}");
            assert_eq!(service.act, Some(format!("regrow why {path}")), "{why}");
            assert!(!why.contains("wrong with it yet"), "{why}");
        }
        tree.shutdown_within(SEC).await;
    }

    #[test]
    fn a_path_in_a_command_is_one_word_of_a_shell() {
        assert_eq!(command("shop/db", State::Parked).unwrap(), "regrow revive shop/db --reason TEXT");
        assert_eq!(command("shop/a b'c;rm", State::Down).unwrap(), r"regrow start 'shop/a b'\''c;rm' --reason TEXT");
        assert_eq!(command("shop/db", State::Up), None);
    }
}
