//! The rules for who may connect and who may act: one test for each row of the table.
//!
//! | rule | test |
//! |---|---|
//! | a socket of mode 0600 in a directory of mode 0700 | `the_socket_has_mode_0600_in_a_directory_of_mode_0700` |
//! | a directory that is ours, no link, and stays in its place | `a_directory_that_is_open_a_link_or_of_another_is_refused_with_the_reason`, `a_directory_that_others_can_replace_is_refused` |
//! | own uid and root, others by list | `a_process_of_another_user_is_turned_away_unless_it_is_on_the_list` |
//! | TCP: loopback unless said otherwise | `tcp::other_machines_reach_it_only_if_the_program_says_so` |
//! | TCP: a token of 32 random bytes or more, or no listener | `a_token_that_can_be_guessed_is_refused` beside `Token`, `tcp::a_token_file_that_others_can_read_is_refused` |
//! | TCP: no answer without the token | `tcp::a_token_that_is_missing_or_wrong_gets_one_and_the_same_answer`, `hostile::a_request_within_the_content_of_another_has_no_part_in_its_token`, `hostile::a_client_without_the_token_keeps_no_connection` |
//! | TCP: host and origin | `tcp::a_forged_host_or_origin_is_refused_even_with_the_token` |
//! | no CORS | `hostile::a_web_page_gets_no_leave_from_a_preflight_request` |
//! | no change by GET; a header that a form cannot send | `an_act_needs_a_header_that_a_form_cannot_send_and_json` |
//! | a router behind the program's own authentication | `a_router_in_a_program_of_its_own_names_the_operator_that_the_program_knows` |
//! | capabilities are granted in code | `clients_may_only_look_unless_the_program_grants_more` |
//! | acts carry a reason | `hostile::a_reason_is_taken_whole_or_refused` |
//! | acts may carry the generation that they mean | `acts::a_generation_that_was_replaced_refuses_the_act_and_the_refusal_is_noted`, `hostile::of_operators_who_mean_the_same_incarnation_one_ends_it` |
//! | each act is an event, a log line and an entry, with its operator | `each_act_is_an_event_a_log_line_and_an_entry_with_its_operator`, `hostile::an_act_whose_client_goes_away_is_carried_out_and_noted` |
//! | contents only by a hook of the service | `letters::letters_are_listed_without_contents_and_described_by_their_service_alone` |
//! | control characters never reach a terminal | `hostile::no_text_of_a_program_reaches_the_terminal_raw` of the tests of the commands |
//! | acts that disturb ask once | `acts::an_act_that_disturbs_asks_once_and_means_what_it_showed` of the tests of the commands |

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use regrow::admin::wire::envelope::IssueCode;
use regrow::admin::wire::greeting::Greeting;
use regrow::admin::{Admin, Capability, ListenError};
use regrow::testing::Journal;
use regrow::{EventKind, Supervisor, Tree};
use serde_json::json;

use crate::client::{ask, private_dir, serve};
use crate::common::log::Log;
use crate::common::tree::soon;

async fn shop() -> Tree {
    Supervisor::one_for_one("shop").child(Journal::new().probe("db")).start().await.unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

async fn refused(path: PathBuf) -> ListenError {
    Admin::new("shop").listen_unix_at(path).await.unwrap_err()
}

#[tokio::test]
async fn the_socket_has_mode_0600_in_a_directory_of_mode_0700() {
    let above = private_dir();
    let place = above.path().join("new/s");
    let listening = Admin::new("shop").listen_unix_at(&place).await.unwrap();
    assert_eq!(fs::metadata(above.path().join("new")).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o600);
    drop(listening);
    assert!(!place.exists());
}

#[tokio::test]
async fn the_default_place_has_the_name_of_the_program_and_the_number_of_its_process() {
    let listening = Admin::new("the tests").listen_unix().await.unwrap();
    let path = listening.path().unwrap();
    let name = format!("the_tests.{}.sock", std::process::id());
    assert_eq!(path.file_name().unwrap().to_str(), Some(&*name));
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_directory_that_is_open_a_link_or_of_another_is_refused_with_the_reason() {
    let above = private_dir();
    let open = above.path().join("open");
    fs::create_dir(&open).unwrap();
    set_mode(&open, 0o755);
    let error = refused(open.join("s")).await;
    assert!(matches!(error, ListenError::UnsafeDirectory { .. }) && error.to_string().contains("mode 0755"), "{error}");

    let real = above.path().join("real");
    fs::create_dir(&real).unwrap();
    set_mode(&real, 0o700);
    symlink(&real, above.path().join("link")).unwrap();
    let error = refused(above.path().join("link/s")).await;
    assert!(error.to_string().contains("symbolic link"), "{error}");

    fs::write(above.path().join("file"), "").unwrap();
    assert!(matches!(refused(above.path().join("file/s")).await, ListenError::UnsafeDirectory { .. }));

    if rustix_uid() == 0 {
        let theirs = above.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        set_mode(&theirs, 0o700);
        std::os::unix::fs::chown(&theirs, Some(12345), None).unwrap();
        let error = refused(theirs.join("s")).await;
        assert!(error.to_string().contains("belongs to uid 12345"), "{error}");
    }
}

/// Found by reading: a directory that is in order itself can be replaced by the owner of the one above it.
#[tokio::test]
async fn a_directory_that_others_can_replace_is_refused() {
    let above = private_dir();
    let (open, inner) = (above.path().join("open"), above.path().join("open/inner"));
    fs::create_dir_all(&inner).unwrap();
    set_mode(&inner, 0o700);
    set_mode(&open, 0o777);
    let error = refused(inner.join("s")).await;
    assert!(error.to_string().contains("mode 0777, so others can replace it"), "{error}");
    // As `/tmp`: there, users replace only what is theirs.
    set_mode(&open, 0o1777);
    let _listening = Admin::new("shop").listen_unix_at(inner.join("s")).await.unwrap();
    set_mode(&open, 0o755);
    if rustix_uid() == 0 {
        std::os::unix::fs::chown(&open, Some(12345), None).unwrap();
        let error = refused(inner.join("t")).await;
        assert!(error.to_string().contains("of uid 12345, who can replace it"), "{error}");
    }
}

fn rustix_uid() -> u32 {
    fs::metadata("/proc/self").map_or(1, |found| found.uid())
}

/// Runs as another user, if the tests run as root: a connection of that user is closed with 403.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_another_user_is_turned_away_unless_it_is_on_the_list() {
    if rustix_uid() != 0
        || Command::new("setpriv").arg("--version").output().is_err()
        || !Path::new("/usr/bin/python3").exists()
    {
        eprintln!("left out: it needs root, setpriv and python3");
        return;
    }
    for (allowed, status) in [(None, 403), (Some(12345), 200)] {
        let admin = allowed.into_iter().fold(Admin::new("shop"), Admin::allow_uid);
        let served = serve(&admin).await;
        // The modes would keep the user out before the source does.
        set_mode(served.dir.path(), 0o755);
        set_mode(served.path(), 0o666);
        let path = served.path().to_owned();
        let (head, text) = as_user(12345, path).await;
        assert!(head.contains(&format!(" {status} ")), "{head} {text}");
        if status == 403 {
            assert!(text.contains("uid 12345 may not connect"), "{text}");
        }
    }
}

/// Asks for the greeting as another user.
async fn as_user(uid: u32, socket: PathBuf) -> (String, String) {
    let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  s.sendall(b'GET /v1 HTTP/1.0\\r\\nhost: localhost\\r\\n\\r\\n')\nt = b''\n\
                  while True:\n d = s.recv(65536)\n if not d: break\n t += d\nsys.stdout.buffer.write(t)";
    let output = tokio::task::spawn_blocking(move || {
        Command::new("setpriv")
            .args([
                format!("--reuid={uid}"),
                "--clear-groups".into(),
                "/usr/bin/python3".into(),
                "-c".into(),
                script.into(),
            ])
            .arg(socket)
            .output()
            .unwrap()
    });
    let output = soon("another user", output).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.into(), format!("{body}{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn clients_may_only_look_unless_the_program_grants_more() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree)).await;
    let greeting: Greeting = served.get("/v1").await;
    assert_eq!(greeting.capabilities, [Capability::Read]);
    let answer = served.act(json!({"act": "kill", "path": "shop/db", "reason": "test"})).await;
    let (code, text) = answer.refusal();
    assert_eq!((answer.status, code), (403, IssueCode::MissingCapability));
    assert!(text.contains("`control`") && text.contains("Capability::Control"), "{text}");
    let headers = [("x-regrow-act", "1"), ("content-type", "application/json")];
    let order = json!({"tree": "shop", "file": "", "reason": "test"}).to_string();
    let answer = served.ask("POST", "/v1/experiments", &headers, &order).await;
    assert!(answer.refusal().1.contains("`chaos`"), "{answer:?}");
    // Refused tries are noted, and cannot push the rest out of the record.
    for _ in 0..50 {
        served.act(json!({"act": "kill", "path": "shop/db", "reason": "again"})).await;
    }
    let noted = tree.history().entries.iter().filter(|entry| entry.kind.word() == "acted").count();
    assert_eq!(noted, 20);
    assert_eq!(tree.directory().status("shop/db").unwrap().generation, 1);
}

#[tokio::test]
async fn an_act_needs_a_header_that_a_form_cannot_send_and_json() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let order = json!({"act": "kill", "path": "shop/db", "reason": "test"}).to_string();
    let json_only = [("content-type", "application/json")];
    let form = [("x-regrow-act", "1"), ("content-type", "text/plain")];
    for (headers, status) in [(&json_only[..], 403), (&form[..], 415), (&[("x-regrow-act", "1")][..], 415)] {
        assert_eq!(served.ask("POST", "/v1/acts", headers, &order).await.status, status);
    }
    let headers = [("x-regrow-act", "1"), ("content-type", "application/json")];
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(served.ask(method, "/v1/acts", &headers, &order).await.status, 405);
    }
    let empty = json!({"act": "kill", "path": "shop/db", "reason": "  "}).to_string();
    let answer = served.ask("POST", "/v1/acts", &headers, &empty).await;
    assert!(answer.refusal().1.contains("needs a reason"), "{answer:?}");
    assert_eq!(tree.directory().status("shop/db").unwrap().generation, 1);
}

#[tokio::test]
async fn each_act_is_an_event_a_log_line_and_an_entry_with_its_operator() {
    let tree = shop().await;
    let served = serve(&Admin::new("shop").tree(&tree).grant(Capability::Control)).await;
    let mut events = tree.events();
    let (log, _listening) = Log::listen();
    let answer = served.act(json!({"act": "kill", "path": "shop/db", "reason": "an \u{1b}[31mold\n one"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let acted = async {
        loop {
            if let EventKind::Acted { act } = events.next().await.unwrap().unwrap().kind {
                return act;
            }
        }
    };
    let act = soon("the act", acted).await;
    let by = format!("uid {}", rustix_uid());
    assert_eq!((&*act.by, &*act.reason), (&*by, "an \u{1b}[31mold\n one"));
    let history = tree.history();
    assert_eq!(history.of("shop/db").filter(|entry| entry.kind.word() == "acted").count(), 1);
    let lines = log.take();
    let line = lines.iter().find(|line| line.contains("an operator acted")).unwrap_or_else(|| panic!("{lines:?}"));
    assert!(line.contains(&by) && !line.contains('\u{1b}'), "{line}");
}

#[tokio::test]
async fn a_router_in_a_program_of_its_own_names_the_operator_that_the_program_knows() {
    use axum::extract::Request;
    use axum::middleware::{Next, from_fn};
    use regrow::admin::Operator;

    let tree = shop().await;
    let admin = Admin::new("shop").tree(&tree).grant(Capability::Control);
    let who = from_fn(async |mut request: Request, next: Next| {
        request.extensions_mut().insert(Operator::new("alice"));
        next.run(request).await
    });
    let app = axum::Router::new().nest("/admin", admin.router().layer(who));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let order = json!({"act": "kill", "path": "shop/db", "reason": "test"}).to_string();
    let headers = [("x-regrow-act", "1"), ("content-type", "application/json")];
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let answer = ask(stream, "POST", "/admin/v1/acts", &headers, &order).await;
    assert!(answer.status == 200 && answer.body.contains(r#""by":"alice""#), "{answer:?}");
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    assert_eq!(
        ask(stream, "POST", "/admin/v1/acts", &[("content-type", "application/json")], &order).await.status,
        403
    );
    server.abort();
}
