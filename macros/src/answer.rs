//! Return values of methods: an answer, or the end of the service.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Error, Result, ReturnType, Signature, Type, parse_quote};

use crate::types::{Written, bare, check_owned, is_unit, is_untyped_error, shown, without_self};

/// Whether a method whose return value is no answer can fail.
pub(crate) enum Returns {
    Nothing,
    /// A `Result`, written here.
    Fallible(Span),
}

/// Type of an answer.
pub(crate) struct Answer {
    pub(crate) ty: Type,
    /// `T` and `E` of the answer `Result<T, E>`, if callers get one error for `E` and the fate of the call.
    pub(crate) flattened: Option<(Type, Type)>,
}

/// Reads what a method returns whose return value is no answer.
pub(crate) fn returns(signature: &Signature, otherwise: &str) -> Result<Returns> {
    let ReturnType::Type(_, ty) = &signature.output else { return Ok(Returns::Nothing) };
    if is_unit(ty) {
        return Ok(Returns::Nothing);
    }
    match Written::of(ty) {
        Some(Written { ok: Some(ok), .. }) if !is_unit(ok) => Err(Error::new_spanned(ok, otherwise)),
        Some(_) => Ok(Returns::Fallible(ty.span())),
        None => Err(Error::new_spanned(ty, otherwise)),
    }
}

/// Reads the answer of a call from the method's return type.
pub(crate) fn returned_answer(signature: &Signature, service: &Type, error: Option<Box<Type>>) -> Result<Answer> {
    let ty = match &signature.output {
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => parse_quote!(()),
    };
    if let Type::ImplTrait(anonymous) = bare(&ty) {
        return Err(Error::new_spanned(
            anonymous,
            "the answer has one type with a name: for a future, write `async fn`",
        ));
    }
    check_owned(&ty, "an answer")?;
    if let (Some(result), None) = (Written::of(&ty), &error) {
        if result.is_untyped() {
            return Err(Error::new_spanned(
                ty,
                "what this call returns is its answer, so an `Err` would go to the caller and not end the service. For an answer, return \
                 `Result<T, YourError>` and write `#[call(error = YourError)]`. To end the service by `?`, take an argument \
                 `reply: Reply<T>`, and return `anyhow::Result<()>`",
            ));
        }
        if result.hides_its_error() {
            return Err(Error::new_spanned(
                ty,
                "what this call returns is its answer, `Err` too, and the error is not to be seen here: write `Result<T, YourError>`",
            ));
        }
    }
    flattened(&ty, service, error)
}

/// Reads the answer of a call from its argument `Reply<T>`.
pub(crate) fn deferred_answer(reply: &Type, service: &Type, error: Option<Box<Type>>) -> Result<Answer> {
    check_owned(reply, "an answer")?;
    flattened(reply, service, error)
}

fn flattened(ty: &Type, service: &Type, error: Option<Box<Type>>) -> Result<Answer> {
    let Some(error) = error else { return Ok(Answer { ty: without_self(ty, service), flattened: None }) };
    let shown = shown(&*error);
    if is_untyped_error(&error) {
        return Err(Error::new_spanned(
            error,
            format!(
                "`{shown}` is no `std::error::Error`, so callers could not hand it on by `?`: name an error type of your own"
            ),
        ));
    }
    let otherwise = || {
        Error::new_spanned(
            ty,
            format!("`error = {shown}` is for an answer that is a `Result<T, {shown}>`: write that, or `#[call]`"),
        )
    };
    let result = Written::of(ty).ok_or_else(otherwise)?;
    let Some(ok) = result.ok.filter(|_| !result.is_untyped()) else { return Err(otherwise()) };
    let flattened = Some((without_self(ok, service), without_self(&error, service)));
    Ok(Answer { ty: without_self(ty, service), flattened })
}
