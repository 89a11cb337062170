//! Acts: done, refused, noted.

use regrow::admin::wire::act::Acted;
use regrow::admin::wire::envelope::IssueCode;
use regrow::admin::wire::experiment::ExperimentState;
use regrow::admin::wire::history::History;
use regrow::admin::wire::service::ServiceInFull;
use regrow::admin::wire::services::State;
use regrow::admin::{Admin, Capability};
use regrow::testing::Journal;
use regrow::{DynamicSupervisor, Intensity, Supervisor, Tree};
use serde_json::json;

use crate::client::{Served, serve};
use crate::common::tree::{soon, up};

async fn shop() -> Tree {
    let tree = Supervisor::one_for_one("shop").budget(Intensity::unlimited()).child(Journal::new().probe("db"));
    tree.child(DynamicSupervisor::new("pool")).start().await.unwrap()
}

async fn state(served: &Served, path: &str) -> State {
    let full: ServiceInFull = served.get(&format!("/v1/service?path={path}")).await;
    full.service.state
}

#[tokio::test]
async fn a_child_is_parked_revived_terminated_started_restarted_and_killed() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    for (act, after) in [
        ("park", State::Parked),
        ("revive", State::Up),
        ("restart", State::Up),
        ("terminate", State::Down),
        ("start", State::Up),
    ] {
        let answer = served.act(json!({"act": act, "path": "shop/db", "reason": "as planned"})).await;
        assert_eq!(answer.status, 200, "{act}: {}", answer.body);
        let acted: Acted = answer.data();
        assert!(acted.is_done && acted.reason == "as planned", "{acted:?}");
        let arrives = async { while state(&served, "shop/db").await != after {} };
        soon(act, arrives).await;
    }
    let before = tree.directory().status("shop/db").unwrap().generation;
    assert_eq!(served.act(json!({"act": "kill", "path": "shop/db", "reason": "x"})).await.status, 200);
    up(&tree, "shop/db", before + 1).await;
    let history: History = served.get("/v1/history?below=shop/db&failures=true").await;
    let acts: Vec<_> = history.entries.iter().rev().filter_map(|entry| entry.act.as_ref()).collect();
    assert_eq!(acts.len(), 6);
    assert!(acts.iter().all(|act| act.is_done && act.by.starts_with("uid ")));
}

#[tokio::test]
async fn a_generation_that_was_replaced_refuses_the_act_and_the_refusal_is_noted() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    tree.kill("shop/db").unwrap();
    up(&tree, "shop/db", 2).await;
    for act in ["kill", "restart", "terminate", "park"] {
        let answer = served.act(json!({"act": act, "path": "shop/db", "reason": "stale", "generation": 1})).await;
        let (code, text) = answer.refusal();
        assert_eq!((answer.status, code), (409, IssueCode::AlreadyReplaced), "{act}");
        assert!(text.contains("generation 1 was meant, 2 is the latest"), "{text}");
    }
    assert_eq!(tree.directory().status("shop/db").unwrap().generation, 2);
    let history: History = served.get("/v1/history?below=shop/db&failures=true").await;
    let refused: Vec<_> = history.entries.iter().filter_map(|entry| entry.act.as_ref()).collect();
    assert!(refused.len() == 4 && refused.iter().all(|act| !act.is_done && act.generation == Some(1)), "{refused:?}");
    assert_eq!(served.act(json!({"act": "kill", "path": "shop/db", "reason": "x", "generation": 2})).await.status, 200);
    up(&tree, "shop/db", 3).await;
}

#[tokio::test]
async fn what_does_not_apply_is_refused_with_what_to_do() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    for (act, path, words) in [
        ("kill", "shop", "shut the tree down"),
        ("start", "shop/db", "shop/db"),
        ("reload_policy", "shop", "Admin::policy_file"),
    ] {
        let answer = served.act(json!({"act": act, "path": path, "reason": "x"})).await;
        assert!((400..600).contains(&answer.status) && answer.refusal().1.contains(words), "{answer:?}");
    }
    tree.shutdown().await;
    let answer = served.act(json!({"act": "kill", "path": "shop/db", "reason": "x"})).await;
    assert_eq!((answer.status, answer.refusal().0), (410, IssueCode::TreeOver));
}

#[tokio::test]
async fn the_program_says_how_policies_are_read_again() {
    let tree = shop().await;
    let admin = Admin::new("shop").grant(Capability::Control).tree(&tree);
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = calls.clone();
    let admin = admin.on_reload(&tree, move || {
        let call = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { if call == 0 { Ok("two changes".to_owned()) } else { Err("line 3: nonsense".to_owned()) } }
    });
    let served = serve(&admin).await;
    let order = json!({"act": "reload_policy", "path": "shop", "reason": "new limits"});
    let answer = served.act(order.clone()).await;
    assert_eq!(answer.data::<Acted>().outcome, "two changes");
    let (code, text) = served.act(order).await.refusal();
    assert_eq!((code, &*text), (IssueCode::ActFailed, "line 3: nonsense"));
}

#[tokio::test]
async fn a_policy_file_is_read_again_and_an_invalid_one_changes_nothing() {
    let tree = shop().await;
    let dir = crate::client::private_dir();
    let file = dir.path().join("shop.toml");
    let admin = Admin::new("shop").grant(Capability::Control).tree(&tree).policy_file(&tree, &file);
    let served = serve(&admin).await;
    let order = json!({"act": "reload_policy", "path": "shop", "reason": "new limits"});
    assert_eq!(served.act(order.clone()).await.refusal().0, IssueCode::ActFailed);
    std::fs::write(&file, "[path.\"shop/db\"]\nrestart = \"transient\"\n").unwrap();
    let acted: Acted = served.act(order.clone()).await.data();
    assert!(acted.outcome.contains("transient"), "{acted:?}");
    let full: ServiceInFull = served.get("/v1/service?path=shop/db").await;
    let restart = full.policy.iter().find(|setting| setting.field == "restart").unwrap();
    assert!(restart.value == "transient" && restart.origin.ends_with("shop.toml:2"), "{restart:?}");
    std::fs::write(&file, "[path.\"shop/db\"]\nrestart = \"sometimes\"\n").unwrap();
    assert!(served.act(order).await.refusal().1.contains("sometimes"));
}

const KILLS: &str = "title = \"kills\"\nduration = \"600s\"\ntargets = [\"shop/db\"]\n\
                     [[fault]]\nkind = \"slow\"\nby = \"1ms\"\non = \"shop/db\"\nat = [\"1ms\"]\nlasts = \"599s\"\n";

#[tokio::test]
async fn an_experiment_runs_alone_and_is_stopped() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).allow_experiments()).await;
    let headers = [("x-regrow-act", "1"), ("content-type", "application/json")];
    let run = |file: &str| json!({"tree": "shop", "file": file, "reason": "a game day"}).to_string();
    let answer = served.ask("POST", "/v1/experiments", &headers, &run(KILLS)).await;
    let begun: ExperimentState = answer.data();
    assert_eq!((begun.number, &*begun.name, begun.is_over), (1, "kills", false));
    let second = served.ask("POST", "/v1/experiments", &headers, &run(KILLS)).await;
    assert_eq!(second.refusal().0, IssueCode::Busy);
    let wrong = served.ask("POST", "/v1/experiments", &headers, &run("title = 7")).await;
    assert_eq!(wrong.refusal().0, IssueCode::BadRequest);
    assert_eq!(served.ask("DELETE", "/v1/experiments/1", &[], "").await.status, 403);
    let stopped: ExperimentState = served.ask("DELETE", "/v1/experiments/1", &headers[..1], "").await.data();
    assert!(stopped.is_over && stopped.passed.is_none() && stopped.report.unwrap().contains("rolled back"));
    let all: Vec<ExperimentState> = served.get("/v1/experiments").await;
    assert_eq!(all.len(), 1);
    let next: ExperimentState = served.ask("POST", "/v1/experiments", &headers, &run(KILLS)).await.data();
    assert_eq!(next.number, 2);
    let unknown = served.ask("DELETE", "/v1/experiments/9", &headers[..1], "").await;
    assert_eq!(unknown.refusal().0, IssueCode::UnknownNumber);
    let history: History = served.get("/v1/history?failures=true").await;
    let acts: Vec<_> = history.entries.iter().filter_map(|entry| entry.act.as_ref()).map(|act| act.is_done).collect();
    assert_eq!(acts, [true, true, false, false, true]);
}

#[tokio::test]
async fn an_experiment_that_comes_to_its_end_has_a_report() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).allow_experiments()).await;
    let headers = [("x-regrow-act", "1"), ("content-type", "application/json")];
    let file = KILLS.replace("600s", "50ms").replace("599s", "20ms");
    let order = json!({"tree": "shop", "file": file, "reason": "a game day", "seed": 7}).to_string();
    assert_eq!(served.ask("POST", "/v1/experiments", &headers, &order).await.status, 200);
    let over = async {
        loop {
            let all: Vec<ExperimentState> = served.get("/v1/experiments").await;
            if all[0].is_over {
                return all[0].clone();
            }
        }
    };
    let over = soon("the end", over).await;
    let report = over.report.unwrap();
    assert!(over.passed == Some(true) && report.contains("seed 7"), "{report}");
}

// Found when the rooms were joined: the counters of acts were raised by nothing.
#[tokio::test]
async fn each_act_is_counted_also_one_that_is_refused() {
    let tree = shop().await;
    let admin = Admin::new("shop").tree(&tree);
    let looks_only = serve(&admin).await;
    let served = serve(&admin.grant(Capability::Control)).await;
    let kill =
        |path: &str, generation: u64| json!({"act": "kill", "path": path, "reason": "x", "generation": generation});
    assert_eq!(served.act(kill("shop/db", 1)).await.status, 200);
    assert_eq!(served.act(kill("shop/db", 99)).await.status, 409);
    assert_eq!(served.act(kill("shop/dbb", 1)).await.status, 404);
    // More of them than are noted in a minute.
    for _ in 0..30 {
        assert_eq!(looks_only.act(kill("shop/db", 1)).await.status, 403);
    }
    let acts = tree.directory().tree_figures().acts;
    assert_eq!(acts.iter().find(|(word, ..)| *word == "kill"), Some(&("kill", 1, 32)));
}
