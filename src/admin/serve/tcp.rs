//! The listener on TCP: every request passes the rules.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use tokio::net::{TcpListener, TcpStream};

use crate::admin::answer::Refused;
use crate::admin::door::{Door, Operator};
use crate::admin::routes;
use crate::admin::serve::error::ListenError;
use crate::admin::serve::listening::{Accept, Listening, Place};
use crate::admin::serve::tcp_rules::{TcpRules, enforce};
use crate::admin::token::Token;

pub(crate) async fn listen(
    door: Arc<Door>,
    address: SocketAddr,
    token: Token,
    is_remote: bool,
    hosts: Vec<String>,
) -> Result<Listening, ListenError> {
    if !address.ip().is_loopback() && !is_remote {
        return Err(ListenError::NotLoopback { address });
    }
    let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::AddressInUse { address },
        _ => ListenError::system(format!("cannot listen on `{address}`"), &error),
    })?;
    let address = listener.local_addr().map_err(|error| ListenError::system("cannot tell the address", &error))?;
    let router = router(door, address, token, &hosts);
    Ok(Listening::begin(Place::Tcp(address), Tcp { listener, router }))
}

/// Returns the routes of a listener at this address. The rules are outermost: nothing else looks at a request that they
/// refuse.
pub(crate) fn router(door: Arc<Door>, address: SocketAddr, token: Token, hosts: &[String]) -> Router {
    let operator = Operator::new(token.operator());
    let rules = Arc::new(TcpRules::new(token, address, hosts));
    routes::router(door).layer(Extension(operator)).layer(from_fn_with_state(rules, enforce))
}

struct Tcp {
    listener: TcpListener,
    router: Router,
}

impl Accept for Tcp {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<TcpStream> {
        let (stream, _) = self.listener.accept().await?;
        // Events are small and must not wait for more.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn admit(&self, _: &TcpStream) -> Result<Router, Refused> {
        Ok(self.router.clone())
    }
}
