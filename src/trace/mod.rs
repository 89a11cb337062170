//! The proof: one scenario file, told by the bare machines in virtual time and by the live runtime, compared line by line
//! with what real Erlang/OTP told.

pub(crate) mod format;
pub(crate) mod machine;
pub(crate) mod scenario;
mod teller;
pub(crate) mod world;

pub use machine::play as play_on_machine;
pub use scenario::{Refused, Scenario};
