//! The source of the commands: found, and asked one thing after the other.

use hyper::Method;
use hyper::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;

use crate::admin::wire::act::{ActRequest, Acted};
use crate::admin::wire::greeting::Greeting;
use crate::operate::ask::answer::{Answer, open};
use crate::operate::ask::exchange::{Ask, exchange};
use crate::operate::ask::parameters::address;
use crate::operate::code::Code;
use crate::operate::find::{Place, find};
use crate::operate::options::Target;
use crate::operate::text::safe;
use crate::operate::trouble::Trouble;

/// Admin source of a running program.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) target: &'a Target,
    pub(crate) place: Place,
    pub(crate) runtime: Runtime,
}

impl<'a> Source<'a> {
    /// Finds the source of the program that the options name.
    pub(crate) fn find(target: &'a Target) -> Result<Self, Trouble> {
        let place = find(target)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Trouble::lost(format!("no runtime for the connection: {error}")))?;
        Ok(Self { target, place, runtime })
    }

    /// Asks what the program is and what the client may do.
    pub(crate) fn greeting(&self) -> Result<Answer<Greeting>, Trouble> {
        self.send(&Ask::look("/v1"))
    }

    /// Asks for data.
    pub(crate) fn look<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &impl Serialize,
    ) -> Result<Answer<T>, Trouble> {
        self.send(&Ask::look(address(path, parameters)))
    }

    /// Orders an act.
    ///
    /// # Errors
    ///
    /// As for a look, and if the act was not carried out.
    pub(crate) fn act(&self, request: &ActRequest) -> Result<Answer<Acted>, Trouble> {
        let answer: Answer<Acted> = self.change(Method::POST, "/v1/acts", Some(request))?;
        if answer.data.is_done { Ok(answer) } else { Err(Trouble::new(Code::Refused, safe(&answer.data.outcome))) }
    }

    /// Sends a request that changes something.
    pub(crate) fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Trouble> {
        let content = content.map(serde_json::to_string).transpose();
        let content = content.map_err(|error| Trouble::usage(format!("the request cannot be written: {error}")))?;
        self.send(&Ask::change(method, path, content))
    }

    /// Returns the tree that is meant: the one that is named, or the only one.
    pub(crate) fn tree(&self, named: Option<&str>) -> Result<String, Trouble> {
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let greeting = self.greeting()?.data;
        match greeting.trees.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(Trouble::new(Code::Unknown, format!("{} shows no tree", safe(&greeting.program)))),
            several => {
                let names: Vec<String> = several.iter().map(|tree| safe(&tree.name).into_owned()).collect();
                Err(Trouble::usage(format!("the program has several trees, name one: {}", names.join(", "))))
            }
        }
    }

    /// Asks for lines that have no envelope.
    pub(crate) fn lines(&self, address: &str) -> Result<Bytes, Trouble> {
        let ask = Ask::look(address);
        let (status, content) = self.runtime.block_on(exchange(&self.place, &ask, self.target.patience()))?;
        if !status.is_success() {
            open::<serde_json::Value>(status, &content)?;
        }
        Ok(content)
    }

    fn send<T: DeserializeOwned>(&self, ask: &Ask) -> Result<Answer<T>, Trouble> {
        let is_look = ask.method == Method::GET;
        let patience = if is_look { self.target.patience() } else { self.target.patience_for_act() };
        let (status, content) = self.runtime.block_on(exchange(&self.place, ask, patience))?;
        open(status, &content)
    }
}
