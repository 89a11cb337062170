//! Arithmetic on time that cannot overflow: operations for which `Duration` has no safe method.
//!
//! The operators panic when they overflow, so a lint refuses them (`.clippy.toml`). The rest of the crate calls this
//! file, or the `saturating_` methods of `Duration`.

use std::time::Duration;

/// Multiplies `time` by `factor`. A negative result, or one that is not a number, is zero. One that is too long is the
/// longest duration.
pub(crate) fn scaled(time: Duration, factor: f64) -> Duration {
    let seconds = time.as_secs_f64() * factor;
    let beyond = if seconds > 0.0 { Duration::MAX } else { Duration::ZERO };
    Duration::try_from_secs_f64(seconds).unwrap_or(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_time_is_defined_for_every_time_and_factor() {
        assert_eq!(scaled(Duration::from_secs(2), 0.5), Duration::from_secs(1));
        assert_eq!(scaled(Duration::MAX, 1.0), Duration::MAX);
        assert_eq!(scaled(Duration::MAX, f64::INFINITY), Duration::MAX);
        assert_eq!(scaled(Duration::ZERO, f64::INFINITY), Duration::ZERO);
        assert_eq!(scaled(Duration::from_secs(1), -1.0), Duration::ZERO);
        assert_eq!(scaled(Duration::from_secs(1), f64::NAN), Duration::ZERO);
    }
}
