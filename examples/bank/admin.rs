//! The admin source, with `--admin`: an operator looks at the bank and acts on it from another terminal.
//!
//! It is outside of the tree, so nothing that dies in the bank takes it along.

use std::path::Path;

use regrow::Tree;
use regrow::admin::{Admin, Capability, Listening};

use crate::watch::Progress;

/// Name by which the commands find the bank: `regrow ps --of bank`.
const PROGRAM: &str = "bank";

/// Listens in the default place until the returned value is dropped. Operators may act, too.
///
/// # Errors
///
/// If the socket cannot be made there.
#[cfg(unix)]
pub(crate) async fn open(tree: &Tree, policy: Option<&Path>, progress: &Progress) -> anyhow::Result<Listening> {
    let mut admin = Admin::new(PROGRAM).tree(tree).grant(Capability::Control);
    if let Some(file) = policy {
        admin = admin.policy_file(tree, file);
    }
    let listening = admin.listen_unix().await?;
    progress.say(&format!("admin source: cargo run --features cli -- ps --of {PROGRAM}"));
    Ok(listening)
}

/// Refuses: the default place is a unix socket.
#[cfg(not(unix))]
pub(crate) async fn open(_: &Tree, _: Option<&Path>, _: &Progress) -> anyhow::Result<Listening> {
    let _ = (Admin::new(PROGRAM), Capability::Control);
    anyhow::bail!("`--admin` listens on a unix socket, which this system does not have: leave it out")
}
