#![allow(unused)]

struct Reply<T = ()>(T);
struct Db;

#[regrow_macros::service]
impl Db {
    #[cast]
    fn get(&mut self, id: i64) -> i64 {
        id
    }

    #[cast]
    fn find(&mut self, id: i64) -> Result<i64, std::fmt::Error> {
        Ok(id)
    }

    #[cast]
    fn page(&mut self, reply: Reply<i64>) {}

    #[call]
    fn both(&mut self, reply: Reply<i64>) -> i64 {
        1
    }

    #[call]
    fn two(&mut self, one: Reply<i64>, other: Reply<i64>) {}

    #[call]
    fn lent(&mut self, reply: &Reply<i64>) {}

    #[call]
    fn untyped(&mut self, reply: Reply) {}
}

fn main() {}
