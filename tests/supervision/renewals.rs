//! Dependents that are restarted when a service that they depend on is ready again in a new life.

use regrow::policy::Policies;
use regrow::testing::{Journal, ProbeMsg, until_event};
use regrow::{
    Child, Dependency, DynamicSupervisor, EventKind, Intensity, Policy, Readiness, ServiceChild, StartError, Supervisor,
};

use crate::common::tree::{SEC, probe, soon, turns, up};

fn with(name: &str, on: &str) -> ServiceChild<ProbeMsg> {
    Journal::new().probe(name).policy(Policy::default().depends_on([Dependency::ready(on).restart()]))
}

// Case t27 of the reports.
#[tokio::test(start_paused = true)]
async fn a_dependent_is_restarted_with_its_dependency_elsewhere() {
    let infra = Supervisor::one_for_one("infra").child(Journal::new().probe("db"));
    let tree = Supervisor::one_for_one("app")
        .intensity(0, SEC)
        .child(infra)
        .child(with("api", "/app/infra/db"))
        .start()
        .await
        .unwrap();
    let (api, mut events) = (probe(&tree, "app/api"), tree.events());
    tree.kill("app/infra/db").unwrap();
    let renewed = until_event(&mut events, |event| matches!(event.kind, EventKind::Renewed { .. })).await.unwrap();
    let says = "app/api#1 is restarted with `app/infra/db`, which is ready again in a new life";
    assert_eq!(renewed.to_string(), says);
    up(&tree, "app/api", 2).await;
    tokio::time::sleep(SEC).await;
    let why = api.why().await;
    assert_eq!(why.renewed.as_ref().map(|(name, _)| &**name), Some("/app/infra/db"));
    let says =
        "because `app/infra/db` was ready again in a new life. Of the budget that it shares with its siblings, 0 of 0";
    assert!(why.to_string().contains(says), "{why}");
    assert_eq!((api.generation(), probe(&tree, "app/infra/db").generation()), (2, 2), "once, and nothing was charged");
    assert!(tree.shutdown().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn the_message_in_hand_is_finished_and_no_queued_message_is_lost() {
    let tree = Supervisor::one_for_one("app")
        .child(Journal::new().probe("db").policy(Policy::default().readiness(Readiness::WhenSaid)))
        .child(with("api", "db"))
        .start()
        .await
        .unwrap();
    let (db, api) = (probe(&tree, "app/db"), probe(&tree, "app/api"));
    let ready = || -> ProbeMsg { ProbeMsg::Run(Box::new(|ctx: &regrow::Context<regrow::testing::Probe>| ctx.ready())) };
    db.cast(ready()).unwrap();
    up(&tree, "app/api", 1).await;
    db.kill().unwrap();
    up(&tree, "app/db", 2).await;
    assert_eq!(api.generation(), 1, "the dependency is up, and not ready yet");
    for number in 0..5 {
        api.cast(ProbeMsg::Note(number)).unwrap();
    }
    db.cast(ready()).unwrap();
    up(&tree, "app/api", 2).await;
    api.call(ProbeMsg::Generation).await.unwrap();
    let books = api.accounting();
    assert!(books.is_balanced() && books.handled == 6 && books.dead_lettered == 0, "{books}");
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_whole_subtree_is_restarted_with_its_dependency_and_so_are_children_of_a_pool() {
    let journal = Journal::new();
    let on_db = || Policy::default().depends_on([Dependency::ready("/app/db").restart()]);
    let web = Supervisor::one_for_one("web").policy(on_db()).child(journal.probe("page"));
    let tree = Supervisor::one_for_one("app")
        .child(journal.probe("db"))
        .child(web)
        .child(DynamicSupervisor::new("pool"))
        .start()
        .await
        .unwrap();
    tree.dynamic("app/pool").unwrap().start_child(journal.probe("job").policy(on_db())).await.unwrap();
    tree.kill("app/db").unwrap();
    up(&tree, "app/web/page", 2).await;
    up(&tree, "app/pool/job", 2).await;
    tree.shutdown().await;
}

#[tokio::test]
async fn circles_are_refused_by_name_at_the_start_and_by_order() {
    let refused = async |tree: Supervisor| match tree.start().await.unwrap_err() {
        StartError::RestartCircle { circle } => circle.iter().map(ToString::to_string).collect::<Vec<_>>(),
        error => panic!("{error}"),
    };
    let journal = Journal::new();
    let direct = Supervisor::one_for_all("app").child(journal.probe("db")).child(with("api", "db"));
    assert_eq!(refused(direct).await, ["app/api", "app/db"]);
    // Through the strategy of another supervisor: a new life of `api` brings one to `infra`, and that one to `db`.
    let infra = Supervisor::one_for_one("infra").child(journal.probe("db"));
    let far = Supervisor::one_for_all("app").child(infra).child(with("api", "/app/infra/db"));
    assert_eq!(refused(far).await, ["app/api", "app/infra", "app/infra/db"]);
    let left = Supervisor::one_for_all("left").child(with("a", "/app/right/x")).child(journal.probe("b"));
    let right = Supervisor::one_for_one("right").child(with("x", "/app/left/b"));
    let across = Supervisor::one_for_one("app").child(left).child(right);
    assert_eq!(refused(across).await, ["app/left/a", "app/left/b", "app/right/x"]);
    let plain = Supervisor::one_for_one("app").child(with("a", "b")).child(with("b", "a"));
    assert_eq!(refused(plain).await, ["app/a", "app/b"]);

    let tree = Supervisor::one_for_all("app").child(journal.probe("db")).start().await.unwrap();
    let error = tree.supervisor("app").unwrap().start_child(with("api", "db")).await.unwrap_err();
    let says = "restarts would follow each other in a circle: app/api -> app/db -> app/api; leave out `restart` of a \
                dependency, or take another strategy";
    assert_eq!(error.to_string(), says);
    tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_file_asks_for_it_and_is_refused_for_a_circle() {
    let file = "[path.\"app/api\"]\ndepends_on = [{ name = \"db\", restart = true }]\n";
    let policies = Policies::parse(file, "file.toml").unwrap();
    let journal = Journal::new();
    let tree = |supervisor: Supervisor| supervisor.child(journal.probe("db")).child(journal.probe("api"));
    let good = tree(Supervisor::one_for_one("app").policies(&policies)).start().await.unwrap();
    good.kill("app/db").unwrap();
    up(&good, "app/api", 2).await;
    let explained = policies.explain("app/api", None).to_string();
    assert!(explained.contains("db (restarted with it)"), "{explained}");
    good.shutdown().await;

    let bad = tree(Supervisor::one_for_all("app")).start().await.unwrap();
    let error = bad.apply(&policies).await.unwrap_err().to_string();
    assert!(error.contains("restarts would follow each other in a circle: app/api -> app/db -> app/api"), "{error}");
    bad.shutdown().await;
    for (bad, says) in [
        ("{ restart = true }", "a dependency has exactly one name"),
        ("{ name = \"db\", completed = \"x\" }", "a dependency has exactly one name"),
        ("{ completed = \"db\", restart = true }", "a job that has to be completed has no new life"),
    ] {
        let file = format!("[path.\"app/api\"]\ndepends_on = [{bad}]\n");
        let error = Policies::parse(&file, "file.toml").unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// 60 seeds: the service, its dependent and a dependent of that die at random. In the end each dependent is younger than
/// what it depends on, and no life of the service has led to more than one restart.
#[tokio::test(start_paused = true)]
async fn in_any_race_each_dependent_outlives_no_life_of_its_dependency() {
    for seed in 0..60 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let infra = Supervisor::one_for_one("infra").budget(Intensity::unlimited()).child(Journal::new().probe("db"));
        let tree = Supervisor::one_for_one("app")
            .budget(Intensity::unlimited())
            .child(Child::from(infra))
            .child(with("api", "/app/infra/db"))
            .child(with("web", "api"))
            .start()
            .await
            .unwrap();
        let mut events = tree.events();
        let (db, api, web) = (probe(&tree, "app/infra/db"), probe(&tree, "app/api"), probe(&tree, "app/web"));
        for _ in 0..12 {
            let victim = [&db, &db, &api, &web][dice.usize(..4)];
            drop(victim.kill());
            turns(dice.usize(..6)).await;
        }
        tokio::time::sleep(SEC).await;
        let (mut started, mut renewed) = (std::collections::HashMap::new(), 0);
        for place in 0.. {
            let Some(event) = events.try_next() else { break };
            let event = event.unwrap();
            match event.kind {
                EventKind::Started { .. } => drop(started.insert(event.path.to_string(), place)),
                EventKind::Renewed { .. } if &*event.path == "app/api" => renewed += 1,
                _ => {}
            }
        }
        let place = |path: &str| started.get(path).copied().unwrap_or(-1);
        assert!(place("app/infra/db") < place("app/api").max(0), "seed {seed}: {started:?}");
        assert!(place("app/api") < place("app/web").max(0), "seed {seed}: {started:?}");
        assert!(renewed < db.generation(), "seed {seed}: {renewed} restarts for {} lives", db.generation());
        assert!(soon("the end", tree.shutdown()).await.is_clean());
    }
}
