//! Dumps: written and read back, damaged, and written when a root gives up.

use std::time::Duration;

use regrow::admin::{Dump, DumpError};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Child, History, StartError, Supervisor};

use crate::common::log::Log;
use crate::common::tree::{SEC, probe, soon, up};

async fn some_history() -> History {
    let tree =
        Supervisor::one_for_one("app").intensity(9, SEC).child(Journal::new().probe("web")).start().await.unwrap();
    let directory = tree.directory();
    for generation in 2..5 {
        probe(&tree, "app/web").kill().unwrap();
        up(&tree, "app/web", generation).await;
    }
    tree.shutdown().await;
    directory.history()
}

fn lines(history: &History) -> Vec<u8> {
    let mut lines = Vec::new();
    history.write_to(&mut lines).unwrap();
    lines
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_read() {
    let history = some_history().await;
    let dump = Dump::read(&lines(&history)[..]).unwrap();
    assert_eq!(dump.damage, None);
    assert_eq!((&*dump.header.tree, dump.header.pid, dump.header.schema), ("app", std::process::id(), 1));
    assert_eq!(dump.entries.len(), history.entries.len());
    for (read, entry) in dump.entries.iter().zip(&history.entries) {
        assert_eq!((read.seq, &*read.path, read.generation), (entry.seq, &*entry.path, entry.generation));
        assert_eq!((&*read.before, &*read.after), (entry.before.word(), entry.after().word()));
        assert_eq!((&*read.event, &*read.text), (entry.kind.word(), &*entry.kind.to_string()));
    }
    let killed = dump.entries.iter().find(|entry| entry.event == "exited").unwrap().exit.clone().unwrap();
    assert_eq!((&*killed.kind, &*killed.text), ("killed", "killed"));
    assert_eq!(dump.system_time(SEC).duration_since(history.system_time(SEC)).unwrap_or_default(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_cut_off_anywhere_gives_what_is_before_and_says_where() {
    let history = some_history().await;
    let whole = lines(&history);
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for end in 0..whole.len() {
        let read = Dump::read(&whole[..end]);
        if end < header {
            assert!(matches!(read, Err(DumpError::NoDump { .. })), "{end}: {read:?}");
            continue;
        }
        let dump = read.unwrap();
        let complete = whole[..end].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1);
        assert_eq!(dump.entries.len(), complete, "{end}");
        let damage = dump.damage.expect("something is missing");
        assert_eq!(damage.line, complete as u64 + 2);
        assert_eq!(damage.lost, (history.entries.len() - complete) as u64);
        assert!(damage.what.contains("cut off"), "{damage}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_line_is_named() {
    let whole = String::from_utf8(lines(&some_history().await)).unwrap();
    let mut all: Vec<&str> = whole.lines().collect();
    let (third, fourth) = (all[2], all[3]);
    for (line, why) in
        [("{\"seq\":", "line 3 is damaged"), (fourth, "line 4 is out of order"), ("\u{0}", "line 3 is damaged")]
    {
        all[2] = line;
        let dump = Dump::read(format!("{}\n", all.join("\n")).as_bytes()).unwrap();
        let damage = dump.damage.unwrap().to_string();
        assert!(damage.starts_with(why), "{damage}");
    }
    let other = third.replace("\"up\"", "\"flying\"");
    all[2] = &other;
    let damage = Dump::read(format!("{}\n", all.join("\n")).as_bytes()).unwrap().damage;
    assert!(other == third || damage.unwrap().what.contains("flying"));
}

#[test]
fn a_file_of_another_kind_or_version_is_refused() {
    let refused = |text: &str| Dump::read(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        refused("{\"schema\":2}\n"),
        "the dump has schema 2, and this program reads schema 1: use the version of regrow that wrote it"
    );
    for text in ["", "hello\n", "{}\n", "[1]\n", "{\"schema\":1}\n", "\u{0}\u{0}"] {
        assert!(refused(text).starts_with("line 1 is no header of a dump"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_root_that_gives_up_leaves_its_history_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    std::fs::write(&file, "of yesterday").unwrap();
    let tree =
        Supervisor::one_for_one("app").intensity(0, SEC).dump_history_to(&file).child(Journal::new().probe("web"));
    let tree = tree.start().await.unwrap();
    probe(&tree, "app/web").kill().unwrap();
    assert!(tree.wait().await.gave_up.is_some());

    let dump = Dump::read(&std::fs::read(&file).unwrap()[..]).unwrap();
    let story: Vec<_> = dump.entries.iter().map(|entry| (&*entry.path, &*entry.event)).collect();
    let expected =
        [("app/web", "started"), ("app", "tree_up"), ("app/web", "exited"), ("app", "gave_up"), ("app", "tree_over")];
    assert_eq!(story, expected);
    assert_eq!(dump.entries[3].other.as_deref(), Some("app/web"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left in the folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test(start_paused = true)]
async fn a_root_that_is_asked_to_stop_writes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let tree =
        Supervisor::one_for_one("app").dump_history_to(folder.path().join("h")).child(Journal::new().probe("web"));
    tree.start().await.unwrap().shutdown().await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_is_named_in_the_log() {
    let (log, _listening) = Log::listen();
    let tree = Supervisor::one_for_one("app").intensity(0, SEC).dump_history_to("/nowhere/at/all/history.jsonl");
    let tree = tree.child(Journal::new().probe("web")).start().await.unwrap();
    probe(&tree, "app/web").kill().unwrap();
    tree.wait().await;
    let lines = log.take();
    let line = lines.iter().find(|line| line.contains("could not be written")).expect("the log says so");
    assert!(line.contains("/nowhere/at/all/history.jsonl"), "{line}");
}

// Found by reading: both had one name for the file that is written first, and the one that came second removed it.
#[tokio::test(start_paused = true)]
async fn two_that_write_one_file_at_once_do_not_disturb_each_other() {
    let (history, folder) = (some_history().await, tempfile::tempdir().unwrap());
    let file = folder.path().join("history.jsonl");
    std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..25).try_for_each(|_| history.write_to_file(&file)))).collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap().unwrap());
    });
    let dump = Dump::read(&std::fs::read(&file).unwrap()[..]).unwrap();
    assert_eq!((dump.damage, dump.entries.len()), (None, history.entries.len()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left in the folder");
}

// Found by a dump to a device: with the rights to do so, it was replaced by a file.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn what_is_no_file_is_not_replaced_by_one() {
    let (history, folder) = (some_history().await, tempfile::tempdir().unwrap());
    let (inside, socket) = (folder.path().join("folder"), folder.path().join("socket"));
    std::fs::create_dir(&inside).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [&inside, &socket] {
        let error = history.write_to_file(path).unwrap_err().to_string();
        assert_eq!(error, "it is there already, and is no regular file");
        assert!(!std::fs::metadata(path).unwrap().is_file());
    }
    assert!(history.write_to_file(folder.path().join("none/history.jsonl")).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left in the folder");
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn on_a_full_disk_the_old_file_stays_and_the_log_says_why() {
    let Some(small) = crate::common::disk::Small::mount() else {
        println!("a full disk is left out: this user cannot mount one");
        return;
    };
    let file = small.path().join("history.jsonl");
    std::fs::write(&file, "of yesterday").unwrap();
    let (log, _listening) = Log::listen();
    let tree = Supervisor::one_for_one("app").intensity(60, SEC).dump_history_to(&file);
    let tree = tree.child(Journal::new().probe("web")).start().await.unwrap();
    let web = probe(&tree, "app/web");
    for generation in 1..=60 {
        up(&tree, "app/web", generation).await;
        web.cast(ProbeMsg::Fail("a reason that is long enough to fill a small disk when it is told sixty times"))
            .unwrap();
    }
    up(&tree, "app/web", 61).await;
    web.kill().unwrap();
    assert!(soon("the end", tree.wait()).await.gave_up.is_some());
    let lines = log.take();
    let line = lines.iter().find(|line| line.contains("could not be written")).expect("the log says so");
    assert!(line.contains("history.jsonl") && line.contains("No space left"), "{line}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "of yesterday");
    assert_eq!(std::fs::read_dir(small.path()).unwrap().count(), 1, "nothing else is left in the folder");
}

#[tokio::test]
async fn below_the_root_the_file_is_refused() {
    let sub = Supervisor::one_for_one("sub").dump_history_to("history.jsonl");
    let error = Supervisor::one_for_one("app").child(Child::from(sub)).start().await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StartError::NoEffect { setting: "dump_history_to", .. }), "{error}");
}
