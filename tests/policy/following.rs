//! A followed file as editors, deployments and file systems really treat it.
//!
//! Found by bug reports of other systems: a file that is emptied and then written was applied while it was empty, so that
//! for a moment the defaults held; a file that did not answer froze the runtime.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::tree::{MS, SEC, probe, soon};
use regrow::policy::{Policies, PolicyWatcher};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{Supervisor, Tree};
use tempfile::TempDir;

const TEXT: &str = "[defaults]\nmax_restarts = 50\nwithin = \"1m\"\n[path.\"app/a\"]\ndelay = \"1ms\"\n";

struct Case {
    tree: Tree,
    file: PathBuf,
    followed: PolicyWatcher,
    _folder: TempDir,
}

/// A tree that follows a file, which has been applied. The clock is the test's.
async fn following(text: &str) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    fs::write(&file, text).unwrap();
    let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
    let mut followed = tree.follow_policies(&file, 20 * MS);
    assert!(soon("the first answer", followed.next()).await.unwrap().is_ok());
    Case { tree, file, followed, _folder: folder }
}

impl Case {
    /// Answers within this time.
    async fn answers(&mut self, time: Duration) -> Vec<String> {
        let mut answers = Vec::new();
        let all = async {
            while let Some(answer) = self.followed.next().await {
                answers.push(answer.map_or_else(|error| error.to_string(), |applied| applied.to_string()));
            }
        };
        let _ = tokio::time::timeout(time, all).await;
        answers
    }

    async fn is_silent_for(&mut self, time: Duration) {
        let answers = self.answers(time).await;
        assert!(answers.is_empty(), "{answers:#?}");
    }
}

/// Replaces what a symbolic link points to, as Kubernetes does with a mounted ConfigMap.
#[cfg(unix)]
fn point(link: &Path, to: &Path) {
    let next = link.with_extension("next");
    std::os::unix::fs::symlink(to, &next).unwrap();
    fs::rename(&next, link).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_emptied_before_it_is_written_changes_nothing() {
    let mut case = following(TEXT).await;
    for moment in [5 * MS, 100 * MS, SEC] {
        for less in ["", "\n  \n# being edited\n", "[defaults]\n", &TEXT[..40], &TEXT[..TEXT.len() - 20]] {
            fs::write(&case.file, less).unwrap();
            case.is_silent_for(moment).await;
            fs::write(&case.file, TEXT).unwrap();
            case.is_silent_for(3 * SEC).await;
        }
    }
    case.tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_replaced_by_deleting_it_first_is_not_told_of_as_lost() {
    let mut case = following(TEXT).await;
    fs::remove_file(&case.file).unwrap();
    case.is_silent_for(100 * MS).await;
    fs::write(&case.file, TEXT).unwrap();
    case.is_silent_for(3 * SEC).await;
    fs::remove_file(&case.file).unwrap();
    let answers = case.answers(SEC).await;
    assert!(answers.len() == 1 && answers[0].contains("no such file"), "{answers:#?}");
    case.tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_empty_and_stays_so_is_refused() {
    let mut case = following(TEXT).await;
    for empty in ["", "  \n\n"] {
        fs::write(&case.file, empty).unwrap();
        case.is_silent_for(1900 * MS).await;
        let answers = case.answers(SEC).await;
        assert!(answers.len() == 1 && answers[0].contains("is empty, and the policies in force stay"), "{answers:#?}");
        fs::write(&case.file, TEXT).unwrap();
        assert_eq!(case.answers(3 * SEC).await, ["nothing has changed\n"]);
    }
    case.tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_in_which_a_comment_is_left_takes_every_policy_back() {
    let mut case = following(TEXT).await;
    fs::write(&case.file, "# none\n").unwrap();
    case.is_silent_for(1900 * MS).await;
    let answers = case.answers(SEC).await;
    assert!(answers.len() == 1 && answers[0].contains("`app/a` delay: 1ms, "), "{answers:#?}");
    case.tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_asked_for_does_not_take_an_emptied_file_at_its_word() {
    let mut case = following(TEXT).await;
    fs::write(&case.file, "").unwrap();
    case.followed.reload();
    case.is_silent_for(SEC).await;
    fs::write(&case.file, TEXT).unwrap();
    let answers = case.answers(SEC).await;
    assert_eq!(answers, ["nothing has changed\n"]);
    // A tree that was started under policies does not lose them to a file that is empty when it is first looked at.
    fs::write(&case.file, "").unwrap();
    let policies = Policies::parse(TEXT, "policy.toml").unwrap();
    let tree = Supervisor::one_for_one("app").policies(&policies).child(Journal::new().probe("a")).start();
    let tree = tree.await.unwrap();
    case.followed = tree.follow_policies(&case.file, 20 * MS);
    case.is_silent_for(SEC).await;
    fs::write(&case.file, TEXT).unwrap();
    assert_eq!(case.answers(SEC).await, ["nothing has changed\n"]);
    tree.shutdown().await;
    case.tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_text_of_the_same_length_and_time_is_another_text() {
    let mut case = following("[defaults]\ndelay = \"1s\"\n").await;
    let modified = fs::metadata(&case.file).unwrap().modified().unwrap();
    for (text, back) in [("2s", Duration::ZERO), ("3s", 3600 * SEC)] {
        fs::write(&case.file, format!("[defaults]\ndelay = \"{text}\"\n")).unwrap();
        // The second time the clock has gone back by an hour.
        fs::File::options().write(true).open(&case.file).unwrap().set_modified(modified - back).unwrap();
        let answers = case.answers(SEC).await;
        assert!(answers.len() == 1 && answers[0].contains(&format!("-> {text}, ")), "{answers:#?}");
    }
    case.tree.shutdown().await;
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_that_points_elsewhere_is_another_text() {
    let mut case = following("[defaults]\ndelay = \"1s\"\n").await;
    let folder = case.file.parent().unwrap().to_owned();
    fs::write(folder.join("two"), "[defaults]\ndelay = \"2s\"\n").unwrap();
    point(&case.file, &folder.join("two"));
    let answers = case.answers(SEC).await;
    assert!(answers.len() == 1 && answers[0].contains("-> 2s, "), "{answers:#?}");
    point(&case.file, &folder.join("nowhere"));
    let answers = case.answers(SEC).await;
    assert!(answers.len() == 1 && answers[0].contains("no such file"), "{answers:#?}");
    case.tree.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_text_of_a_sensible_size_is_refused_and_changes_nothing() {
    let mut case = following("[defaults]\ndelay = \"1s\"\n").await;
    let folder = case.file.parent().unwrap().to_owned();
    let long = vec![b'#'; 1024 * 1024 + 1];
    for (bytes, said) in [(&long[..], "is 1048577 bytes long"), (b"[defaults]\nrestart = \"\xff\"\n", "not UTF-8")] {
        fs::write(&case.file, bytes).unwrap();
        let answers = case.answers(SEC).await;
        assert!(answers.len() == 1 && answers[0].contains(said), "{answers:#?}");
    }
    // What is mended has not been in vain, and the same as before is nothing new.
    fs::write(&case.file, "[defaults]\ndelay = \"1s\"\n").unwrap();
    assert_eq!(case.answers(3 * SEC).await, ["nothing has changed\n"]);
    fs::rename(&case.file, folder.join("away")).unwrap();
    fs::create_dir(&case.file).unwrap();
    let answers = case.answers(SEC).await;
    assert!(answers.len() == 1 && answers[0].contains("only a regular file"), "{answers:#?}");
    case.tree.shutdown().await;
}

// A pipe without a writer holds up the thread that opens it for ever.
#[cfg(unix)]
#[test]
fn a_file_that_never_answers_holds_up_neither_the_tree_nor_the_end_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (over, is_over) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let tree = Supervisor::one_for_one("app").child(Journal::new().probe("a")).start().await.unwrap();
            let mut followed = tree.follow_policies(&pipe, 10 * MS);
            let refused = soon("the first answer", followed.next()).await.unwrap().unwrap_err();
            assert!(refused.to_string().contains("only a regular file"), "{refused}");
            probe(&tree, "app/a").call(ProbeMsg::Generation).await.unwrap();
            tree.shutdown().await;
        });
        drop(runtime);
        over.send(()).unwrap();
    });
    is_over.recv_timeout(20 * SEC).expect("the runtime has ended");
}
