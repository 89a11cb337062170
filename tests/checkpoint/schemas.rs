//! Versions of the format, and values that cannot be decoded.

use regrow::checkpoint::{Checkpoint, CheckpointError, Checkpoints, Json, Problem, State};
use regrow::{Child, StartError, Supervisor};
use serde::{Deserialize, Serialize};

use crate::held::HeldStore;

#[derive(Serialize, Deserialize)]
struct BookV1 {
    balance: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Book {
    accounts: Vec<i64>,
    #[serde(default)]
    owner: String,
}

impl State for Book {
    const SCHEMA: u32 = 2;

    fn encode(&self) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(self)?)
    }

    fn decode(schema: u32, bytes: &[u8]) -> anyhow::Result<Self> {
        match schema {
            1 => {
                let Json(BookV1 { balance }) = Json::<BookV1>::decode(1, bytes)?;
                Ok(Self { accounts: vec![balance], owner: String::new() })
            }
            _ => Ok(serde_json::from_slice(bytes)?),
        }
    }
}

/// Claims the checkpoint `app/book` in the factory of a service. Returns what it found, or the error of the start.
async fn load<T: State + Sync>(store: Checkpoints) -> Result<Option<T>, StartError> {
    struct Idle;
    impl regrow::Service for Idle {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &mut regrow::Context<Self>) -> anyhow::Result<()> {
            Ok(())
        }
    }
    let (found, mut loaded) = tokio::sync::mpsc::unbounded_channel();
    let book = Child::service("book", move |ctx: regrow::Context<Idle>| {
        let (store, found) = (store.clone(), found.clone());
        async move {
            let mut checkpoint: Checkpoint<T> = ctx.checkpoint(&store).await?;
            drop(found.send(checkpoint.take()));
            Ok(Idle)
        }
    });
    Supervisor::one_for_one("app").child(book).start().await?.shutdown().await;
    Ok(loaded.recv().await.unwrap())
}

/// The text of the error with which a start fails.
async fn refused<T: State + Sync>(held: &HeldStore) -> String {
    match load::<T>(held.checkpoints()).await {
        Err(error) => format!("{:#}", anyhow::Error::new(error)),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn an_older_schema_is_migrated_by_the_code_that_knows_it() {
    let held = HeldStore::new();
    held.put("app/book", 1, br#"{"balance":5}"#).await;
    assert_eq!(load::<Book>(held.checkpoints()).await.unwrap().unwrap().accounts, [5]);
    // Nothing was saved: an older program can still read the value.
    assert_eq!(held.stored("app/book").await.as_deref(), Some(r#"{"balance":5}"#));
}

#[tokio::test]
async fn a_field_with_a_default_needs_no_new_schema() {
    let held = HeldStore::new();
    held.put("app/book", 2, br#"{"accounts":[1,2]}"#).await;
    assert_eq!(load::<Book>(held.checkpoints()).await.unwrap().unwrap().owner, "");
}

#[tokio::test]
async fn an_older_schema_without_code_for_it_fails_the_start_and_says_what_to_do() {
    let held = HeldStore::new();
    held.put("app/book", 1, br#"{"balance":5}"#).await;
    let text = refused::<Json<Book, 2>>(&held).await;
    assert!(text.contains("checkpoint `app/book` in the store of the test"), "{text}");
    assert!(text.contains("it has schema 1, and this program has code for schema 2 only: implement `State`"), "{text}");
    assert_eq!(held.stored("app/book").await.as_deref(), Some(r#"{"balance":5}"#));
}

#[tokio::test]
async fn a_newer_schema_fails_the_start_and_stays_stored() {
    let held = HeldStore::new();
    held.put("app/book", 3, b"from the future").await;
    let text = refused::<Book>(&held).await;
    assert!(text.contains("checkpoint `app/book` in the store of the test"), "{text}");
    assert!(text.contains("has schema 3, and this program knows up to 2"), "{text}");
    assert!(text.contains("start a newer program, or remove it with `Checkpoints::discard`"), "{text}");
    assert_eq!(held.stored("app/book").await.as_deref(), Some("from the future"));
}

#[tokio::test]
async fn a_value_that_does_not_decode_fails_the_start_and_stays_stored() {
    let held = HeldStore::new();
    held.put("app/book", 2, br#"{"accounts":7}"#).await;
    let text = refused::<Book>(&held).await;
    assert!(text.contains("checkpoint `app/book` in the store of the test"), "{text}");
    assert!(text.contains("cannot be decoded: invalid type: integer `7`"), "{text}");
    assert!(text.contains("It stays stored: start a program that can read it, or remove it"), "{text}");
    assert_eq!(held.stored("app/book").await.as_deref(), Some(r#"{"accounts":7}"#));

    held.checkpoints().discard("app/book").await.unwrap();
    assert!(load::<Book>(held.checkpoints()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_factory_may_look_at_the_problem_and_decide() {
    let held = HeldStore::new();
    held.put("app/book", 9, b"").await;
    let store = held.checkpoints();
    let work = Child::task("book", move |ctx| {
        let store = store.clone();
        async move {
            let claimed: Result<Checkpoint<Book>, CheckpointError> = ctx.checkpoint(&store).await;
            match claimed.map_err(|error| error.problem) {
                Err(Problem::NewerSchema { stored: 9, known: 2 }) => store.discard(&ctx.path()).await?,
                other => panic!("{other:?}"),
            }
            ctx.checkpoint(&store).await?.save(&Book { accounts: vec![1], owner: "a".into() }).await?;
            Ok(())
        }
    });
    let tree = Supervisor::one_for_one("app").child(work).start().await.unwrap();
    held.has_done(1).await;
    tree.shutdown().await;
    assert_eq!(held.stored("app/book").await.as_deref(), Some(r#"{"accounts":[1],"owner":"a"}"#));
}

#[tokio::test]
async fn a_value_without_an_encoding_is_not_saved_and_the_stored_one_stays() {
    let held = HeldStore::new();
    let store = held.checkpoints();
    let (told, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let work = Child::task("book", move |ctx| {
        let (store, told) = (store.clone(), told.clone());
        async move {
            // JSON has no maps whose keys are lists.
            let mut checkpoint = ctx.checkpoint::<Json<std::collections::BTreeMap<Vec<u8>, u8>>>(&store).await?;
            checkpoint.save(&Json(Default::default())).await?;
            let error = checkpoint.save(&Json([(vec![1], 1)].into())).await.unwrap_err();
            told.send((error.to_string(), checkpoint.figures())).unwrap();
            Ok(())
        }
    });
    let tree = Supervisor::one_for_one("app").child(work).start().await.unwrap();
    let (text, figures) = errors.recv().await.unwrap();
    tree.shutdown().await;
    assert!(
        text.starts_with("checkpoint `app/book` in the store of the test: the value cannot be encoded: "),
        "{text}"
    );
    assert_eq!((figures.saves, figures.failures), (1, 1));
    assert_eq!(held.stored("app/book").await.as_deref(), Some("{}"));
}
