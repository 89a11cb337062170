//! Arguments of the attribute: visibility, names, derives.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Path, Result, Token, Visibility, parenthesized, parse_quote};

/// All arguments of the attribute, with what holds if nothing is said.
pub(crate) struct Options {
    /// Visibility of the messages, of the client, and of the client's methods.
    pub(crate) visibility: Visibility,
    /// Name of the enum of messages, if not `NameMsg`.
    pub(crate) message: Option<Ident>,
    /// Name of the client, if not `NameClient`.
    pub(crate) client: Option<Ident>,
    /// Traits that the messages derive.
    pub(crate) derives: Vec<Path>,
    /// Path of the crate `regrow`.
    pub(crate) regrow: Path,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            visibility: Visibility::Inherited,
            message: None,
            client: None,
            derives: Vec::new(),
            regrow: parse_quote!(::regrow),
        }
    }
}

/// Single argument.
enum Argument {
    Visibility(Visibility),
    Message(Ident, Ident),
    Client(Ident, Ident),
    Derive(Ident, Vec<Path>),
    Crate(Token![crate], Path),
}

const KNOWN: &str = "its arguments are a visibility such as `pub(crate)`, `message = Name`, `client = Name`, \
                     `derive(Clone)` and `crate = path::to::regrow`";

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Token![pub]) {
            return input.parse().map(Self::Visibility);
        }
        if input.peek(Token![crate]) {
            let word = input.parse()?;
            input.parse::<Token![=]>()?;
            return Ok(Self::Crate(word, input.call(Path::parse_mod_style)?));
        }
        let word: Ident = input.parse().map_err(|error| {
            Error::new(error.span(), format!("this is no argument of `#[regrow::service]`: {KNOWN}"))
        })?;
        match word.to_string().as_str() {
            "message" => {
                input.parse::<Token![=]>()?;
                Ok(Self::Message(word, input.parse()?))
            }
            "client" => {
                input.parse::<Token![=]>()?;
                Ok(Self::Client(word, input.parse()?))
            }
            "derive" => {
                let inside;
                parenthesized!(inside in input);
                let derives = Punctuated::<Path, Token![,]>::parse_terminated(&inside)?;
                Ok(Self::Derive(word, derives.into_iter().collect()))
            }
            "clone" | "Clone" => Err(Error::new_spanned(word, "write `derive(Clone)`")),
            "private" => {
                Err(Error::new_spanned(word, "messages and client are private if nothing is said: remove this"))
            }
            other => {
                Err(Error::new_spanned(word, format!("`{other}` is no argument of `#[regrow::service]`: {KNOWN}")))
            }
        }
    }
}

impl Options {
    pub(crate) fn parse(arguments: TokenStream) -> Result<Self> {
        let arguments = Punctuated::<Argument, Token![,]>::parse_terminated.parse2(arguments)?;
        let mut options = Self::default();
        let mut said: Vec<&'static str> = Vec::new();
        for argument in arguments {
            let (what, place): (_, &dyn ToTokens) = match &argument {
                Argument::Visibility(visibility) => ("the visibility", visibility),
                Argument::Message(word, _) => ("`message`", word),
                Argument::Client(word, _) => ("`client`", word),
                Argument::Derive(word, _) => ("`derive`", word),
                Argument::Crate(word, _) => ("`crate`", word),
            };
            if said.contains(&what) {
                return Err(Error::new_spanned(place, format!("{what} is set twice: remove one of the two")));
            }
            said.push(what);
            match argument {
                Argument::Visibility(visibility) => options.visibility = visibility,
                Argument::Message(_, name) => options.message = Some(name),
                Argument::Client(_, name) => options.client = Some(name),
                Argument::Derive(_, derives) => options.derives = derives,
                Argument::Crate(_, path) => options.regrow = path,
            }
        }
        Ok(options)
    }
}
