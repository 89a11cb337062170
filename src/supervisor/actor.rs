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
        for _ in 0..ROUNDS_MAX {
            if driver.drive(&myself).await {
                myself.stop(None);
                return Ok(());
            }
            // Whoever was told something may have an answer by then, which saves a message of ractor's.
            give_way().await;
            if driver.facts().may_rest() {
                return Ok(());
            }
        }
        let _ = myself.send_message(());
        Ok(())
    }

    /// The safety net. A child's own guard has told its end before ractor does, unless ractor itself carried the guard
    /// here inside the event, as the state of a child that was killed through ractor: dropping the event runs it. Whatever
    /// is told wakes the supervisor as everything does.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<()>,
        event: SupervisionEvent,
        _driver: &mut Driver,
    ) -> Result<(), ActorProcessingErr> {
        drop(event);
        Ok(())
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
