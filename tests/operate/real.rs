//! The program against a real source of a real tree.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regrow::admin::{Admin, Capability, Listening};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{EventKind, GiveUp, Intensity, Policy, Supervisor, Tree};
use serde_json::Value;

use crate::program::{Ran, regrow};

/// A bank with a source, and the folder in which its socket is.
struct Bank {
    tree: Tree,
    folder: Arc<tempfile::TempDir>,
    _listening: Listening,
}

impl Bank {
    async fn open(grant: &[Capability]) -> Self {
        Self::open_with(|admin, _| grant.iter().fold(admin, |admin, grant| admin.grant(*grant))).await
    }

    async fn open_with(options: impl FnOnce(Admin, &Tree) -> Admin) -> Self {
        let journal = Journal::new();
        let fragile = Policy::default()
            .budget(Intensity::new(1, std::time::Duration::from_secs(600)))
            .on_give_up(GiveUp::park(std::time::Duration::from_secs(600)));
        let desk =
            Supervisor::one_for_one("desk").child(journal.probe("clerk").policy(fragile)).child(journal.probe("guard"));
        let root = Supervisor::one_for_one("bank").budget(Intensity::unlimited());
        let tree = root.child(desk).child(journal.probe("clock")).start().await.expect("it starts");
        let folder = tempfile::tempdir().expect("a folder");
        let place: PathBuf = folder.path().join("regrow/bank.4711.sock");
        let admin = options(Admin::new("bank").tree(&tree), &tree);
        let listening = admin.listen_unix_at(place).await.expect("it listens");
        Self { tree, folder: Arc::new(folder), _listening: listening }
    }

    /// Runs `regrow` beside the runtime.
    async fn regrow(&self, arguments: &[&str]) -> Ran {
        let (folder, arguments) = (self.folder.clone(), arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
        let run = move || regrow(folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.expect("it runs")
    }

    /// Kills the child and waits for the event that follows.
    async fn kill(&self, path: &str, until: impl Fn(&EventKind) -> bool) {
        let mut events = self.tree.events();
        self.tree.kill(path).expect("it is up");
        loop {
            let event = events.next().await.expect("the tree is up").expect("few events");
            if &*event.path == path && until(&event.kind) {
                return;
            }
        }
    }

    /// Kills the clerk until its budget parks it.
    async fn park_the_clerk(&self) {
        self.kill("bank/desk/clerk", |kind| matches!(kind, EventKind::Started { .. })).await;
        self.kill("bank/desk/clerk", |kind| matches!(kind, EventKind::Parked { .. })).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_well_is_seen_in_every_view() {
    let bank = Bank::open(&[]).await;
    assert_eq!(bank.regrow(&["ps", "--check"]).await.code, 0);
    assert_eq!(bank.regrow(&["status", "bank/desk/clerk"]).await.code, 0);
    let typo = bank.regrow(&["ps", "--check", "bank/dsek/*"]).await;
    assert_eq!(typo.code, 4, "a filter that matches nothing has checked nothing: {}", typo.out);
    bank.park_the_clerk().await;
    let ps = bank.regrow(&["ps", "--check"]).await;
    assert_eq!((ps.code, ps.err.as_str()), (1, ""));
    let first = ps.out.split_once("\n\n").expect("a headline").1;
    assert!(first.starts_with("bank/desk/clerk  parked"), "{}", ps.out);
    assert!(ps.out.contains("killed") && ps.out.contains("next try in"), "{}", ps.out);
    assert!(ps.out.contains("regrow revive --reason 'by hand' bank/desk/clerk"), "{}", ps.out);
    assert!(ps.out.contains("does not grant `control`"), "{}", ps.out);
    let tree = bank.regrow(&["tree", "--fold", "0"]).await;
    assert!(tree.out.contains("clerk  parked"), "{}", tree.out);
    assert!(bank.regrow(&["tree", "--dot"]).await.out.contains("\"bank/desk\" -> \"bank/desk/clerk\""));
    let status = bank.regrow(&["status", "bank/desk/clerk"]).await;
    assert_eq!(status.code, 1);
    for part in ["parked", "killed", "budget", "last entries", "exited: killed"] {
        assert!(status.out.contains(part), "{part}: {}", status.out);
    }
    let why = bank.regrow(&["why", "bank/desk/clerk"]).await;
    assert!(why.code == 0 && why.out.contains("park"), "{}", why.out);
    let events = bank.regrow(&["events", "--since", "-1h"]).await;
    assert_eq!((events.code, events.err.as_str()), (0, ""));
    assert!(events.out.contains("bank/desk/clerk  generation 2  is parked"), "{}", events.out);
    let history = bank.regrow(&["history", "--failures", "--below", "bank/desk"]).await;
    assert!(history.out.contains("exited: killed") && !history.out.contains("started"), "{}", history.out);
    let file = bank.folder.path().join("bank.jsonl").display().to_string();
    let saved = bank.regrow(&["history", "--save", &file]).await;
    assert_eq!((saved.code, saved.out.as_str(), saved.err.as_str()), (0, "", ""));
    let again = bank.regrow(&["history", "--save", &file]).await;
    assert_eq!((again.code, again.err), (2, format!("{file} is there already: name a new file\n")));
    let offline = bank.regrow(&["history", &file, "--failures", "--below", "bank/desk"]).await;
    assert_eq!(offline.out, history.out, "a dump shows what the running program showed");
    let other = bank.regrow(&["history", &file, "--tree", "shop"]).await;
    assert_eq!((other.code, other.err), (4, format!("{file} holds the tree `bank`, not `shop`\n")));
    let socket = bank.regrow(&["ps", "--socket", &file]).await;
    assert_eq!((socket.code, socket.err), (3, format!("{file} is no socket\n")));
    bank.tree.shutdown().await;
}

/// Found by an operator: `ps` showed an exit from before the order, `why` offered no command for a child that was terminated, and
/// offered itself for one whose supervisor was parked.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_stopped_says_so_and_says_how_to_start_it() {
    let bank = Bank::open(&[Capability::Control]).await;
    bank.kill("bank/clock", |kind| matches!(kind, EventKind::Started { .. })).await;
    let park = |path| ["park", path, "--yes", "--reason", "the disk is full"];
    assert_eq!(bank.regrow(&park("bank/clock")).await.code, 0);
    let ps = bank.regrow(&["ps", "bank/clock"]).await.out;
    let notice = "    by order: the disk is full\n    regrow revive --reason 'by hand' bank/clock\n";
    assert!(ps.contains(notice) && !ps.contains("killed"), "{ps}");
    assert_eq!(bank.regrow(&["revive", "bank/clock", "--reason", "a look"]).await.code, 0);
    let up = bank.regrow(&["ps", "bank/clock"]).await.out;
    assert!(up.trim_end().ends_with("service  killed"), "{up}");
    let why = bank.regrow(&["why", "bank/clock"]).await.out.replace('\n', " ");
    assert!(why.starts_with("`bank/clock` is up in generation 3. It last ended without an order "), "{why}");

    assert_eq!(bank.regrow(&["terminate", "bank/clock", "--yes", "--reason", "a look"]).await.code, 0);
    let down = bank.regrow(&["why", "bank/clock"]).await.out;
    assert!(down.ends_with("\nregrow start --reason 'by hand' bank/clock\n"), "{down}");

    assert_eq!(bank.regrow(&park("bank/desk")).await.code, 0);
    let ps = bank.regrow(&["ps", "bank/desk/guard"]).await.out;
    assert!(ps.contains("    waits for bank/desk\n    regrow why bank/desk/guard\n"), "{ps}");
    let why = bank.regrow(&["why", "bank/desk/guard"]).await.out;
    assert!(why.contains("its supervisor `bank/desk` does not run") && !why.contains("regrow why"), "{why}");
    bank.tree.shutdown().await;
}

/// Found by an operator: to start what ran already, the advice was to terminate it first.
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_is_refused_says_what_to_do_with_the_commands() {
    let bank = Bank::open(&[Capability::Control]).await;
    let refused = |verb: &'static str, code: i32, text: &'static str| {
        let bank = &bank;
        async move {
            let ran = bank.regrow(&[verb, "bank/clock", "--yes", "--reason", "a look"]).await;
            assert_eq!((ran.code, ran.err), (code, text.to_owned()), "{verb}");
        }
    };
    refused("start", 5, "`bank/clock` is running already: there is nothing to start\n").await;
    refused("revive", 5, "`bank/clock` is running already: there is nothing to start\n").await;
    refused("park", 0, "").await;
    refused("park", 5, "`bank/clock` is parked already: `why` has the reason\n").await;
    refused("restart", 5, "`bank/clock` is parked: revive it\n").await;
    refused("kill", 5, "`bank/clock` is not running: `why` has the reason\n").await;
    refused("revive", 0, "").await;
    refused("terminate", 0, "").await;
    refused("revive", 5, "`bank/clock` is down: start it\n").await;
    refused("restart", 5, "`bank/clock` is down: start it\n").await;
    bank.tree.shutdown().await;
}

/// Found by an operator: over ssh each command has a shell of its own, and none of them ever had a last look.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_command_over_ssh_shows_ages() {
    let bank = Bank::open(&[]).await;
    bank.tree.lookup::<ProbeMsg>("bank/clock").expect("it is there").cast(ProbeMsg::Hang).expect("it is up");
    let over_ssh = |from: &str| {
        // As sshd does: a shell for each command, in a session of its own, with another port each time.
        let line = format!("{} ps --json bank/clock; true", env!("CARGO_BIN_EXE_regrow"));
        let mut command = crate::program::command(bank.folder.path(), &[]);
        let environment: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        command = std::process::Command::new("setsid");
        command.args(["--wait", "sh", "-c", &line]).stdin(std::process::Stdio::null()).env("SSH_CONNECTION", from);
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let ran = tokio::task::block_in_place(|| crate::program::ran(&command.output().expect("it runs")));
        let page: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{} {}", ran.out, ran.err));
        page["rows"][0]["in_hand"]["ms"].as_u64()
    };
    assert_eq!(over_ssh("10.0.0.5 50001 10.0.0.1 22"), None, "a first look knows no age");
    assert!(over_ssh("10.0.0.5 50002 10.0.0.1 22").is_some());
    assert_eq!(over_ssh("10.0.0.6 50003 10.0.0.1 22"), None, "an operator on another machine has looks apart");
    bank.tree.shutdown().await;
}

// Found by reading: a part of the dump was left, and the next try said that the file exists.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_finds_no_room_leaves_nothing_in_the_way_of_the_next_try() {
    let Some(small) = crate::disk::Small::mount() else {
        println!("a full disk is left out: this user cannot mount one");
        return;
    };
    let bank = Bank::open(&[]).await;
    let (ballast, file) = (small.path().join("ballast"), small.path().join("bank.jsonl"));
    std::fs::write(&ballast, [1; 16 << 10]).unwrap();
    let save = ["history", "--save", &file.display().to_string()];
    for _ in 0..2 {
        let full = bank.regrow(&save).await;
        assert!(full.code == 2 && full.err.contains("No space left"), "{}", full.err);
    }
    std::fs::remove_file(ballast).unwrap();
    let saved = bank.regrow(&save).await;
    assert_eq!((saved.code, saved.err.as_str()), (0, ""));
    bank.tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_as_it_was_is_told_up_to_its_begin() {
    let bank = Bank::open(&[]).await;
    bank.park_the_clerk().await;
    let json = bank.regrow(&["events", "--json", "--failures"]).await;
    let entries: Vec<Value> = json.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(entries.iter().any(|entry| entry["kind"] == "parked"), "{}", json.out);
    let now = bank.regrow(&["history", "--at", "-0s"]).await;
    assert!(now.code == 0 && now.out.contains("bank as it was at"), "{} {}", now.out, now.err);
    let before = bank.regrow(&["history", "--at", "-1h"]).await;
    assert!(before.code == 4 && before.err.contains("the record begins at"), "{} {}", before.out, before.err);
    bank.tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_and_replayed() {
    let bank = Bank::open(&[Capability::Control]).await;
    let none = bank.regrow(&["dead-letters"]).await;
    assert!(none.code == 0 && none.out.contains("bank: 0 dead letters kept"), "{} {}", none.out, none.err);
    let clerk = bank.tree.lookup::<ProbeMsg>("bank/desk/clerk").expect("it is there");
    bank.kill("bank/desk/clerk", |kind| matches!(kind, EventKind::Started { .. })).await;
    // The notes wait behind the message that never ends, when the clerk is parked.
    for message in [ProbeMsg::Hang, ProbeMsg::Note(1), ProbeMsg::Note(2)] {
        clerk.cast(message).expect("it is up");
    }
    while clerk.accounting().in_hand == 0 {
        tokio::task::yield_now().await;
    }
    bank.kill("bank/desk/clerk", |kind| matches!(kind, EventKind::Parked { .. })).await;
    let two = bank.regrow(&["dead-letters", "--json"]).await;
    let two: Value = serde_json::from_str(&two.out).expect("JSON");
    let letters = two["letters"].as_array().expect("letters");
    assert_eq!(letters.len(), 2, "{two}");
    let numbers: Vec<String> = letters.iter().map(|letter| letter["number"].to_string()).collect();
    let list = bank.regrow(&["dead-letters", "list", "--to", "bank/desk/clerk"]).await;
    assert!(list.out.contains("bank: 2 dead letters kept") && list.out.contains("ProbeMsg"), "{}", list.out);
    let show = bank.regrow(&["dead-letters", "show", &numbers[1]]).await;
    assert!(
        show.out.contains(&format!("regrow dead-letters replay --reason 'by hand' {}", numbers[1])),
        "{}",
        show.out
    );
    bank.tree.supervisor("bank/desk").expect("it is up").revive("clerk").await.expect("it is parked");
    let replay =
        bank.regrow(&["dead-letters", "replay", "--to", "bank/desk/clerk", "-r", "the desk is up again"]).await;
    assert_eq!((replay.code, replay.out.as_str(), replay.err.as_str()), (0, "replay bank: 2 replayed\n", ""));
    assert_eq!(clerk.call(ProbeMsg::Noted).await.expect("it is up"), [1, 2]);
    let unknown = bank.regrow(&["dead-letters", "show", "17"]).await;
    assert_eq!(unknown.code, 4, "{}", unknown.err);
    let unknown = bank.regrow(&["dead-letters", "replay", "17", "-r", "x"]).await;
    assert_eq!(unknown.code, 4, "{}", unknown.err);
    bank.tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_does_not_know_or_grant_is_refused_with_a_code() {
    let bank = Bank::open(&[]).await;
    let unknown = bank.regrow(&["status", "bank/desk/clerc"]).await;
    assert_eq!(unknown.code, 4);
    assert!(unknown.err.contains("bank/desk/clerk"), "the error says what may be meant: {}", unknown.err);
    let refused = bank.regrow(&["kill", "bank/desk/clerk", "--yes", "-r", "x"]).await;
    assert_eq!(refused.code, 5);
    assert!(refused.err.contains("Capability::Control"), "the error says what to write in code: {}", refused.err);
    let refused = bank.regrow(&["policy", "reload", "-r", "x"]).await;
    assert_eq!(refused.code, 5, "{}", refused.err);
    let history = bank.regrow(&["history", "--failures"]).await;
    assert!(history.out.contains("kill by uid "), "a refused act is in the record, too: {}", history.out);
    bank.tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_are_done_noted_and_strike_only_the_generation_that_is_meant() {
    let bank = Bank::open(&[Capability::Control]).await;
    let ran = bank.regrow(&["park", "bank/clock", "--yes", "-r", "the wall is painted"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let why = bank.regrow(&["why", "bank/clock"]).await;
    assert!(why.out.contains("the wall is painted"), "{}", why.out);
    let ps = bank.regrow(&["ps"]).await;
    let offered = ps.out.lines().find(|line| line.contains("regrow revive")).expect("the act that acts now");
    assert_eq!(offered.trim(), "regrow revive --reason 'by hand' bank/clock");
    assert_eq!(bank.regrow(&["revive", "--reason", "by hand", "bank/clock"]).await.code, 0);
    assert_eq!(bank.regrow(&["status", "bank/clock"]).await.code, 0);
    let old = bank.regrow(&["kill", "bank/clock", "--generation", "1", "--yes", "-r", "a stale screen"]).await;
    assert_eq!((old.code, old.out.as_str()), (5, ""));
    assert!(old.err.contains("already replaced"), "{}", old.err);
    let now = bank.regrow(&["kill", "bank/clock", "--generation", "2", "--yes", "-r", "it is late"]).await;
    assert_eq!((now.code, now.err.as_str()), (0, ""));
    assert_eq!(bank.regrow(&["restart", "bank/desk/guard", "--yes", "-r", "x"]).await.code, 0);
    assert_eq!(bank.regrow(&["terminate", "bank/desk/guard", "--yes", "-r", "x"]).await.code, 0);
    assert_eq!(bank.regrow(&["start", "bank/desk/guard", "-r", "x"]).await.code, 0);
    let root = bank.regrow(&["kill", "bank", "--yes", "-r", "x"]).await;
    assert_eq!(root.code, 5, "{}", root.err);
    let history = bank.regrow(&["history", "--failures"]).await;
    for act in ["park by uid ", "the wall is painted; done", "a stale screen; ", "it is late; done", "start by uid "] {
        assert!(history.out.contains(act), "{act}: {}", history.out);
    }
    bank.tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_read_again() {
    let bank = Bank::open_with(|admin, tree| {
        let reload = || async { Ok("budget of bank/clock is 3 in 10s\nnothing else has changed".to_owned()) };
        admin.grant(Capability::Control).on_reload(tree, reload)
    })
    .await;
    let ran = bank.regrow(&["policy", "reload", "-r", "the budget was too small"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, "policy reload bank:\n  budget of bank/clock is 3 in 10s\n  nothing else has changed\n");
    bank.tree.shutdown().await;
}

/// Found by an operator: the place in the policy file came in one line, with `\n` in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_file_that_cannot_be_read_is_shown_with_the_place() {
    let bank = Bank::open_with(|admin, tree| {
        let reload = || async { Err("error: a value is missing\n --> bank.toml:1:5\n  |\n1 | a = \n  |    ^".into()) };
        admin.grant(Capability::Control).on_reload(tree, reload)
    })
    .await;
    let ran = bank.regrow(&["policy", "reload", "-r", "a look"]).await;
    let text = "error: a value is missing\n   --> bank.toml:1:5\n    |\n  1 | a =\n    |    ^\n";
    assert_eq!((ran.code, ran.err.as_str()), (5, text));
    bank.tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_experiment_is_run_listed_and_stopped() {
    const SLOW: &str = "title = \"slow\"\nduration = \"600s\"\ntargets = [\"bank/clock\"]\n\
                        [[fault]]\nkind = \"slow\"\nby = \"1ms\"\non = \"bank/clock\"\nat = [\"1ms\"]\nlasts = \"599s\"\n";
    let bank = Bank::open_with(|admin, _| admin.allow_experiments()).await;
    let file = bank.folder.path().join("slow.toml");
    std::fs::write(&file, SLOW).expect("a file");
    let file = file.display().to_string();
    let run = bank.regrow(&["experiment", "run", &file, "-r", "game day"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("1  slow  on bank") && run.out.ends_with(": runs\n"), "{}", run.out);
    let again = bank.regrow(&["experiment", "run", &file, "-r", "game day"]).await;
    assert_eq!(again.code, 5, "one at a time: {}", again.err);
    let stop = bank.regrow(&["experiment", "stop", "1", "-r", "enough"]).await;
    assert_eq!((stop.code, stop.err.as_str()), (0, ""));
    let list = bank.regrow(&["experiment", "list"]).await;
    assert!(list.out.starts_with("1  slow  on bank") && list.out.contains("rolled back"), "{}", list.out);
    assert_eq!(bank.regrow(&["experiment", "stop", "9", "-r", "x"]).await.code, 4);
    bank.tree.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_sees_kills_and_the_end_of_the_tree() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let bank = Bank::open(&[]).await;
    let folder: &Path = bank.folder.path();
    let mut command = crate::program::command(folder, &["events", "--follow", "--failures"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let mut next = async |wanted: &'static str| {
        let found = tokio::task::block_in_place(|| lines.find(|line| line.contains(wanted)));
        let mut complaints = String::new();
        if found.is_none() {
            use std::io::Read;
            let _ = child.stderr.take().expect("it is piped").read_to_string(&mut complaints);
        }
        assert!(found.is_some(), "no line with {wanted}: {complaints}");
    };
    bank.kill("bank/clock", |kind| matches!(kind, EventKind::Started { .. })).await;
    next("bank/clock  generation 1  exited: killed").await;
    bank.tree.shutdown().await;
    next("the tree is over").await;
    let ran = crate::program::ran(&child.wait_with_output().expect("it ends"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}
