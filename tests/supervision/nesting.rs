//! How deep a tree may be, and what its children may be called: the limit is stated, a tree at the limit works in all it
//! does, and one name more is refused; a name that breaks a line is refused by every way in.

use std::fmt::Write as _;
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, NESTING_MAX, NameError, StartChildError, StartError, Supervisor, Tree};

/// Supervisors around a leaf; together they are so many names.
fn nested(journal: &Journal, names: usize) -> Supervisor {
    let innermost = Supervisor::one_for_one("s").child(journal.probe("leaf"));
    (2..names).fold(innermost, |inner, _| Supervisor::one_for_one("s").child(inner))
}

fn path(supervisors: usize) -> String {
    let mut path = "s".to_owned();
    (1..supervisors).for_each(|_| path.push_str("/s"));
    path
}

/// In a task of a runtime whose threads have half of the stack that tokio gives them.
fn in_a_task<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::spawn(work).await.unwrap() })
}

async fn started(journal: &Journal) -> Tree {
    nested(journal, NESTING_MAX).start().await.unwrap()
}

// Found by a tree of 200 supervisors: planning it overflowed the stack of a worker, and the process was gone.
#[test]
fn a_tree_at_the_limit_starts_restarts_and_stops() {
    in_a_task(async {
        let journal = Journal::new();
        let tree = started(&journal).await;
        let leaf = tree.lookup::<ProbeMsg>(&format!("{}/leaf", path(NESTING_MAX - 1))).unwrap();
        leaf.cast(ProbeMsg::Panic("once")).unwrap();
        assert_eq!(leaf.call(ProbeMsg::Generation).await.unwrap(), 2);
        assert_eq!(tree.directory().entries().len(), NESTING_MAX);
        assert!(tree.shutdown().await.is_clean());
        assert_eq!(journal.take(), ["start leaf#1", "end leaf#1", "start leaf#2", "end leaf#2"]);
    });
}

#[test]
fn a_failure_climbs_from_the_limit_to_the_root() {
    in_a_task(async {
        let strict =
            |inner: regrow::Child| Supervisor::one_for_one("s").intensity(0, Duration::from_secs(1)).child(inner);
        let innermost = strict(Journal::new().probe("leaf").into());
        let tree = (2..NESTING_MAX).fold(innermost, |inner, _| strict(inner.into())).start().await.unwrap();
        let leaf = tree.lookup::<ProbeMsg>(&format!("{}/leaf", path(NESTING_MAX - 1))).unwrap();
        leaf.cast(ProbeMsg::Panic("once")).unwrap();
        tokio::time::timeout(Duration::from_secs(60), tree.wait()).await.unwrap();
    });
}

#[test]
fn a_start_that_fails_at_the_limit_says_so_through_all_levels() {
    in_a_task(async {
        let fails = regrow::Child::service("leaf", |_: regrow::Context<regrow::testing::Probe>| async {
            anyhow::bail!("no disk")
        });
        let innermost = Supervisor::one_for_one("s").child(fails);
        let tree = (2..NESTING_MAX).fold(innermost, |inner, _| Supervisor::one_for_one("s").child(inner));
        let error = tree.start().await.unwrap_err();
        assert!(error.to_string().ends_with("no disk"), "{error}");
        let mut debug = String::new();
        write!(debug, "{:?}", error.clone()).unwrap();
    });
}

#[test]
fn a_tree_at_the_limit_can_be_dropped_while_it_runs() {
    in_a_task(async {
        let tree = started(&Journal::new()).await;
        let root = tree.directory().watch("s").unwrap();
        drop(tree);
        regrow::testing::until(root, |status| status.state == regrow::ServiceState::Gone).await;
    });
}

#[test]
fn one_name_more_than_the_limit_is_refused_and_named() {
    in_a_task(async {
        let journal = Journal::new();
        let error = nested(&journal, NESTING_MAX + 1).start().await.unwrap_err();
        let too_deep = format!("{}/leaf", path(NESTING_MAX));
        assert!(matches!(&error, StartError::TooDeep { path } if **path == *too_deep), "{error}");
        assert!(error.to_string().contains("more than 256 deep"), "{error}");
        assert!(journal.lines().is_empty());
    });
}

#[test]
fn a_description_of_any_depth_is_refused_and_dropped_without_harm() {
    in_a_task(async {
        let error = nested(&Journal::new(), 10_000).start().await.unwrap_err();
        assert!(matches!(error, StartError::TooDeep { .. }), "{error}");
        drop(nested(&Journal::new(), 10_000));
    });
}

#[test]
fn what_is_added_deep_below_counts_from_the_root() {
    in_a_task(async {
        let journal = Journal::new();
        let tree = started(&journal).await;
        let deepest = tree.supervisor(&path(NESTING_MAX - 1)).unwrap();
        deepest.start_child(journal.probe("beside")).await.unwrap();
        let error = deepest.start_child(nested(&journal, 2)).await.unwrap_err();
        assert!(matches!(error, StartChildError::Refused(StartError::TooDeep { .. })), "{error}");
        let near = tree.supervisor(&path(NESTING_MAX - 10)).unwrap();
        let add = Supervisor::one_for_one("t").child(nested(&journal, 9));
        near.start_child(add).await.unwrap();
        let error = near.start_child(Supervisor::one_for_one("u").child(nested(&journal, 10))).await.unwrap_err();
        assert!(matches!(error, StartChildError::Refused(StartError::TooDeep { .. })), "{error}");
        tokio::time::timeout(Duration::from_secs(60), tree.shutdown()).await.unwrap();
    });
}

// Found by a name with a NUL: the thread could not be named, and each attempt panicked in our code.
#[tokio::test]
async fn a_thread_is_named_after_whatever_its_child_is_called() {
    let child = regrow::Child::thread("a\0b", |inbox: regrow::Inbox<u64>| {
        inbox.for_each(drop);
        Ok(())
    });
    let tree = Supervisor::one_for_one("app").child(child).start().await.unwrap();
    assert!(tree.lookup::<u64>("app/a\0b").unwrap().cast(1).is_ok());
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_name_that_breaks_a_line_is_refused_by_every_way_in() {
    let journal = Journal::new();
    let bad = "a\nERROR all is lost";
    let is_refused = |error: &StartError| {
        let why = NameError::Invisible('\n');
        matches!(error, StartError::InvalidName { name, why: found, .. } if **name == *bad && *found == why)
    };
    let error = Supervisor::one_for_one(bad).start().await.unwrap_err();
    assert!(is_refused(&error) && error.to_string().lines().count() == 1, "{error}");
    let error = Supervisor::one_for_one("app").child(journal.probe(bad)).start().await.unwrap_err();
    assert!(is_refused(&error), "{error}");
    let ring = regrow::Partitioned::new(bad, 1, {
        let journal = journal.clone();
        move |_| journal.probe("?")
    });
    let error = Supervisor::one_for_one("app").child(ring).start().await.unwrap_err();
    assert!(is_refused(&error), "{error}");

    let maker = journal.clone();
    let pool = DynamicSupervisor::new("pool").template(move |name: &'static str| maker.probe(name));
    let tree = Supervisor::one_for_one("app").child(pool).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    for error in [
        tree.supervisor("app").unwrap().start_child(journal.probe(bad)).await.unwrap_err(),
        tree.supervisor("app").unwrap().start_child(Supervisor::one_for_one(bad)).await.unwrap_err(),
        pool.start_child(journal.probe(bad)).await.unwrap_err(),
        pool.template::<&'static str>().unwrap().start_child(bad).await.unwrap_err(),
    ] {
        assert!(matches!(&error, StartChildError::Refused(error) if is_refused(error)), "{error}");
    }
    assert!(journal.lines().is_empty());
    tree.shutdown().await;
}
