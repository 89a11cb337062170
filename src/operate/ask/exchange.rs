//! Exchange over HTTP: a connection of its own, a request, the whole answer or a stream.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::admin::wire::SCHEMA;
use crate::operate::code::Code;
use crate::operate::find::Place;
use crate::operate::text::safe;
use crate::operate::trouble::Trouble;

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 256 * 1024 * 1024;

/// Request to the source.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Path and parameters.
    pub(crate) address: String,
    /// JSON, for a request that changes something.
    pub(crate) content: Option<String>,
    /// Position of the last event that was seen.
    pub(crate) last_event: Option<String>,
}

impl Ask {
    /// A request that only looks.
    pub(crate) fn look(address: impl Into<String>) -> Self {
        Self { method: Method::GET, address: address.into(), content: None, last_event: None }
    }

    /// A request that changes something.
    pub(crate) fn change(method: Method, address: impl Into<String>, content: Option<String>) -> Self {
        Self { method, address: address.into(), content, last_event: None }
    }
}

/// Stream of an answer. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Streaming {
    pub(crate) status: StatusCode,
    pub(crate) body: Incoming,
    connection: JoinHandle<()>,
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Sends the request and returns the status and the whole content of the answer.
pub(crate) async fn exchange(place: &Place, ask: &Ask, patience: Duration) -> Result<(StatusCode, Bytes), Trouble> {
    let whole = async {
        let mut streaming = begin(place, ask).await?;
        let content = Limited::new(&mut streaming.body, ANSWER_MAX).collect().await;
        let content = content.map_err(|error| Trouble::lost(format!("the connection was lost: {error}")))?;
        Ok((streaming.status, content.to_bytes()))
    };
    timeout(patience, whole).await.unwrap_or_else(|_| Err(silent(patience)))
}

/// Sends the request and returns the answer as a stream.
pub(crate) async fn stream(place: &Place, ask: &Ask, patience: Duration) -> Result<Streaming, Trouble> {
    timeout(patience, begin(place, ask)).await.unwrap_or_else(|_| Err(silent(patience)))
}

async fn begin(place: &Place, ask: &Ask) -> Result<Streaming, Trouble> {
    let io = connect(place).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(|error| lost(&error))?;
    let connection = tokio::spawn(async move {
        // Its error is also that of the request or of the stream.
        let _ = connection.await;
    });
    let answer = sender.send_request(request(place, ask)?).await;
    let (head, body) = answer.map(Response::into_parts).map_err(|error| lost(&error))?;
    Ok(Streaming { status: head.status, body, connection })
}

fn request(place: &Place, ask: &Ask) -> Result<Request<Full<Bytes>>, Trouble> {
    let mut request = Request::builder().method(&ask.method).uri(&ask.address).header("x-regrow-schema", SCHEMA);
    match place {
        Place::Socket(_) => request = request.header(header::HOST, "localhost"),
        Place::Tcp(address, token) => {
            request = request.header(header::HOST, address.to_string());
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
    }
    if ask.method != Method::GET {
        // A form of a web page cannot send it.
        request = request.header("x-regrow-act", "1").header(header::CONTENT_TYPE, "application/json");
    }
    if let Some(position) = &ask.last_event {
        request = request.header("last-event-id", position);
    }
    let content = ask.content.clone().unwrap_or_default();
    request.body(Full::from(content)).map_err(|error| Trouble::usage(format!("the request cannot be sent: {error}")))
}

async fn connect(place: &Place) -> Result<Box<dyn Io>, Trouble> {
    match place {
        Place::Socket(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                let is_socket = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket());
                let path = safe(&path.display().to_string()).into_owned();
                let text = match error.kind() {
                    io::ErrorKind::ConnectionRefused if !is_socket => format!("{path} is no socket"),
                    io::ErrorKind::ConnectionRefused => format!("{path} is stale: the program that made it is gone"),
                    io::ErrorKind::NotFound => format!("there is no socket {path}"),
                    io::ErrorKind::PermissionDenied => format!("{path} belongs to another user: use `sudo`"),
                    _ => format!("{path} cannot be connected to: {error}"),
                };
                Err(Trouble::new(Code::NoProgram, text))
            }
        },
        Place::Tcp(address, _) => match TcpStream::connect(address).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(Trouble::new(Code::NoProgram, format!("{address} cannot be connected to: {error}"))),
        },
    }
}

fn lost(error: &hyper::Error) -> Trouble {
    Trouble::lost(format!("the connection was lost: {error}"))
}

fn silent(patience: Duration) -> Trouble {
    let patience = humantime::format_duration(patience);
    Trouble::lost(format!(
        "no answer within {patience}: the program may be stopped, or its runtime blocked; `--timeout` waits longer"
    ))
}
