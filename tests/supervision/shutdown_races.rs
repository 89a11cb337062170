//! A shutdown comes whenever it comes: into starts, crashes, kills and restarts. It ends the tree all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use crate::common::tree::{Inert, SEC, probe, soon};
use regrow::testing::{Journal, ProbeMsg};
use regrow::{CallError, Child, Context, Inbox, Intensity, ServiceState, Strategy, Supervisor};

fn subtree(journal: &Journal, strategy: Strategy, below: Option<Supervisor>) -> Supervisor {
    // Starts badly one time in three.
    let moody = Child::service("moody", |ctx: Context<Inert>| async move {
        anyhow::ensure!(ctx.last_exit().is_none() || !ctx.attempt().is_multiple_of(3), "not today");
        Ok(Inert)
    });
    let thread = Child::thread("thread", |inbox: Inbox<()>| {
        inbox.for_each(drop);
        Ok(())
    });
    Supervisor::new(strategy.to_string(), strategy)
        .budget(Intensity::unlimited())
        .child(journal.probe("probe"))
        .child(moody)
        .children(below)
        .child(Child::task("task", |_| std::future::pending()))
        .child(thread)
}

// suture #41, CAF #1466, kameo #335: requests to what is dying never completed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_in_the_middle_of_anything_ends_the_tree_and_every_call() {
    for round in 0..100_u32 {
        let journal = Journal::new();
        let below = subtree(&journal, Strategy::RestForOne, None);
        let below = subtree(&journal, Strategy::OneForAll, Some(below));
        let tree = Arc::new(subtree(&journal, Strategy::OneForOne, Some(below)).start().await.unwrap());
        let paths: Vec<_> = tree.directory().entries().into_iter().map(|entry| entry.path).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let killer = std::thread::spawn({
            let (tree, is_over, paths) = (tree.clone(), is_over.clone(), paths.clone());
            move || {
                let mut seed = round;
                while !is_over.load(SeqCst) {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let path = &paths[1..][(seed >> 16) as usize % (paths.len() - 1)];
                    let _ = tree.kill(path);
                }
            }
        });
        let calls: Vec<_> = paths.iter().filter(|path| path.ends_with("probe")).collect();
        let calls: Vec<_> = calls.iter().map(|path| tokio::spawn(call_until_gone(probe(&tree, path)))).collect();
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        let report = match round % 3 {
            0 => soon("the end", tree.shutdown_within(10 * SEC)).await,
            1 => soon("the end", tree.shutdown()).await,
            _ => {
                let (one, _) = soon("both ends", async { tokio::join!(tree.shutdown(), tree.shutdown()) }).await;
                one
            }
        };
        assert!(report.abandoned.is_empty(), "{report}");
        for call in calls {
            soon("the last call", call).await.unwrap();
        }
        is_over.store(true, SeqCst);
        killer.join().unwrap();
        for entry in tree.directory().entries() {
            assert_eq!(entry.status.state, ServiceState::Gone, "{}", entry.path);
            assert!(entry.accounting.is_balanced(), "{}: {}", entry.path, entry.accounting);
        }
    }
}

async fn call_until_gone(probe: regrow::Handle<ProbeMsg>) {
    loop {
        match probe.call(ProbeMsg::Generation).await {
            Ok(_) | Err(CallError::Crashed { .. }) => {}
            Err(CallError::NeverRan(_) | CallError::Refused(_)) => return,
            Err(other) => panic!("{other}"),
        }
    }
}
