//! Durability of the stores: what is acknowledged is there after kill -9, after a crash of the machine, on a full disk, and
//! beside other processes.
//!
//! | call | what it does |
//! |---|---|
//! | `kills STORE N SEED` | N times: kills a process that saves, at a system call or at a random time, and looks at what is there |
//! | `torn STORE SEEDS [SKIP]` | records what a process writes, and loses, reorders and tears what was not synced, at every step |
//! | `full STORE` | lets each write step fail for want of room, one at a time |
//! | `processes STORE` | two processes on one store, and many that claim at once |
//! | `save STORE PLACE SAVES SIZE` | the process that is killed and recorded |
//!
//! STORE is `files` or `sqlite`. Without arguments it does what needs no strace: a few kills at random times, and `processes`.

#[cfg(unix)]
mod full;
#[cfg(unix)]
mod history;
#[cfg(unix)]
mod kills;
#[cfg(unix)]
mod processes;
#[cfg(unix)]
mod program;
#[cfg(unix)]
mod saver;
#[cfg(unix)]
mod stores;
#[cfg(unix)]
mod strace;
#[cfg(unix)]
mod torn;

fn main() {
    // Kills, system calls and `strace` are those of Unix.
    #[cfg(unix)]
    program::run();
}
