#![allow(unused)]

struct DbError;
struct Reply<T = ()>(T);
struct Db;

#[regrow_macros::service]
impl Db {
    #[call(error = DbError)]
    fn get(&mut self, id: i64) -> i64 {
        id
    }

    #[call(error = DbError)]
    fn page(&mut self, reply: Reply<i64>) {}
}

fn main() {}
