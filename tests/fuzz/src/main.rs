#![no_main]
//! The fuzzer: libFuzzer makes bytes up, guided by the coverage of the code, and gives them to one target.
//!
//! `REGROW_TARGET` names the target. `.ci/fuzz` builds and runs this; the targets and what they promise are in
//! `tests/fuzz/targets`.

#[path = "../targets/mod.rs"]
mod targets;

use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;

use targets::{TARGETS, Target};

/// Panics so far, of any thread. The library catches those of tasks, and they are mistakes all the same.
static PANICS: AtomicUsize = AtomicUsize::new(0);

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    // The hook of the fuzzer aborts at once, and hides which panic it was.
    drop(take_hook());
    let hook = take_hook();
    set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        hook(panic);
    }));
    let name = std::env::var("REGROW_TARGET").expect("REGROW_TARGET names the target");
    let known = TARGETS.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("there is no target `{name}`")).1
});

fuzz_target!(|data: &[u8]| {
    let target = *TARGET;
    if catch_unwind(|| target(data)).is_err() || PANICS.load(Ordering::SeqCst) > 0 {
        std::process::abort();
    }
});
