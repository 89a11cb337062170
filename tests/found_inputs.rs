//! Inputs of the fuzz targets (`tests/fuzz`), given to them without a fuzzer: the seeds, and what fuzzing has found.

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Panics so far, of any thread: the library catches those of tasks.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            hook(panic);
        }));
    });
}

/// Gives the targets the files of this folder, and returns how many targets have none.
fn replay(folder: &str) -> usize {
    count_panics();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder);
    let mut without = 0;
    for (name, target) in targets::TARGETS {
        let Ok(files) = std::fs::read_dir(folder.join(name)) else {
            without += 1;
            continue;
        };
        for file in files {
            let path = file.expect("the folder can be read").path();
            let data = std::fs::read(&path).expect("the file can be read");
            let is_kept = catch_unwind(|| target(&data)).is_ok() && PANICS.load(Ordering::SeqCst) == 0;
            assert!(is_kept, "a promise of `{name}` is broken by {}", path.display());
        }
    }
    without
}

#[test]
fn what_fuzzing_has_found_keeps_every_promise_now() {
    assert!(replay("found") < targets::TARGETS.len(), "where are the inputs?");
}

#[test]
fn every_target_begins_with_seeds_that_keep_its_promises() {
    assert_eq!(replay("seeds"), 0, "a target has no seeds");
}
