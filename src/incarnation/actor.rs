//! The ractor actor around the life of a child that asks for one. It is linked under the supervisor, so that ractor's
//! tools see it.

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};

use crate::base::wake::Wake;
use crate::incarnation::Life;

struct Incarnation;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for Incarnation {
    type Msg = Wake;
    type State = Option<Box<Life>>;
    type Arguments = Box<Life>;

    async fn pre_start(&self, _myself: ActorRef<Wake>, life: Box<Life>) -> Result<Self::State, ActorProcessingErr> {
        Ok(Some(life))
    }

    async fn handle(&self, myself: ActorRef<Wake>, _: Wake, state: &mut Self::State) -> Result<(), ActorProcessingErr> {
        // Taken out: ractor's state outlives a kill, and locals of this future do not.
        if let Some(life) = state.take() {
            life.await;
        }
        myself.stop(None);
        Ok(())
    }
}

/// Starts the life in an actor linked under `supervisor`. The actor's `pre_start` is trivial, so this never waits.
pub(crate) async fn launch(life: Life, supervisor: ActorCell) {
    // A refusal means that the supervisor is being stopped: the life is dropped, and reports its end.
    if let Ok((actor, _)) = Actor::spawn_linked(None, Incarnation, Box::new(life.after_supervisor()), supervisor).await
    {
        let _ = actor.send_message(Wake);
    }
}
