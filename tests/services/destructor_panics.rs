//! Panics on the way out: in the stop hook, in destructors of states, of locals and of messages. The culprit is told by
//! name, and no other service is affected.

use crate::common::log::Log;
use crate::common::tree::{heard_to_the_end, in_hand, probe, soon, up};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Child, Context, Exit, Intensity, OnRestart, Overflow, Reply, Service, ServiceChild, ServiceState, Supervisor,
};

/// Panics wherever it is told to.
struct Clumsy(Option<Where>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Where {
    StopHook,
    Drop,
    /// In a destructor of a local of the handler, which is hung.
    Local,
    /// In that, and then in the destructor of the state.
    LocalAndDrop,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb went off");
    }
}

impl Service for Clumsy {
    type Msg = Where;

    async fn handle(&mut self, place: Where, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        self.0 = Some(place);
        if matches!(place, Where::Local | Where::LocalAndDrop) {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn stopped(&mut self, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        if self.0 == Some(Where::StopHook) {
            panic!("the stop hook is clumsy");
        }
        Ok(())
    }
}

impl Drop for Clumsy {
    fn drop(&mut self) {
        if matches!(self.0, Some(Where::Drop | Where::LocalAndDrop)) {
            panic!("the drop is clumsy");
        }
    }
}

fn clumsy() -> ServiceChild<Where> {
    Child::service("clumsy", |_| async { Ok(Clumsy(None)) })
}

async fn told(handle: &regrow::Handle<Where>, place: Where) {
    handle.cast(place).unwrap();
    let taken = async {
        while handle.accounting().queued > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the message to be taken", taken).await;
}

#[tokio::test]
async fn a_panic_on_the_way_out_is_told_by_name_and_stops_nobody_else_from_stopping() {
    for (place, says) in [(Where::StopHook, "the stop hook is clumsy"), (Where::Drop, "the drop is clumsy")] {
        let journal = Journal::new();
        let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(clumsy()).child(journal.probe("b"));
        let tree = tree.start().await.unwrap();
        let mut events = tree.events();
        told(&tree.lookup("app/clumsy").unwrap(), place).await;
        journal.take();
        let report = soon("the end", tree.shutdown()).await;
        assert!(report.was_wanted() && matches!(report.exit, Exit::Shutdown), "{report}");
        assert_eq!(report.failed.iter().map(|fault| &*fault.path).collect::<Vec<_>>(), ["app/clumsy"], "{report}");
        assert_eq!(journal.take(), ["end b#1", "end a#1"]);
        let story = heard_to_the_end(&mut events).await;
        for what in ["exited", "did not stop as asked"] {
            let start = format!("app/clumsy#1 {what}: panicked: {says} at tests/services/destructor_panics.rs:");
            assert!(story.iter().any(|line| line.starts_with(&start)), "{start} is not in {story:#?}");
        }
    }
}

#[tokio::test]
async fn a_panic_in_a_destructor_during_a_kill_hurts_nobody_and_is_logged_by_name() {
    let (log, _listening) = Log::listen();
    let journal = Journal::new();
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(clumsy()).child(journal.probe("a"));
    let tree = tree.start().await.unwrap();
    let (handle, mut events) = (tree.lookup::<Where>("app/clumsy").unwrap(), tree.events());
    for (generation, place, says) in [(2, Where::Local, "a bomb went off"), (3, Where::Drop, "the drop is clumsy")] {
        told(&handle, place).await;
        handle.kill().unwrap();
        up(&tree, "app/clumsy", generation).await;
        let lines = log.take();
        let names = |line: &&String| line.contains("app/clumsy") && line.contains(says);
        assert!(lines.iter().find(names).is_some_and(|line| line.starts_with("ERROR")), "{lines:#?}");
    }
    assert_eq!(probe(&tree, "app/a").call(ProbeMsg::Generation).await.unwrap(), 1);
    tree.shutdown().await;
    let exits: Vec<_> =
        heard_to_the_end(&mut events).await.into_iter().filter(|line| line.contains("exited")).collect();
    assert_eq!(exits[..2], ["app/clumsy#1 exited: killed", "app/clumsy#2 exited: killed"]);
}

// Found by mutants: two panics at once abort the process, and no test had two.
#[tokio::test]
async fn a_kill_during_which_a_local_and_then_the_state_panic_does_not_abort_the_process() {
    let (log, _listening) = Log::listen();
    let tree = Supervisor::one_for_one("app").child(clumsy()).start().await.unwrap();
    let handle = tree.lookup::<Where>("app/clumsy").unwrap();
    told(&handle, Where::LocalAndDrop).await;
    handle.kill().unwrap();
    up(&tree, "app/clumsy", 2).await;
    let lines = log.take();
    for says in ["a bomb went off", "the drop is clumsy"] {
        assert!(lines.iter().any(|line| line.contains("app/clumsy") && line.contains(says)), "{says}: {lines:#?}");
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_group_restart_goes_on_over_panics_on_the_way_out() {
    for place in [Where::StopHook, Where::Drop] {
        let journal = Journal::new();
        let tree = Supervisor::one_for_all("app").child(journal.probe("a")).child(clumsy()).start().await.unwrap();
        told(&tree.lookup("app/clumsy").unwrap(), place).await;
        tree.kill("app/a").unwrap();
        up(&tree, "app/clumsy", 2).await;
        tree.shutdown().await;
    }
}

/// A message that cannot be dropped without a panic. Handling defuses it.
struct Grenade(Option<Reply<()>>, bool);

impl Drop for Grenade {
    fn drop(&mut self) {
        if self.1 {
            panic!("a grenade went off");
        }
    }
}

struct Catcher;

impl Service for Catcher {
    type Msg = Grenade;

    async fn handle(&mut self, mut grenade: Grenade, _ctx: &mut Context<Self>) -> anyhow::Result<()> {
        grenade.1 = false;
        match grenade.0.take() {
            Some(reply) => drop(reply.send(())),
            None => std::future::pending().await,
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_panics_when_it_is_shed_hurts_nobody_and_is_logged_with_its_service() {
    let (log, _listening) = Log::listen();
    let catcher = |name: &str| Child::service(name, |_| async { Ok(Catcher) });
    let tree = Supervisor::one_for_one("app")
        .budget(Intensity::unlimited())
        .child(catcher("full").capacity(1).overflow(Overflow::DropOldest))
        .child(catcher("newest").capacity(1).overflow(Overflow::DropNewest))
        .child(catcher("drops").on_restart(OnRestart::Drop))
        .child(catcher("closes"))
        .start()
        .await
        .unwrap();
    for name in ["full", "newest", "drops", "closes"] {
        let path = format!("app/{name}");
        let handle = tree.lookup::<Grenade>(&path).unwrap();
        handle.cast(Grenade(None, true)).unwrap();
        in_hand(&handle).await;
        handle.cast(Grenade(None, true)).unwrap();
        match name {
            "full" | "newest" => handle.cast(Grenade(None, true)).unwrap(),
            "drops" => {
                handle.kill().unwrap();
                up(&tree, &path, 2).await;
                soon("an answer", handle.call(|reply| Grenade(Some(reply), true))).await.unwrap();
            }
            _ => {
                soon("the end", tree.shutdown()).await;
                assert_eq!(handle.status().state, ServiceState::Gone);
            }
        }
        let lines = log.take();
        let says = |line: &String| line.contains("a grenade went off") && line.contains(&path);
        assert!(lines.iter().any(says), "{lines:#?}");
        assert!(handle.accounting().is_balanced() && handle.accounting().dead_lettered >= 1, "{}", handle.accounting());
    }
}
