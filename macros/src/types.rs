//! Types of arguments and answers: what a message can hold, and the parts of a `Result`.

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Error, GenericArgument, Path, PathArguments, PathSegment, Result, Type, TypeParamBound, parse2};

/// Refuses a type that borrows, or has no name: a message outlives the code that sends it.
pub(crate) fn check_owned(ty: &Type, what: &str) -> Result<()> {
    let borrowed = |place: &dyn ToTokens| {
        let instead = "take `String` for `&str`, `Vec<T>` for `&[T]`, `T` or `Arc<T>` for `&T`";
        Err(Error::new_spanned(place, format!("{what} outlives the code that sends it and cannot borrow: {instead}")))
    };
    match ty {
        Type::Reference(reference) => match &reference.lifetime {
            Some(lifetime) if lifetime.ident == "static" => check_owned(&reference.elem, what),
            Some(_) | None => borrowed(reference),
        },
        Type::ImplTrait(anonymous) => Err(Error::new_spanned(
            anonymous,
            format!("{what} has a type with a name: write the type, or `Box<dyn Trait + Send>`"),
        )),
        Type::Path(path) => {
            if let Some(qself) = &path.qself {
                check_owned(&qself.ty, what)?;
            }
            path.path.segments.iter().try_for_each(|segment| check_segment(segment, what))
        }
        Type::TraitObject(object) => object.bounds.iter().try_for_each(|bound| match bound {
            TypeParamBound::Trait(bound) => {
                bound.path.segments.iter().try_for_each(|segment| check_segment(segment, what))
            }
            TypeParamBound::Lifetime(lifetime) if lifetime.ident != "static" => borrowed(lifetime),
            _ => Ok(()),
        }),
        Type::Tuple(tuple) => tuple.elems.iter().try_for_each(|ty| check_owned(ty, what)),
        Type::Array(array) => check_owned(&array.elem, what),
        Type::Slice(slice) => check_owned(&slice.elem, what),
        Type::Paren(paren) => check_owned(&paren.elem, what),
        Type::Group(group) => check_owned(&group.elem, what),
        // A function may borrow from its own arguments, and the rest is for rustc to judge.
        _ => Ok(()),
    }
}

fn check_segment(segment: &PathSegment, what: &str) -> Result<()> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Ok(()) };
    arguments.args.iter().try_for_each(|argument| match argument {
        GenericArgument::Type(ty) => check_owned(ty, what),
        GenericArgument::Lifetime(lifetime) if lifetime.ident != "static" => Err(Error::new_spanned(lifetime,
            format!("{what} outlives the code that sends it and cannot borrow: write `'static`, or a type without a lifetime"),
        )),
        GenericArgument::AssocType(associated) => check_owned(&associated.ty, what),
        _ => Ok(()),
    })
}

/// Takes parentheses and invisible groups off.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Paren(paren) => bare(&paren.elem),
        Type::Group(group) => bare(&group.elem),
        other => other,
    }
}

pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(bare(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Last segment of a type that is a plain path.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

/// The types in the angle brackets of a segment.
pub(crate) fn arguments(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Vec::new() };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// A `Result` as it is written, under whatever path.
pub(crate) struct Written<'a> {
    pub(crate) ok: Option<&'a Type>,
    error: Option<&'a Type>,
    path: &'a Path,
}

impl<'a> Written<'a> {
    pub(crate) fn of(ty: &'a Type) -> Option<Self> {
        let Type::Path(whole) = bare(ty) else { return None };
        let segment = last_segment(ty).filter(|segment| segment.ident == "Result")?;
        let types = arguments(segment);
        Some(Self { ok: types.first().copied(), error: types.get(1).copied(), path: &whole.path })
    }

    /// Whether its error is one that fits all, such as `anyhow::Error`.
    pub(crate) fn is_untyped(&self) -> bool {
        match self.error {
            Some(error) => is_untyped_error(error),
            None => self.path.segments.iter().any(is_of_untyped_errors),
        }
    }

    /// Whether it is a plain `Result<T>`, whose error cannot be seen here.
    pub(crate) fn hides_its_error(&self) -> bool {
        self.error.is_none() && self.path.segments.len() == 1
    }
}

fn is_of_untyped_errors(segment: &PathSegment) -> bool {
    ["anyhow", "eyre", "color_eyre"].iter().any(|name| segment.ident == name)
}

/// Whether this is `anyhow::Error` or one of its kind, which do not implement `std::error::Error`.
pub(crate) fn is_untyped_error(ty: &Type) -> bool {
    let Type::Path(path) = bare(ty) else { return false };
    path.path.segments.iter().any(is_of_untyped_errors)
}

/// Shows tokens as they are written.
pub(crate) fn shown(tokens: &impl ToTokens) -> String {
    let spaced = tokens.to_token_stream().to_string();
    let tight = [" :: ", " < ", " >", " ,"].iter().zip(["::", "<", ">", ","]);
    tight.fold(spaced, |shown, (spaced, tight)| shown.replace(spaced, tight))
}

/// Writes the type of the service in the place of `Self`, which means something else in the enum and in the client.
pub(crate) fn without_self(ty: &Type, service: &Type) -> Type {
    let tokens = replaced(ty.to_token_stream(), &service.to_token_stream());
    parse2(tokens).unwrap_or_else(|_| ty.clone())
}

fn replaced(tokens: TokenStream, service: &TokenStream) -> TokenStream {
    let trees = tokens.into_iter().map(|tree| match tree {
        TokenTree::Ident(ident) if ident == "Self" => service.clone(),
        TokenTree::Group(group) => {
            let mut inside = Group::new(group.delimiter(), replaced(group.stream(), service));
            inside.set_span(group.span());
            TokenTree::Group(inside).into()
        }
        other => other.into(),
    });
    trees.collect()
}
