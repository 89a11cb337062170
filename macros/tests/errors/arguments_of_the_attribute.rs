#![allow(unused)]

struct A;
struct B;
struct C;
struct D;

#[regrow_macros::service(public)]
impl A {
    #[cast]
    fn a(&mut self) {}
}

#[regrow_macros::service(pub, pub(crate))]
impl B {
    #[cast]
    fn b(&mut self) {}
}

#[regrow_macros::service(pub, clone)]
impl C {
    #[cast]
    fn c(&mut self) {}
}

#[regrow_macros::service("pub")]
impl D {
    #[cast]
    fn d(&mut self) {}
}

fn main() {}
