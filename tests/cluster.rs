//! Trees in a program with ractor's feature `cluster` on: `cargo test --features cluster --test cluster`.
//!
//! ractor announces the start and stop of an actor to connected nodes if the actor supports remoting. The watcher here is
//! told of every start and stop in the process, as ractor's session with another node is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use regrow::ractor::registry::{PidLifecycleEvent, get_all_pids, pid_registry};
use regrow::ractor::{
    Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, Message, RpcReplyPort, SupervisionEvent,
};
use regrow::testing::{Journal, ProbeMsg, until};
use regrow::{Child, DynamicSupervisor, Inbox, Intensity, Partitioned, Reply, ServiceState, Supervisor, Tree};

/// Notes each actor that ractor tells it of.
struct Watcher;

/// Asks for all actors that started or stopped so far.
struct Seen(RpcReplyPort<Vec<ActorCell>>);

impl Message for Seen {}

#[cfg_attr(feature = "async-trait", regrow::ractor::async_trait)]
impl Actor for Watcher {
    type Msg = Seen;
    type State = Vec<ActorCell>;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Seen>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        pid_registry::monitor(myself.get_cell());
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        _: ActorRef<Seen>,
        Seen(reply): Seen,
        seen: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        Ok(reply.send(seen.clone())?)
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Seen>,
        event: SupervisionEvent,
        seen: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::PidLifecycleEvent(
            PidLifecycleEvent::Spawn(cell) | PidLifecycleEvent::Terminate(cell),
        ) = event
        {
            seen.push(cell);
        }
        Ok(())
    }
}

/// An actor of the user's whose message stays on its node. It answers with its id.
struct Homebody;

#[cfg_attr(feature = "async-trait", regrow::ractor::async_trait)]
impl Actor for Homebody {
    type Msg = Reply<ActorId>;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        reply: Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        reply.send(myself.get_id());
        Ok(())
    }
}

/// An actor of the user's with a serializable message: it notes its id at each start, and fails at each message.
struct Traveller;

type Ids = Arc<Mutex<Vec<ActorId>>>;

#[cfg_attr(feature = "async-trait", regrow::ractor::async_trait)]
impl Actor for Traveller {
    type Msg = u64;
    type State = ();
    type Arguments = Ids;

    async fn pre_start(&self, myself: ActorRef<u64>, ids: Ids) -> Result<(), ActorProcessingErr> {
        ids.lock().unwrap().push(myself.get_id());
        Ok(())
    }

    async fn handle(&self, _: ActorRef<u64>, _: u64, (): &mut ()) -> Result<(), ActorProcessingErr> {
        Err("told to".into())
    }
}

/// All ractor actors that regrow makes: supervisors of each type, and children of each type around which it runs one.
fn app(journal: &Journal, ids: &Ids) -> Supervisor {
    let thread = Child::thread("thread", |inbox: Inbox<()>| {
        inbox.for_each(drop);
        Ok(())
    });
    let (rebuilt, part, ids) = (journal.clone(), journal.clone(), ids.clone());
    Supervisor::one_for_all("app")
        .budget(Intensity::unlimited())
        .child(Supervisor::rest_for_one("static").child(journal.probe("service").as_actor()))
        .child(Child::supervisor("rebuilt", move || {
            Supervisor::one_for_one("rebuilt").child(rebuilt.probe("service").as_actor())
        }))
        .child(DynamicSupervisor::new("pool"))
        .child(Partitioned::new("parts", 2, move |_| part.probe("part").as_actor()))
        .child(Child::task("task", |_| std::future::pending()).as_actor())
        .child(thread.as_actor())
        .child(Child::actor("homebody", || (Homebody, ())).as_actor())
        .child(Child::actor("traveller", move || (Traveller, ids.clone())).as_actor())
}

/// Actors in one life of [`app`]: 5 supervisors; 6 around a service, part, task or thread; and of both foreign actors the
/// one around it, the one that hears of its end, and itself.
const ACTORS: usize = 5 + 6 + 2 * 3;

/// The ids of those that support remoting, each once.
fn remotable(cells: &[ActorCell]) -> Vec<ActorId> {
    let mut ids: Vec<_> = cells.iter().filter(|cell| cell.supports_remoting()).map(ActorCell::get_id).collect();
    ids.sort_by_key(ActorId::pid);
    ids.dedup();
    ids
}

async fn is_up(tree: &Tree, path: &str, generation: u64) {
    let status = tree.directory().watch(path).unwrap();
    until(status, |status| status.state == ServiceState::Up && status.generation == generation).await;
}

#[tokio::test]
async fn other_nodes_are_told_of_no_actor_but_those_whose_messages_are_serializable() {
    let (journal, ids) = (Journal::new(), Ids::default());
    let (watcher, _) = Actor::spawn(None, Watcher, ()).await.unwrap();
    let others = get_all_pids().len();

    let tree = app(&journal, &ids).start().await.unwrap();
    assert_eq!(get_all_pids().len() - others, ACTORS, "all that is alive is what is counted");
    assert_eq!(remotable(&get_all_pids()), *ids.lock().unwrap());
    let homebody = tree.lookup::<Reply<ActorId>>("app/homebody").unwrap().call(|reply| reply).await.unwrap();
    assert!(!remotable(&get_all_pids()).contains(&homebody));

    // Children that come later, and lives that follow a panic, a kill of a supervisor and the failure of an actor.
    tree.dynamic("app/pool").unwrap().start_child(journal.probe("late").as_actor()).await.unwrap();
    tree.lookup("app/static/service").unwrap().cast(ProbeMsg::Panic("boom")).unwrap();
    is_up(&tree, "app/static/service", 2).await;
    tree.kill("app/parts").unwrap();
    is_up(&tree, "app/traveller", 2).await;
    tree.lookup::<u64>("app/traveller").unwrap().cast(7).unwrap();
    is_up(&tree, "app/traveller", 3).await;
    assert!(tree.shutdown().await.is_clean());

    let seen = watcher.call(Seen, Some(Duration::from_secs(60))).await.unwrap().unwrap();
    let ids = ids.lock().unwrap().clone();
    assert!(seen.len() > 3 * ACTORS, "three lives of the children, with their ends: {}", seen.len());
    assert_eq!(remotable(&seen), ids);
    assert_eq!(ids.len(), 3);
}
