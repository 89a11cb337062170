//! Clients and sockets that are in the way.

use std::time::Duration;

use regrow::admin::wire::envelope::{Envelope, IssueCode};
use regrow::admin::wire::services::Services;
use regrow::admin::{Admin, Capability, ListenError};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{DynamicSupervisor, Intensity, Supervisor, Tree};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{answer, private_dir, serve};
use crate::common::tree::{probe, soon, up};

async fn shop() -> Tree {
    let tree = Supervisor::one_for_one("shop").budget(Intensity::unlimited()).child(Journal::new().probe("db"));
    tree.child(DynamicSupervisor::new("pool")).start().await.unwrap()
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let dir = private_dir();
    let place = dir.path().join("s");
    drop(std::os::unix::net::UnixListener::bind(&place).unwrap());
    assert!(place.exists(), "it is left behind");
    let listening = Admin::new("shop").listen_unix_at(&place).await.unwrap();
    let error = Admin::new("shop").listen_unix_at(&place).await.unwrap_err();
    assert_eq!(error, ListenError::InUse { path: place.clone() });
    drop(listening);
    std::fs::write(&place, "precious").unwrap();
    let error = Admin::new("shop").listen_unix_at(&place).await.unwrap_err();
    assert!(matches!(error, ListenError::NotOurSocket { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&place).unwrap(), "precious");
}

// Found by review: of two processes that found the same stale socket, the slower one removed the new socket of the other.
#[test]
fn of_programs_that_replace_a_stale_socket_at_once_one_owns_it_and_the_others_say_so() {
    for round in 0..100 {
        let dir = private_dir();
        let place = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&place).unwrap());
        let gate = std::sync::Barrier::new(4);
        let programs: Vec<_> = std::thread::scope(|scope| {
            let program = |number: usize| {
                let (gate, place) = (&gate, &place);
                move || {
                    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
                    let runtime = runtime.unwrap();
                    gate.wait();
                    let listening = runtime.block_on(Admin::new(format!("shop{number}")).listen_unix_at(place.clone()));
                    (runtime, listening)
                }
            };
            let programs: Vec<_> = (0..4).map(|number| scope.spawn(program(number))).collect();
            programs.into_iter().map(|program| program.join().unwrap()).collect()
        });
        let owners: Vec<_> = (0..4).filter(|number| programs[*number].1.is_ok()).collect();
        assert_eq!(owners.len(), 1, "round {round}: {programs:?}");
        for (_, refused) in programs.iter().filter(|(_, listening)| listening.is_err()) {
            assert_eq!(refused.as_ref().unwrap_err(), &ListenError::InUse { path: place.clone() });
        }
        let client = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let greeted = client.block_on(async {
            let stream = tokio::net::UnixStream::connect(&place).await.expect("the owner has the path");
            crate::client::ask(stream, "GET", "/v1", &[], "").await
        });
        assert!(greeted.body.contains(&format!("shop{}", owners[0])), "{}", greeted.body);
    }
}

#[tokio::test]
async fn a_socket_that_took_the_place_is_left_alone() {
    let dir = private_dir();
    let place = dir.path().join("s");
    let listening = Admin::new("shop").listen_unix_at(&place).await.unwrap();
    std::fs::remove_file(&place).unwrap();
    let other = std::os::unix::net::UnixListener::bind(&place).unwrap();
    drop(listening);
    assert!(place.exists());
    drop(other);
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_named_with_its_length() {
    let dir = private_dir();
    let place = dir.path().join("x".repeat(120));
    let error = Admin::new("shop").listen_unix_at(&place).await.unwrap_err();
    let bytes = place.as_os_str().len();
    assert!(matches!(&error, ListenError::PathTooLong { bytes: found, .. } if *found == bytes), "{error}");
    assert!(error.to_string().contains(&bytes.to_string()) && error.to_string().contains(place.to_str().unwrap()));
}

#[tokio::test]
async fn a_client_of_another_version_is_told_both() {
    let served = serve(&Admin::new("shop")).await;
    let answer = served.ask("GET", "/v1", &[("x-regrow-schema", "7")], "").await;
    let (code, text) = answer.refusal();
    assert_eq!((answer.status, code), (409, IssueCode::SchemaMismatch));
    assert!(text.contains("version 7") && text.contains("version 1"), "{text}");
    assert_eq!(served.ask("GET", "/v1", &[("x-regrow-schema", "1")], "").await.status, 200);
}

#[tokio::test]
async fn an_unknown_path_is_refused_with_one_that_may_be_meant() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let answer = served.ask("GET", "/v1/service?path=shop/poool", &[], "").await;
    let (code, text) = answer.refusal();
    assert_eq!((answer.status, code), (404, IssueCode::UnknownPath));
    assert!(text.contains("did you mean `shop/pool`?"), "{text}");
    let answer = served.act(json!({"act": "kill", "path": "shop/poool", "reason": "test"})).await;
    assert_eq!(answer.refusal().0, IssueCode::UnknownPath);
    let answer = served.ask("GET", "/v1/service?path=shopp/db", &[], "").await;
    let (code, text) = answer.refusal();
    assert_eq!(code, IssueCode::UnknownTree);
    assert!(text.contains("`shop`"), "{text}");
}

#[tokio::test]
async fn a_filter_that_matches_nothing_says_so() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let answer = served.ask("GET", "/v1/services?filter=nothing", &[], "").await;
    let envelope: Envelope<Services> = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(envelope.issues[0].code, IssueCode::NothingMatches);
    assert!(envelope.data.unwrap().rows.is_empty());
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_refused_with_the_reason() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let headers = [("x-regrow-act", "1"), ("content-type", "application/json")];
    for (body, words) in [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        (r#"{"act":"dance","path":"shop/db","reason":"x"}"#, "unknown variant `dance`"),
        (r#"{"act":"kill","path":"shop/db","reason":"x","force":true}"#, "unknown field `force`"),
        (r#"{"act":"kill","path":"shop/db"}"#, "missing field `reason`"),
    ] {
        let answer = served.ask("POST", "/v1/acts", &headers, body).await;
        let (code, text) = answer.refusal();
        assert_eq!((answer.status, code), (400, IssueCode::BadRequest), "{body}");
        assert!(text.contains(words), "{text}");
    }
    let large = format!(r#"{{"act":"kill","path":"shop/db","reason":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(served.ask("POST", "/v1/acts", &headers, &large).await.status, 413);
    let answer = served.ask("GET", "/v1/services?colour=red", &[], "").await;
    assert!(answer.refusal().1.contains("unknown field `colour`"), "{answer:?}");
    assert_eq!(served.ask("GET", "/v1/services?limit=many", &[], "").await.status, 400);
    assert_eq!(served.ask("GET", "/etc/passwd", &[], "").await.status, 404);
    assert_eq!(tree.directory().status("shop/db").unwrap().generation, 1);
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let served = serve(&Admin::new("shop")).await;
    let mut stream = served.connect().await;
    let line = format!("x-{}: y\r\n", "z".repeat(1000));
    let _ = stream.write_all(b"GET /v1 HTTP/1.1\r\n").await;
    for _ in 0..200 {
        if stream.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    let answer = answer(stream).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(served.ask("GET", "/v1", &[], "").await.status, 200);
}

#[tokio::test]
async fn more_clients_than_allowed_are_turned_away_and_the_others_go_on() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let mut followers = Vec::new();
    for _ in 0..64 {
        let mut follower = served.follow("/v1/events", None).await;
        follower.next().await.unwrap();
        followers.push(follower);
    }
    let answer = served.ask("GET", "/v1", &[], "").await;
    assert_eq!((answer.status, answer.refusal().0), (503, IssueCode::Busy));
    followers.pop();
    let back = async {
        while served.ask("GET", "/v1", &[], "").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    soon("a free place", back).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_closed() {
    let served = serve(&Admin::new("shop")).await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET /v1 HT").await.unwrap();
    let mut rest = Vec::new();
    let begun = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_secs(120), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(29), "{:?}", begun.elapsed());
}

/// A reader that never reads costs nothing but its socket, and is closed in the end.
#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_is_closed_and_the_tree_goes_on() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let mut stuck = served.connect().await;
    stuck.write_all(b"GET /v1/events HTTP/1.0\r\nhost: localhost\r\n\r\n").await.unwrap();
    let pool = tree.dynamic("shop/pool").unwrap();
    let journal = Journal::new();
    for _ in 0..3000 {
        pool.start_child(journal.probe("x")).await.unwrap();
        pool.terminate_child("x").await.unwrap();
    }
    // Time passes while nothing is read.
    tokio::time::sleep(Duration::from_secs(120)).await;
    let mut got = Vec::new();
    soon("the end", stuck.read_to_end(&mut got)).await.ok();
    assert!(got.len() < 2 << 20, "{} bytes were sent to a reader that does not read", got.len());
    probe(&tree, "shop/db").cast(ProbeMsg::Panic("boom")).unwrap();
    up(&tree, "shop/db", 2).await;
}

/// Ten thousand events a second, and a follower that ends with the truth.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_busy_tree_ends_with_what_is_true() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let mut follower = served.follow("/v1/events", None).await;
    let pool = tree.dynamic("shop/pool").unwrap();
    let journal = Journal::new();
    let churn = tokio::spawn(async move {
        for round in 0..10_000 {
            let name = format!("c{}", round % 50);
            pool.start_child(journal.probe(&name)).await.unwrap();
            pool.terminate_child(&name).await.unwrap();
        }
        pool.start_child(journal.probe("last")).await.unwrap();
    });
    let mut known = std::collections::BTreeSet::new();
    let follow = async {
        use regrow::admin::wire::event::Message;
        use regrow::admin::wire::services::State;
        loop {
            match follower.next().await.unwrap() {
                Message::SnapshotBegins { .. } => known.clear(),
                Message::Snapshot { children, .. } => {
                    known.extend(children.into_iter().filter(|child| child.state == State::Up).map(|child| child.path));
                }
                Message::Event { entry, after: Some(State::Up), .. } => drop(known.insert(entry.path)),
                Message::Event { entry, .. } => drop(known.remove(&entry.path)),
                _ => {}
            }
            if known.contains("shop/pool/last") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), follow).await.unwrap();
    churn.await.unwrap();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    assert_eq!(known, ["shop", "shop/db", "shop/pool", "shop/pool/last"]);
}
