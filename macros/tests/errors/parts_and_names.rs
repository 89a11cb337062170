#![allow(unused)]

struct Db;

#[regrow_macros::service]
impl Db {
    #[cast]
    fn put(&mut self, #[cfg(unix)] id: i64) {}

    #[cast]
    fn __1(&mut self) {}

    #[cast]
    fn self_(&mut self) {}
}

fn main() {}
