//! The parameters of the impl block that its messages need.
//!
//! An enum must use all of its parameters, and messages rarely mention all of the service. So messages and client have
//! those that are mentioned, with the bounds that mention no others.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{GenericParam, Generics, WherePredicate, parse_quote};

/// Returns the parameters that `types` mention.
pub(crate) fn mentioned(generics: &Generics, types: &TokenStream) -> Generics {
    let name = |parameter: &GenericParam| match parameter {
        GenericParam::Type(parameter) => Some(parameter.ident.clone()),
        GenericParam::Const(parameter) => Some(parameter.ident.clone()),
        GenericParam::Lifetime(_) => None,
    };
    let (kept, left): (Vec<&GenericParam>, Vec<&GenericParam>) =
        generics.params.iter().partition(|parameter| name(parameter).is_some_and(|name| mentions(types, &name)));
    let mut forbidden: Vec<Ident> = left.into_iter().filter_map(name).collect();
    forbidden.push(Ident::new("Self", Span::call_site()));
    let is_allowed = |tokens: &TokenStream| !forbidden.iter().any(|name| mentions(tokens, name));

    let mut predicates: Vec<WherePredicate> = Vec::new();
    let mut needed = Generics::default();
    for parameter in kept {
        let mut parameter = parameter.clone();
        if let GenericParam::Type(parameter) = &mut parameter {
            let (name, bounds) = (&parameter.ident, &parameter.bounds);
            let allowed = bounds.iter().filter(|bound| is_allowed(&bound.to_token_stream()));
            predicates.extend(allowed.map(|bound| parse_quote!(#name: #bound)));
            parameter.colon_token = None;
            parameter.bounds.clear();
        }
        needed.params.push(parameter);
    }
    for predicate in generics.where_clause.iter().flat_map(|clause| &clause.predicates) {
        let tokens = predicate.to_token_stream();
        let is_about_needed = needed.params.iter().filter_map(name).any(|name| mentions(&tokens, &name));
        if is_about_needed && is_allowed(&tokens) {
            predicates.push(predicate.clone());
        }
    }
    if !predicates.is_empty() {
        needed.make_where_clause().predicates.extend(predicates);
    }
    needed
}

fn mentions(tokens: &TokenStream, name: &Ident) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(&group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
