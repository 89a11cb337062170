#![allow(unused)]

use std::fmt::Display;

struct Db;

#[regrow_macros::service]
impl Db {
    #[cast]
    fn print<T: Display + Send>(&mut self, it: T) {}

    #[cast]
    fn show(&mut self, it: impl Display) {}

    #[cast]
    fn name<'a>(&'a mut self, id: i64) {}

    #[call]
    fn later(&mut self) -> impl Future<Output = i64> {
        async { 1 }
    }
}

fn main() {}
