//! The store in SQLite: a database of your own, damage, faults.

use std::fs;

use regrow::checkpoint::{CheckpointStore, Record, SqliteStore, Stamp, StoreError};
use rusqlite::Connection;

const KEY: &str = "bank/ledger";

fn record(epoch: u64, sequence: u64, text: &str) -> Record {
    Record { stamp: Stamp { epoch, sequence }, schema: 1, bytes: text.as_bytes().into() }
}

#[tokio::test]
async fn the_table_lives_beside_tables_of_the_users() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY); INSERT INTO orders VALUES (7)").unwrap();
    let store = SqliteStore::new(connection).unwrap();
    store.claim(KEY).await.unwrap();
    store.save(KEY, record(1, 1, "value")).await.unwrap();

    let user = Connection::open(&path).unwrap();
    assert_eq!(user.query_row("SELECT id FROM orders", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
    let (key, value): (String, Vec<u8>) =
        user.query_row("SELECT key, value FROM regrow_checkpoints", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!((key.as_str(), value.as_slice()), (KEY, b"value".as_slice()));
    assert!(store.describe().contains("shop.db"), "{}", store.describe());
}

/// Found by a busy machine: the change of a new file to WAL is refused at once while another connection does the same.
#[test]
fn many_may_open_a_database_that_nobody_has_opened_before() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let (path, begin) = (directory.path().join("shop.db"), std::sync::Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    begin.wait();
                    SqliteStore::open(&path).unwrap();
                });
            }
        });
    }
}

#[tokio::test]
async fn a_database_in_memory_will_do_for_tests() {
    let store = SqliteStore::new(Connection::open_in_memory().unwrap()).unwrap();
    store.claim(KEY).await.unwrap();
    store.save(KEY, record(1, 1, "value")).await.unwrap();
    assert_eq!(store.claim(KEY).await.unwrap().latest, Some(record(1, 1, "value")));
}

#[tokio::test]
async fn a_value_that_rotted_is_damage_and_the_epoch_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let store = SqliteStore::open(&path).unwrap();
    store.claim(KEY).await.unwrap();
    store.save(KEY, record(1, 1, "value")).await.unwrap();
    let user = Connection::open(&path).unwrap();
    user.execute("UPDATE regrow_checkpoints SET value = 'vblue'", []).unwrap_err();
    user.execute("UPDATE regrow_checkpoints SET value = CAST('vblue' AS BLOB)", []).unwrap();
    for _ in 0..2 {
        let error = store.claim(KEY).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { has_previous: false, .. }), "{error}");
        assert!(error.to_string().contains(KEY) && error.to_string().contains("shop.db"), "{error}");
    }
    // By hand, as the error says.
    user.execute("UPDATE regrow_checkpoints SET checksum = NULL", []).unwrap();
    let claim = store.claim(KEY).await.unwrap();
    assert_eq!((claim.epoch, claim.latest), (2, Some(record(1, 1, "vblue"))));
}

#[tokio::test]
async fn what_is_no_database_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("letter.txt");
    fs::write(&path, "Dear Sir or Madam, ".repeat(1000)).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert!(error.to_string().contains("letter.txt` is no SQLite database"), "{error}");
    let error = SqliteStore::open(directory.path().join("absent/shop.db")).unwrap_err();
    assert!(error.to_string().contains("create its directory"), "{error}");
    // Found by a newcomer: the error advised to create it.
    let error = SqliteStore::open(directory.path()).unwrap_err();
    assert!(error.to_string().contains("it is a directory"), "{error}");
}

#[tokio::test]
async fn a_full_database_keeps_the_value_and_takes_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let connection = Connection::open(&path).unwrap();
    let store = SqliteStore::new(connection).unwrap();
    store.claim(KEY).await.unwrap();
    store.save(KEY, record(1, 1, "value")).await.unwrap();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update_and_check(None, "max_page_count", 10, |row| row.get::<_, i64>(0)).unwrap();
    let store = SqliteStore::new(connection).unwrap();
    let large = "x".repeat(1 << 20);
    let error = store.save(KEY, record(1, 2, &large)).await.unwrap_err();
    assert!(error.to_string().contains("there is no room"), "{error}");
    store.save(KEY, record(1, 3, "small")).await.unwrap();
    assert_eq!(store.claim(KEY).await.unwrap().latest, Some(record(1, 3, "small")));
}

#[tokio::test]
async fn a_database_that_another_connection_holds_is_an_error_after_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    SqliteStore::open(&path).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let store = SqliteStore::new(connection).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.claim(KEY).await.unwrap_err();
    assert!(error.to_string().contains("another connection writes for too long"), "{error}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.claim(KEY).await.unwrap().epoch, 1);
}

#[test]
fn work_that_waits_for_the_connection_takes_no_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let store = SqliteStore::open(&path).unwrap();
    let mut other = Connection::open(&path).unwrap();
    runtime.block_on(async {
        let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        let claims: Vec<_> = (0..5)
            .map(|key| {
                let store = store.clone();
                tokio::spawn(async move { store.claim(&key.to_string()).await.unwrap().epoch })
            })
            .collect();
        crate::common::tree::turns(10).await;
        crate::common::tree::soon("another thread", tokio::task::spawn_blocking(|| ())).await.unwrap();
        assert!(claims.iter().all(|claim| !claim.is_finished()));
        drop(held);
        for claim in claims {
            assert_eq!(crate::common::tree::soon("a claim", claim).await.unwrap(), 1);
        }
    });
}

// Found by reading: a value that was put there by hand was taken for none, and the first save replaced it.
#[tokio::test]
async fn a_value_that_was_put_there_by_hand_is_the_first_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let store = SqliteStore::open(&path).unwrap();
    let other = Connection::open(&path).unwrap();
    let insert =
        "INSERT INTO regrow_checkpoints (key, epoch, schema, value) VALUES ('a', 0, 2, CAST('by hand' AS BLOB))";
    other.execute(insert, []).unwrap();
    let claim = store.claim("a").await.unwrap();
    let latest = claim.latest.unwrap();
    assert_eq!((claim.epoch, latest.schema, &*latest.bytes), (1, 2, b"by hand".as_slice()));
    store.save("a", record(1, 1, "one")).await.unwrap();
    assert_eq!(store.claim("a").await.unwrap().latest, Some(record(1, 1, "one")));
    // Without a schema the store cannot know what it is, and says so.
    other.execute("UPDATE regrow_checkpoints SET schema = NULL", []).unwrap();
    let error = store.claim("a").await.unwrap_err().to_string();
    assert!(error.contains("schema"), "{error}");
}
