//! A setting that has no effect on the child that it is said for is refused by name, or warned of where a file says it.

use std::time::Duration;

use crate::common::tree::SEC;
use regrow::testing::{Journal, ProbeMsg};
use regrow::{
    Backoff, BackoffError, Child, DynamicSupervisor, Inbox, Partitioned, Policy, PolicyError, Readiness, Restart,
    Shutdown, StartChildError, StartError, Supervisor, TaskContext, mailbox, ractor,
};

struct Idle;

impl ractor::Actor for Idle {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ractor::ActorRef<()>, (): ()) -> Result<(), ractor::ActorProcessingErr> {
        Ok(())
    }
}

fn actor() -> regrow::ServiceChild<()> {
    Child::actor("actor", || (Idle, ()))
}

fn thread() -> regrow::ServiceChild<u8> {
    Child::thread("thread", |inbox: Inbox<u8>| {
        inbox.for_each(drop);
        Ok(())
    })
}

fn task() -> regrow::TaskChild {
    Child::task("task", |_: TaskContext| std::future::pending())
}

fn nested() -> Supervisor {
    Supervisor::one_for_one("nested").child(Journal::new().probe("a"))
}

fn watchdog() -> Policy {
    Policy::default().watchdog(SEC)
}

fn rated() -> Policy {
    Policy::default().failure_rate(regrow::FailureRate::new(50, 20, SEC))
}

/// What the start of a tree with this child is refused for.
async fn refused(child: impl Into<Child>) -> String {
    match Supervisor::one_for_one("app").child(child).start().await {
        Err(error @ StartError::NoEffect { .. }) => error.to_string(),
        outcome => panic!("{outcome:?}"),
    }
}

async fn accepted(child: impl Into<Child>) {
    Supervisor::one_for_one("app").child(child).start().await.unwrap().shutdown().await;
}

// Found by a report: a watchdog on a task was accepted and did nothing. These are its siblings.
#[tokio::test]
async fn what_has_no_effect_on_a_kind_of_child_is_refused_by_name() {
    let said = refused(actor().policy(watchdog())).await;
    assert!(
        said.starts_with("`watchdog` has no effect on `app/actor`: its messages wait in the actor's own"),
        "{said}"
    );
    for (child, start) in [
        (Child::from(nested().policy(watchdog())), "`watchdog` has no effect on `app/nested`: a supervisor handles no"),
        (DynamicSupervisor::new("pool").policy(watchdog()).into(), "`watchdog` has no effect on `app/pool`: a super"),
        (Partitioned::new("p", 2, |_| thread()).policy(watchdog()).into(), "`watchdog` has no effect on `app/p`: a"),
        (
            task().policy(Policy::default().reset_after_messages(3)).into(),
            "`reset_after_messages` has no effect on `app/",
        ),
        (nested().policy(Policy::default().reset_after_messages(3)).into(), "`reset_after_messages` has no effect"),
        (task().policy(rated()).into(), "`failure_rate` has no effect on `app/task`: a task takes no messages"),
        (actor().policy(rated()).into(), "`failure_rate` has no effect on `app/actor`: an actor has no context"),
        (
            actor().policy(Policy::default().readiness(Readiness::WhenSaid)).into(),
            "`readiness` has no effect on `app/a",
        ),
        (
            nested().policy(Policy::default().readiness(Readiness::WhenSaid)).into(),
            "`readiness` has no effect on `app/n",
        ),
        (thread().drain().into(), "`drain` has no effect on `app/thread`: a thread's iterator ends when the thread"),
        (
            actor().drain().into(),
            "`drain` has no effect on `app/actor`: its messages are handed on to the actor at once",
        ),
        (actor().redeliver(1).into(), "`redeliver` has no effect on `app/actor`: a message that was handed on to"),
        (
            thread_or_service().drain().shutdown(Shutdown::Kill).into(),
            "`drain` has no effect on `app/a`: `shutdown(Kill)",
        ),
        (Partitioned::new("p", 2, |_| thread().mailbox(mailbox().0)).into(), "`mailbox` has no effect on `app/p/0`: a"),
        (nested().seed(1).into(), "`seed` has no effect on `app/nested`: it is for the whole tree"),
    ] {
        let said = refused(child).await;
        assert!(said.starts_with(start), "{said}");
    }
    accepted(task().policy(watchdog())).await;
    accepted(thread().policy(watchdog()).redeliver(0)).await;
    accepted(thread_or_service().policy(watchdog()).drain()).await;
}

fn thread_or_service() -> regrow::ServiceChild<ProbeMsg> {
    Journal::new().probe("a")
}

#[tokio::test]
async fn what_is_said_of_a_root_as_of_a_child_is_refused() {
    for (root, setting) in [
        (nested().restart(Restart::Transient), "restart"),
        (nested().shutdown(Shutdown::After(SEC)), "shutdown"),
        (nested().significant(), "significant"),
        (nested().policy(watchdog()), "policy"),
    ] {
        let Err(StartError::NoEffect { path, setting: refused, .. }) = root.start().await else { panic!("{setting}") };
        assert_eq!((&*path, refused), ("nested", setting));
    }
}

#[tokio::test]
async fn what_comes_later_is_looked_at_in_the_same_way() {
    let tree = Supervisor::one_for_one("app").child(DynamicSupervisor::new("pool")).start().await.unwrap();
    let (app, pool) = (tree.supervisor("app").unwrap(), tree.dynamic("app/pool").unwrap());
    for refused in [
        app.start_child(actor().policy(watchdog())).await,
        pool.start_child(thread().drain()).await,
        pool.start_child(nested().error_type::<std::io::Error>("io")).await,
        app.start_child(nested().child(actor().redeliver(2))).await,
    ] {
        let Err(StartChildError::Refused(StartError::NoEffect { .. })) = refused else { panic!("{refused:?}") };
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn what_a_new_description_cannot_change_about_a_supervisor_that_runs_is_refused() {
    let described = || Supervisor::one_for_one("app").defaults(watchdog()).child(DynamicSupervisor::new("pool"));
    let tree = described().start().await.unwrap();
    let (app, pool) = (tree.supervisor("app").unwrap(), tree.dynamic("app/pool").unwrap());
    app.reconfigure(described()).await.unwrap();
    let refused = app.reconfigure(described().defaults(Policy::default().watchdog(9 * SEC))).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "`defaults` has no effect on `app`: only flags, limits, templates and children can be changed while it runs"
    );
    let refused = pool.reconfigure(DynamicSupervisor::new("pool").max_starting(3)).await;
    assert!(refused.unwrap_err().to_string().starts_with("`max_starting` has no effect on `app/pool`"));
    tree.shutdown().await;
}

#[tokio::test]
async fn a_curve_with_a_list_of_delays_has_no_growth() {
    let list = || Backoff::listed([SEC, 2 * SEC]);
    for (backoff, setting) in [(list().factor(3.0), "factor"), (list().max_delay(9 * SEC), "max_delay")] {
        let child = thread().policy(Policy::default().backoff(backoff));
        let error = Supervisor::one_for_one("app").child(child).start().await.unwrap_err();
        let StartError::BadPolicy { error: PolicyError::Backoff(BackoffError::NoGrowth(said)), .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(said, setting);
    }
}

// Defaults are for children of many kinds. A task that knows nothing of signs of life must not be killed for that.
#[tokio::test(start_paused = true)]
async fn defaults_leave_out_what_is_not_for_a_kind() {
    let says = watchdog().readiness(Readiness::WhenSaid).reset_after_messages(4);
    let tree = Supervisor::one_for_one("app").defaults(says).child(task()).child(actor()).child(nested());
    let tree = tree.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    // A task can say that it is ready, and has not.
    for (path, ready) in [("app/task", false), ("app/actor", true), ("app/nested", true)] {
        let status = *tree.directory().watch(path).unwrap().borrow();
        assert_eq!((status.generation, status.ready), (1, ready), "{path}");
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_thread_can_say_that_it_is_ready() {
    let child = Child::thread("thread", |inbox: Inbox<u8>| {
        inbox.ready();
        inbox.for_each(drop);
        Ok(())
    });
    let says = Policy::default().readiness(Readiness::WhenSaid);
    let tree = Supervisor::one_for_one("app").child(child.policy(says)).start().await.unwrap();
    tree.ready(10 * SEC).await.unwrap();
    tree.shutdown().await;
}

#[cfg(feature = "policy")]
mod in_files {
    use super::*;
    use regrow::policy::Policies;

    async fn warnings(text: &str, tree: Supervisor) -> Vec<String> {
        let file = Policies::parse(text, "p.toml").unwrap();
        let tree = tree.start().await.unwrap();
        let applied = tree.apply(&file).await.unwrap();
        tree.shutdown().await;
        let first = |text: &String| text.lines().next().unwrap().to_owned();
        applied.warnings.iter().map(first).collect()
    }

    #[tokio::test]
    async fn what_a_file_says_in_vain_is_warned_of_with_pattern_field_and_child() {
        let text = r#"
            [path."app/*"]
            watchdog = "10s"
            mailbox = { capacity = 9, overflow = "drop_oldest" }
            [path."app/actor"]
            ready = "when_said"
            [supervisor."app/thread"]
            max_restarts = 3
            [path.app]
            delay = "1s"
            [supervisor.app.defaults]
            reset_after_messages = 9
        "#;
        let tree = Supervisor::one_for_one("app").child(actor()).child(thread()).child(task()).child(nested());
        let told = warnings(text, tree).await;
        let starts = [
            "[path.\"app/*\"]: `watchdog` has no effect on `app/actor`, an actor, and 1 more: its messages wait",
            "[path.\"app/*\"]: `mailbox.capacity` has no effect on `app/nested`, a supervisor, and 1 more: ",
            "[path.\"app/*\"]: `mailbox.overflow` has no effect on `app/nested`, a supervisor, and 1 more: ",
            "[path.\"app/actor\"]: `ready` has no effect on `app/actor`, an actor: an actor has no context",
            "[path.\"app\"]: `delay` has no effect on `app`, a supervisor: it is for a child of a supervisor, and no supervisor is above",
            "[supervisor.\"app/thread\"]: `max_restarts` has no effect on `app/thread`, a thread: it is for the children",
        ];
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        for start in starts {
            assert!(told.iter().any(|line| line.contains(start)), "{start}: {told:#?}");
        }
    }

    #[tokio::test]
    async fn defaults_of_a_file_are_warned_of_only_if_none_has_a_use_for_them() {
        let text = "[defaults]\nwatchdog = \"10s\"\nreset_after_messages = 7\n";
        assert_eq!(warnings(text, Supervisor::one_for_one("app").child(task()).child(thread())).await, [""; 0]);
        let told = warnings(text, Supervisor::one_for_one("app").child(task())).await;
        assert!(told.len() == 2 && told[1].contains("[defaults]: `watchdog` has no effect on `app/task`"), "{told:#?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_file_says_in_vain_changes_nothing() {
        let text = "[path.\"app/**\"]\nready = \"when_said\"\nwatchdog = \"1s\"\n";
        let file = Policies::parse(text, "p.toml").unwrap();
        let tree = Supervisor::one_for_one("app").child(actor()).child(nested()).policies(&file).start().await.unwrap();
        assert!(tree.directory().watch("app/nested").unwrap().borrow().ready);
        assert!(tree.directory().watch("app/actor").unwrap().borrow().ready);
        tree.shutdown().await;
    }
}
