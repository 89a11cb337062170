//! Shapes of impl blocks: generics, `cfg`, names that others have too, and what is left as it is.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use regrow::{Child, Context, Handle, Reply, Service, ServiceChild, Supervisor, Tree};

use crate::common::mail::soon;

async fn start<M: Send + 'static>(child: ServiceChild<M>) -> (Tree, Handle<M>) {
    let tree = soon(Supervisor::one_for_one("app").child(child).start()).await.unwrap();
    let handle = tree.lookup("app/it").unwrap();
    (tree, handle)
}

/// A cache with a parameter that no message mentions, bounds at both places, and a constant.
struct Cache<K: Hash, V, F, const N: usize> {
    entries: HashMap<K, [V; N]>,
    make: F,
}

#[regrow::service(pub(crate), message = CacheRequest, client = CacheOf, derive(Clone, Debug))]
impl<K: Eq + Hash + Display + Send + 'static, V, F: FnMut(&K) -> V, const N: usize> Cache<K, V, F, N>
where
    V: Clone + Send + 'static,
    F: Send + 'static,
{
    #[call]
    fn get(&mut self, key: K) -> V {
        self.entries.entry(key).or_insert_with_key(|key| std::array::from_fn(|_| (self.make)(key)))[0].clone()
    }

    #[cast]
    fn set(&mut self, key: K, values: [V; N]) {
        self.entries.insert(key, values);
    }
}

#[tokio::test]
async fn messages_and_client_have_the_parameters_that_they_mention() {
    let child = Child::service("it", |_| async {
        Ok(Cache { entries: HashMap::new(), make: String::len as fn(&String) -> usize })
    });
    let (_tree, handle) = start::<CacheRequest<String, usize, 2>>(child).await;
    let cache = CacheOf::from(handle);
    assert_eq!(soon(cache.get("three".into())).await.unwrap(), 5);
    cache.clone().set("three".into(), [3, 4]).unwrap();
    assert_eq!(soon(cache.get("three".into())).await.unwrap(), 3);
    assert!(cache == cache.clone() && format!("{cache:?}").starts_with("CacheOf(Handle"));
    assert_eq!(format!("{:?}", CacheRequest::Set(1, [2])), "Set(1, [2])");
}

/// Methods with names that the client, the service or Rust have too.
#[derive(Clone, Debug, PartialEq)]
struct Names {
    said: Vec<&'static str>,
}

#[regrow::service]
impl Names {
    #[call]
    fn handle(&mut self, reply: String, ctx: u8) -> String {
        format!("{reply}{ctx}")
    }

    #[call]
    fn from(&mut self, msg: u8, self_: u8) -> u8 {
        msg + self_
    }

    #[call]
    fn call(&self) -> &'static str {
        "call"
    }

    #[cast]
    fn cast(&mut self, word: &'static str) {
        self.said.push(word);
    }

    #[call]
    fn clone(&self) -> Self {
        Clone::clone(self)
    }

    #[call]
    fn r#type(&self, r#fn: u8, _unused: u8, (a, b): (u8, u8), _: (), mut last: u8) -> u8 {
        last += a;
        r#fn + last + b
    }

    #[call]
    fn label(&self) -> Vec<Self> {
        vec![Clone::clone(self)]
    }
}

#[tokio::test]
async fn no_name_of_a_method_meets_one_of_ours() {
    let (_tree, handle) = start(Child::service("it", |_| async { Ok(Names { said: Vec::new() }) })).await;
    let names: NamesClient = handle.into();
    names.cast("cast").unwrap();
    assert_eq!(soon(names.handle("h".into(), 7)).await.unwrap(), "h7");
    assert_eq!(soon(names.from(1, 2)).await.unwrap(), 3);
    assert_eq!(soon(names.call()).await.unwrap(), "call");
    assert_eq!(soon(names.r#type(1, 0, (2, 4), (), 8)).await.unwrap(), 15);
    let said = Names { said: vec!["cast"] };
    assert_eq!(soon(names.label()).await.unwrap(), [said.clone()]);
    assert_eq!(soon(names.clone()).await.unwrap(), said);
    assert_eq!(Names::label_of(&NamesMsg::Cast("x")), Some("cast"));
    assert_eq!(&*Handle::from(names).path(), "app/it");
}

impl Names {
    fn label_of(msg: &NamesMsg) -> Option<&'static str> {
        <Self as Service>::label(msg)
    }
}

mod elsewhere {
    pub(crate) use ::regrow as actors;
}

/// Items beside the messages in a block, and messages that are not always there.
struct Mixed(i32);

#[regrow::service(pub(crate), crate = elsewhere::actors)]
#[allow(clippy::unused_self)]
impl Mixed {
    const STEP: i32 = 2;

    fn new() -> Self {
        Self(Self::STEP)
    }

    #[cfg(not(test))]
    #[call]
    fn get(&self) -> NoSuchType {
        unreachable!()
    }

    #[cfg(test)]
    #[call]
    fn get(&self) -> i32 {
        self.0
    }

    #[regrow::cast]
    #[cfg(any())]
    fn never(&mut self, it: NoSuchType) {}

    /// Adds to it. See [`Self::new`].
    #[regrow::cast]
    #[deprecated = "nothing is added any more"]
    async fn add(&mut self, by: i32) -> Result<(), std::num::ParseIntError> {
        self.0 += self.parsed(by)?;
        Ok(())
    }

    fn parsed(&self, by: i32) -> Result<i32, std::num::ParseIntError> {
        by.to_string().parse()
    }

    #[cfg(any())]
    #[stopped]
    fn gone(&mut self) {}

    #[cfg(not(any()))]
    #[stopped]
    fn ended(&mut self) {
        self.0 = 0;
    }
}

#[tokio::test]
async fn a_cfg_of_a_method_is_that_of_its_message_and_the_rest_of_a_block_stays() {
    let (_tree, handle) = start(Child::service("it", |_| async { Ok(Mixed::new()) })).await;
    let mixed = MixedClient::from(handle);
    #[expect(deprecated, reason = "the client's method says what the service's says")]
    mixed.add(3).unwrap();
    assert_eq!(soon(mixed.get()).await.unwrap(), 5);
}

/// Services that a macro of the user's makes.
macro_rules! counter {
    ($name:ident, $number:ty, $step:expr) => {
        struct $name($number);

        #[regrow::service]
        impl $name {
            #[call]
            async fn add(&mut self, by: $number, reply: Reply<$number>) -> anyhow::Result<()> {
                self.0 += by * $step;
                reply.send(self.0);
                Ok(())
            }

            #[cast]
            fn set(&mut self, ctx: &mut Context<Self>, to: $number) -> Result<(), std::num::ParseIntError> {
                self.0 = to + <$number>::try_from(ctx.generation()).unwrap_or_default();
                Ok(())
            }

            #[call(error = std::num::ParseIntError)]
            fn parse(&self, text: String) -> Result<$number, std::num::ParseIntError> {
                text.parse::<$number>()
            }

            #[stopped]
            async fn end(&mut self) -> anyhow::Result<()> {
                anyhow::ensure!(self.0 == 9);
                Ok(())
            }
        }
    };
}

counter!(Small, u8, 2);
counter!(Large, u64, 3);

#[tokio::test]
async fn a_macro_can_make_services() {
    let (tree, handle) = start(Child::service("it", |_| async { Ok(Small(0)) })).await;
    let small = SmallClient::from(handle);
    small.set(2).unwrap();
    assert_eq!(soon(small.add(3)).await.unwrap(), 9);
    assert_eq!(soon(small.parse("255".into())).await.unwrap(), 255);
    assert!(soon(small.parse("256".into())).await.is_err());
    assert!(soon(tree.shutdown()).await.is_clean());
    let (_tree, handle) = start(Child::service("it", |_| async { Ok(Large(0)) })).await;
    assert_eq!(soon(LargeClient::from(handle).add(3)).await.unwrap(), 9);
}

/// A service by hand below one of the attribute, in one tree.
struct ByHand(MixedClient);

enum ByHandMsg {
    Twice(Reply<i32>),
}

impl Service for ByHand {
    type Msg = ByHandMsg;

    async fn handle(&mut self, msg: ByHandMsg, _: &mut Context<Self>) -> anyhow::Result<()> {
        let ByHandMsg::Twice(reply) = msg;
        reply.send(2 * self.0.get().await?);
        Ok(())
    }
}

#[tokio::test]
async fn a_service_by_hand_and_one_of_the_attribute_know_each_other() {
    let (_tree, handle) = {
        let mixed = Child::service("mixed", |_| async { Ok(Mixed::new()) });
        let by_hand = Child::service("by-hand", |ctx| async move { Ok(ByHand(ctx.lookup("mixed")?.into())) });
        let tree = soon(Supervisor::one_for_one("app").child(by_hand).child(mixed).start()).await.unwrap();
        let handle = tree.lookup("app/by-hand").unwrap();
        (tree, handle)
    };
    assert_eq!(soon(handle.call(ByHandMsg::Twice)).await.unwrap(), 4);
}
