//! The impl block, checked: its requests and its stop hook.

use syn::ext::IdentExt;
use syn::{Attribute, Error, Generics, Ident, ImplItem, ImplItemFn, ItemImpl, Result, Type, parse_quote};

use crate::mark::Mark;
use crate::method::{Hook, Request};
use crate::types::{bare, last_segment};

/// Service that an impl block describes.
pub(crate) struct Block {
    pub(crate) service: Type,
    /// Name of the service's type.
    pub(crate) name: Ident,
    pub(crate) generics: Generics,
    pub(crate) requests: Vec<Request>,
    /// More than one only if each has a `cfg`.
    pub(crate) hooks: Vec<Hook>,
    /// `cfg`s and levels of lints above the block, which all that is made of it gets, too.
    pub(crate) attributes: Vec<Attribute>,
}

/// All errors of a block.
#[derive(Default)]
struct Errors(Option<Error>);

impl Errors {
    fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }
}

impl Block {
    /// Reads the block, and takes the marks off its methods.
    pub(crate) fn read(block: &mut ItemImpl) -> Result<Self> {
        let mut errors = Errors::default();
        let name = errors.keep(check_block(block));
        let (mut requests, mut hooks): (Vec<Request>, Vec<Hook>) = Default::default();
        for item in &mut block.items {
            let Some(method) = errors.keep(marked(item)).flatten() else { continue };
            match method {
                (method, Mark::Stopped) => {
                    let Some(read) = errors.keep(Hook::read(method, &block.self_ty)) else { continue };
                    if hooks.iter().any(|other| other.cfgs.is_empty() || read.cfgs.is_empty()) {
                        errors.push(Error::new_spanned(
                            &read.name,
                            "a service has one stop hook: remove one `#[stopped]`",
                        ));
                    }
                    hooks.push(read);
                }
                (method, mark) => {
                    let Some(request) = errors.keep(Request::read(method, &block.self_ty, mark)) else { continue };
                    if let Some(other) = twin(&requests, &request) {
                        let reason = format!(
                            "`{}` and `{}` would both be the message `{}`: rename one",
                            other.name, request.name, request.variant
                        );
                        errors.push(Error::new_spanned(&request.name, reason));
                    }
                    if request.fields().next().is_some() {
                        // A message is owned: clippy's advice to borrow its parts cannot be followed.
                        method.attrs.push(parse_quote!(#[allow(clippy::needless_pass_by_value)]));
                    }
                    requests.push(request);
                }
            }
        }
        if requests.is_empty() && errors.0.is_none() {
            errors.push(Error::new_spanned(
                &block.self_ty,
                "no method of this block is a message: write `#[call]` or `#[cast]` above some",
            ));
        }
        match (errors.0, name) {
            (None, Some(name)) => Ok(Self {
                service: (*block.self_ty).clone(),
                name,
                generics: block.generics.clone(),
                requests,
                hooks,
                attributes: block.attrs.iter().filter(|attribute| is_for_all(attribute)).cloned().collect(),
            }),
            (Some(errors), _) => Err(errors),
            (None, None) => unreachable!("a block without a name is an error"),
        }
    }
}

fn is_for_all(attribute: &Attribute) -> bool {
    ["cfg", "allow", "warn", "deny", "forbid"].iter().any(|name| attribute.path().is_ident(name))
}

/// Returns the name of the service's type.
fn check_block(block: &ItemImpl) -> Result<Ident> {
    if let Some((of, _)) = &block.trait_ {
        return Err(Error::new_spanned(
            of,
            "the methods of a trait are not messages: write an `impl` block of the type itself, whose methods may call the trait's",
        ));
    }
    if let Some(lifetime) = block.generics.lifetimes().next() {
        return Err(Error::new_spanned(
            lifetime,
            "a service outlives the code that starts it, so its type cannot borrow: let it own what it needs, or share it in an `Arc`",
        ));
    }
    match last_segment(&block.self_ty) {
        Some(segment) => Ok(segment.ident.unraw()),
        None => {
            Err(Error::new_spanned(bare(&block.self_ty), "a service is a type with a name: a `struct` or an `enum`"))
        }
    }
}

/// Returns the method and its mark, if an item of the block is marked. The mark is taken off.
fn marked(item: &mut ImplItem) -> Result<Option<(&mut ImplItemFn, Mark)>> {
    let attributes = match item {
        ImplItem::Fn(method) => {
            return match Mark::take(&mut method.attrs)? {
                Some((mark, _)) => Ok(Some((method, mark))),
                None => looks_like_a_hook(method).map(|()| None),
            };
        }
        ImplItem::Const(item) => &mut item.attrs,
        ImplItem::Type(item) => &mut item.attrs,
        ImplItem::Macro(item) => &mut item.attrs,
        _ => return Ok(None),
    };
    match Mark::take(attributes)? {
        Some((_, place)) => Err(Error::new_spanned(place, "only methods can be messages: remove this")),
        None => Ok(None),
    }
}

/// Refuses a method that looks like [`Service::stopped`] and would never be called.
fn looks_like_a_hook(method: &ImplItemFn) -> Result<()> {
    let signature = &method.sig;
    let has_self = signature.receiver().is_some();
    if signature.ident == "stopped" && has_self && signature.inputs.len() == 2 && signature.asyncness.is_some() {
        return Err(Error::new_spanned(
            &signature.ident,
            "nothing would call this: write `#[stopped]` above the stop hook, or rename the method",
        ));
    }
    Ok(())
}

/// Returns an earlier request with the same message. Two that have a `cfg` each may exclude each other.
fn twin<'a>(requests: &'a [Request], request: &Request) -> Option<&'a Request> {
    requests.iter().find(|other| {
        other.variant == request.variant
            && (other.name != request.name || other.cfgs.is_empty() || request.cfgs.is_empty())
    })
}
