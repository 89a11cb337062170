//! TCP: a token, the loopback interface, hosts and origins.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use regrow::admin::wire::envelope::IssueCode;
use regrow::admin::{Admin, Capability, ListenError, Token, TokenError};
use regrow::testing::Journal;
use regrow::{Supervisor, Tree};
use serde_json::json;
use tempfile::TempDir;

use crate::client::ask_tcp;

const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const RIGHT: (&str, &str) =
    ("authorization", "Bearer 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");

async fn shop() -> Tree {
    Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await.unwrap()
}

fn token() -> Token {
    Token::new(TOKEN).unwrap().label("ops")
}

#[tokio::test]
async fn other_machines_reach_it_only_if_the_program_says_so() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = Admin::new("shop").listen_tcp(everywhere, token()).await.unwrap_err();
    assert!(matches!(error, ListenError::NotLoopback { .. }), "{error}");
    let _anywhere = Admin::new("shop").allow_remote().listen_tcp(everywhere, token()).await.unwrap();
    let taken = Admin::new("shop").listen_tcp("127.0.0.1:0".parse().unwrap(), token()).await.unwrap();
    let address = taken.address().unwrap();
    let error = Admin::new("shop").listen_tcp(address, token()).await.unwrap_err();
    assert_eq!(error, ListenError::AddressInUse { address });
}

#[tokio::test]
async fn a_token_that_is_missing_or_wrong_gets_one_and_the_same_answer() {
    let tree = shop().await;
    let admin = Admin::new("shop").tree(&tree).grant(Capability::Control);
    let listening = admin.listen_tcp("127.0.0.1:0".parse().unwrap(), token()).await.unwrap();
    let wrong = format!("Bearer {}", TOKEN.replace('f', "e"));
    let short = format!("Bearer {}", &TOKEN[1..]);
    let basic = format!("Basic {TOKEN}");
    let mut answers = Vec::new();
    for headers in [
        vec![],
        vec![("authorization", &*wrong)],
        vec![("authorization", &*short)],
        vec![("authorization", &*basic)],
        vec![("authorization", "Bearer")],
        vec![RIGHT, RIGHT],
    ] {
        let answer = ask_tcp(&listening, "GET", "/v1", &headers, "").await;
        assert_eq!((answer.status, answer.refusal().0), (401, IssueCode::NotAuthenticated), "{headers:?}");
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(ask_tcp(&listening, "GET", "/v1", &[RIGHT], "").await.status, 200);
    // Nothing is told without it, not even what there is.
    assert_eq!(ask_tcp(&listening, "GET", "/nothing", &[], "").await.status, 401);
}

#[tokio::test]
async fn a_forged_host_or_origin_is_refused_even_with_the_token() {
    let tree = shop().await;
    let admin = Admin::new("shop").tree(&tree).allow_host("admin.example");
    let listening = admin.listen_tcp("127.0.0.1:0".parse().unwrap(), token()).await.unwrap();
    let own = format!("127.0.0.1:{}", listening.address().unwrap().port());
    let page = format!("http://{own}");
    for (headers, status) in [
        (vec![("host", "evil.example")], 403),
        (vec![("host", "127.0.0.1:1")], 403),
        (vec![("host", "")], 403),
        (vec![("host", &*own), ("host", "evil.example")], 403),
        (vec![("host", &*own), ("origin", "http://evil.example")], 403),
        (vec![("host", &*own), ("origin", "null")], 403),
        (vec![("host", &*own), ("origin", &*page)], 200),
        (vec![("host", "admin.example")], 200),
    ] {
        let all: Vec<_> = headers.iter().copied().chain([RIGHT]).collect();
        let answer = ask_tcp(&listening, "GET", "/v1", &all, "").await;
        assert_eq!(answer.status, status, "{headers:?} {}", answer.body);
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
        if status == 403 {
            assert_eq!(answer.refusal().0, IssueCode::ForbiddenOrigin);
        }
    }
    let preflight =
        ask_tcp(&listening, "OPTIONS", "/v1/acts", &[("host", &own), ("origin", "http://evil.example")], "").await;
    assert_eq!(preflight.status, 403);
}

#[tokio::test]
async fn an_act_is_by_the_label_of_the_token() {
    let tree = shop().await;
    let admin = Admin::new("shop").tree(&tree).grant(Capability::Control);
    let listening = admin.listen_tcp("127.0.0.1:0".parse().unwrap(), token()).await.unwrap();
    let order = json!({"act": "kill", "path": "shop/db", "reason": "test"}).to_string();
    let headers = [RIGHT, ("x-regrow-act", "1"), ("content-type", "application/json")];
    let answer = ask_tcp(&listening, "POST", "/v1/acts", &headers, &order).await;
    assert!(answer.status == 200 && answer.body.contains(r#""by":"token ops""#), "{answer:?}");
}

#[test]
fn a_token_file_that_others_can_read_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("token");
    fs::write(&path, format!("{TOKEN}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = Token::from_file(&path).unwrap_err();
    assert!(
        matches!(error, TokenError::Open { mode: 0o640, .. }) && error.to_string().contains("chmod 600"),
        "{error}"
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Token::from_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    assert_eq!(Token::from_file(&path).unwrap_err(), TokenError::TooShort { characters: 0 });
    assert!(matches!(Token::from_file(dir.path()).unwrap_err(), TokenError::NotAFile { .. }));
    // Found by reading: a pipe without a writer kept the program waiting.
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(matches!(Token::from_file(&pipe).unwrap_err(), TokenError::NotAFile { .. }));
    assert!(matches!(Token::from_file(dir.path().join("no")).unwrap_err(), TokenError::Unreadable { .. }));
    assert!(matches!(Token::from_variable("REGROW_NO_SUCH_VARIABLE").unwrap_err(), TokenError::NotSet { .. }));
}
