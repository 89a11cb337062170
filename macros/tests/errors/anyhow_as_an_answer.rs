#![allow(unused)]

mod anyhow {
    pub type Result<T> = std::result::Result<T, Error>;
    pub struct Error;
}

struct Db;

#[regrow_macros::service]
impl Db {
    #[call]
    fn get(&mut self, id: i64) -> anyhow::Result<i64> {
        Ok(id)
    }

    #[call]
    fn find(&mut self, id: i64) -> Result<i64, anyhow::Error> {
        Ok(id)
    }

    #[call(error = anyhow::Error)]
    fn read(&mut self, id: i64) -> anyhow::Result<i64> {
        Ok(id)
    }
}

fn main() {}
