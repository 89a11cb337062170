//! Lives of every kind and wiring that come and go in one tree, for tests that look for what they leave behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use regrow::chaos::{Chaos, Experiment, Fault, When};
use regrow::policy::Policies;
use regrow::{
    Abandon, Backoff, Child, Context, DeadLetters, DynamicHandle, DynamicSupervisor, GiveUp, Handle, Health, Inbox,
    Intensity, Overflow, Partitioned, Partitions, Policy, Readiness, Restart, ServiceState, Shutdown, StopChildError,
    Supervisor, SupervisorHandle, TaskContext, Tree,
};

use crate::lives::{HOUR, MS, Msg, One, Plain, endless, job, lives_one_more, one, thread};
use crate::state::{Save, saver};

/// How many rounds go on at the same time.
const HANDS: u64 = 8;

/// The tree in which they come and go.
pub(crate) struct Churn {
    pub(crate) tree: Tree,
    pool: DynamicHandle,
    desk: SupervisorHandle,
    ring: Partitions<Msg>,
    letters: DeadLetters,
    anchor: Handle<Msg>,
    full: Handle<Msg>,
    shifts: AtomicU64,
}

impl Churn {
    pub(crate) async fn new() -> Arc<Self> {
        let shifts = AtomicU64::new(0);
        // Its children have other names in each of its lives, and depend on others.
        let shifting = Child::supervisor("shifting", move || {
            let shift = shifts.fetch_add(1, Relaxed);
            let [a, b, done] = ["a", "b", "done"].map(|name| format!("{name}{shift}"));
            let beside = Policy::default().depends_on([a.clone()]);
            let elsewhere = Policy::default().depends_on(["/soak/anchor"]).health(Health::Required);
            Supervisor::one_for_one("whatever")
                .child(one(a).policy(elsewhere))
                .child(one(b).policy(beside))
                .child(job(&done).restart(Restart::Temporary))
        });
        let tree = Supervisor::one_for_one("soak")
            .budget(Intensity::unlimited())
            .child(one("anchor"))
            .child(one("full").capacity(1).overflow(Overflow::DropOldest))
            .child(DynamicSupervisor::new("pool").budget(Intensity::unlimited()).max_starting(16))
            .child(Supervisor::one_for_one("desk").budget(Intensity::unlimited()))
            .child(Partitioned::new("ring", 1, |_| one("any")).budget(Intensity::unlimited()))
            .child(shifting)
            .start()
            .await
            .unwrap();
        Arc::new(Self {
            pool: tree.dynamic("soak/pool").unwrap(),
            desk: tree.supervisor("soak/desk").unwrap(),
            ring: tree.partitions("soak/ring").unwrap(),
            letters: tree.dead_letters(),
            anchor: tree.lookup("soak/anchor").unwrap(),
            full: tree.lookup("soak/full").unwrap(),
            tree,
            shifts: AtomicU64::new(1),
        })
    }

    /// One of everything by each hand, under names that no other round uses.
    pub(crate) async fn round(self: &Arc<Self>, round: u64) {
        let mut hands = tokio::task::JoinSet::new();
        for hand in 0..HANDS {
            let (churn, number) = (self.clone(), round * HANDS + hand);
            hands.spawn(async move {
                churn.services(number).await;
                churn.others(number).await;
                churn.refused(number).await;
                churn.state(number).await;
                churn.crowd(number).await;
                churn.subtrees(number).await;
                churn.desk(number).await;
                churn.mail();
            });
        }
        hands.join_all().await;
        self.ring.resize(1 + (round % 3) as usize).await.unwrap();
        self.ring.resize(1).await.unwrap();
        self.shift().await;
        if round.is_multiple_of(50) {
            self.policies(round).await;
            self.abandoned(round).await;
        }
    }

    /// Fills the history of the tree and its totals by template, which have room for so many and no more.
    pub(crate) async fn fill_history(&self) {
        for number in 0..1_100 {
            let name = format!("counted-{number}");
            self.desk.start_child(Child::task(name.clone(), |_: TaskContext| std::future::pending())).await.unwrap();
            self.desk.terminate_child(&name).await.unwrap();
            self.desk.delete_child(&name).await.unwrap();
        }
        for number in 0.. {
            let history = self.tree.directory().history_after(u64::MAX);
            if history.latest > 4 * 4096 {
                return;
            }
            let fails = |_: TaskContext| async { anyhow::Result::<()>::Err(anyhow::anyhow!("as told")) };
            self.up(Child::task(format!("filling-{number}"), fails).restart(Restart::Temporary)).await;
        }
    }

    async fn up(&self, child: impl Into<Child>) -> String {
        let up = self.pool.start_child(child).await.unwrap().up().expect("it is wanted");
        up.path.rsplit('/').next().expect("a name").to_owned()
    }

    /// Services, in bare tasks and in ractor actors, that are asked, killed, dropped in the middle of a call, and end in each way.
    async fn services(&self, round: u64) {
        for (number, end) in [Msg::Panic, Msg::Fail, Msg::Stop].into_iter().enumerate() {
            let name = format!("service-{round}-{number}");
            let policy = Policy::default()
                .backoff(Backoff::new(Duration::ZERO))
                .budget(Intensity::new(2, HOUR))
                .on_give_up(GiveUp::park(HOUR))
                .watchdog(HOUR)
                .readiness(Readiness::WhenSaid)
                .depends_on(["/soak/anchor"]);
            let child = one(name.clone()).policy(policy).restart(Restart::Transient).redeliver(1).capacity(4);
            let child = if number == 1 { child.as_actor() } else { child };
            let name = self.up(child).await;
            let handle: Handle<Msg> = self.pool.lookup(&name).unwrap();
            let mut watch = handle.watch();
            handle.cast(Msg::Ready).unwrap();
            handle.wait_ready().await.unwrap();
            handle.cast(Msg::Timers).unwrap();
            handle.call(Msg::Ask).await.unwrap();
            drop(handle.call(Msg::Ask));
            drop(handle.call(Msg::Keep));
            let kept = handle.call(Msg::Keep);
            handle.call(Msg::Drop).await.unwrap_err();
            let to = self.anchor.clone();
            handle.call(|reply| Msg::Forward(to, reply)).await.unwrap();
            // Poison: it runs twice.
            handle.send(end.clone()).await.unwrap();
            if number < 2 {
                watch.wait_for(|status| status.generation == 3).await.unwrap();
                handle.send(end).await.unwrap();
                watch.wait_for(|status| matches!(status.state, ServiceState::Parked { .. })).await.unwrap();
            }
            kept.await.unwrap_err();
            match self.pool.terminate_child(&name).await {
                Ok(()) | Err(StopChildError::NotFound { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            let _ = watch.wait_for(|status| status.state == ServiceState::Gone).await;
        }
    }

    /// Tasks, threads and foreign actors; and a job that another waits for.
    async fn others(&self, round: u64) {
        let [task, thread_name, actor, first, second] =
            ["task", "thread", "actor", "job", "after"].map(|kind| format!("{kind}-{round}"));
        self.up(endless(&task)).await;
        self.up(thread(&thread_name).policy(Policy::default().watchdog(HOUR))).await;
        self.up(Child::actor(actor.clone(), || (Plain, ()))).await;
        for name in [&thread_name, &actor] {
            let handle: Handle<Msg> = self.pool.lookup(name).unwrap();
            handle.call(Msg::Ask).await.unwrap();
        }
        for name in [&task, &thread_name, &actor] {
            self.pool.terminate_child(name).await.unwrap();
        }
        self.up(endless(&first)).await;
        let waits = one(second.clone()).policy(Policy::default().depends_on([first.clone()]));
        self.up(waits).await;
        self.pool.terminate_child(&first).await.unwrap();
        self.pool.terminate_child(&second).await.unwrap();
        self.up(job(&format!("done-{round}")).restart(Restart::Temporary)).await;
    }

    /// A service that keeps values and saves its state, fails and is killed, and claims its checkpoint again and again.
    async fn state(&self, round: u64) {
        let policy = Policy::default().budget(Intensity::unlimited());
        let name = self.up(saver(&format!("saver-{round}"), round % HANDS).policy(policy)).await;
        let handle: Handle<Save> = self.pool.lookup(&name).unwrap();
        let mut watch = handle.watch();
        for generation in 1..=3 {
            let pages = handle.call(Save::Page).await.unwrap();
            handle.call(Save::Turn).await.unwrap();
            assert_eq!(handle.call(Save::Page).await.unwrap(), pages + 1);
            match generation {
                1 => handle.cast(Save::Fail).unwrap(),
                2 => handle.kill().unwrap(),
                _ => break,
            }
            watch.wait_for(|status| status.generation > generation).await.unwrap();
        }
        handle.call(Save::Discard).await.unwrap();
        self.pool.terminate_child(&name).await.unwrap();
    }

    /// What is refused, fails, or is not wanted.
    async fn refused(&self, round: u64) {
        let name = format!("refused-{round}");
        let fails = Child::service(name.clone(), |_: Context<One>| async {
            lives_one_more();
            anyhow::bail!("it does not start")
        });
        self.pool.start_child(fails).await.unwrap_err();
        let panics = Child::service(name.clone(), |_: Context<One>| async { panic!("it does not start, as told") });
        self.pool.start_child(panics).await.unwrap_err();
        let ignores = Child::service(name.clone(), |_: Context<One>| async { regrow::ignore() });
        assert!(self.pool.start_child(ignores).await.unwrap().up().is_none());
        let lonely = one(name.clone()).policy(Policy::default().depends_on([format!("nobody-{round}")]));
        self.pool.start_child(lonely).await.unwrap_err();
        let circle = one(name.clone()).policy(Policy::default().depends_on([format!("/soak/pool/{name}")]));
        self.pool.start_child(circle).await.unwrap_err();
        // Begun, and given up by its caller.
        let slow = Child::service(name.clone(), |_: Context<One>| async {
            lives_one_more();
            std::future::pending::<()>().await;
            Ok(One { kept: Vec::new() })
        });
        let pool = self.pool.clone();
        let start = tokio::spawn(async move { pool.start_child(slow).await.map(drop) });
        while self.tree.directory().entry(&format!("soak/pool/{name}")).is_none() {
            tokio::task::yield_now().await;
        }
        start.abort();
        self.pool.terminate_child(&name).await.unwrap();
    }

    /// Senders that wait for room: let in, given up by themselves, and refused; and services that wait for each other.
    async fn crowd(&self, round: u64) {
        let name = self.up(one(format!("crowded-{round}")).capacity(1).policy(Policy::default().watchdog(HOUR))).await;
        let handle: Handle<Msg> = self.pool.lookup(&name).unwrap();
        handle.cast(Msg::Hang).unwrap();
        let mut senders = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let handle = handle.clone();
            senders.spawn(async move { drop(handle.send(Msg::Nothing).await) });
        }
        let asks = one(format!("asks-{round}"))
            .policy(Policy::default().watchdog(HOUR))
            .shutdown(Shutdown::After(Duration::ZERO));
        let asks: Handle<Msg> = self.pool.lookup(&self.up(asks).await).unwrap();
        let waits = asks.call(|reply| Msg::Through(handle.clone(), reply));
        while asks.accounting().in_hand == 0 {
            tokio::task::yield_now().await;
        }
        senders.abort_all();
        self.pool.terminate_child(asks.path().rsplit('/').next().expect("a name")).await.unwrap();
        waits.await.unwrap_err();
        handle.kill().unwrap();
        self.pool.terminate_child(&name).await.unwrap();
    }

    /// A thread that does not end when it is told to, and is cut off.
    async fn abandoned(&self, round: u64) {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let stubborn = Child::thread(format!("stubborn-{round}"), move |_: Inbox<Msg>| {
            lives_one_more();
            let _ = held.lock().map(|held| held.recv());
            Ok(())
        });
        let stubborn = stubborn.shutdown(Shutdown::After(MS)).abandon(Abandon::After(MS)).restart(Restart::Temporary);
        let name = self.up(stubborn.policy(Policy::default().watchdog(HOUR))).await;
        self.pool.terminate_child(&name).await.unwrap();
        drop(release);
    }

    /// Subtrees of each kind, whose services depend on each other across their branches.
    async fn subtrees(&self, round: u64) {
        let branch = |name: &str, on: &[String]| {
            let policy = Policy::default().depends_on(on.to_vec()).health(Health::Required);
            Supervisor::rest_for_one(name.to_owned()).child(one("x")).child(one("y").policy(policy))
        };
        let name = format!("static-{round}");
        let left = branch("left", &["x".to_owned(), "/soak/anchor".to_owned()]);
        let right = branch("right", &[format!("/soak/pool/{name}/left/y")]);
        let done = job("done").restart(Restart::Temporary);
        let subtree = Supervisor::one_for_all(name.clone()).child(left).child(right).child(done);
        self.up(Child::from(subtree)).await;
        let inside: Handle<Msg> = self.pool.lookup(&format!("{name}/right/y")).unwrap();
        inside.cast(Msg::Panic).unwrap();
        inside.watch().wait_for(|status| status.generation == 2 && status.ready).await.unwrap();
        self.pool.terminate_child(&name).await.unwrap();

        let name = self.up(DynamicSupervisor::new(format!("dynamic-{round}"))).await;
        let inner = self.tree.dynamic(&format!("soak/pool/{name}")).unwrap();
        let policy = Policy::default().depends_on(["/soak/anchor"]).watchdog(HOUR);
        inner.start_child(one("a").policy(policy)).await.unwrap();
        inner.start_child(one("b").policy(Policy::default().depends_on(["a"]))).await.unwrap();
        self.pool.terminate_child(&name).await.unwrap();

        let name = self.up(Partitioned::new(format!("partitioned-{round}"), 2, |_| one("any"))).await;
        self.pool.terminate_child(&name).await.unwrap();
    }

    /// OTP's calls on a static supervisor.
    async fn desk(&self, round: u64) {
        let [kept, added, failed] = ["kept", "added", "failed"].map(|name| format!("{name}-{round}"));
        let policy = Policy::default().depends_on(["/soak/anchor"]).health(Health::Required).watchdog(HOUR);
        self.desk.start_child(one(kept.clone()).policy(policy)).await.unwrap();
        self.desk.terminate_child(&kept).await.unwrap();
        self.desk.restart_child(&kept).await.unwrap();
        self.desk.terminate_child(&kept).await.unwrap();
        self.desk.delete_child(&kept).await.unwrap();
        let beside = Policy::default().depends_on(["/soak/anchor"]);
        let new = Supervisor::one_for_one("desk").budget(Intensity::unlimited());
        let new = new.child(one(added.clone())).child(job(&failed).policy(beside).restart(Restart::Transient));
        self.desk.reconfigure(new).await.unwrap();
        self.desk.restart_child(&added).await.unwrap();
        self.desk.restart_child(&failed).await.unwrap();
        for name in [&failed, &added] {
            self.desk.terminate_child(name).await.unwrap();
            self.desk.delete_child(name).await.unwrap();
        }
        self.desk.count_children().await.unwrap();
        self.desk.restart_child("nobody").await.unwrap_err();
    }

    /// Dead letters: kept, listed, read.
    fn mail(&self) {
        for _ in 0..4 {
            self.full.cast(Msg::Nothing).unwrap();
            drop(self.full.try_call(Msg::Ask));
        }
        self.letters.list();
        while let Some(letter) = self.letters.try_next() {
            drop(letter.into_message::<Msg>());
        }
    }

    /// The next life of the supervisor whose children are others each time.
    async fn shift(&self) {
        let shifts = self.shifts.fetch_add(1, Relaxed) + 1;
        let watch = self.tree.directory().watch("soak/shifting").unwrap();
        self.tree.kill("soak/shifting").unwrap();
        regrow::testing::until(watch, |status| status.generation == shifts && status.state == ServiceState::Up).await;
    }

    /// Other policies, and a file that is followed for a while.
    async fn policies(&self, round: u64) {
        let text = format!("[path.\"soak/pool/*\"]\ndelay = \"{}ms\"\nhealth = \"optional\"\n", 1 + round % 7);
        self.tree.apply(&Policies::parse(&text, "a file").unwrap()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("soak.toml");
        std::fs::write(&path, "[path.\"soak/pool/*\"]\nhealth = \"optional\"\n").unwrap();
        let mut followed = self.tree.follow_policies(&path, 10 * MS);
        followed.reload();
        followed.next().await.unwrap().unwrap();
        drop(followed);
        self.tree.apply(&Policies::parse("", "nothing").unwrap()).await.unwrap();
    }

    /// An experiment, while lives come and go.
    pub(crate) async fn experiment(&self, round: u64) {
        let experiment = Experiment::new("a soak")
            .duration(300 * MS)
            .look_every(50 * MS)
            .target("soak/anchor")
            .target("soak/full")
            .allow_unavailable()
            .fault(Fault::Kill, "soak/full", When::Every(40 * MS))
            .fault(Fault::Error, "soak/full", When::Every(50 * MS))
            .lasting(Fault::Slow(MS), "soak/anchor", When::Every(60 * MS), 20 * MS)
            .lasting(Fault::MailboxFull, "soak/full", When::Every(70 * MS), 10 * MS);
        let chaos = Chaos::new(&self.tree);
        let rounds = async {
            for round in round..round + 3 {
                self.desk(round).await;
                self.others(round).await;
            }
        };
        let (report, ()) = tokio::join!(chaos.run(experiment), rounds);
        report.unwrap();
    }
}

/// A tree that comes and goes as a whole.
pub(crate) async fn a_tree() {
    let tree = Supervisor::one_for_one("whole")
        .child(one("a").policy(Policy::default().watchdog(HOUR)))
        .child(one("b").policy(Policy::default().depends_on(["a"])))
        .child(DynamicSupervisor::new("pool"))
        .start()
        .await
        .unwrap();
    let (letters, events) = (tree.dead_letters(), tree.events());
    tree.lookup::<Msg>("whole/a").unwrap().call(Msg::Ask).await.unwrap();
    tree.dynamic("whole/pool").unwrap().start_child(one("c")).await.unwrap();
    tree.shutdown().await;
    drop((letters, events));
}
