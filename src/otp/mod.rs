//! The proof: one scenario file, told by the bare machines in virtual time and by the live runtime, compared line by line
//! with what real Erlang/OTP told.

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
