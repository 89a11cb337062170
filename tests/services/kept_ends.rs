//! The end of a kept value: with its service, or because a newer one replaces it. And what can be seen of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use regrow::testing::until;
use regrow::{
    Child, Context, DynamicSupervisor, Handle, Intensity, Restart, Service, ServiceChild, ServiceState, Tree,
};

use crate::common::book::forgiving;
use crate::common::tree::{Gate, SEC, soon, up, worked_off};

/// Runs this when it is dropped.
struct OnDrop(Box<dyn Fn() + Send + Sync>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn on_drop(deed: impl Fn() + Send + Sync + 'static) -> OnDrop {
    OnDrop(Box::new(deed))
}

/// A service that does what its messages say.
struct Doer;

type Deed = Box<dyn FnOnce(&Context<Doer>) -> anyhow::Result<()> + Send>;

impl Service for Doer {
    type Msg = Deed;
    async fn handle(&mut self, deed: Deed, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        deed(ctx)
    }
}

fn doer(name: &str) -> ServiceChild<Deed> {
    Child::service(name, |_| async { Ok(Doer) })
}

fn tell(doer: &Handle<Deed>, deed: impl FnOnce(&Context<Doer>) -> anyhow::Result<()> + Send + 'static) {
    doer.cast(Box::new(deed)).unwrap();
}

async fn app() -> (Tree, Handle<Deed>) {
    let tree = forgiving().child(doer("a")).start().await.unwrap();
    let a = tree.lookup("app/a").unwrap();
    (tree, a)
}

/// Keeps a value whose destructor counts.
fn keep_counted(doer: &Handle<Deed>, dropped: &Arc<AtomicUsize>) {
    let dropped = dropped.clone();
    tell(doer, move |ctx| {
        let dropped = dropped.clone();
        ctx.keep(on_drop(move || _ = dropped.fetch_add(1, SeqCst)));
        Ok(())
    });
}

async fn dropped_is(dropped: &AtomicUsize, expected: usize) {
    let drops = async {
        while dropped.load(SeqCst) < expected {
            tokio::task::yield_now().await;
        }
    };
    soon("the drops", drops).await;
    assert_eq!(dropped.load(SeqCst), expected);
}

#[tokio::test]
async fn it_is_dropped_once_with_the_service_however_that_ends() {
    let dropped = Arc::new(AtomicUsize::new(0));
    // The spec is deleted.
    let (tree, a) = app().await;
    keep_counted(&a, &dropped);
    worked_off(&a).await;
    let supervisor = tree.supervisor("app").unwrap();
    supervisor.terminate_child("a").await.unwrap();
    assert!(a.kept().is_some() && dropped.load(SeqCst) == 0);
    supervisor.delete_child("a").await.unwrap();
    dropped_is(&dropped, 1).await;
    assert_eq!(a.kept(), None);
    // Another service with the same name begins without.
    let again = supervisor.start_child(doer("a")).await.unwrap().up().unwrap();
    let again = tree.lookup::<Deed>(&again.path).unwrap();
    assert_eq!(again.kept(), None);
    // The tree ends.
    keep_counted(&again, &dropped);
    worked_off(&again).await;
    tree.shutdown().await;
    dropped_is(&dropped, 2).await;
    assert_eq!(again.kept(), None);
    // A temporary child is forgotten.
    let tree = forgiving().child(doer("a").restart(Restart::Temporary)).start().await.unwrap();
    let a = tree.lookup::<Deed>("app/a").unwrap();
    keep_counted(&a, &dropped);
    worked_off(&a).await;
    a.kill().unwrap();
    dropped_is(&dropped, 3).await;
    // A dynamic supervisor forgets its children when it is restarted. The tree is dropped.
    let pool = DynamicSupervisor::new("pool").budget(Intensity::new(0, SEC));
    let tree = forgiving().child(pool).start().await.unwrap();
    let pool = tree.dynamic("app/pool").unwrap();
    pool.start_child(doer("a")).await.unwrap();
    let a = tree.lookup::<Deed>("app/pool/a").unwrap();
    keep_counted(&a, &dropped);
    worked_off(&a).await;
    a.kill().unwrap();
    dropped_is(&dropped, 4).await;
    let (tree, a) = app().await;
    keep_counted(&a, &dropped);
    worked_off(&a).await;
    drop(tree);
    dropped_is(&dropped, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_dropped_by_its_incarnation_under_no_lock_and_holds_up_no_sender() {
    let (tree, a) = app().await;
    let (gate, (seen, mut sees)) = (Gate::default(), tokio::sync::mpsc::unbounded_channel());
    let _open = gate.opener();
    let (handle, passed) = (a.clone(), gate.clone());
    tell(&a, move |ctx| {
        seen.send(tokio::task::try_id())?;
        ctx.keep(on_drop(move || {
            passed.pass();
            // Takes every lock of the mailbox.
            let _ = (handle.accounting(), handle.kept(), seen.send(tokio::task::try_id()));
        }));
        Ok(())
    });
    tell(&a, |ctx| {
        ctx.keep(1u64);
        Ok(())
    });
    gate.reached().await;
    // The destructor runs, and blocks.
    assert_eq!(a.kept().unwrap().type_name, "u64", "the new value is there");
    for _ in 0..100 {
        tell(&a, |_| Ok(()));
    }
    assert_eq!(a.accounting().handled, 2);
    assert_eq!(a.accounting().queued, 100);
    gate.open();
    worked_off(&a).await;
    let (service, destructor) = (sees.recv().await.unwrap(), sees.recv().await.unwrap());
    assert_eq!(service, destructor, "the task of the incarnation");
    tree.shutdown().await;
}

#[tokio::test]
async fn a_hundred_mebibytes_are_handed_over_and_never_copied() {
    const SIZE: usize = 100 << 20;
    let (tree, a) = app().await;
    let (seen, mut sees) = tokio::sync::mpsc::unbounded_channel();
    for round in 0..4u8 {
        let seen = seen.clone();
        tell(&a, move |ctx| {
            let value = vec![round; SIZE];
            seen.send(value.as_ptr().addr())?;
            ctx.keep_sized(value, SIZE);
            Ok(())
        });
    }
    worked_off(&a).await;
    assert_eq!(a.kept().unwrap().bytes, Some(SIZE));
    assert!(a.why().await.to_string().contains(" of 104857600 bytes, kept "));
    a.kill().unwrap();
    up(&tree, "app/a", 2).await;
    tell(&a, move |ctx| {
        let kept = ctx.kept::<Vec<u8>>()?.unwrap();
        assert_eq!((kept.len(), kept[SIZE - 1]), (SIZE, 3));
        Ok(seen.send(kept.as_ptr().addr())?)
    });
    let mut places = Vec::new();
    for _ in 0..5 {
        places.push(soon("a place", sees.recv()).await.unwrap());
    }
    assert_eq!(places[3], places[4]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_destructor_that_panics_ends_nothing() {
    let (tree, a) = app().await;
    for _ in 0..3 {
        tell(&a, |ctx| {
            ctx.keep(on_drop(|| panic!("boom")));
            // Replaced before it was committed.
            ctx.keep(on_drop(|| panic!("boom")));
            Ok(())
        });
    }
    worked_off(&a).await;
    tell(&a, |ctx| {
        ctx.keep(on_drop(|| panic!("boom")));
        ctx.keep_now(on_drop(|| panic!("boom"))).map_err(|_| anyhow::anyhow!("not kept"))?;
        ctx.forget_kept();
        Ok(())
    });
    worked_off(&a).await;
    assert_eq!((a.generation(), a.kept()), (1, None));
    tell(&a, |ctx| {
        ctx.keep(on_drop(|| panic!("boom")));
        Ok(())
    });
    tell(&a, |ctx| {
        ctx.keep(on_drop(|| panic!("boom")));
        anyhow::bail!("the one in hand is lost")
    });
    up(&tree, "app/a", 2).await;
    assert_eq!(a.accounting().attempts, 2);
    assert!(tree.shutdown().await.is_clean());
    assert_eq!(a.kept(), None);
}

#[tokio::test(start_paused = true)]
async fn its_type_size_and_age_can_be_seen() {
    let (tree, a) = app().await;
    assert_eq!(a.kept(), None);
    assert!(!a.why().await.to_string().contains("kept"));
    tell(&a, |ctx| {
        ctx.keep_sized(String::from("prices"), 6);
        Ok(())
    });
    worked_off(&a).await;
    tokio::time::advance(Duration::from_secs(7)).await;
    let kept = a.kept().unwrap();
    assert_eq!((kept.type_name, kept.bytes, kept.generation), ("alloc::string::String", Some(6), 1));
    assert_eq!((kept.age, kept.lives, kept.failed, kept.is_set_aside), (7 * SEC, 0, 0, false));
    let said = "a `alloc::string::String` of 6 bytes, kept 7.0s ago in generation 1";
    assert_eq!(kept.to_string(), said);
    let why = a.why().await;
    assert_eq!(why.kept.as_ref(), Some(&kept));
    assert!(why.to_string().contains(&format!(" For its next life it has {said}.")), "{why}");
    a.kill().unwrap();
    up(&tree, "app/a", 2).await;
    tell(&a, |ctx| {
        assert_eq!(ctx.kept::<String>()?.unwrap().len(), 6);
        ctx.kept::<String>()?;
        Ok(())
    });
    worked_off(&a).await;
    assert_eq!(a.kept().unwrap().lives, 1, "it was read twice by one life");
    soon("the end", tree.shutdown()).await;
    soon("gone", until(a.watch(), |status| status.state == ServiceState::Gone)).await;
    assert_eq!(a.kept(), None);
}
