//! An old actor of ractor: it counts orders by status. It knows nothing of regrow; only the question carries a `Reply`, so
//! that a `Handle` can call it.

use ractor::{Actor, ActorProcessingErr, ActorRef};
use regrow::Reply;
use serde::{Deserialize, Serialize};

use crate::order::Status;

pub struct Statistics;

pub enum Seen {
    Settled(Status),
    Totals(Reply<Totals>),
}

/// Orders that were settled since the actor was started.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub paid: u64,
    pub declined: u64,
}

impl Actor for Statistics {
    type Msg = Seen;
    type State = Totals;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Seen>, (): ()) -> Result<Totals, ActorProcessingErr> {
        Ok(Totals::default())
    }

    async fn handle(&self, _: ActorRef<Seen>, seen: Seen, totals: &mut Totals) -> Result<(), ActorProcessingErr> {
        match seen {
            Seen::Settled(Status::Paid) => totals.paid += 1,
            Seen::Settled(Status::Declined) => totals.declined += 1,
            Seen::Settled(Status::Open) => {}
            Seen::Totals(reply) => {
                reply.send(*totals);
            }
        }
        Ok(())
    }
}
