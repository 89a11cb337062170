//! Clients that vanish, race, smuggle and guess.

use std::sync::Arc;

use regrow::admin::wire::envelope::IssueCode;
use regrow::admin::wire::event::Message;
use regrow::admin::wire::experiment::ExperimentState;
use regrow::admin::wire::greeting::Greeting;
use regrow::admin::wire::history::History;
use regrow::admin::wire::service::ServiceInFull;
use regrow::admin::{Admin, Capability, Token};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, Context, Intensity, Service, Supervisor, Tree};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Notify, Semaphore};

use crate::client::{Served, answer, serve};
use crate::common::tree::{probe, soon, up};

const JSON_ACT: [(&str, &str); 2] = [("x-regrow-act", "1"), ("content-type", "application/json")];

async fn shop() -> Tree {
    let db = Journal::new().probe("db");
    Supervisor::one_for_one("shop").budget(Intensity::unlimited()).child(db).start().await.unwrap()
}

/// Service that tells when it is stopped, and ends when it may.
struct Slow {
    stops: Arc<Notify>,
    may_end: Arc<Semaphore>,
}

impl Service for Slow {
    type Msg = ();

    async fn handle(&mut self, (): (), _: &mut Context<Self>) -> anyhow::Result<()> {
        Ok(())
    }

    async fn stopped(&mut self, _: &mut Context<Self>) -> anyhow::Result<()> {
        self.stops.notify_one();
        self.may_end.acquire().await?.forget();
        Ok(())
    }
}

/// Sends a request and returns the connection, so that the client can go away before the answer.
async fn send(served: &Served, method: &str, target: &str, body: &str) -> UnixStream {
    let mut stream = served.connect().await;
    let head = "host: localhost\r\nx-regrow-act: 1\r\ncontent-type: application/json";
    let length = body.len();
    let request = format!("{method} {target} HTTP/1.1\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The acts in the record, oldest first: what was done, and whether it was.
async fn acts(served: &Served) -> Vec<(String, bool)> {
    let history: History = served.get("/v1/history?tree=shop&failures=true&limit=8000").await;
    let acts = history.entries.iter().rev().filter_map(|entry| entry.act.as_ref());
    acts.map(|act| (act.reason.clone(), act.is_done)).collect()
}

/// Found by reading: the act was noted by the task of the connection, which ends with the client.
#[tokio::test]
async fn an_act_whose_client_goes_away_is_carried_out_and_noted() {
    let (stops, may_end) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let child = {
        let (stops, may_end) = (stops.clone(), may_end.clone());
        Child::service("slow", move |_| {
            let slow = Slow { stops: stops.clone(), may_end: may_end.clone() };
            async move { Ok(slow) }
        })
    };
    let tree = Supervisor::one_for_one("shop").child(child).start().await.unwrap();
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let order = json!({"act": "restart", "path": "shop/slow", "reason": "and away"}).to_string();
    let client = send(&served, "POST", "/v1/acts", &order).await;
    soon("the stop", stops.notified()).await;
    drop(client);
    // Requests of later connections are answered after the end of that one.
    for _ in 0..3 {
        let _: Greeting = served.get("/v1").await;
    }
    may_end.add_permits(9);
    up(&tree, "shop/slow", 2).await;
    let noted = async { while acts(&served).await.is_empty() {} };
    soon("the note", noted).await;
    assert_eq!(acts(&served).await, [("and away".into(), true)]);
    tree.shutdown().await;
}

const LONG: &str = "title = \"slow\"\nduration = \"600s\"\ntargets = [\"shop/db\"]\n\
                    [[fault]]\nkind = \"slow\"\nby = \"1ms\"\non = \"shop/db\"\nat = [\"1ms\"]\nlasts = \"599s\"\n";

/// Found by reading, as the test above.
#[tokio::test]
async fn an_experiment_whose_client_goes_away_goes_on_and_its_stop_is_noted() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).allow_experiments()).await;
    let order = json!({"tree": "shop", "file": LONG, "reason": "run"}).to_string();
    drop(send(&served, "POST", "/v1/experiments", &order).await);
    let begun = async {
        loop {
            let all: Vec<ExperimentState> = served.get("/v1/experiments").await;
            if let [begun] = &all[..] {
                return begun.clone();
            }
        }
    };
    assert!(!soon("the experiment", begun).await.is_over);
    drop(send(&served, "DELETE", "/v1/experiments/1?reason=stop", "").await);
    let over = async {
        loop {
            let all: Vec<ExperimentState> = served.get("/v1/experiments").await;
            if all[0].is_over && acts(&served).await.len() == 2 {
                return;
            }
        }
    };
    soon("the end", over).await;
    assert_eq!(acts(&served).await, [("run".into(), true), ("stop".into(), true)]);
}

/// Found by reading: the position of a tree was taken for one of a later tree of its name, whose children then were shown
/// as those of the former.
#[tokio::test]
async fn a_position_means_nothing_in_another_tree_of_the_same_name() {
    let first = shop().await;
    let admin = Admin::new("shop").tree(&first);
    let served = serve(&admin).await;
    let mut follower = served.follow("/v1/events", None).await;
    while !matches!(follower.next().await, Some(Message::SnapshotEnds { .. })) {}
    let position = follower.id.clone().unwrap();
    first.shutdown().await;
    let second = Supervisor::one_for_one("shop").child(Journal::new().probe("other")).child(Journal::new().probe("x"));
    let second = second.start().await.unwrap();
    admin.show(&second);
    let mut follower = served.follow("/v1/events", Some(&position)).await;
    assert!(matches!(follower.next().await, Some(Message::Gap { .. })));
    assert!(matches!(follower.next().await, Some(Message::SnapshotBegins { .. })));
    // The greeting tells where a stream of the new tree goes on.
    let greeting: Greeting = served.get("/v1").await;
    let [shown] = &greeting.trees[..] else { panic!("{:?}", greeting.trees) };
    let from = format!("{}:shop:{}", shown.boot, shown.newest);
    let mut follower = served.follow("/v1/events", Some(&from)).await;
    assert!(matches!(follower.next().await, Some(Message::Resumed { .. })));
    // To show the same tree once more changes nothing.
    admin.show(&second);
    let mut follower = served.follow("/v1/events", Some(&from)).await;
    assert!(matches!(follower.next().await, Some(Message::Resumed { .. })));
}

/// Found by reading: a position with letters beyond ASCII was taken for none.
#[tokio::test]
async fn a_stream_of_a_tree_with_a_name_in_any_script_is_resumed() {
    let tree = Supervisor::one_for_one("läden %2F?#\"'").child(Journal::new().probe("db 1")).start().await.unwrap();
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let mut follower = served.follow("/v1/events", None).await;
    while !matches!(follower.next().await, Some(Message::SnapshotEnds { .. })) {}
    let position = follower.id.clone().unwrap();
    let mut follower = served.follow("/v1/events", Some(&position)).await;
    let first = follower.next().await;
    assert!(matches!(first, Some(Message::Resumed { .. })), "{first:?}");
    // The path goes through a query and through JSON.
    let full: ServiceInFull = served.get("/v1/service?path=l%C3%A4den+%252F%3F%23%22%27/db%201").await;
    assert_eq!(full.service.path, "läden %2F?#\"'/db 1");
    let answer = served.act(json!({"act": "kill", "path": full.service.path, "reason": "test"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    up(&tree, "läden %2F?#\"'/db 1", 2).await;
    for odd in ["/v1/service?path=%00", "/v1/service?path=%ff", "/v1/service?path=", "/v1/service?path=..%2F..%2Fetc"] {
        assert_eq!(served.ask("GET", odd, &[], "").await.status, 404, "{odd}");
    }
}

#[tokio::test]
async fn of_operators_who_mean_the_same_incarnation_one_ends_it() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    for generation in 1..10 {
        up(&tree, "shop/db", generation).await;
        let act = || served.act(json!({"act": "restart", "path": "shop/db", "reason": "r", "generation": generation}));
        let (one, two, three) = tokio::join!(act(), act(), act());
        let mut done = 0;
        for answer in [one, two, three] {
            match answer.status {
                200 => done += 1,
                _ => assert_eq!(answer.refusal().0, IssueCode::AlreadyReplaced, "{answer:?}"),
            }
        }
        assert_eq!(done, 1, "generation {generation}");
        assert_eq!(tree.directory().status("shop/db").unwrap().generation, generation + 1);
    }
}

/// A proxy and a server may see the end of a request in different places. The request that the proxy did not see is one of
/// its own here: it needs the token.
#[tokio::test]
async fn a_request_within_the_content_of_another_has_no_part_in_its_token() {
    let tree = shop().await;
    let token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let admin = Admin::new("shop").tree(&tree).grant(Capability::Control);
    let listening = admin.listen_tcp("127.0.0.1:0".parse().unwrap(), Token::new(token).unwrap()).await.unwrap();
    let order = json!({"act": "kill", "path": "shop/db", "reason": "smuggled"}).to_string();
    let inner = format!(
        "POST /v1/acts HTTP/1.1\r\nhost: localhost\r\nx-regrow-act: 1\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{order}",
        order.len()
    );
    let length = inner.len();
    for (line, content, statuses) in [
        (format!("content-length: {}\r\ntransfer-encoding: chunked", length + 5), format!("0\r\n\r\n{inner}"), "200"),
        ("x: y\n\nPOST /v1/acts HTTP/1.1".into(), inner.clone(), "200 403"),
        (format!("content-length: {length}\r\ncontent-length: 0"), inner.clone(), "400"),
        (format!("content-length: +{length}"), inner.clone(), "400"),
        ("transfer-encoding: chunked, identity".into(), format!("0\r\n\r\n{inner}"), "400"),
        ("transfer-encoding : chunked".into(), format!("0\r\n\r\n{inner}"), "400"),
    ] {
        let mut stream = TcpStream::connect(listening.address().unwrap()).await.unwrap();
        let head = format!("GET /v1 HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{line}\r\n\r\n");
        let _ = stream.write_all(format!("{head}{content}").as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut bytes = Vec::new();
        let _ = soon("the end", stream.read_to_end(&mut bytes)).await;
        let text = String::from_utf8_lossy(&bytes);
        let found: Vec<_> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(found.join(" "), statuses, "{line:?}: {text}");
    }
    assert!(tree.history().entries.iter().all(|entry| entry.kind.word() != "acted"));
    assert_eq!(tree.directory().status("shop/db").unwrap().generation, 1);
}

/// Otherwise unknown clients could keep all the places.
#[tokio::test]
async fn a_client_without_the_token_keeps_no_connection() {
    let token = Token::new("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef").unwrap();
    let listening = Admin::new("shop").listen_tcp("127.0.0.1:0".parse().unwrap(), token).await.unwrap();
    let mut stream = TcpStream::connect(listening.address().unwrap()).await.unwrap();
    stream.write_all(b"GET /v1 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let answer = answer(&mut stream).await;
    assert!(answer.status == 401 && answer.head.contains("connection: close"), "{answer:?}");
}

#[tokio::test]
async fn the_end_of_the_listener_ends_followers_and_no_act() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let mut followers = Vec::new();
    for _ in 0..20 {
        let mut follower = served.follow("/v1/events", None).await;
        follower.next().await.unwrap();
        followers.push(follower);
    }
    let path = served.path().to_owned();
    drop(served);
    for mut follower in followers {
        while follower.next().await.is_some() {}
    }
    assert!(!path.exists() && UnixStream::connect(&path).await.is_err());
    probe(&tree, "shop/db").cast(ProbeMsg::Panic("boom")).unwrap();
    up(&tree, "shop/db", 2).await;
}

#[tokio::test]
async fn a_tree_that_its_program_drops_is_shown_as_over() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let mut follower = served.follow("/v1/events", None).await;
    drop(tree);
    let over = async {
        loop {
            match follower.next().await {
                Some(Message::TreeOver { reason, .. }) => return reason,
                Some(_) => {}
                None => panic!("the stream ends without a reason"),
            }
        }
    };
    let reason = soon("the end", over).await;
    let answer = served.act(json!({"act": "kill", "path": "shop/db", "reason": "late"})).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let greeting: Greeting = served.get("/v1").await;
    assert_eq!(greeting.trees[0].ended.as_deref(), Some(&*reason));
}

/// A reason of the greatest length passes, one letter more does not, and none is cut.
#[tokio::test]
async fn a_reason_is_taken_whole_or_refused() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let odd = "\u{202e}\u{1b}]0;x\u{7}\0\r\n\u{2028}";
    for (reason, status) in [("x".repeat(1024), 200), (odd.into(), 200), ("x".repeat(1025), 400), (" \n\t".into(), 400)]
    {
        let answer = served.act(json!({"act": "kill", "path": "shop/db", "reason": reason})).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let order = json!({"act": "kill", "path": "shop/db", "reason": "x".repeat(1 << 20)}).to_string();
    assert_eq!(served.ask("POST", "/v1/acts", &JSON_ACT, &order).await.status, 413);
    let reasons: Vec<_> = acts(&served).await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["x".repeat(1024), odd.trim().to_owned()]);
}

#[tokio::test]
async fn a_web_page_gets_no_leave_from_a_preflight_request() {
    let served = serve(&Admin::new("shop").grant(Capability::Control)).await;
    let headers = [
        ("origin", "http://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "x-regrow-act, content-type"),
    ];
    let mut stream = served.connect().await;
    stream.write_all(b"OPTIONS * HTTP/1.0\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(answer(stream).await.status >= 400);
    for target in ["/v1", "/v1/acts", "/v1/experiments", "/v1/events"] {
        let answer = served.ask("OPTIONS", target, &headers, "").await;
        assert!(answer.status == 405 && !answer.head.contains("access-control"), "{answer:?}");
    }
}
