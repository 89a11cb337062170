#![allow(unused)]

struct Db;

trait Store {
    fn get(&mut self, id: i64) -> i64;
}

#[regrow_macros::service]
impl Store for Db {
    #[call]
    fn get(&mut self, id: i64) -> i64 {
        id
    }
}

fn main() {}
