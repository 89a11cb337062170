//! Limits that change while somebody has a message in hand: no order of today's public face does that.

use std::collections::VecDeque;
use std::time::Duration;

use regrow_supervisors::{Action, ChildSpec, Flags, Machine, Supervisor};
use tokio::time::sleep;

use super::*;
use crate::mailbox::Settings;
use crate::rulebook::Rulebook;
use crate::slot::life::{Heed, Tenancy};
use crate::slot::{IfFull, Slot};
use crate::supervisor::facts::{Fact, Facts};
use crate::supervisor::terms::Terms;

const SEC: Duration = Duration::from_secs(1);

struct Stage {
    world: Arc<World>,
    slot: Arc<dyn AnySlot>,
    port: Arc<Port>,
    facts: Arc<Facts>,
}

/// Its life: each wake is a turn.
struct Turns(Weak<Port>);

impl std::task::Wake for Turns {
    fn wake(self: Arc<Self>) {
        if let Some(port) = self.0.upgrade() {
            let vigil = port.vigil_or_new();
            vigil.begin_poll();
            vigil.end_poll();
        }
    }
}

/// Somebody who has a message in hand, and is not watched yet.
fn busy() -> Stage {
    let world = World::new(Rulebook::new(&Terms::default(), Vec::new()));
    let facts = Arc::new(Facts::new(world.watchdog.clone(), &"app".into()));
    let mut machine = Supervisor::new(Flags::default(), [ChildSpec::new("child")]).unwrap();
    let Some(Action::Start(attempt)) = machine.poll_action() else { panic!("a child is started first") };
    let (slot, port) = (Slot::<u8>::new(Settings::default()), Port::new(attempt, tracing::Span::none(), facts.clone()));
    assert!(slot.claim(&port));
    port.register(crate::port::Waiting::Life, &Arc::new(Turns(Arc::downgrade(&port))).into());
    slot.push(1, None, IfFull::Refuse);
    assert!(slot.poll_next(&port, Heed::Everything, true, &mut slot.freed()).is_ready());
    Stage { world, slot, port, facts }
}

impl Stage {
    fn limit(&self, limit: Option<Duration>) {
        self.world.watchdog.watch(&self.world, &"app/child".into(), &self.slot, &self.port, Work::Messages, limit);
    }

    fn hangs(&self) -> usize {
        let mut facts = VecDeque::new();
        self.facts.take(&mut facts);
        facts.iter().filter(|fact| matches!(fact, Fact::Hung { .. })).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_limit_holds_for_the_message_in_hand() {
    let stage = busy();
    stage.limit(Some(1000 * SEC));
    sleep(200 * SEC).await;
    // The next look would have come too late for this one.
    stage.limit(Some(10 * SEC));
    sleep(SEC).await;
    assert_eq!(stage.hangs(), 1, "it was in hand for longer than that already");
    sleep(100 * SEC).await;
    assert_eq!(stage.hangs(), 0, "told once");
    stage.world.end();
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_taken_away_is_none() {
    let stage = busy();
    stage.limit(Some(10 * SEC));
    sleep(9 * SEC).await;
    stage.limit(None);
    sleep(100 * SEC).await;
    assert_eq!((stage.hangs(), stage.world.watchdog.is_on()), (0, false));
    stage.limit(Some(10 * SEC));
    sleep(13 * SEC).await;
    assert_eq!(stage.hangs(), 1);
    stage.world.end();
}
