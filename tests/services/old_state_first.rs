//! The old state is dropped before the new one is built, and what it owns with it, however the old life ended.
//!
//! ractor tells a panic before it drops the state, and drops the state of a killed actor somewhere else: a new life could
//! then find the port of the old one still taken.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use crate::common::tree::{Census, MS, Resident, heard, soon, stands, up};
use regrow::testing::Journal;
use regrow::{
    Child, Context, Handle, Intensity, Service, ServiceChild, ServiceState, Shutdown, Strategy, Supervisor, Tree,
};

/// Owns a port, a place in the census, and a task that owns one too. All of them are slow to go.
struct Keeper {
    _linger: Linger,
    _listener: TcpListener,
    _resident: Resident,
}

struct Linger(Duration);

impl Drop for Linger {
    fn drop(&mut self) {
        std::thread::sleep(self.0);
    }
}

#[derive(Clone, Copy, Debug)]
enum End {
    Panic,
    Fail,
    Leave,
    /// A linked task panics.
    Break,
    Hang,
    /// From outside.
    Kill,
}

const ENDS: [End; 5] = [End::Panic, End::Fail, End::Leave, End::Break, End::Kill];

impl Service for Keeper {
    type Msg = End;

    async fn handle(&mut self, end: End, ctx: &mut Context<Self>) -> anyhow::Result<()> {
        match end {
            End::Panic => panic!("told to"),
            End::Fail => anyhow::bail!("told to"),
            End::Leave => ctx.stop(),
            End::Break => drop(ctx.spawn(async { panic!("told to") })),
            End::Hang => std::future::pending().await,
            End::Kill => {}
        }
        Ok(())
    }
}

/// A free address of this process's own, so that no other test can take it between two lives.
fn address() -> SocketAddr {
    let pid = std::process::id();
    let host = match cfg!(target_os = "linux") {
        true => Ipv4Addr::new(127, 1 + (pid >> 16) as u8, (pid >> 8) as u8, pid as u8),
        false => Ipv4Addr::LOCALHOST,
    };
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}

fn keeper(name: &str, linger: Duration, census: &Census) -> ServiceChild<End> {
    let address = address();
    Child::service_with(name, census.clone(), move |census, ctx: Context<Keeper>| async move {
        anyhow::ensure!(census.alive() == 0, "the life before is not gone");
        let listener = TcpListener::bind(address)?;
        let owned = (Linger(linger), census.enter());
        ctx.spawn(async move {
            let _owned = owned;
            std::future::pending().await
        });
        Ok(Keeper { _linger: Linger(linger), _listener: listener, _resident: census.enter() })
    })
}

async fn restart(tree: &Tree, path: &str, end: End) {
    let handle: Handle<End> = tree.lookup(path).unwrap();
    let generation = handle.generation();
    match end {
        End::Kill => handle.kill().unwrap(),
        End::Panic | End::Fail | End::Leave | End::Break | End::Hang => handle.cast(end).unwrap(),
    }
    up(tree, path, generation + 1).await;
}

fn assert_no_start_failed(events: &mut regrow::Events) {
    let failed: Vec<_> = heard(events).into_iter().filter(|line| line.contains("failed to start")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_is_free_again_at_every_restart() {
    let census = Census::default();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = tree.child(keeper("web", Duration::ZERO, &census)).start().await.unwrap();
    let mut events = tree.events();
    for end in ENDS.into_iter().cycle().take(40) {
        restart(&tree, "app/web", end).await;
    }
    assert_no_start_failed(&mut events);
    tree.shutdown().await;
    assert_eq!(
        (census.alive(), census.alive_max(), census.ever()),
        (0, 2, 82),
        "a state and a task in each of 41 lives"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_takes_its_time_to_drop_is_waited_for() {
    let census = Census::default();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = tree.child(keeper("web", 20 * MS, &census)).start().await.unwrap();
    let mut events = tree.events();
    for end in ENDS.into_iter().cycle().take(10) {
        restart(&tree, "app/web", end).await;
    }
    assert_no_start_failed(&mut events);
    tree.shutdown().await;
    assert_eq!((census.alive(), census.alive_max()), (0, 2));
}

// A stop by the supervisor is one more way to end: asked, or killed at once, or killed because it hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_restart_waits_for_what_its_members_own() {
    for strategy in [Strategy::OneForAll, Strategy::RestForOne] {
        for shutdown in [Shutdown::Wait, Shutdown::Kill, Shutdown::After(5 * MS)] {
            let (census, journal) = (Census::default(), Journal::new());
            let tree = Supervisor::new("app", strategy).budget(Intensity::unlimited()).child(journal.probe("hot"));
            let tree = tree.child(keeper("web", 20 * MS, &census).shutdown(shutdown)).start().await.unwrap();
            let (mut events, web) = (tree.events(), tree.lookup::<End>("app/web").unwrap());
            for lives in 1..4 {
                if let Shutdown::After(_) = shutdown {
                    web.cast(End::Hang).unwrap();
                }
                tree.kill("app/hot").unwrap();
                up(&tree, "app/web", lives + 1).await;
            }
            assert_no_start_failed(&mut events);
            tree.shutdown().await;
            assert_eq!((census.alive(), census.alive_max(), journal.alive_max()), (0, 2, 1));
        }
    }
}

// joerl starts replacements without stopping the running ones; Horde's overlap their orphans.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_service_ever_lives_twice_whoever_is_killed_in_whatever_order() {
    let journal = Journal::new();
    let census: Vec<_> = (0..3).map(|_| Census::default()).collect();
    let group = |name: &str, strategy, number: usize| {
        Supervisor::new(name, strategy)
            .budget(Intensity::unlimited())
            .child(journal.probe(&format!("{name}-elder")))
            .child(keeper("keeper", Duration::ZERO, &census[number]))
            .child(journal.probe(&format!("{name}-younger")))
    };
    let tree = group("app", Strategy::OneForOne, 0)
        .child(group("all", Strategy::OneForAll, 1).child(group("rest", Strategy::RestForOne, 2)))
        .start()
        .await
        .unwrap();
    let (directory, mut events) = (tree.directory(), tree.events());
    let paths: Vec<_> =
        directory.entries().into_iter().map(|entry| entry.path).filter(|path| &**path != "app").collect();
    assert_eq!(paths.len(), 11);

    let mut seed = 0x2545_F491_u32;
    for _ in 0..600 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Between two lives there is nothing to kill, and that is fine.
        let _ = tree.kill(&paths[(seed >> 16) as usize % paths.len()]);
        for _ in 0..seed >> 28 {
            tokio::task::yield_now().await;
        }
        assert_no_start_failed_but_killed(&mut events);
    }
    for path in &paths {
        stands(&tree, path, ServiceState::Up).await;
    }
    soon("the end", tree.shutdown()).await;
    assert_eq!(journal.alive_max(), 1);
    for census in census {
        assert_eq!((census.alive(), census.alive_max()), (0, 2));
    }
}

/// A start that is cut short by a kill has failed, and that is fine too.
fn assert_no_start_failed_but_killed(events: &mut regrow::Events) {
    for line in heard(events) {
        assert!(!line.contains("failed to start: failed"), "{line}");
    }
}
