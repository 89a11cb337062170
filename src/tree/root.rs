//! The state of a tree's root, as the holder of the tree sees it.

use regrow_supervisors::Exit;

/// The state of a tree's root, as the holder of the tree sees it.
#[derive(Debug, Clone)]
pub(crate) enum Root {
    Booting,
    Up,
    /// The root is over. A root that was up did not fail to boot, even if it ended right after that (OTP rule 13).
    Ended {
        exit: Exit,
        was_up: bool,
    },
}
