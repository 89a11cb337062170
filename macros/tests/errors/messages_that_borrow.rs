#![allow(unused)]

use std::borrow::Cow;

struct Db;

#[regrow_macros::service]
impl Db {
    #[cast]
    fn name(&mut self, name: &str) {}

    #[cast]
    fn rename(&mut self, names: Vec<(i64, &'_ str)>) {}

    #[call]
    fn cow(&mut self, name: Cow<'_, str>) -> usize {
        name.len()
    }

    #[call]
    fn first(&mut self) -> Option<&i64> {
        None
    }

    #[cast]
    fn fine(&mut self, name: &'static str, test: fn(&str) -> &str, other: Box<dyn Fn(&str) -> usize + Send>) {}
}

fn main() {}
