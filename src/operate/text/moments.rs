//! Times as people read and write them. All clock times are UTC and say so.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Returns a length of time in its two largest units: `340ms`, `3.4s`, `3m 12s`, `2h 05m`, `4d 06h`.
///
/// ```
/// assert_eq!(regrow::operate::text::length(192_000), "3m 12s");
/// ```
pub fn length(ms: u64) -> String {
    match ms {
        0..SECOND => format!("{ms}ms"),
        SECOND..10_000 => format!("{}.{}s", ms / SECOND, ms % SECOND / 100),
        10_000..MINUTE => format!("{}s", ms / SECOND),
        MINUTE..HOUR => format!("{}m {:02}s", ms / MINUTE, ms % MINUTE / SECOND),
        HOUR..DAY => format!("{}h {:02}m", ms / HOUR, ms % HOUR / MINUTE),
        DAY.. => format!("{}d {:02}h", ms / DAY, ms % DAY / HOUR),
    }
}

/// Returns the time between a moment and the look: `3m 12s ago`.
pub(crate) fn ago(at_ms: u64, now_ms: u64) -> String {
    format!("{} ago", length(now_ms.saturating_sub(at_ms)))
}

/// Returns a moment as `2026-11-29 03:12:00.123Z`.
pub(crate) fn clock(at_ms: u64) -> String {
    // The last moment that the calendar of `humantime` can show is at the end of the year 9999.
    const LAST: u64 = 253_402_300_799_999;
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(at_ms.min(LAST))).unwrap_or(UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string().replacen('T', " ", 1)
}

/// Reads a moment: `2026-11-29T03:12:00`, with or without `Z`; `03:12` or `03:12:30` of the last 24 hours; `-5m`, which is
/// five minutes before `now_ms`. Clock times are UTC.
///
/// # Errors
///
/// The text is none of these: the error says so and shows examples.
///
/// ```
/// use regrow::operate::text::moment;
///
/// let now_ms = 1_764_385_920_000; // 2025-11-29 03:12:00Z
/// assert_eq!(moment("-5m", now_ms), moment("03:07", now_ms));
/// assert_eq!(moment("2025-11-29T03:12:00", now_ms), Ok(now_ms));
/// assert!(moment("yesterday", now_ms).is_err());
/// ```
pub fn moment(text: &str, now_ms: u64) -> Result<u64, String> {
    let parsed = if let Some(back) = text.strip_prefix('-') {
        humantime::parse_duration(back).ok().map(|back| now_ms.saturating_sub(millis(back)))
    } else if let Some(of_day) = time_of_day(text) {
        let midnight = now_ms / DAY * DAY;
        let today = midnight.saturating_add(of_day);
        Some(if today > now_ms { today.saturating_sub(DAY) } else { today })
    } else {
        let since_epoch = |at: SystemTime| at.duration_since(UNIX_EPOCH).ok();
        humantime::parse_rfc3339_weak(text).ok().and_then(since_epoch).map(millis)
    };
    parsed.ok_or_else(|| {
        format!(
            "`{}` is not a moment: write `-5m` (five minutes ago), `03:12` or `2026-11-29T03:12:00` (both UTC)",
            super::safe(text)
        )
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Reads `03:12` or `03:12:30` as milliseconds since midnight.
fn time_of_day(text: &str) -> Option<u64> {
    let parts: Vec<u64> = text
        .split(':')
        .map(|part| if (1..=2).contains(&part.len()) { part.parse().ok() } else { None })
        .collect::<Option<_>>()?;
    match parts.as_slice() {
        [hour @ 0..24, minute @ 0..60] => Some(hour * HOUR + minute * MINUTE),
        [hour @ 0..24, minute @ 0..60, second @ 0..60] => Some(hour * HOUR + minute * MINUTE + second * SECOND),
        _ => None,
    }
}
