//! Slow and hostile clients: none of them keeps a probe out.

use regrow::Health;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::common::tree::{SEC, soon};
use crate::http::{serve, shop, statuses};

/// Number of files that this process may open.
fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(1024)
}

#[tokio::test]
async fn ten_thousand_connections_that_never_finish_their_request_do_not_keep_a_probe_out() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    // With a lower limit of the process there are fewer, and still more than the server keeps.
    let number = 10_000.min(files_max().saturating_sub(600));
    assert!(number > 300);
    let mut crowd = Vec::new();
    for _ in 0..number {
        let mut client = soon("a connection", TcpStream::connect(server.address())).await.unwrap();
        // The server may have closed it for a newer one.
        let _ = client.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
        crowd.push(client);
    }
    let begun = Instant::now();
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    assert!(begun.elapsed() < 5 * SEC, "{:?}", begun.elapsed());
    let mut rest = Vec::new();
    let _ = soon("the oldest is closed", crowd[0].read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
    tree.shutdown().await;
}

// Time is paused, and passes when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn a_connection_ends_after_ten_seconds_whatever_its_client_does() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    for begin in ["", "GET /livez HT", "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(begin.as_bytes()).await.unwrap();
        let begun = Instant::now();
        let mut read = Vec::new();
        // An error says the same: the connection is over.
        let _ = client.read_to_end(&mut read).await;
        assert!((10 * SEC..11 * SEC).contains(&begun.elapsed()), "{begin:?}: {:?}", begun.elapsed());
    }
    tree.shutdown().await;
}

#[tokio::test]
async fn a_request_without_end_is_cut_off() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    let mut client = TcpStream::connect(server.address()).await.unwrap();
    client.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let flood = async { while client.write_all(&[b'x'; 1024]).await.is_ok() {} };
    soon("it is cut off before it has sent much", flood).await;
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    tree.shutdown().await;
}

const REQUEST: &[u8] = b"GET /startupz HTTP/1.1\r\nHost: a\r\n\r\n";

/// Whether the connection has answered one more request with `ok`.
async fn is_answered(client: &mut TcpStream) -> bool {
    let (mut answer, mut part) = (Vec::new(), [0; 512]);
    if client.write_all(REQUEST).await.is_err() {
        return false;
    }
    while !answer.ends_with(b"\r\n\r\nok") {
        match client.read(&mut part).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => answer.extend_from_slice(&part[..length]),
        }
    }
    true
}

#[tokio::test]
async fn a_connection_ends_after_some_hundred_requests() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    let mut client = TcpStream::connect(server.address()).await.unwrap();
    let mut answers = 0;
    // A connection may send 16 KiB.
    while answers < 1000 && soon("an answer", is_answered(&mut client)).await {
        answers += 1;
    }
    assert_eq!(answers, 16 * 1024 / REQUEST.len());
    tree.shutdown().await;
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_changes_nothing() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    for hello in
        [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET /livez HTTP/9.9\r\n\r\n"]
    {
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        client.write_all(hello).await.unwrap();
        let mut answer = Vec::new();
        // An error says the same: the connection is over.
        let _ = soon("the end of the connection", client.read_to_end(&mut answer)).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(statuses(server.address()).await, [200, 200, 200]);
    tree.shutdown().await;
}
