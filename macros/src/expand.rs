//! Expansion of a block: messages, `Service` impl, client.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Error, Generics, Ident, ItemImpl, Path, parse2};

use crate::answer::Returns;
use crate::block::Block;
use crate::generics::mentioned;
use crate::method::{Hook, Kind, Request};
use crate::options::Options;
use crate::parameters::Parameter;

pub(crate) fn service(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut block: ItemImpl = match parse2(item.clone()) {
        Ok(block) => block,
        Err(_) => {
            let error = Error::new_spanned(item, "`#[regrow::service]` stands above an impl block: `impl Db { .. }`");
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let options = Options::parse(arguments);
    let read = Block::read(&mut block);
    let made = match (options, read) {
        (Ok(options), Ok(read)) => Expansion::new(options, read).whole(),
        (Ok(_), Err(errors)) | (Err(errors), Ok(_)) => errors.into_compile_error(),
        (Err(mut errors), Err(more)) => {
            errors.combine(more);
            errors.into_compile_error()
        }
    };
    quote!(#block #made)
}

pub(crate) struct Expansion {
    pub(crate) options: Options,
    pub(crate) block: Block,
    pub(crate) message: Ident,
    pub(crate) client: Ident,
    /// Parameters of the messages and of the client.
    pub(crate) generics: Generics,
}

impl Expansion {
    fn new(options: Options, block: Block) -> Self {
        let name = &block.name;
        let message = options.message.clone().unwrap_or_else(|| format_ident!("{name}Msg"));
        let client = options.client.clone().unwrap_or_else(|| format_ident!("{name}Client"));
        let mut types = TokenStream::new();
        for request in &block.requests {
            request.fields().for_each(|(_, ty)| ty.to_tokens(&mut types));
            request.answer().into_iter().for_each(|answer| answer.ty.to_tokens(&mut types));
        }
        let generics = mentioned(&block.generics, &types);
        Self { options, block, message, client, generics }
    }

    fn whole(&self) -> TokenStream {
        let parts =
            [self.messages(), self.debug(), self.service(), self.client(), self.client_methods(), self.conversions()];
        quote!(#(#parts)*)
    }

    pub(crate) fn regrow(&self) -> &Path {
        &self.options.regrow
    }

    /// The enum with its parameters, as a type.
    pub(crate) fn message_type(&self) -> TokenStream {
        let (message, (_, arguments, _)) = (&self.message, self.generics.split_for_impl());
        quote!(#message #arguments)
    }

    fn messages(&self) -> TokenStream {
        let Self { options, block, message, generics, .. } = self;
        let Options { visibility, derives, regrow, .. } = options;
        let (attributes, docs) = (&block.attributes, format!(" Messages of `{}`.", block.name));
        let derives = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
        let variants = block.requests.iter().map(|request| {
            let Request { variant, cfgs, .. } = request;
            let docs = self.docs(request);
            let mut fields: Vec<TokenStream> = request.fields().map(|(_, ty)| ty.to_token_stream()).collect();
            if let Some(answer) = request.answer() {
                let ty = &answer.ty;
                fields.push(quote!(#regrow::Reply<#ty>));
            }
            let fields = (!fields.is_empty()).then(|| quote!((#(#fields),*)));
            quote!(#(#cfgs)* #docs #variant #fields)
        });
        let (parameters, clause) = (parameters(generics), &generics.where_clause);
        quote! {
            #(#attributes)*
            #[doc = #docs]
            #[allow(rustdoc::all)]
            #derives
            #visibility enum #message #parameters #clause {
                #(#variants),*
            }
        }
    }

    /// The docs of a request: those of its method, or a line that names it.
    pub(crate) fn docs(&self, request: &Request) -> TokenStream {
        let docs = &request.docs;
        if docs.is_empty() {
            let line = format!(" `{}::{}`.", self.block.name, request.name.unraw());
            quote!(#[doc = #line])
        } else {
            quote!(#(#docs)*)
        }
    }

    fn debug(&self) -> TokenStream {
        let is_debug = |path: &Path| path.segments.last().is_some_and(|segment| segment.ident == "Debug");
        if self.options.derives.iter().any(is_debug) {
            return TokenStream::new();
        }
        let names = self.block.requests.iter().map(|request| {
            let (cfgs, pattern, name) = (&request.cfgs, self.pattern(request), request.variant.to_string());
            quote!(#(#cfgs)* #pattern => #name)
        });
        let (implementation, arguments, clause) = self.generics.split_for_impl();
        let (attributes, message) = (&self.block.attributes, &self.message);
        quote! {
            #(#attributes)*
            impl #implementation ::core::fmt::Debug for #message #arguments #clause {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.write_str(match *self { #(#names),* })
                }
            }
        }
    }

    /// A pattern of the message that leaves its parts alone.
    fn pattern(&self, request: &Request) -> TokenStream {
        let (message, variant) = (&self.message, &request.variant);
        let is_unit = request.fields().next().is_none() && request.answer().is_none();
        if is_unit { quote!(#message::#variant) } else { quote!(#message::#variant(..)) }
    }

    fn service(&self) -> TokenStream {
        let regrow = self.regrow();
        let (attributes, service, message_type) = (&self.block.attributes, &self.block.service, self.message_type());
        let (implementation, _, clause) = self.block.generics.split_for_impl();
        let requests = &self.block.requests;
        let is_context = |parameter: &Parameter| matches!(parameter, Parameter::Context);
        let uses_context = requests.iter().flat_map(|request| &request.parameters).any(is_context);
        let (msg, ctx) = (local("msg"), local(if uses_context { "ctx" } else { "_ctx" }));
        // Without the messages that a `cfg` takes away, the context may be unused, and the enum empty.
        let cfgs = requests.iter().any(|request| !request.cfgs.is_empty());
        let cfgs = cfgs.then(|| quote!(#[allow(unused_variables, unreachable_code)]));
        let deprecated = requests.iter().any(|request| !request.deprecated.is_empty());
        let deprecated = deprecated.then(|| quote!(#[allow(deprecated)]));
        let arms = requests.iter().map(|request| self.arm(request, &ctx));
        let labels = requests.iter().map(|request| {
            let (cfgs, pattern, name) = (&request.cfgs, self.pattern(request), request.name.unraw().to_string());
            quote!(#(#cfgs)* #pattern => #name)
        });
        // An error about its visibility is shown at the type of the service.
        let msg_type = quote_spanned!(at(service.span())=> type Msg = #message_type;);
        let stopped = self.block.hooks.iter().map(|hook| self.stopped(hook));
        quote! {
            #(#attributes)*
            impl #implementation #regrow::Service for #service #clause {
                #msg_type

                #deprecated
                #cfgs
                async fn handle(&mut self, #msg: #message_type, #ctx: &mut #regrow::Context<Self>) -> #regrow::__macros::Result<()> {
                    match #msg { #(#arms)* }
                    ::core::result::Result::Ok(())
                }

                #cfgs
                fn label(#msg: &#message_type) -> ::core::option::Option<&'static str> {
                    ::core::option::Option::Some(match *#msg { #(#labels),* })
                }

                #(#stopped)*
            }
        }
    }

    /// Arm of the `match` that handles one message.
    fn arm(&self, request: &Request, ctx: &Ident) -> TokenStream {
        let Request { name, variant, cfgs, .. } = request;
        let (message, reply) = (&self.message, local("reply"));
        let mut parts: Vec<&Ident> = request.fields().map(|(name, _)| name).collect();
        if request.answer().is_some() {
            parts.push(&reply);
        }
        let parts = (!parts.is_empty()).then(|| quote!((#(#parts),*)));
        let arguments = request.parameters.iter().map(|parameter| match parameter {
            Parameter::Field { name, .. } => name,
            Parameter::Context => ctx,
            Parameter::Reply => &reply,
        });
        let wait = request.is_async.then(|| quote_spanned!(at(name.span())=> .await));
        let arguments = quote!(#(, #arguments)*);
        let done = match &request.kind {
            Kind::Call { .. } => quote!({ #reply.send(Self::#name(self #arguments) #wait); }),
            Kind::Cast { returns } | Kind::Deferred { returns, .. } => match returns {
                Returns::Nothing => quote!(Self::#name(self #arguments) #wait,),
                Returns::Fallible(span) => quote_spanned!(at(*span)=> Self::#name(self #arguments) #wait?,),
            },
        };
        quote!(#(#cfgs)* #message::#variant #parts => #done)
    }

    fn stopped(&self, hook: &Hook) -> TokenStream {
        let ctx = local(if hook.has_context { "ctx" } else { "_ctx" });
        let (name, cfgs, regrow) = (&hook.name, &hook.cfgs, self.regrow());
        let argument = hook.has_context.then(|| quote!(, #ctx));
        let wait = hook.is_async.then(|| quote_spanned!(at(name.span())=> .await));
        let done = match hook.returns {
            Returns::Nothing => quote!(Self::#name(self #argument) #wait;),
            Returns::Fallible(span) => quote_spanned!(at(span)=> Self::#name(self #argument) #wait?;),
        };
        quote! {
            #(#cfgs)*
            async fn stopped(&mut self, #ctx: &mut #regrow::Context<Self>) -> #regrow::__macros::Result<()> {
                #done
                ::core::result::Result::Ok(())
            }
        }
    }
}

/// The parameters of a definition, without their bounds, which are in its `where` clause.
pub(crate) fn parameters(generics: &Generics) -> TokenStream {
    let (parameters, ..) = generics.split_for_impl();
    quote!(#parameters)
}

/// Name of our own that meets none of the user's.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// Place of the user's for code of our own: an error about its types is shown there.
pub(crate) fn at(place: Span) -> Span {
    place.resolved_at(Span::call_site())
}
