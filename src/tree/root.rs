//! What the holder of a tree sees of its root.

use regrow_supervisors::Exit;

/// What the holder of a tree sees of its root.
#[derive(Debug, Clone)]
pub(crate) enum Root {
    Booting,
    Up,
    /// A root that was up did not fail to boot, however soon after it ended (OTP rule 13).
    Ended {
        exit: Exit,
        was_up: bool,
    },
}
