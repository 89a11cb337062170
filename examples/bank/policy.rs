//! The policy file: it is applied before the first customer is served, and after each change. Each answer is printed.
//!
//! An invalid text is refused as a whole, with the place and what to write instead. The bank goes on under the last
//! valid text. Only the first text has to be valid: otherwise the bank does not open.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow};
use regrow::policy::ReloadError;
use regrow::{Applied, Tree};

use crate::watch::Progress;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Follows the file until the tree has ended.
pub(crate) async fn follow(tree: &Tree, file: &Path, progress: Progress) -> anyhow::Result<()> {
    let mut followed = tree.follow_policies(file, LOOK_EVERY);
    let first = followed.next().await.context("the bank was over before it opened")?;
    progress.say(&told(&Ok(first.map_err(|error| anyhow!("{error}"))?)));
    tokio::spawn(async move {
        while let Some(answer) = followed.next().await {
            progress.say(&told(&answer));
        }
    });
    Ok(())
}

fn told(answer: &Result<Applied, ReloadError>) -> String {
    match answer {
        Ok(applied) => format!("policy applied\n{}", applied.to_string().trim_end()),
        Err(error) => format!("policy refused, the one before it stays in force\n{error}"),
    }
}
