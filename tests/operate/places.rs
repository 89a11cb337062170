//! How the program is found.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::data;
use crate::fake::Fake;
use crate::program::{command, ran, regrow};

/// A socket that a program left behind.
fn stale(folder: &Path, name: &str) {
    drop(UnixListener::bind(folder.join("regrow").join(name)).expect("a socket"));
}

/// A socket that a program listens on, but does not answer.
fn live(folder: &Path, name: &str) -> UnixListener {
    UnixListener::bind(folder.join("regrow").join(name)).expect("a socket")
}

#[test]
fn the_only_live_program_is_found_among_stale_sockets_and_other_files() {
    let fake = Fake::bank();
    stale(fake.folder(), "bank.4710.sock");
    fs::write(fake.folder().join("regrow/notes.1.sock"), "no socket").expect("a file");
    fs::write(fake.folder().join("regrow/readme"), "no socket").expect("a file");
    assert_eq!(regrow(fake.folder(), &["why", "x"]).code, 0);
}

#[test]
fn a_program_is_named_by_its_name_or_its_pid_or_its_socket() {
    let fake = Fake::bank();
    let _other = live(fake.folder(), "shop.77.sock");
    let socket = fake.socket().display().to_string();
    for target in [["--of", "bank"], ["--of", "4711"], ["--socket", &socket]] {
        assert_eq!(regrow(fake.folder(), &[&["why", "x"], &target[..]].concat()).code, 0, "{target:?}");
    }
    let output = command(fake.folder(), &["why", "x"]).env("REGROW_OF", "bank").output().expect("it runs");
    assert_eq!(ran(&output).code, 0);
    // The commands that are offered name it, too.
    let ran = regrow(fake.folder(), &["why", "x", "--of", "4711"]);
    assert!(ran.out.contains("regrow revive --of 4711 --reason 'by hand' bank/tellers/ledger"), "{}", ran.out);
}

#[test]
fn several_programs_are_listed_with_what_to_type() {
    let fake = Fake::bank();
    let _other = live(fake.folder(), "bank.my.77.sock");
    stale(fake.folder(), "bank.1.sock");
    let ran = regrow(fake.folder(), &["ps"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("--of 4711  (bank, ") && ran.err.contains("--of 77  (bank.my, "), "{}", ran.err);
    assert!(!ran.err.contains("bank.1.sock"), "a stale one is no choice: {}", ran.err);
}

#[test]
fn two_programs_of_one_name_are_told_apart_by_pid() {
    let fake = Fake::bank();
    let _twin = live(fake.folder(), "bank.77.sock");
    let ran = regrow(fake.folder(), &["ps", "--of", "bank"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("name one by its pid") && ran.err.contains("--of 77"), "{}", ran.err);
}

#[test]
fn a_stale_socket_is_said_to_be_stale() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("regrow")).expect("a folder");
    stale(folder.path(), "bank.4711.sock");
    let socket = folder.path().join("regrow/bank.4711.sock").display().to_string();
    let ran = regrow(folder.path(), &["ps"]);
    assert_eq!(ran.code, 3);
    assert!(
        ran.err.contains(&format!("{socket} is stale")) && ran.err.contains(&format!("rm {socket}")),
        "{}",
        ran.err
    );
    let ran = regrow(folder.path(), &["ps", "--socket", &socket]);
    assert!(ran.code == 3 && ran.err.contains("is stale"), "{}", ran.err);
}

#[test]
fn a_program_that_is_not_there_is_named_beside_those_that_are() {
    let fake = Fake::bank();
    let ran = regrow(fake.folder(), &["ps", "--of", "bnak\u{1b}[2J"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("no running program `bnak\\u{1b}[2J`") && ran.err.contains("--of 4711"), "{}", ran.err);
}

#[test]
fn a_folder_that_is_a_link_is_left_out() {
    let (fake, trap) = (Fake::bank(), tempfile::tempdir().expect("a folder"));
    symlink(fake.folder().join("regrow"), trap.path().join("regrow")).expect("a link");
    let ran = regrow(trap.path(), &["ps"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("is left out: it is no folder of this user"), "{}", ran.err);
}

/// Found by an operator at night: the service had a user of its own, and `sudo regrow ps` said that nothing runs.
#[test]
fn root_finds_the_programs_of_other_users_if_it_has_none_of_its_own() {
    use std::os::unix::fs::{MetadataExt, chown};

    let folder = tempfile::tempdir().expect("a folder");
    let (theirs, forged) = (folder.path().join("regrow-12345"), folder.path().join("regrow-23456"));
    for made in [&theirs, &forged] {
        fs::create_dir(made).expect("a folder");
    }
    let _shop = UnixListener::bind(theirs.join("shop.77.sock")).expect("a socket");
    let _bank = UnixListener::bind(forged.join("bank.78.sock")).expect("a socket");
    if fs::metadata("/proc/self").map_or(1, |found| found.uid()) != 0 {
        eprintln!("left out: it needs root");
        return;
    }
    for made in [&theirs, &forged] {
        chown(made, Some(12345), None).expect("root may");
    }
    let ran = regrow(folder.path(), &["ps", "--of", "shopp"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("--of 77  (shop, ") && ran.err.contains(", of uid 12345)"), "{}", ran.err);
    assert!(!ran.err.contains("bank"), "a folder has to belong to the user in its name: {}", ran.err);
    // Its own come first, so no other user can stand in for one of them.
    let fake = Fake::bank();
    let other = fake.folder().join("regrow-12345");
    fs::create_dir(&other).expect("a folder");
    let _second = UnixListener::bind(other.join("bank.79.sock")).expect("a socket");
    chown(&other, Some(12345), None).expect("root may");
    assert_eq!(regrow(fake.folder(), &["why", "x", "--of", "bank"]).code, 0);
}

#[test]
fn over_tcp_the_token_of_the_file_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    fs::write(&token, "secret-secret-secret-secret-secret-secret-secret\n").expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the command connects");
        let lines = BufReader::new(stream.try_clone().expect("the same")).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let content = serde_json::to_string(&regrow::admin::wire::envelope::Envelope::ok(data::full())).expect("data");
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{content}", content.len()).expect("it reads");
        head
    });
    let token = token.display().to_string();
    let ran = regrow(folder.path(), &["why", "x", "--tcp", &address, "--token-file", &token]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let head = served.join().expect("it was asked");
    assert!(
        head.contains(&"authorization: Bearer secret-secret-secret-secret-secret-secret-secret".to_owned()),
        "{head:?}"
    );
    assert!(head.contains(&format!("host: {address}")), "{head:?}");
    assert!(!ran.out.contains("secret-secret"), "only the file is named");
}
