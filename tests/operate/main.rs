//! The commands of an operator: what they print, their exit codes, and what they send.
//!
//! The texts are compared with files in `golden/`. The program itself runs against a source of the tests' own (`fake`), that
//! answers on a unix socket with the types of the wire.

mod acts;
mod codes;
mod data;
#[path = "../common/disk.rs"]
mod disk;
mod dump;
mod fake;
mod follow;
mod golden;
mod hostile;
mod json;
mod papers;
mod paste;
mod places;
mod program;
mod readme;
mod real;
