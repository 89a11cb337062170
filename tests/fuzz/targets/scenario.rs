//! OTP's scenarios.

use regrow::otp::{Scenario, play_on_machine};

use crate::targets::is_line_of;
use crate::targets::policy::is_clean;

/// A scenario. If it can be read, and surely ends, it is played twice.
pub(super) fn scenario(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Scenario::parse(text) {
        Ok(scenario) if surely_ends(text) => {
            let told = play_on_machine(&scenario);
            assert_eq!(told, play_on_machine(&scenario), "one scenario, two stories");
        }
        Ok(_) => {}
        Err(refused) => {
            is_line_of(refused.line, text);
            assert!(!refused.why.is_empty(), "refused without a reason");
            is_clean(&refused.to_string());
        }
    }
}

/// Whether no child can fail for ever without using up its supervisor's budget, as in OTP: slow starts that fail, and
/// budgets of thousands of restarts.
fn surely_ends(text: &str) -> bool {
    let digits_max = text.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    digits_max < 4 && !["startdelay", "slow"].iter().any(|word| text.contains(word)) && text.len() < 4096
}
