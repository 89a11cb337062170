#![allow(unused)]

struct Db;

#[regrow_macros::service]
impl Db {
    #[call]
    fn open() -> i64 {
        1
    }

    #[cast]
    fn close(self) {}

    #[cast]
    fn boxed(self: Box<Self>) {}

    #[cast]
    unsafe fn wild(&mut self) {}
}

fn main() {}
