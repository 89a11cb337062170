//! Texts that the attribute makes of a block.

use std::fs;
use std::path::Path;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse2;

use crate::expand::service;

/// Code of the page that shows what the attribute makes, without the hidden lines.
fn shown(page: &str, block: usize) -> String {
    let (_, section) = page.split_once("# What three methods become").expect("the page has the section");
    let code = section.split("```").nth(block).expect("the section has the block");
    code.lines()
        .filter(|line| !line.starts_with('#') || line.starts_with("#["))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn two_methods_of_one_name_are_refused_unless_each_has_a_cfg() {
    let block = |cfg: TokenStream| {
        let block = quote!(impl Db { #[cast] fn put(&mut self) {} #cfg #[cast] fn put(&mut self) {} });
        service(TokenStream::new(), &block).to_string()
    };
    let reason = "`put` and `put` would both be the message `Put`";
    assert!(block(TokenStream::new()).contains(reason) && block(quote!(#[cfg(unix)])).contains(reason));
    let both =
        quote!(impl Db { #[cfg(unix)] #[cast] fn put(&mut self) {} #[cfg(windows)] #[cast] fn put(&mut self) {} });
    assert!(!service(TokenStream::new(), &both).to_string().contains("compile_error"));
}

#[test]
fn the_page_shows_what_three_methods_become() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/requests.md");
    let page = fs::read_to_string(&path).expect("the page of the attribute");
    let written: syn::File = syn::parse_str(&shown(&page, 1)).expect("the page shows Rust");
    let Some(syn::Item::Impl(block)) = written.items.first() else { panic!("the page shows an impl block") };
    let mut block = block.clone();
    let arguments = match block.attrs.pop().map(|attribute| attribute.meta) {
        Some(syn::Meta::List(list)) => list.tokens,
        other => panic!("the attribute has arguments: {}", other.to_token_stream()),
    };
    let made = parse2::<syn::File>(service(arguments, &block.to_token_stream())).expect("it makes Rust");
    let made = syn::File { items: made.items[1..].to_vec(), ..made };
    let made = prettyplease::unparse(&made);
    assert_eq!(shown(&page, 3).trim(), made.trim(), "if that is right, copy it into {}", path.display());
}
