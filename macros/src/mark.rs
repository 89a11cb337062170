//! `#[call]`, `#[cast]` and `#[stopped]` above a method.

use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Ident, Meta, Result, Token, Type};

/// Purpose of a method.
pub(crate) enum Mark {
    Call {
        /// The service's own error, which callers get beside the fate of the call.
        error: Option<Box<Type>>,
    },
    Cast,
    Stopped,
}

/// The argument of `#[call(error = T)]`.
struct OwnError(Type);

impl Parse for OwnError {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let word: Ident = input.parse()?;
        if word != "error" {
            return Err(Error::new_spanned(
                &word,
                format!("`{word}` is no argument of `#[call]`: `error = Type` is the only one"),
            ));
        }
        input.parse::<Token![=]>()?;
        let error = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        if input.is_empty() {
            Ok(Self(error))
        } else {
            Err(input.error("`error = Type` is the only argument of `#[call]`"))
        }
    }
}

/// Name of a mark, if an attribute is one.
fn name(attribute: &Attribute) -> Option<String> {
    let path = attribute.path();
    let name = match path.segments.len() {
        1 => path.segments.first()?,
        2 if path.segments.first()?.ident == "regrow" => path.segments.last()?,
        _ => return None,
    };
    Some(name.ident.to_string()).filter(|name| ["call", "cast", "stopped"].contains(&name.as_str()))
}

impl Mark {
    /// Takes the mark from the attributes of a method.
    pub(crate) fn take(attributes: &mut Vec<Attribute>) -> Result<Option<(Self, Attribute)>> {
        let marks: Vec<Attribute> = attributes.extract_if(.., |attribute| name(attribute).is_some()).collect();
        let Some((first, rest)) = marks.split_first() else { return Ok(None) };
        if let (Some(name_of_first), Some(second)) = (name(first), rest.first()) {
            let said = name(second).unwrap_or_default();
            let reason = if said == name_of_first {
                format!("`#[{said}]` stands here twice: remove one of the two")
            } else {
                format!("a method is either a `#[{name_of_first}]` or a `#[{said}]`: remove one of the two")
            };
            return Err(Error::new_spanned(second, reason));
        }
        Self::parse(first).map(|mark| Some((mark, first.clone())))
    }

    fn parse(attribute: &Attribute) -> Result<Self> {
        let name = name(attribute).unwrap_or_default();
        match (&attribute.meta, name.as_str()) {
            (Meta::Path(_), "call") => Ok(Self::Call { error: None }),
            (Meta::Path(_), "cast") => Ok(Self::Cast),
            (Meta::Path(_), _) => Ok(Self::Stopped),
            (Meta::List(list), "call") => {
                let OwnError(error) = list.parse_args()?;
                Ok(Self::Call { error: Some(Box::new(error)) })
            }
            (Meta::List(list), "cast") => Err(Error::new_spanned(
                &list.tokens,
                "a cast has no caller that an error could go to: write `#[cast]`, or make it a `#[call]`",
            )),
            (Meta::List(list), other) => {
                Err(Error::new_spanned(&list.tokens, format!("write `#[{other}]`, without arguments")))
            }
            (Meta::NameValue(_), "call") => {
                Err(Error::new_spanned(attribute, "write `#[call]` or `#[call(error = Type)]`"))
            }
            (Meta::NameValue(_), other) => Err(Error::new_spanned(attribute, format!("write `#[{other}]`"))),
        }
    }
}
