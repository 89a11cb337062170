//! Orders about one generation of a child: the life of the machine that the generation is.

use regrow_supervisors::{Attempt, ChildKey, ChildState, Order, OrderError};

use crate::slot::erased::Control;
use crate::slot::status::ServiceState;
use crate::supervisor::driver::Driver;

impl Driver {
    /// Makes an order one about this generation of its child, if it is about one. The machine refuses it if a later
    /// generation comes up before its turn.
    ///
    /// Fails if that has happened already, or if the child has not had that generation.
    pub(super) fn about_generation(&self, order: Order, meant: Option<u64>) -> Result<Order, OrderError> {
        let Some(meant) = meant else { return Ok(order) };
        // The machine says that there is no such child.
        let Some(key) = order.child().and_then(|name| self.machine.find(name)) else { return Ok(order) };
        let life = self.life_of(key, meant).ok_or(OrderError::Replaced)?;
        Ok(order.meant(Some(life)))
    }

    /// The life of a child that is this generation, if it is the latest.
    fn life_of(&self, key: ChildKey, generation: u64) -> Option<Attempt> {
        let entry = self.children.get(&key)?;
        let status = entry.slot.status();
        if entry.generation() != generation {
            return None;
        }
        // An incarnation has its generation from the moment it comes up, and the machine learns of that later.
        let is_present = match &entry.control {
            Some(Control::Signals(signals)) => signals.origin().generation == generation,
            Some(Control::Supervisor(_)) => {
                self.machine.standing(key) != Some(ChildState::Starting) || status.state == ServiceState::Up
            }
            None => false,
        };
        let present = self.machine.attempt(key).filter(|_| is_present);
        present.or_else(|| self.machine.latest_life(key))
    }
}
