//! A service whose stored value is damaged.

use std::fs;
use std::path::{Path, PathBuf};

use regrow::checkpoint::{CheckpointStore, Checkpoints, Claim, FileStore, Record, Stamp, StoreError, StoreFuture};
use regrow::{Handle, PeerUnavailable, StartError, Supervisor, Tree};

use crate::tally::{add, count, find, plain, tree};

/// A directory in which `app/tally` has saved 1 and then 2, and the file of the 2 is damaged.
async fn damaged() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let tree = tree([plain("tally", Checkpoints::new(FileStore::open(directory.path()).unwrap()))]).await;
    add(&find(&tree, "tally"), 1).await;
    add(&find(&tree, "tally"), 1).await;
    assert!(tree.shutdown().await.is_clean());
    let file = value_in(directory.path());
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    (directory, file)
}

fn value_in(directory: &Path) -> PathBuf {
    let mut folders = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path().join("value"));
    folders.find(|file| file.exists()).unwrap()
}

async fn start(store: FileStore) -> Result<Tree, StartError> {
    Supervisor::one_for_one("app").child(plain("tally", Checkpoints::new(store))).start().await
}

#[tokio::test]
async fn a_damaged_value_fails_the_start_and_the_error_says_where_and_what_to_do() {
    let (directory, file) = damaged().await;
    let before = fs::read(&file).unwrap();
    let error = start(FileStore::open(directory.path()).unwrap()).await.map(|_| ()).unwrap_err();
    let text = format!("{:#}", anyhow::Error::new(error));
    assert!(text.contains("checkpoint `app/tally` in the directory "), "{text}");
    assert!(text.contains(file.to_str().unwrap()), "{text}");
    assert!(text.contains("the value before it is intact") && text.contains("`accept_previous`"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), before, "the files stay as they are");
}

#[tokio::test]
async fn a_service_may_begin_with_the_previous_value_and_the_damaged_one_is_kept() {
    let (directory, file) = damaged().await;
    let tree = start(FileStore::open(directory.path()).unwrap().accept_previous()).await.unwrap();
    assert_eq!(count(&find(&tree, "tally")).await, 1);
    assert!(file.with_extension("damaged").exists());
    assert!(tree.shutdown().await.is_clean());
}

// Found by a newcomer: the reason stood twice at the end of each such line.
#[tokio::test]
async fn an_error_of_a_store_tells_each_cause_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = FileStore::open(directory.path()).unwrap();
    fs::remove_dir(directory.path()).unwrap();
    let error = start(store).await.map(|_| ()).unwrap_err();
    let text = format!("{:#}", anyhow::Error::new(error));
    assert_eq!(text.matches("os error 2").count(), 1, "{text}");
}

/// A store that needs a service.
struct Remote(Handle<()>);

impl CheckpointStore for Remote {
    fn claim<'a>(&'a self, _: &'a str) -> StoreFuture<'a, Claim> {
        Box::pin(async { Err(StoreError::Failed(self.0.cast(()).unwrap_err().into())) })
    }
    fn save<'a>(&'a self, _: &'a str, _: Record) -> StoreFuture<'a, ()> {
        unreachable!("nothing is claimed")
    }
    fn discard<'a>(&'a self, _: &'a str, _: Stamp) -> StoreFuture<'a, ()> {
        unreachable!("nothing is claimed")
    }
    fn describe(&self) -> String {
        "another service".into()
    }
}

#[tokio::test]
async fn a_store_without_its_service_is_a_peer_that_is_unavailable() {
    let (mailbox, remote) = regrow::mailbox::<()>();
    drop(mailbox);
    let error = anyhow::Error::new(Checkpoints::new(Remote(remote)).discard("app/tally").await.unwrap_err());
    assert!(error.chain().any(|cause| cause.is::<PeerUnavailable>()), "{error:#}");
}
