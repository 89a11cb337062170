//! The arguments of a method: parts of its message, the context and the reply.

use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, Pat, PatType, PathSegment, Result, Signature, Type};

use crate::mark::Mark;
use crate::types::{arguments, bare, check_owned, last_segment, without_self};

/// Argument of a method, in the order in which it takes them.
pub(crate) enum Parameter {
    /// Part of the message.
    Field {
        name: Ident,
        ty: Box<Type>,
    },
    Context,
    Reply,
}

/// Returns the arguments, and `T` of an argument `Reply<T>`.
pub(crate) fn read_parameters(
    signature: &Signature,
    service: &Type,
    mark: &Mark,
) -> Result<(Vec<Parameter>, Option<Type>)> {
    let mut parameters: Vec<Parameter> = Vec::new();
    let (mut has_context, mut reply) = (false, None);
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    for (number, argument) in typed.enumerate() {
        if let Some(cfg) = argument.attrs.iter().find(|attribute| attribute.path().is_ident("cfg")) {
            return Err(Error::new_spanned(
                cfg,
                "a part of a message cannot have a `cfg`: write two methods, each with a `cfg`",
            ));
        }
        if is_context(&argument.ty, service)? {
            if has_context {
                return Err(Error::new_spanned(argument, "there is one context: remove this argument"));
            }
            has_context = true;
            parameters.push(Parameter::Context);
            continue;
        }
        if let Some(answer) = reply_of(&argument.ty)? {
            match mark {
                Mark::Call { .. } if reply.is_some() => {
                    return Err(Error::new_spanned(argument, "a call has one answer: remove this argument"));
                }
                Mark::Call { .. } => {}
                Mark::Cast => {
                    return Err(Error::new_spanned(
                        &argument.ty,
                        "a cast has no caller to answer: make it a `#[call]`, whose client passes the reply itself",
                    ));
                }
                Mark::Stopped => {
                    return Err(Error::new_spanned(
                        &argument.ty,
                        "a stop hook has no caller to answer: remove this argument",
                    ));
                }
            }
            reply = Some(answer);
            parameters.push(Parameter::Reply);
            continue;
        }
        if matches!(mark, Mark::Stopped) {
            return Err(Error::new_spanned(
                argument,
                "a stop hook takes `&mut self`, and `ctx: &mut Context<Self>` if it needs it",
            ));
        }
        check_owned(&argument.ty, "a message")?;
        let name = field(argument, number, &parameters);
        parameters.push(Parameter::Field { name, ty: Box::new(without_self(&argument.ty, service)) });
    }
    Ok((parameters, reply))
}

/// Returns the name of an argument in the client's method.
fn field(argument: &PatType, number: usize, before: &[Parameter]) -> Ident {
    let otherwise = || format_ident!("arg{number}", span = argument.pat.span());
    let Pat::Ident(pattern) = &*argument.pat else { return otherwise() };
    let said = pattern.ident.to_string();
    let shown = said.trim_start_matches('_');
    let name = if shown.len() == said.len() {
        Ok(pattern.ident.clone())
    } else {
        syn::parse_str::<Ident>(shown).map(|name| Ident::new(&name.to_string(), pattern.ident.span()))
    };
    let is_taken = |name: &Ident| {
        before.iter().any(|other| matches!(other, Parameter::Field { name: taken, .. } if taken == name))
    };
    name.ok().filter(|name| !is_taken(name)).unwrap_or_else(otherwise)
}

/// Returns the last segment of a type with this name, and whether the type is a reference to it.
fn named<'a>(ty: &'a Type, name: &str) -> Option<(&'a PathSegment, bool)> {
    let (inside, is_reference) = match bare(ty) {
        Type::Reference(reference) => (&*reference.elem, true),
        other => (other, false),
    };
    last_segment(inside).filter(|segment| segment.ident == name).map(|segment| (segment, is_reference))
}

/// Whether the argument is the context.
fn is_context(ty: &Type, service: &Type) -> Result<bool> {
    let is_of_service = |ty: &Type| {
        last_segment(ty).is_some_and(|segment| segment.ident == "Self")
            || bare(ty).to_token_stream().to_string() == service.to_token_stream().to_string()
    };
    let Some((segment, is_reference)) = named(ty, "Context") else { return Ok(false) };
    match arguments(segment)[..] {
        [of] if is_reference && is_of_service(of) => Ok(true),
        [of] if is_of_service(of) => {
            Err(Error::new_spanned(ty, "the context is lent: write `ctx: &mut Context<Self>`"))
        }
        [_] if is_reference => {
            Err(Error::new_spanned(ty, "a service has its own context: write `ctx: &mut Context<Self>`"))
        }
        [] if is_reference && segment.arguments.is_empty() => {
            Err(Error::new_spanned(ty, "write `ctx: &mut Context<Self>`"))
        }
        _ => Ok(false),
    }
}

/// Returns `T` of `Reply<T>`.
fn reply_of(ty: &Type) -> Result<Option<Type>> {
    let Some((segment, is_reference)) = named(ty, "Reply") else { return Ok(None) };
    match arguments(segment)[..] {
        [_] if is_reference => Err(Error::new_spanned(
            ty,
            "the method gets the reply itself, and may keep it: write `Reply<T>`, without `&`",
        )),
        [answer] => Ok(Some(answer.clone())),
        [] if segment.arguments.is_empty() => {
            Err(Error::new_spanned(ty, "write `Reply<T>`, with the type of the answer"))
        }
        _ => Ok(None),
    }
}
