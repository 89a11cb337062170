//! The rules for requests over TCP. What is not allowed is refused: there is no way round them.
//!
//! A foreign web page can make a browser on this machine send requests here, under a name of its own that leads to the
//! loopback address. The host and the origin give it away, and it does not know the token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::admin::answer::Refused;
use crate::admin::token::Token;
use crate::admin::wire::envelope::IssueCode;

/// The rules of one listener.
pub(crate) struct TcpRules {
    token: Token,
    port: u16,
    /// Names without a port, in lower case.
    names: Vec<String>,
    /// Names with a port, in lower case.
    full: Vec<String>,
}

/// Lets a request pass, or answers it.
pub(crate) async fn enforce(State(rules): State<Arc<TcpRules>>, request: Request, next: Next) -> Response {
    match rules.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refused) => {
            let mut response = refused.into_response();
            // A client that is not known keeps no connection, of which there are few.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            if response.status() == axum::http::StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

impl TcpRules {
    pub(crate) fn new(token: Token, address: SocketAddr, hosts: &[String]) -> Self {
        let mut names = vec!["localhost".into(), "127.0.0.1".into(), "[::1]".into()];
        if !address.ip().is_unspecified() {
            names.push(match address.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        let (full, more): (Vec<_>, Vec<_>) =
            hosts.iter().map(|host| host.to_ascii_lowercase()).partition(|host| split(host).1.is_some());
        names.extend(more);
        Self { token, port: address.port(), names, full }
    }

    fn check(&self, request: &Request) -> Result<(), Refused> {
        let host = only(request, &HOST)?.ok_or_else(|| forbidden("the request has no `Host` header", "host"))?;
        if !self.allows(host) {
            let text =
                "the host of the request is not allowed: the program allows names with `Admin::allow_host`, in code";
            return Err(forbidden(text, "host"));
        }
        // A request for a proxy names the host once more.
        if request.uri().authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(host)) {
            return Err(forbidden("the request names two hosts", "host"));
        }
        if let Some(origin) = only(request, &ORIGIN)? {
            let own = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
            if !own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
                return Err(forbidden("the origin of the request is another page", "origin"));
            }
        }
        // Which part is wrong is not said: no token, another scheme and a wrong token are one answer.
        let sent = only(request, &AUTHORIZATION).ok().flatten().and_then(|sent| {
            let (scheme, token) = sent.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token)
        });
        if self.token.is(sent.unwrap_or_default().as_bytes()) {
            return Ok(());
        }
        Err(Refused::new(
            IssueCode::NotAuthenticated,
            "the request needs the header `Authorization: Bearer TOKEN` with the right token",
        ))
    }

    fn allows(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let (name, port) = split(&host);
        // As a text: a number may be written with a plus or zeros before it, and no browser does that.
        let is_ours = port.is_none_or(|port| port == self.port.to_string());
        self.full.contains(&host) || is_ours && self.names.iter().any(|known| known == name)
    }
}

/// The name and the port of a host.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        Some(_) | None => (host, None),
    }
}

/// The value of a header that may be there once.
fn only<'r>(request: &'r Request, name: &HeaderName) -> Result<Option<&'r str>, Refused> {
    let mut values = request.headers().get_all(name).iter();
    let value = values.next().map(HeaderValue::to_str).transpose();
    match (value, values.next()) {
        (Ok(value), None) => Ok(value),
        (Ok(_) | Err(_), _) => {
            Err(forbidden(format!("the header `{name}` is there twice, or is no text"), name.as_str()))
        }
    }
}

fn forbidden(text: impl Into<String>, about: &str) -> Refused {
    Refused::new(IssueCode::ForbiddenOrigin, text).about(about)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_and_those_that_were_added_are_allowed() {
        let token = Token::new("0123456789abcdef0123456789abcdef0123456789abcdef").unwrap();
        let rules = TcpRules::new(
            token,
            "127.0.0.1:9000".parse().unwrap(),
            &["Admin.example".into(), "proxy.example:443".into()],
        );
        for good in [
            "localhost",
            "LocalHost:9000",
            "127.0.0.1:9000",
            "[::1]:9000",
            "[::1]",
            "admin.example",
            "admin.example:9000",
            "proxy.example:443",
        ] {
            assert!(rules.allows(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:9000",
            "localhost:80",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "proxy.example",
            "proxy.example:9000",
            "[::2]",
            "localhost:9000:9000",
            "localhost:",
            "localhost:+9000",
            "localhost:09000",
        ] {
            assert!(!rules.allows(bad), "{bad}");
        }
    }
}
