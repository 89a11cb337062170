//! The address of the probes: taken, freed, and of no use to a runtime without its parts.

use regrow::Health;
use regrow::health::serve_health;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::tree::soon;
use crate::http::{serve, shop, statuses};

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let tree = shop(Health::Required).await;
    let first = serve([&tree]);
    let error = serve_health(first.address(), [tree.health_source()]).unwrap_err();
    let text = format!(
        "cannot serve health on {}: another socket has this address: choose another one, or end the program that has it",
        first.address()
    );
    assert_eq!((error.to_string(), error.address), (text, first.address()));
    let foreign = "192.0.2.1:0".parse().unwrap();
    let error = serve_health(foreign, [tree.health_source()]).unwrap_err();
    assert_eq!(error.to_string(), "cannot serve health on 192.0.2.1:0: this machine does not have that address");
    // The first one goes on.
    assert_eq!(statuses(first.address()).await, [200, 200, 200]);
    tree.shutdown().await;
}

#[tokio::test]
async fn a_dropped_server_frees_its_address_and_closes_its_connections() {
    let tree = shop(Health::Required).await;
    let server = serve([&tree]);
    let address = server.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut begun = [0; 8];
    soon("an answer", idle.read_exact(&mut begun)).await.unwrap();
    drop(server);
    let mut rest = Vec::new();
    // An error says the same: the connection is over.
    let _ = soon("the end of the connection", idle.read_to_end(&mut rest)).await;
    let freed = async {
        loop {
            match serve_health(address, [tree.health_source()]) {
                Ok(server) => return server,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let again = soon("the address", freed).await;
    assert_eq!(statuses(again.address()).await, [200, 200, 200]);
    tree.shutdown().await;
}

#[test]
fn a_runtime_without_its_parts_is_refused_with_the_reason() {
    let address = "127.0.0.1:0".parse().unwrap();
    let reason = "it needs a tokio runtime around it, with the I/O and the time driver: build one with `enable_all`";
    let refused = || serve_health(address, []).unwrap_err().to_string();
    assert!(refused().ends_with(reason), "{}", refused());
    for runtime in [
        tokio::runtime::Builder::new_current_thread().build().unwrap(),
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap(),
    ] {
        let _in_it = runtime.enter();
        assert!(refused().ends_with(reason), "{}", refused());
    }
}
