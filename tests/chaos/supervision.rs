//! Supervision is judged in every experiment; and the counts of a report mean what they say.

use std::time::Duration;

use regrow::chaos::{Chaos, Experiment, ExperimentReport, Fault, SimulatedTree, Simulation, When};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Backoff, DynamicSupervisor, GiveUp, Intensity, Policy, Restart, Strategy, Supervisor};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

const CLAIMS: [&str; 5] = [
    "only those restart that strategies, rules and orders name",
    "children stop and start in their order",
    "every restart comes within the delays of its policy",
    "supervisors give up, and children are parked, when the budget is gone and not before",
    "no service lives twice at the same time",
];

fn claims(report: &ExperimentReport) -> Vec<&str> {
    report.verdicts.iter().map(|verdict| &*verdict.hypothesis).collect()
}

#[tokio::test(start_paused = true)]
async fn every_report_lists_what_was_claimed_of_supervision() -> anyhow::Result<()> {
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await?;
    let experiment = || Experiment::new("one kill").target("app/a").fault(Fault::Kill, "app/a", When::At(vec![SEC]));
    let report = Chaos::new(&tree).run(experiment()).await?;
    assert!(CLAIMS.iter().all(|claim| claims(&report).contains(claim)), "{report}");
    let (text, page, json) = (report.to_string(), report.to_html(), report.to_json());
    assert!(CLAIMS.iter().all(|claim| text.contains(claim) && page.contains(claim) && json.contains(claim)));

    let report = Chaos::new(&tree).run(experiment().supervision_is_not_judged()).await?;
    assert!(!CLAIMS.iter().any(|claim| claims(&report).contains(claim)), "{report}");
    tree.shutdown().await;
    Ok(())
}

#[test]
fn a_file_can_leave_supervision_unjudged() {
    let text = |hypothesis: &str| {
        format!(
            "title = \"t\"\ntargets = [\"**\"]\n{hypothesis}\n[[fault]]\nkind = \"kill\"\non = \"**\"\nevery = \"1s\"\n"
        )
    };
    let judged = Experiment::parse(&text("")).unwrap();
    let unjudged = Experiment::parse(&text("[hypothesis]\nsupervision = false")).unwrap();
    assert_eq!(format!("{unjudged:?}"), format!("{:?}", judged.supervision_is_not_judged()));
}

// The judge came when the tree had lived for a while: what it could not know, it held against the tree.
#[tokio::test(start_paused = true)]
async fn a_tree_with_a_past_is_not_held_guilty_of_it() -> anyhow::Result<()> {
    let journal = Journal::new();
    let patient = Policy::default()
        .backoff(Backoff::new(100 * MS).max_delay(2 * SEC))
        .budget(Intensity::new(4, 60 * SEC))
        .on_give_up(GiveUp::park(SEC));
    let line = Supervisor::rest_for_one("line").budget(Intensity::unlimited()).defaults(patient);
    let line = line.children(["a", "b", "c"].map(|name| journal.probe(name)));
    let tree = Supervisor::one_for_one("app").budget(Intensity::unlimited()).child(line).start().await?;
    for round in 0..12 {
        let paths = ["app/line/b", "app/line/c", "app/line/a"];
        let _ = tree.lookup::<ProbeMsg>(paths[round % 3])?.kill();
        // Now and then in the middle of a delay, of a group, of a probe.
        tokio::time::sleep(73 * MS).await;
        let experiment = Experiment::new("later")
            .duration(SEC)
            .target("app/line/*")
            .stabilise_within(10 * SEC)
            .allow_unavailable()
            .fault(Fault::Kill, "app/line/*", When::Every(300 * MS));
        let report = Chaos::new(&tree).run(experiment.seed(round as u64)).await?;
        assert!(report.verdicts.iter().all(|verdict| verdict.held), "round {round}: {report}");
    }
    tree.shutdown().await;
    Ok(())
}

// "restarts 101" was told of a tree in which a hundred customers had come and one service had been killed once.
#[tokio::test(start_paused = true)]
async fn the_first_start_of_a_child_is_no_restart() -> anyhow::Result<()> {
    let journal = Journal::new();
    let template = journal.clone();
    let sessions = DynamicSupervisor::new("sessions").template(move |user: String| template.probe(&user));
    let app = Supervisor::one_for_one("app").budget(Intensity::unlimited());
    let tree = app.child(journal.probe("a")).child(sessions).start().await?;
    let sessions = tree.dynamic("app/sessions")?.template::<String>()?;
    tokio::spawn(async move {
        for number in 0..100 {
            tokio::time::sleep(10 * MS).await;
            sessions.start_child(format!("user-{number}")).await.unwrap();
        }
    });
    let experiment = Experiment::new("one kill").target("app/a").duration(3 * SEC);
    let experiment = experiment.fault(Fault::Kill, "app/a", When::At(vec![2 * SEC])).restarts_max(1);
    let report = Chaos::new(&tree).run(experiment).await?;
    assert!(report.passed(), "{report}");
    assert_eq!(report.totals.restarts, 1);
    let user = report.services.iter().find(|service| service.path == "app/sessions/user-50").unwrap();
    assert_eq!((user.restarts, user.lives.len(), user.availability), (0, 1, 1.0));
    assert!(user.recoveries.is_empty());
    tree.shutdown().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_session_that_came_late_and_went_was_not_down() -> anyhow::Result<()> {
    let template = Journal::new();
    let journal = template.clone();
    let sessions = DynamicSupervisor::new("sessions")
        .template(move |user: String| template.probe(&user).restart(Restart::Temporary));
    let tree = Supervisor::one_for_one("app").child(journal.probe("a")).child(sessions).start().await?;
    let sessions = tree.dynamic("app/sessions")?;
    tokio::spawn(async move {
        tokio::time::sleep(100 * MS).await;
        sessions.template::<String>().unwrap().start_child("ann".to_owned()).await.unwrap();
        tokio::time::sleep(SEC).await;
        sessions.terminate_child("ann").await.unwrap();
    });
    let experiment = Experiment::new("one kill").target("app/a").fault(Fault::Kill, "app/a", When::At(vec![2 * SEC]));
    let report = Chaos::new(&tree).run(experiment).await?;
    let ann = report.services.iter().find(|service| service.path == "app/sessions/ann").unwrap();
    assert_eq!((ann.unavailable, ann.availability, ann.restarts), (0.0, 1.0, 0), "{report}");
    tree.shutdown().await;
    Ok(())
}

#[test]
fn a_report_names_a_file_only_if_there_is_one() {
    let simulation = |experiment: Experiment| {
        Simulation::new(move |seed| {
            let experiment = experiment.clone();
            async move {
                let app = Supervisor::one_for_one("app").seed(seed).budget(Intensity::unlimited());
                Ok(SimulatedTree::new(app.child(Journal::new().probe("a")).start().await?, experiment))
            }
        })
    };
    let made = Experiment::new("made").target("app/a").fault(Fault::Kill, "app/a", When::Every(SEC));
    let told = simulation(made).run(5).unwrap().to_string();
    assert!(told.contains("run the simulation again with seed 5") && !told.contains("FILE"), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kills.toml");
    let text = "title = \"read\"\ntargets = [\"app/a\"]\n[[fault]]\nkind = \"kill\"\non = \"app/a\"\nevery = \"1s\"\n";
    std::fs::write(&file, text).unwrap();
    let told = simulation(Experiment::read(&file).unwrap()).run(5).unwrap().to_string();
    assert!(told.contains(&format!("regrow chaos replay {} --seed 5", file.display())), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_is_not_parked_once_more() -> anyhow::Result<()> {
    let parks = Policy::default().budget(Intensity::new(0, SEC)).on_give_up(GiveUp::park(SEC));
    let app = Supervisor::one_for_one("app").child(Journal::new().probe("a").policy(parks));
    let tree = app.child(Journal::new().probe("b")).start().await?;
    let experiment = Experiment::new("its probes fail")
        .target("app/a")
        .duration(8500 * MS)
        .fault(Fault::StartError(regrow::chaos::Times::Count(2)), "app/a", When::At(vec![SEC]))
        .fault(Fault::Kill, "app/a", When::At(vec![SEC]));
    let report = Chaos::new(&tree).run(experiment).await?;
    let a = report.services.iter().find(|service| service.path == "app/a").unwrap();
    assert_eq!((a.parked, a.parked_spells.len(), report.totals.parked), (1, 1, 1), "{report}");
    assert!(a.budget.is_none(), "its restarts are not charged: {report}");
    tree.shutdown().await;
    Ok(())
}

// A restart by order is one of the child alone, whatever the strategy, and one that no budget pays for.
#[tokio::test(start_paused = true)]
async fn restarts_by_order_are_no_violation_and_their_siblings_must_be_left_alone() -> anyhow::Result<()> {
    let journal = Journal::new();
    let group = |name: &str, strategy| {
        let budget = Intensity::new(1, 100 * SEC);
        Supervisor::new(name, strategy).budget(budget).children(["a", "b", "c"].map(|name| journal.probe(name)))
    };
    let pool = DynamicSupervisor::new("pool").budget(Intensity::new(0, 100 * SEC));
    let tree = Supervisor::one_for_one("app")
        .child(group("all", Strategy::OneForAll))
        .child(group("rest", Strategy::RestForOne))
        .child(group("one", Strategy::OneForOne))
        .child(pool)
        .start()
        .await?;
    tree.dynamic("app/pool")?.start_child(journal.probe("session").restart(Restart::Temporary)).await?;
    let tree = std::sync::Arc::new(tree);
    let orders = tokio::spawn({
        let tree = tree.clone();
        async move {
            for round in 0..20 {
                tokio::time::sleep(100 * MS).await;
                for path in ["app/all/b", "app/rest/b", "app/one/b", "app/pool/session", "app/all"] {
                    tree.restart(path, format!("round {round}")).await.map(drop)?;
                }
            }
            anyhow::Ok(())
        }
    });
    let kill =
        Experiment::new("one kill beside").target("app/rest/a").fault(Fault::Kill, "app/rest/a", When::At(vec![SEC]));
    let report = Chaos::new(&tree).run(kill.duration(3 * SEC).allow_unavailable()).await?;
    orders.await??;
    assert!(report.passed(), "{report}");
    let b = tree.lookup::<ProbeMsg>("app/rest/b")?;
    assert_eq!(b.generation(), 22, "20 orders, and the group of `a` once");
    tree.shutdown().await;
    Ok(())
}
