//! Connections of the health server: bounded in number, time and bytes, so that no slow client keeps a probe out.
//!
//! Invariants:
//! 1. No more than [`CONNECTIONS_MAX`] connections are open. The oldest is closed for a new one.
//! 2. A connection ends after [`CONNECTION_LIFE`], or [`BYTES_MAX`] received bytes.
//! 3. When the listener is dropped, its connections end.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::log::{line, one_line};

/// Number of connections that are open at a time. A probe needs one, for a few milliseconds.
const CONNECTIONS_MAX: usize = 256;

/// Longest life of a connection: more than a probe waits for its answer.
const CONNECTION_LIFE: Duration = Duration::from_secs(10);

/// Number of bytes that are received from a connection, apart from the last buffer. The request of a probe has about 200.
const BYTES_MAX: usize = 16 * 1024;

/// Pause after a connection that could not be accepted: the process has no file descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Listener that keeps the number of open connections bounded.
pub(super) struct Connections {
    listener: TcpListener,
    /// The open connections, the oldest first. Some may have ended.
    open: VecDeque<oneshot::Sender<()>>,
}

impl Connections {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, open: VecDeque::new() }
    }

    fn admit(&mut self, stream: TcpStream) -> Connection {
        if self.open.len() >= CONNECTIONS_MAX {
            self.open.retain(|connection| !connection.is_closed());
        }
        if self.open.len() >= CONNECTIONS_MAX {
            // Invariant 1. The dropped sender closes the connection.
            drop(self.open.pop_front());
        }
        let (keep, closed) = oneshot::channel();
        self.open.push_back(keep);
        Connection { stream, closed, over: Box::pin(tokio::time::sleep(CONNECTION_LIFE)), bytes_left: BYTES_MAX }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // A new connection is served before the next one is accepted. Otherwise a crowd could close it unserved.
        tokio::task::yield_now().await;
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (self.admit(stream), peer),
                Err(error) if is_of_peer(&error) => {}
                Err(error) => {
                    line!(WARN, { error = %one_line(&error) }, "the health server cannot accept a connection, and tries again");
                    // The oldest connections have the file descriptors that are missing.
                    drop(self.open.pop_front());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whether the error belongs to the one connection that was to be accepted.
fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection of bounded life.
pub(super) struct Connection {
    stream: TcpStream,
    /// Completes when the listener closes this connection, or is dropped.
    closed: oneshot::Receiver<()>,
    over: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl Connection {
    /// Refuses all work once the connection is to end, and wakes the task then.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if Pin::new(&mut self.closed).poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        // Invariant 2.
        match self.over.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        if self.bytes_left == 0 {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let read = buffer.filled().len().saturating_sub(before);
        self.bytes_left = self.bytes_left.saturating_sub(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
