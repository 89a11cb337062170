#![allow(unused)]

struct Empty;
struct Lent<'a>(&'a str);

#[regrow_macros::service]
struct Db;

#[regrow_macros::service]
impl Empty {
    fn get(&mut self) {}
}

#[regrow_macros::service]
impl<'a> Lent<'a> {
    #[cast]
    fn put(&mut self) {}
}

trait Store {}

#[regrow_macros::service]
impl dyn Store {
    #[cast]
    fn put(&mut self) {}
}

fn main() {}
