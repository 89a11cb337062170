//! Conformance to OTP: the bare machines in virtual time and the live runtime play the same scenario file. Both traces
//! are compared line by line with that of real Erlang/OTP. `tests/otp/DEVIATIONS.md` counts the scenarios, and gives
//! the reason for each deviation.
//!
//! ```text
//! cargo run -q --features cli -- trace tests/otp/scenarios/04_rest_for_one.scn
//! cargo run -q --features cli -- trace --live tests/otp/scenarios/04_rest_for_one.scn
//! ```

mod answers;
mod calls;
mod exit;
mod format;
mod live;
mod machine;
mod parser;
mod player;
mod scenario;
mod simulator;
mod start;
mod transcript;

pub use live::play as play_live;
pub use machine::play as play_on_machine;
pub use scenario::{Refused, Scenario};
