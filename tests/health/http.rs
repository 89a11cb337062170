//! A client that writes its requests by hand, and trees to ask about.

use std::net::SocketAddr;

use regrow::health::{HealthServer, serve_health};
use regrow::testing::Journal;
use regrow::{Backoff, Child, GiveUp, Health, Intensity, Policy, ServiceState, Supervisor, Tree};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::tree::{SEC, probe, soon, stands};
use regrow::testing::{ProbeMsg, until};

/// An answer: its status, its headers in lower case, and its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no end of the headers: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        Self { status, headers: lines.map(str::to_lowercase).collect(), body: body.to_owned() }
    }
}

/// Sends this text, and reads to the end of the connection.
pub(crate) async fn send(address: SocketAddr, text: &str) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    Answer::read(&soon(text, exchange).await)
}

pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str) -> Answer {
    send(address, &format!("{method} {path} HTTP/1.1\r\nHost: 10.0.0.7:8081\r\nConnection: close\r\n\r\n")).await
}

/// The statuses of `/livez`, `/readyz` and `/startupz`. Each answer is checked to hold its word and no more.
pub(crate) async fn statuses(address: SocketAddr) -> [u16; 3] {
    let mut statuses = [0; 3];
    for (status, (path, word)) in
        statuses.iter_mut().zip([("/livez", "not live"), ("/readyz", "not ready"), ("/startupz", "not started")])
    {
        let answer = ask(address, "GET", path).await;
        assert_eq!(answer.body, if answer.status == 200 { "ok" } else { word }, "{answer:?}");
        *status = answer.status;
    }
    statuses
}

/// Serves the probes of these trees on a free port.
pub(crate) fn serve<'a>(trees: impl IntoIterator<Item = &'a Tree>) -> HealthServer {
    let sources: Vec<_> = trees.into_iter().map(Tree::health_source).collect();
    serve_health("127.0.0.1:0".parse().unwrap(), sources).unwrap()
}

/// A policy with which the first failure parks the child, for an hour.
pub(crate) fn parks() -> Policy {
    Policy::default().budget(Intensity::new(0, 60 * SEC)).on_give_up(GiveUp::Park(Backoff::new(3600 * SEC)))
}

/// The tree `shop` with the services `db`, which is required or not, and `web`.
pub(crate) async fn shop(health: Health) -> Tree {
    let journal = Journal::new();
    let db = journal.probe("db").policy(parks().health(health));
    Supervisor::one_for_one("shop").child(db).child(journal.probe("web")).start().await.unwrap()
}

/// Lets `shop/db` fail, and waits until it is parked.
pub(crate) async fn park_db(tree: &Tree) {
    let db = probe(tree, "shop/db");
    db.cast(ProbeMsg::Panic("no disk")).unwrap();
    soon("parked", until(db.watch(), |status| matches!(status.state, ServiceState::Parked { .. }))).await;
}

/// Brings `shop/db` back.
pub(crate) async fn revive_db(tree: &Tree) {
    tree.revive("shop/db").await.unwrap();
    stands(tree, "shop/db", ServiceState::Up).await;
}

/// A service that says when it is ready.
pub(crate) fn late(name: &str) -> Child {
    Journal::new().probe(name).policy(Policy::default().readiness(regrow::Readiness::WhenSaid)).into()
}
