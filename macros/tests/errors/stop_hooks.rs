#![allow(unused)]

struct Context<S = ()>(S);
struct A;
struct B;

#[regrow_macros::service]
impl A {
    #[cast]
    fn put(&mut self) {}

    async fn stopped(&mut self, ctx: &mut Context<Self>) {}
}

#[regrow_macros::service]
impl B {
    #[cast]
    fn put(&mut self) {}

    #[stopped]
    fn close(&mut self) {}

    #[stopped]
    fn end(&mut self) {}

    #[stopped]
    fn why(&mut self, reason: String) {}

    #[stopped]
    fn code(&mut self) -> i32 {
        0
    }
}

fn main() {}
