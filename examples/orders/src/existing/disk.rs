//! An old task: it measures the size of the database, and publishes it in a watch channel. It knows nothing of regrow.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

pub async fn measure(database: PathBuf, size: watch::Sender<u64>) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(Duration::from_secs(5));
    loop {
        look.tick().await;
        let metadata = std::fs::metadata(&database)?;
        size.send_replace(metadata.len());
    }
}
