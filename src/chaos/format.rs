//! Times, shares and counts as people read them.

/// Writes a stretch of time in three or four digits: `0 s`, `250 µs`, `12.5 ms`, `3.25 s`, `340 s`.
pub(super) fn time(seconds: f64) -> String {
    let size = seconds.abs();
    match () {
        () if !seconds.is_finite() => "unknown".into(),
        () if size < 0.000_000_5 => "0 s".into(),
        () if size < 0.001 => format!("{:.0} µs", seconds * 1e6),
        () if size < 0.1 => format!("{} ms", short(seconds * 1e3, 2)),
        () if size < 1.0 => format!("{:.0} ms", seconds * 1e3),
        () if size < 100.0 => format!("{} s", short(seconds, 2)),
        () => format!("{seconds:.0} s"),
    }
}

/// Writes a stretch of time, or a dash if there is none.
pub(super) fn time_or_dash(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".into(), time)
}

/// Writes a moment on the clock of the run, in milliseconds.
pub(super) fn moment(seconds: f64) -> String {
    if seconds.is_finite() { format!("{:.3} s", seconds + 0.0) } else { "unknown".into() }
}

/// Writes a share of one as a percentage, never rounded up to 100 %.
pub(super) fn share(share: f64) -> String {
    if !share.is_finite() {
        return "unknown".into();
    }
    // A value just below a whole number is there only because of floating-point arithmetic.
    let thousandths = (share * 1e5 + 1e-6).floor() / 1e3;
    format!("{} %", short(thousandths, 3))
}

/// Writes a count with its thousands set apart.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a number of things: `1 fault`, `2 faults`.
pub(super) fn many(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

/// Cuts a text that is too long at its beginning, because the ends of paths tell them apart better.
pub(super) fn tail(text: &str, chars_max: usize) -> String {
    let length = text.chars().count();
    if length <= chars_max {
        return text.into();
    }
    let kept = text.chars().skip(length + 1 - chars_max);
    std::iter::once('…').chain(kept).collect()
}

fn short(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_fits() {
        let told = [0.0, 0.000_25, 0.0125, 0.25, 3.25, 60.0, 340.2, f64::NAN].map(time);
        assert_eq!(told, ["0 s", "250 µs", "12.5 ms", "250 ms", "3.25 s", "60 s", "340 s", "unknown"]);
    }

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!([1.0, 0.999_999, 0.5, 0.0].map(share), ["100 %", "99.999 %", "50 %", "0 %"]);
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn long_paths_lose_their_beginning() {
        assert_eq!((tail("app/db", 6), tail("app/db", 5)), ("app/db".into(), "…p/db".into()));
    }
}
