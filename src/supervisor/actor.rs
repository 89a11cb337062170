//! The ractor actor that a driver runs in. ractor provides wake-ups and links; the facts say what happened.

use std::pin::pin;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use regrow_supervisors::Panic;

use crate::base::background::{caught, yield_once};
use crate::base::sweep;
use crate::base::wake::Wake;
use crate::log::{line, one_line};
use crate::supervisor::driver::Driver;

/// Number of rounds in which a supervisor looks for more to do before ractor's own events get their turn.
const ROUNDS_MAX: u32 = 64;

struct SupervisorActor;

#[cfg_attr(feature = "async-trait", ractor::async_trait)]
impl Actor for SupervisorActor {
    type Msg = Wake;
    type State = Driver;
    type Arguments = Driver;

    async fn pre_start(&self, myself: ActorRef<Wake>, driver: Driver) -> Result<Driver, ActorProcessingErr> {
        driver.inbox().attach(myself);
        Ok(driver)
    }

    async fn handle(&self, myself: ActorRef<Wake>, _: Wake, driver: &mut Driver) -> Result<(), ActorProcessingErr> {
        for _ in 0..ROUNDS_MAX {
            #[cfg(test)]
            crate::slot::turns::delay().await;
            let sweeps = driver.shared.sweeps.clone();
            let driven = sweep::turns(sweeps, caught(pin!(driver.drive(&myself)))).await;
            if driven.map_err(|panic| driver.broken_by(panic))? {
                myself.stop(None);
                return Ok(());
            }
            // Code that this round woke may have an answer by then, which saves a message of ractor's.
            yield_once().await;
            if driver.inbox().may_rest() {
                return Ok(());
            }
        }
        let _ = myself.send_message(Wake);
        Ok(())
    }

    /// The safety net. A child's own guard reports its end before ractor does. The exception is a child that was killed
    /// through ractor: ractor may carry the guard here as state inside the event, and dropping the event runs it. Every
    /// fact wakes the supervisor.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<Wake>,
        event: SupervisionEvent,
        driver: &mut Driver,
    ) -> Result<(), ActorProcessingErr> {
        // The event of a supervisor that has ended carries its driver, and with it all that its children were made of.
        sweep::turn(&driver.shared.sweeps, || drop(event));
        Ok(())
    }
}

impl Driver {
    /// Logs a panic of the supervisor's own code. The driver is dropped next, and the supervisor above learns the
    /// reason.
    fn broken_by(&mut self, panic: Panic) -> ActorProcessingErr {
        let path = &self.plan.path;
        line!(ERROR, { path = %path, panic.text = %one_line(&panic) }, "a supervisor panicked, which is a bug of regrow: it ends with its children");
        let error = panic.to_string().into();
        self.panic = Some(panic);
        error
    }
}

/// Starts the driver in an actor, linked under `parent` if it has one. Its `pre_start` is trivial, so this never waits.
pub(crate) async fn launch(driver: Driver, parent: Option<ActorCell>) {
    // The first wake-up boots the machine.
    driver.inbox().push(crate::slot::fact::Fact::Tick);
    let spawned = match parent {
        Some(parent) => Actor::spawn_linked(None, SupervisorActor, driver, parent).await,
        None => Actor::spawn(None, SupervisorActor, driver).await,
    };
    // A refusal means that the parent is being stopped. The driver is then dropped, and reports its end.
    drop(spawned);
}

#[cfg(all(test, feature = "otp"))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use regrow_supervisors::{Exit, Report};

    use crate::event::EventKind;
    use crate::supervisor::Supervisor;
    use crate::supervisor::observer::Watch;
    use crate::testing::{Journal, until_event};

    /// Panics in the supervisor's own code, once.
    struct Bomb(AtomicBool);

    impl Watch for Bomb {
        fn up(&self) {}
        fn reported(&self, _: &Report, _: &str, _: bool) {}
        fn ended(&self, _: &Exit, _: bool) {}
        fn worked(&self, _: Option<Duration>) {
            assert!(!self.0.swap(false, Ordering::Relaxed), "boom");
        }
    }

    // Found by `Shutdown::After(Duration::MAX)`: the supervisor had panicked, and the supervisor above was told of a
    // kill.
    #[tokio::test]
    async fn a_supervisor_that_panics_ends_with_that_reason_and_is_restarted() {
        let bomb = Arc::new(Bomb(AtomicBool::new(false)));
        let sub = Supervisor::one_for_one("sub").watched_by(bomb.clone()).child(Journal::new().probe("a"));
        let tree = Supervisor::one_for_one("app").child(sub).start().await.unwrap();
        let mut events = tree.events();
        bomb.0.store(true, Ordering::Relaxed);
        // Whether the order is answered before the panic does not matter.
        let _ = tree.supervisor("app/sub").unwrap().terminate_child("a").await;
        let ended = until_event(&mut events, |event| {
            &*event.path == "app/sub" && matches!(event.kind, EventKind::Exited { .. })
        });
        let Some(EventKind::Exited { exit: Exit::Panicked(panic), .. }) = ended.await.map(|event| event.kind) else {
            panic!("the panic is its exit")
        };
        assert_eq!(&*panic.message, "boom");
        let again = until_event(&mut events, |event| &*event.path == "app/sub/a" && event.generation == 2);
        assert!(again.await.is_some());
        assert!(tree.shutdown().await.is_clean());
    }
}
