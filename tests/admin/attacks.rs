//! Many clients at once, and clients that send anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regrow::admin::wire::envelope::{Envelope, IssueCode};
use regrow::admin::wire::event::Message;
use regrow::admin::wire::experiment::ExperimentState;
use regrow::admin::wire::history::History;
use regrow::admin::wire::letter::Letters;
use regrow::admin::wire::services::Services;
use regrow::admin::{Admin, Capability};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, Intensity, Supervisor, Tree};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::client::{Served, answer, serve};
use crate::common::tree::{probe, soon, up};

const ACT: [(&str, &str); 2] = [("x-regrow-act", "1"), ("content-type", "application/json")];

async fn shop() -> Tree {
    let tree = Supervisor::one_for_one("shop").budget(Intensity::unlimited()).child(Journal::new().probe("db"));
    tree.child(DynamicSupervisor::new("pool")).start().await.unwrap()
}

async fn serve_shared(admin: &Admin) -> Arc<Served> {
    Arc::new(serve(admin).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_operators_who_replay_the_same_letters_one_delivers_each() {
    const LETTERS: u64 = 20;
    let tree = shop().await;
    let served = serve_shared(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let db = probe(&tree, "shop/db");
    db.cast(ProbeMsg::Hang).unwrap();
    (1..=LETTERS).for_each(|number| db.cast(ProbeMsg::Note(number)).unwrap());
    let terminate = json!({"act": "terminate", "path": "shop/db", "reason": "test"});
    assert_eq!(served.act(terminate).await.status, 200);
    let kept: Letters = served.get("/v1/dead-letters").await;
    assert_eq!(kept.kept, LETTERS);
    assert_eq!(served.act(json!({"act": "start", "path": "shop/db", "reason": "test"})).await.status, 200);
    up(&tree, "shop/db", 2).await;
    let mut operators = JoinSet::new();
    for operator in 0..4 {
        let served = served.clone();
        operators.spawn(async move {
            let mut done = Vec::new();
            for number in 1..=LETTERS {
                // Two of them ask for one letter at a time, and two for all that there are.
                let letters = if operator < 2 { json!([number]) } else { json!([]) };
                let order = json!({"act": "replay", "path": "shop", "reason": "both saw it", "letters": letters});
                let answer = served.act(order).await;
                done.push((answer.status, answer.body));
            }
            done
        });
    }
    let answers: Vec<_> = operators.join_all().await.concat();
    let delivered = answers.iter().filter(|(status, _)| *status == 200).map(|(_, body)| {
        let words = body.split("\"outcome\":\"").last().unwrap();
        words.split(' ').next().unwrap().parse::<u64>().unwrap_or_else(|_| panic!("{body}"))
    });
    assert_eq!(delivered.sum::<u64>(), LETTERS, "{answers:?}");
    let mut noted = db.call(ProbeMsg::Noted).await.unwrap();
    noted.sort_unstable();
    assert_eq!(noted, Vec::from_iter(1..=LETTERS));
    let kept: Letters = served.get("/v1/dead-letters").await;
    assert_eq!(kept.kept, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_clients_at_once_each_gets_a_true_answer_or_none() {
    let tree = shop().await;
    let served = serve_shared(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let mut clients = JoinSet::new();
    for client in 0..200 {
        let served = served.clone();
        clients.spawn(async move {
            // The queue of a socket that is full refuses at once.
            let Ok(mut stream) = tokio::net::UnixStream::connect(served.path()).await else { return 0 };
            let target = ["/v1", "/v1/services?doubtful=true", "/v1/history", "/v1/service?path=shop/db"][client % 4];
            let request = format!("GET {target} HTTP/1.0\r\nhost: localhost\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).await;
            let mut bytes = Vec::new();
            let _ = soon("an end", stream.read_to_end(&mut bytes)).await;
            let text = String::from_utf8(bytes).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { return 0 };
            let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            let envelope: Envelope<serde_json::Value> = serde_json::from_str(body).expect("a whole answer");
            let busy = envelope.issues.iter().any(|issue| issue.code == IssueCode::Busy);
            assert!((status == 200 && envelope.data.is_some()) || (status == 503 && busy), "{text}");
            status
        });
    }
    let mut statuses = BTreeMap::new();
    for status in soon("all ends", clients.join_all()).await {
        *statuses.entry(status).or_insert(0) += 1;
    }
    assert!(statuses[&200] >= 64, "{statuses:?}");
    let back = async {
        while served.ask("GET", "/v1", &[], "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    soon("room again", back).await;
}

#[tokio::test]
async fn no_request_that_looks_changes_anything() {
    let tree = shop().await;
    let admin = Admin::new("shop").tree(&tree).grant(Capability::Control).grant(Capability::Chaos).allow_experiments();
    let served = serve(&admin).await;
    probe(&tree, "shop/db").call(ProbeMsg::Generation).await.unwrap();
    let state = || {
        let history = tree.history();
        (
            history.entries.len(),
            tree.directory().status("shop/db").unwrap().generation,
            tree.directory().entries().len(),
        )
    };
    let before = state();
    let order = json!({"act": "kill", "path": "shop/db", "reason": "x"}).to_string();
    let targets = [
        "/v1",
        "/v1/",
        "/v1/services",
        "/v1/service?path=shop/db",
        "/v1/history?at_ms=0",
        "/v1/history/dump",
        "/v1/dead-letters",
        "/v1/dead-letters/1",
        "/v1/schema",
        "/v1/experiments",
        "/v1/experiments/1",
        "/v1/acts",
        "/v1/acts?act=kill&path=shop/db&reason=x",
        "/v1/events?from=x",
    ];
    for target in targets {
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "BREW"] {
            // Headers that other frameworks take for the method.
            let headers = [ACT[0], ACT[1], ("x-http-method-override", "POST"), ("x-method-override", "DELETE")];
            let answer = served.ask(method, target, &headers, &order).await;
            let is_known = matches!(answer.status, 200 | 400 | 404 | 405 | 409);
            assert!(is_known, "{method} {target}: {answer:?}");
            assert!(method == "GET" || method == "HEAD" || answer.status != 200, "{method} {target}: {answer:?}");
        }
    }
    assert_eq!(state(), before);
}

#[tokio::test]
async fn texts_with_control_characters_come_back_as_json_and_as_nothing_else() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let hostile = "%1B%5B2J%00%0A%0D%E2%80%AE%FF";
    for target in [
        format!("/v1/services?filter={hostile}"),
        format!("/v1/services?filter=%5B{hostile}"),
        format!("/v1/services?tree={hostile}"),
        format!("/v1/services?below={hostile}"),
        format!("/v1/services?kind={hostile}"),
        format!("/v1/services?after={hostile}&sort=mailbox"),
        format!("/v1/services?viewer={hostile}"),
        format!("/v1/service?path=shop/{hostile}"),
        format!("/v1/history?below={hostile}"),
        format!("/v1/dead-letters?receiver={hostile}"),
        format!("/v1/dead-letters/{hostile}"),
        format!("/v1/events?from={hostile}"),
        format!("/v1/{hostile}"),
    ] {
        let answer = served.ask("GET", &target, &[], "").await;
        assert!(answer.status < 500, "{target}: {answer:?}");
        assert!(!answer.body.chars().any(char::is_control), "{target}: {:?}", answer.body);
        let _: Envelope<serde_json::Value> = serde_json::from_str(&answer.body).expect("an envelope");
        assert!(!answer.head.contains('\u{1b}'), "{answer:?}");
    }
}

#[tokio::test]
async fn a_very_long_path_is_unknown_and_one_beyond_all_bounds_is_cut_off() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    for letters in [1_000, 20_000, 60_000] {
        let path = format!("shop/{}", "x/".repeat(letters / 2));
        let answer = served.ask("GET", &format!("/v1/service?path={path}"), &[], "").await;
        assert_eq!((answer.status, answer.refusal().0), (404, IssueCode::UnknownPath), "{letters}");
        let page = served.ask("GET", &format!("/v1/services?filter={path}"), &[], "").await;
        assert_eq!(page.status, 200);
    }
    let answer = served.ask("GET", &format!("/v1/service?path={}", "x".repeat(200_000)), &[], "").await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let page: Services = served.get("/v1/services").await;
    assert_eq!(page.totals.children, 3);
}

#[tokio::test]
async fn a_pattern_that_tries_all_ways_takes_no_time() {
    let tree = shop().await;
    let pool = tree.dynamic("shop/pool").unwrap();
    let journal = Journal::new();
    for number in 0..50 {
        pool.start_child(journal.probe(&format!("{}{number}", "a".repeat(100)))).await.unwrap();
    }
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    for filter in ["*a".repeat(40), "**/".repeat(40) + "b", format!("shop/pool/{}b", "*a".repeat(60))] {
        let target = format!("/v1/services?filter={filter}");
        let answer = served.ask("GET", &target, &[], "");
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.expect("it is no search for ever");
        assert!(answer.status < 500, "{answer:?}");
    }
}

#[tokio::test]
async fn a_content_that_is_too_large_or_breaks_off_does_nothing() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let order = json!({"act": "kill", "path": "shop/db", "reason": "x"}).to_string();
    let head = "POST /v1/acts HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-regrow-act: 1\r\ncontent-type: application/json\r\n";
    // The content is whole JSON, and less than was announced.
    let mut stream = served.connect().await;
    let request = format!("{head}content-length: {}\r\n\r\n{order}", order.len() + 1);
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = soon("an end", stream.read_to_end(&mut rest)).await;
    assert!(!String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 200"));
    // Chunks without end.
    let mut stream = served.connect().await;
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    for _ in 0..100 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(answer(stream).await.status, 413);
    // Two lengths, and a length beside chunks: not both can be meant.
    for lengths in ["content-length: 5\r\ncontent-length: 70\r\n", "content-length: +5\r\n", "content-length: 1e3\r\n"]
    {
        let mut stream = served.connect().await;
        stream.write_all(format!("{head}{lengths}\r\n{order}").as_bytes()).await.unwrap();
        assert_eq!(answer(stream).await.status, 400, "{lengths}");
    }
    assert_eq!(tree.directory().status("shop/db").unwrap().generation, 1);
}

#[tokio::test]
async fn a_position_of_another_run_of_the_program_is_a_gap_and_a_new_picture() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    for position in ["0123456789abcdef:shop:2", "0123456789abcdef:shop:18446744073709551615", ":shop:0"] {
        let mut follower = served.follow("/v1/events", Some(position)).await;
        assert!(matches!(follower.next().await, Some(Message::Gap { .. })), "{position}");
        assert!(matches!(follower.next().await, Some(Message::SnapshotBegins { .. })), "{position}");
    }
    // A position of this run that lies ahead of all entries.
    let history: History = served.get("/v1/history").await;
    let greeting: regrow::admin::wire::greeting::Greeting = served.get("/v1").await;
    let ahead = format!("{}:shop:{}", greeting.trees[0].boot, history.entries[0].seq + 1_000);
    let mut follower = served.follow("/v1/events", Some(&ahead)).await;
    assert!(!matches!(follower.next().await, Some(Message::Resumed { .. })), "no such position was ever given");
}

const SLOW: &str = "title = \"slow\"\nduration = \"600s\"\ntargets = [\"shop/db\"]\n\
                    [[fault]]\nkind = \"slow\"\nby = \"1ms\"\non = \"shop/db\"\nat = [\"1ms\"]\nlasts = \"599s\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn experiments_that_begin_and_are_stopped_at_once_leave_nothing_behind() {
    let tree = shop().await;
    let served = serve_shared(&Admin::new("shop").tree(&tree).allow_experiments()).await;
    let order = json!({"tree": "shop", "file": SLOW, "reason": "a game day"}).to_string();
    let mut number = 0;
    for _ in 0..20 {
        number += 1;
        let mut clients = JoinSet::new();
        for _ in 0..3 {
            let (served, order) = (served.clone(), order.clone());
            clients.spawn(async move { served.ask("POST", "/v1/experiments", &ACT, &order).await.status });
        }
        let target = format!("/v1/experiments/{number}");
        // The stop is sent until the experiment is there, which it may be before its task is.
        let stop = async {
            loop {
                let answer = served.ask("DELETE", &target, &ACT[..1], "").await;
                if answer.status == 200 {
                    return answer.data::<ExperimentState>();
                }
            }
        };
        let stopped = soon("a stop", stop).await;
        assert!(stopped.is_over, "{stopped:?}");
        let begun = clients.join_all().await.into_iter().filter(|status| *status == 200).count();
        assert!(begun >= 1, "{begun}");
        // One that began after the stop is stopped as well.
        let all: Vec<ExperimentState> = served.get("/v1/experiments").await;
        for running in all.iter().filter(|experiment| !experiment.is_over) {
            served.ask("DELETE", &format!("/v1/experiments/{}", running.number), &ACT[..1], "").await;
        }
        let all: Vec<ExperimentState> = served.get("/v1/experiments").await;
        assert!(all.iter().all(|experiment| experiment.is_over), "{all:?}");
        number = all[0].number;
    }
    // No fault is left: the service answers at once.
    let answered = tokio::time::timeout(Duration::from_secs(5), probe(&tree, "shop/db").call(ProbeMsg::Generation));
    assert!(answered.await.unwrap().is_ok());
}
