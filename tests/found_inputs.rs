//! Inputs of the fuzz targets (`tests/fuzz`), given to them without a fuzzer: the seeds, and what fuzzing has found.

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::path::Path;

/// Gives the targets the files of this folder, and returns how many there were.
fn replay(folder: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder);
    let mut given = 0;
    for (name, target) in targets::TARGETS {
        let Ok(files) = std::fs::read_dir(folder.join(name)) else { continue };
        for file in files {
            let path = file.expect("the folder can be read").path();
            let data = std::fs::read(&path).expect("the file can be read");
            let kept = std::panic::catch_unwind(|| target(&data));
            assert!(kept.is_ok(), "a promise of `{name}` is broken by {}", path.display());
            given += 1;
        }
    }
    given
}

#[test]
fn what_fuzzing_has_found_keeps_every_promise_now() {
    assert!(replay("found") > 0, "where are the inputs?");
}

#[test]
fn every_target_begins_with_seeds_that_keep_its_promises() {
    assert!(replay("seeds") >= targets::TARGETS.len(), "where are the seeds?");
}
