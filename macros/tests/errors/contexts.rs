#![allow(unused)]

struct Context<S = ()>(S);
struct Other;
struct Db;

#[regrow_macros::service]
impl Db {
    #[cast]
    fn owned(&mut self, ctx: Context<Self>) {}

    #[cast]
    fn bare(&mut self, ctx: &mut Context) {}

    #[cast]
    fn other(&mut self, ctx: &mut Context<Other>) {}

    #[cast]
    fn two(&mut self, ctx: &mut Context<Self>, again: &mut Context<Db>) {}
}

fn main() {}
