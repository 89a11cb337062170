//! Settling of a text: the time that a text must stay in the file before it counts, since its writer may not be done.
//!
//! A program that writes in place empties the file first, and may be paused before it writes. Only waiting tells such a
//! text from one that is meant. So a text that sets less than the one before it has to stay longer.

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::reading::Seen;

/// Time that a text has to stay before it counts, unless `look_every` is longer.
pub(crate) const STABLE: Duration = Duration::from_millis(250);
/// The same if an answer has been asked for.
const CONFIRMED: Duration = Duration::from_millis(20);
/// The same for a text that looks emptied or cut off.
pub(crate) const SETTLED: Duration = Duration::from_secs(2);

/// The texts seen in one file, one after the other.
#[derive(Debug)]
pub(crate) struct Settling {
    look_every: Duration,
    /// The text of the last answer.
    answered: Option<Seen>,
    /// The text that is in the file now, and the time since when.
    candidate: Option<(Seen, Instant)>,
    /// An answer has been asked for, changed or not.
    is_asked: bool,
}

impl Settling {
    /// Begins with the first text asked for.
    pub(crate) fn new(look_every: Duration) -> Self {
        let look_every = look_every.max(Duration::from_millis(1));
        Self { look_every, answered: None, candidate: None, is_asked: true }
    }

    /// Asks for an answer, even if the text has not changed.
    pub(crate) fn ask(&mut self) {
        self.is_asked = true;
    }

    /// The text to be answered after a look, if any. `is_something_in_force`: an empty text would remove policies.
    pub(crate) fn look(&mut self, seen: Seen, is_something_in_force: bool, now: Instant) -> Option<Seen> {
        if self.answered.as_ref() == Some(&seen) {
            self.candidate = None;
            return std::mem::take(&mut self.is_asked).then_some(seen);
        }
        let since = match &self.candidate {
            Some((before, since)) if *before == seen => *since,
            Some(_) | None => now,
        };
        if now.duration_since(since) < self.time_for(&seen, is_something_in_force) {
            self.candidate = Some((seen, since));
            return None;
        }
        self.candidate = None;
        self.is_asked = false;
        self.answered = Some(seen.clone());
        Some(seen)
    }

    /// The time until the next look.
    pub(crate) fn next_look(&self, is_something_in_force: bool, now: Instant) -> Duration {
        let Some((seen, since)) = &self.candidate else { return self.look_every };
        let left = self.time_for(seen, is_something_in_force).saturating_sub(now.duration_since(*since));
        let shortest = if self.is_asked { CONFIRMED } else { Duration::from_millis(1) };
        left.clamp(shortest, shortest.max(self.look_every))
    }

    fn time_for(&self, seen: &Seen, is_something_in_force: bool) -> Duration {
        match seen {
            Seen::Bytes(text) if self.says_less(text, is_something_in_force) => SETTLED,
            Seen::Bytes(_) if self.is_asked => CONFIRMED,
            // A file that cannot be read changes nothing, so there is no need to wait.
            Seen::Unreadable(_) if self.is_asked => Duration::ZERO,
            Seen::Bytes(_) | Seen::Unreadable(_) => self.look_every.max(STABLE),
        }
    }

    fn says_less(&self, text: &[u8], is_something_in_force: bool) -> bool {
        if is_something_in_force && is_silent(text) {
            return true;
        }
        let Some(Seen::Bytes(before)) = &self.answered else { return false };
        let is_in_mid_line = !text.ends_with(b"\n") && before.ends_with(b"\n");
        is_in_mid_line || (text.len() < before.len() && before.starts_with(text))
    }
}

/// Whether no field is set: blank lines, comments and headers of tables.
fn is_silent(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .all(|line| matches!(line.first(), None | Some(b'#' | b'[')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn bytes(text: &str) -> Seen {
        Seen::Bytes(text.into())
    }

    /// A file that is read every 100 ms, with this text answered already and in force.
    fn after(text: &str) -> (Settling, Instant) {
        let (mut settling, now) = (Settling::new(100 * MS), Instant::now());
        assert_eq!(settling.look(bytes(text), false, now), None, "the first is confirmed");
        assert_eq!(settling.look(bytes(text), false, now + CONFIRMED), Some(bytes(text)));
        (settling, now + CONFIRMED)
    }

    /// The time for which the text has to stay until it is answered.
    fn time(settling: &mut Settling, begun: Instant, seen: &Seen) -> Duration {
        let mut now = begun;
        while settling.look(seen.clone(), true, now).is_none() {
            now += settling.next_look(true, now);
            assert!(now - begun < Duration::from_secs(60), "never answered");
        }
        now - begun
    }

    #[test]
    fn a_text_that_says_less_has_to_last_longer() {
        let text = "[defaults]\ndelay = \"1s\"\n[path.a]\ndelay = \"2s\"\n";
        for less in ["", "  \n# soon\n", "[defaults]\n", "[defaults]\ndelay = \"1s\"\n", "[defaults]\ndelay = \"9s\""] {
            let (mut settling, now) = after(text);
            assert_eq!(time(&mut settling, now, &bytes(less)), SETTLED, "{less:?}");
        }
        let (mut settling, now) = after(text);
        assert_eq!(time(&mut settling, now, &bytes("[defaults]\ndelay = \"9s\"\n")), STABLE);
    }

    #[test]
    fn what_is_gone_before_its_time_is_never_answered() {
        let (mut settling, now) = after("[defaults]\nfactor = 2\n");
        for at in [0, 1, 2, 19] {
            assert_eq!(settling.look(bytes(""), true, now + 100 * MS * at), None);
        }
        assert_eq!(settling.look(bytes("[defaults]\nfactor = 2\n"), true, now + 2000 * MS), None);
        // The time begins again.
        assert_eq!(settling.look(bytes(""), true, now + 2100 * MS), None);
        assert_eq!(settling.look(bytes(""), true, now + 4000 * MS), None);
        assert_eq!(settling.look(bytes(""), true, now + 4100 * MS), Some(bytes("")));
    }

    #[test]
    fn what_is_asked_for_is_answered_soon_unless_it_says_less() {
        let (mut settling, now) = after("[defaults]\nfactor = 2\n");
        settling.ask();
        assert_eq!(time(&mut settling, now, &bytes("[defaults]\nfactor = 2\n")), Duration::ZERO, "the same");
        settling.ask();
        assert_eq!(time(&mut settling, now, &bytes("[defaults]\nfactor = 3\n")), CONFIRMED);
        settling.ask();
        assert_eq!(time(&mut settling, now, &bytes("")), SETTLED);
        settling.ask();
        assert_eq!(time(&mut settling, now, &Seen::Unreadable("gone".into())), Duration::ZERO);
    }
}
