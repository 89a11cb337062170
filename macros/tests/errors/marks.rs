#![allow(unused)]

struct Db;

#[regrow_macros::service]
impl Db {
    #[call]
    #[cast]
    fn both(&mut self) {}

    #[cast]
    #[cast]
    fn twice(&mut self) {}

    #[call(eror = String)]
    fn typo(&mut self) {}

    #[call(error = String, late)]
    fn more(&mut self) {}

    #[cast(error = String)]
    fn error(&mut self) {}

    #[call = "x"]
    fn value(&mut self) {}

    #[call]
    const ANSWER: i64 = 42;
}

fn main() {}
