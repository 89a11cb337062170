//! The client: a newtype of the handle, with a method for each message.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use crate::expand::{Expansion, at, local, parameters};
use crate::method::Request;
use crate::options::Options;

impl Expansion {
    pub(crate) fn client(&self) -> TokenStream {
        let Self { options, block, client, generics, .. } = self;
        let Options { visibility, regrow, .. } = options;
        let (attributes, message_type) = (&block.attributes, self.message_type());
        let docs = format!(" Client of `{}`: a handle with a method for each message.", block.name);
        let (parameters, clause) = (parameters(generics), &generics.where_clause);
        // A derive would ask for the same traits of the parameters, which the handle does not need.
        let derives = generics.params.is_empty().then(|| quote!(#[derive(Clone, Debug, PartialEq, Eq, Hash)]));
        let by_hand = (!generics.params.is_empty()).then(|| self.client_traits());
        quote! {
            #(#attributes)*
            #[doc = #docs]
            #[allow(dead_code)]
            #derives
            #visibility struct #client #parameters (#regrow::Handle<#message_type>) #clause;

            #by_hand
        }
    }

    /// `Clone`, `Debug`, `PartialEq` and `Eq` of a client with parameters.
    fn client_traits(&self) -> TokenStream {
        let (attributes, client, name) = (&self.block.attributes, &self.client, self.client.to_string());
        let (implementation, arguments, clause) = self.generics.split_for_impl();
        let heads = [
            quote!(::core::clone::Clone),
            quote!(::core::fmt::Debug),
            quote!(::core::cmp::PartialEq),
            quote!(::core::cmp::Eq),
        ];
        let bodies = [
            quote!(
                fn clone(&self) -> Self {
                    Self(::core::clone::Clone::clone(&self.0))
                }
            ),
            quote! {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.debug_tuple(#name).field(&self.0).finish()
                }
            },
            quote!(
                fn eq(&self, other: &Self) -> bool {
                    self.0 == other.0
                }
            ),
            TokenStream::new(),
        ];
        let implementations = heads.iter().zip(bodies).map(
            |(head, body)| quote!(#(#attributes)* impl #implementation #head for #client #arguments #clause { #body }),
        );
        quote!(#(#implementations)*)
    }

    pub(crate) fn client_methods(&self) -> TokenStream {
        let (regrow, visibility, message_type) = (self.regrow(), &self.options.visibility, self.message_type());
        let (attributes, client) = (&self.block.attributes, &self.client);
        let (implementation, arguments, clause) = self.generics.split_for_impl();
        let methods = self.block.requests.iter().map(|request| self.client_method(request));
        // A request of this name has the name, and the handle is reached by `Handle::from`.
        let is_taken = self.block.requests.iter().any(|request| request.name.unraw() == "handle");
        let handle = (!is_taken).then(|| {
            quote! {
                /// The handle, for all that is no request.
                #visibility fn handle(&self) -> &#regrow::Handle<#message_type> {
                    &self.0
                }
            }
        });
        quote! {
            #(#attributes)*
            #[allow(dead_code, clippy::all, rustdoc::all)]
            impl #implementation #client #arguments #clause {
                #handle
                #(#methods)*
            }
        }
    }

    fn client_method(&self, request: &Request) -> TokenStream {
        let Request { name, variant, cfgs, deprecated, .. } = request;
        let (regrow, visibility) = (self.regrow(), &self.options.visibility);
        let (message, message_type, reply) = (&self.message, self.message_type(), local("reply"));
        let docs = self.docs(request);
        let parameters = request.fields().map(|(name, ty)| quote!(#name: #ty));
        let names: Vec<&Ident> = request.fields().map(|(name, _)| name).collect();
        let (returned, body) = match request.answer() {
            None => {
                let parts = (!names.is_empty()).then(|| quote!((#(#names),*)));
                let returned = quote!(::core::result::Result<(), #regrow::SendError<#message_type>>);
                (returned, quote!(self.0.cast(#message::#variant #parts)))
            }
            Some(answer) => {
                let ty = &answer.ty;
                let make = if names.is_empty() {
                    quote!(#message::#variant)
                } else {
                    quote!(|#reply| #message::#variant(#(#names,)* #reply))
                };
                match &answer.flattened {
                    None => (quote!(#regrow::Call<#message_type, #ty>), quote!(self.0.call(#make))),
                    Some((ok, error)) => {
                        let returned = quote!(#regrow::Request<#message_type, #ok, #error>);
                        (returned, quote_spanned!(at(error.span())=> self.0.call(#make).flatten()))
                    }
                }
            }
        };
        quote! {
            #(#cfgs)*
            #(#deprecated)*
            #docs
            #visibility fn #name(&self #(, #parameters)*) -> #returned {
                #body
            }
        }
    }

    pub(crate) fn conversions(&self) -> TokenStream {
        let (regrow, attributes) = (self.regrow(), &self.block.attributes);
        let (client, message_type) = (&self.client, self.message_type());
        let (implementation, arguments, clause) = self.generics.split_for_impl();
        quote! {
            #(#attributes)*
            impl #implementation ::core::convert::From<#regrow::Handle<#message_type>> for #client #arguments #clause {
                fn from(handle: #regrow::Handle<#message_type>) -> Self {
                    Self(handle)
                }
            }

            #(#attributes)*
            impl #implementation ::core::convert::From<#client #arguments> for #regrow::Handle<#message_type> #clause {
                fn from(client: #client #arguments) -> Self {
                    client.0
                }
            }
        }
    }
}
