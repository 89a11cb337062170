#![allow(unused)]

struct Db;

#[regrow_macros::service]
impl Db {
    #[call]
    fn get_all(&mut self) -> i64 {
        1
    }

    #[call]
    fn get__all(&mut self) -> i64 {
        2
    }
}

fn main() {}
