#![allow(unused)]

type Result<T> = std::result::Result<T, String>;

struct Db;

#[regrow_macros::service]
impl Db {
    #[call]
    fn get(&mut self, id: i64) -> Result<i64> {
        Ok(id)
    }
}

fn main() {}
