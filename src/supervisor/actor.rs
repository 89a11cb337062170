//! The ractor actor that a driver runs in. ractor brings the wake-ups and the links; what happened is in the facts.

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::incarnation::give_way;
use crate::supervisor::driver::Driver;

/// How often a supervisor looks for more to do before ractor's own events get their turn.
const ROUNDS_MAX: u32 = 64;

struct SupervisorActor;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for SupervisorActor {
    type Msg = ();
    type State = Driver;
    type Arguments = Driver;

    async fn pre_start(&self, myself: ActorRef<()>, driver: Driver) -> Result<Driver, ActorProcessingErr> {
        driver.facts().attach(myself);
        Ok(driver)
    }

    async fn handle(&self, myself: ActorRef<()>, (): (), driver: &mut Driver) -> Result<(), ActorProcessingErr> {
        work(&myself, driver, ROUNDS_MAX).await;
        Ok(())
    }

    /// The safety net. A child's own guard has told its end before ractor does, unless ractor itself carried the guard
    /// here inside the event, as the state of a child that was killed through ractor: dropping the event runs it.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        driver: &mut Driver,
    ) -> Result<(), ActorProcessingErr> {
        drop(event);
        // One round and no more, or what ractor has to tell would pile up behind what there is to do.
        work(&myself, driver, 1).await;
        Ok(())
    }
}

/// Works until there is nothing to do, or for so many rounds; then somebody else has a turn first.
async fn work(myself: &ActorRef<()>, driver: &mut Driver, rounds_max: u32) {
    for round in 1.. {
        if driver.drive(myself).await {
            myself.stop(None);
            return;
        }
        if round < rounds_max {
            // Whoever was told something may have an answer by then, which saves a message of ractor's.
            give_way().await;
        }
        if driver.facts().may_rest() {
            return;
        }
        if round >= rounds_max {
            let _ = myself.send_message(());
            return;
        }
    }
}

/// Starts the driver in an actor, linked under `parent` if it has one. Its `pre_start` is trivial, so this never waits.
pub(crate) async fn launch(driver: Driver, parent: Option<ActorCell>) {
    // The first wake-up boots the machine.
    driver.facts().push(super::facts::Fact::Tick);
    let spawned = match parent {
        Some(parent) => Actor::spawn_linked(None, SupervisorActor, driver, parent).await,
        None => Actor::spawn(None, SupervisorActor, driver).await,
    };
    // A refusal means that the parent is being stopped: the driver is dropped, and tells its end.
    drop(spawned);
}
