//! Methods: the request that one handles, or the stop hook.

use syn::ext::IdentExt;
use syn::{Attribute, Error, Ident, ImplItemFn, ReceiverKind, Result, Safety, Signature, Type};

use crate::answer::{Answer, Returns, deferred_answer, returned_answer, returns};
use crate::mark::Mark;
use crate::parameters::{Parameter, read_parameters};

/// Method that a message stands for.
pub(crate) struct Request {
    pub(crate) name: Ident,
    /// Name of its message.
    pub(crate) variant: Ident,
    pub(crate) is_async: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) kind: Kind,
    pub(crate) docs: Vec<Attribute>,
    /// `cfg`s of the method, which all that is made of it gets, too.
    pub(crate) cfgs: Vec<Attribute>,
    /// `deprecated`, for the client's method.
    pub(crate) deprecated: Vec<Attribute>,
}

pub(crate) enum Kind {
    Cast {
        returns: Returns,
    },
    /// The return value is the answer.
    Call {
        answer: Answer,
    },
    /// The method has the reply, and answers when it likes.
    Deferred {
        answer: Answer,
        returns: Returns,
    },
}

/// The stop hook.
pub(crate) struct Hook {
    pub(crate) name: Ident,
    pub(crate) is_async: bool,
    pub(crate) has_context: bool,
    pub(crate) returns: Returns,
    pub(crate) cfgs: Vec<Attribute>,
}

impl Request {
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&Ident, &Type)> {
        self.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::Field { name, ty } => Some((name, &**ty)),
            Parameter::Context | Parameter::Reply => None,
        })
    }

    pub(crate) fn answer(&self) -> Option<&Answer> {
        match &self.kind {
            Kind::Cast { .. } => None,
            Kind::Call { answer } | Kind::Deferred { answer, .. } => Some(answer),
        }
    }

    /// Reads a method below `#[call]` or `#[cast]`.
    pub(crate) fn read(method: &ImplItemFn, service: &Type, mark: Mark) -> Result<Self> {
        let signature = &method.sig;
        check_signature(signature)?;
        let (parameters, reply) = read_parameters(signature, service, &mark)?;
        let kind = match (mark, reply) {
            (Mark::Call { error }, None) => Kind::Call { answer: returned_answer(signature, service, error)? },
            (Mark::Call { error }, Some(reply)) => Kind::Deferred {
                answer: deferred_answer(&reply, service, error)?,
                returns: returns(
                    signature,
                    "the reply is an argument, so the return value is no answer: return nothing, or `anyhow::Result<()>`, whose `Err` ends the service",
                )?,
            },
            (Mark::Cast | Mark::Stopped, _) => Kind::Cast {
                returns: returns(
                    signature,
                    "a cast has no caller that would get this: return nothing, or `anyhow::Result<()>`, whose `Err` ends the service; or make it a `#[call]`",
                )?,
            },
        };
        Ok(Self {
            name: signature.ident.clone(),
            variant: variant(&signature.ident)?,
            is_async: signature.asyncness.is_some(),
            parameters,
            kind,
            docs: attributes(method, "doc"),
            cfgs: attributes(method, "cfg"),
            deprecated: attributes(method, "deprecated"),
        })
    }
}

impl Hook {
    pub(crate) fn read(method: &ImplItemFn, service: &Type) -> Result<Self> {
        let signature = &method.sig;
        check_signature(signature)?;
        let (parameters, _) = read_parameters(signature, service, &Mark::Stopped)?;
        Ok(Self {
            name: signature.ident.clone(),
            is_async: signature.asyncness.is_some(),
            has_context: !parameters.is_empty(),
            returns: returns(signature, "a stop hook returns nothing, or `anyhow::Result<()>`")?,
            cfgs: attributes(method, "cfg"),
        })
    }
}

fn attributes(method: &ImplItemFn, name: &str) -> Vec<Attribute> {
    method.attrs.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
}

/// Returns the name of the message: `get_all` becomes `GetAll`.
fn variant(method: &Ident) -> Result<Ident> {
    let name = method.unraw().to_string();
    let mut variant = String::new();
    for word in name.split('_') {
        let mut chars = word.chars();
        variant.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        variant.push_str(chars.as_str());
    }
    match syn::parse_str::<Ident>(&variant) {
        Ok(mut variant) => {
            variant.set_span(method.span());
            Ok(variant)
        }
        Err(_) => Err(Error::new_spanned(
            method,
            format!("its message would be called `{variant}`, which is no name in Rust: rename the method"),
        )),
    }
}

fn check_signature(signature: &Signature) -> Result<()> {
    let name = &signature.ident;
    let receiver = signature.receiver().ok_or_else(|| {
        Error::new_spanned(name, format!("a message is handled by the state: write `fn {name}(&mut self, ..)`"))
    })?;
    match &receiver.kind {
        ReceiverKind::Reference(..) => {}
        ReceiverKind::Value => {
            return Err(Error::new_spanned(
                receiver,
                "the service lives on after a message, so a method cannot take it: write `&mut self`, and `ctx.stop()` to end the service",
            ));
        }
        _ => return Err(Error::new_spanned(receiver, "write `&mut self`")),
    }
    if let Safety::Unsafe(word) = &signature.safety {
        return Err(Error::new(word.span, "every peer can send the message, so its method is safe: remove `unsafe`"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics.params,
            format!(
                "`{name}` is one message with one type, and cannot be generic: take a type without parameters, or put them on the impl block"
            ),
        ));
    }
    Ok(())
}
