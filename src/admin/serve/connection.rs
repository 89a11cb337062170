//! Limits of a connection: the size of what a client sends, and the time that it takes.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::admin::answer::Refused;
use crate::admin::serve::patient::Patient;

/// Time for which a client may take to send the head of a request, from the begin of the connection or the end of the
/// request before. A connection on which nothing is asked for longer is closed.
pub(crate) const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// Size of the head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Number of headers of a request.
const HEADERS_MAX: usize = 64;
/// Time that a client which gets no further has, to send its request and to take the refusal.
const REFUSAL_LIMIT: Duration = Duration::from_secs(2);

/// Answers the requests of one connection, until either side ends it.
pub(crate) async fn serve<S>(stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let connection = builder.serve_connection(TokioIo::new(Patient::new(stream)), TowerToHyperService::new(router));
    // A client that goes away in the middle is no news.
    let _ = connection.await;
}

/// Refuses a connection, whatever it asks.
pub(crate) async fn refuse<S>(stream: S, refused: Refused)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _ = timeout(REFUSAL_LIMIT, say(stream, refused)).await;
}

async fn say<S>(mut stream: S, refused: Refused) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // A socket that is closed with unread content is reset, and the client would lose the answer.
    let mut head = Vec::new();
    while head.len() < HEAD_BYTES_MAX && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let (status, body) = refused.as_json();
    let answer = head_of(status, body.len());
    stream.write_all(answer.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}

fn head_of(status: StatusCode, length: usize) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n"
    )
}
