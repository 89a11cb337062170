//! Work is as much as what happens, and no lock is held around code of the user's.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{
    Child, ChildState, Context, DynamicSupervisor, Intensity, Partitioned, Partitions, Service, ServiceState,
    Supervisor,
};

const LONG: Duration = Duration::from_secs(20);

// Found by a count of 100,000 children, which held up their restarts: a list did so all the more.
#[tokio::test]
async fn a_long_list_of_children_does_not_hold_up_a_restart() {
    let pool = DynamicSupervisor::new("pool").budget(Intensity::unlimited()).numbered();
    let tree = Supervisor::one_for_one("app").child(pool).start().await.unwrap();
    let (pool, journal) = (tree.dynamic("app/pool").unwrap(), Journal::new());
    for _ in 0..5_000 {
        pool.start_child(journal.probe("x")).await.unwrap();
    }
    let one = tree.lookup::<ProbeMsg>("app/pool/1").unwrap();
    let list = tokio::spawn({
        let pool = pool.clone();
        async move { pool.which_children().await }
    });
    // In a task, behind that of the list: tasks have their turns one after the other.
    let restart = tokio::spawn(async move {
        one.kill().unwrap();
        until(one.watch(), |status| status.generation == 2 && status.state == ServiceState::Up).await;
        assert!(!list.is_finished(), "the restart came after the whole list");
        list.await.unwrap().unwrap()
    });
    let list = restart.await.unwrap();
    let names: Vec<_> = list.iter().map(|child| child.name.parse::<u32>().unwrap()).collect();
    assert_eq!(names, (1..=5_000).collect::<Vec<_>>(), "in start order, each once");
    tree.shutdown().await;
}

#[tokio::test]
async fn counts_are_right_after_everything_that_can_happen_to_a_child() {
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(Journal::new().probe("a"));
    let tree = tree.child(Supervisor::one_for_one("sub")).start().await.unwrap();
    let (app, journal) = (tree.supervisor("app").unwrap(), Journal::new());
    let counts = async || {
        let (counts, children) = (app.count_children().await.unwrap(), app.which_children().await.unwrap());
        let active =
            children.iter().filter(|child| matches!(child.standing, ChildState::Up | ChildState::Stopping)).count();
        let supervisors = children.iter().filter(|child| child.kind.is_supervisor()).count();
        let counted = (children.len(), active, supervisors, children.len() - supervisors);
        assert_eq!((counts.specs, counts.active, counts.supervisors, counts.workers), counted);
        counted
    };
    assert_eq!(counts().await, (2, 2, 1, 1));
    app.start_child(journal.probe("b")).await.unwrap();
    app.start_child(Supervisor::one_for_one("late")).await.unwrap();
    assert_eq!(counts().await, (4, 4, 2, 2));
    app.terminate_child("late").await.unwrap();
    assert_eq!(counts().await, (4, 3, 2, 2));
    // `sub` is described as another kind of child.
    app.terminate_child("sub").await.unwrap();
    app.reconfigure(Supervisor::one_for_one("app").child(journal.probe("sub"))).await.unwrap();
    assert_eq!(counts().await, (4, 2, 1, 3));
    app.delete_child("late").await.unwrap();
    assert_eq!(counts().await, (3, 2, 0, 3));
    tree.kill("app/a").unwrap();
    until(tree.lookup::<ProbeMsg>("app/a").unwrap().watch(), |status| status.generation == 2).await;
    assert_eq!(counts().await, (3, 2, 0, 3));
    tree.shutdown().await;
}

/// A key that resizes the partitions while it is hashed.
struct Resizes(Partitions<ProbeMsg>);

impl Hash for Resizes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let resized = self.0.resize(3);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(resized)).unwrap();
        1.hash(state);
    }
}

// Found by reading: a key was hashed under the lock of the partitions.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_key_may_do_whatever_it_likes_while_it_is_hashed() {
    let journal = Journal::new();
    let cache = Partitioned::new("cache", 2, move |_| journal.probe("any"));
    let tree = Supervisor::one_for_one("app").child(cache).start().await.unwrap();
    let cache = tree.partitions::<ProbeMsg>("app/cache").unwrap();
    let ask = tokio::spawn(async move {
        let key = Resizes(cache.clone());
        cache.handle_for(&key).call(ProbeMsg::Generation).await
    });
    assert_eq!(tokio::time::timeout(LONG, ask).await.expect("it is hashed without a lock").unwrap().unwrap(), 1);
    tree.shutdown().await;
}

/// Spawns in its destructor, as a guard does that cleans up in the background.
struct Guard {
    ctx: Context<Spawns>,
    has_run: bool,
    /// One was dropped where it was spawned: the runtime goes away.
    is_over: Arc<AtomicBool>,
}

impl Guard {
    fn runs(&mut self) {
        self.has_run = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.ctx.spawn(async {});
        if !self.has_run {
            self.is_over.store(true, SeqCst);
        }
    }
}

struct Spawns;

impl Service for Spawns {
    type Msg = mpsc::Sender<()>;

    async fn handle(&mut self, begun: mpsc::Sender<()>, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        let is_over = Arc::new(AtomicBool::new(false));
        let _ = begun.send(());
        // Busy until the runtime goes.
        while !is_over.load(SeqCst) {
            let mut guard = Guard { ctx: ctx.clone(), has_run: false, is_over: is_over.clone() };
            ctx.spawn(async move { guard.runs() });
        }
        Ok(())
    }
}

// Found by a guard that cleaned up in the background: the drop of the runtime never came to its end.
#[test]
fn a_future_that_is_dropped_where_it_is_spawned_may_spawn_more() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (begun, has_begun) = mpsc::channel();
    let _tree = runtime.block_on(async {
        let app = Supervisor::one_for_one("app").child(Child::service("s", |_| async { Ok(Spawns) }));
        let tree = app.start().await.unwrap();
        tree.lookup::<mpsc::Sender<()>>("app/s").unwrap().cast(begun).unwrap();
        tree
    });
    has_begun.recv_timeout(LONG).expect("the handler runs");
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        drop(runtime);
        let _ = tell.send(());
    });
    told.recv_timeout(LONG).expect("the runtime is gone");
}
