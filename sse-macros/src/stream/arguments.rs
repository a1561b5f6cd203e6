//! The arguments, which live as long as the stream: each is bound again inside of it.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Pat, PatType, spanned::Spanned as _};

use super::emission::generated;

/// One argument, taken apart.
pub(crate) struct Argument {
    /// As the function takes it: by a plain name.
    pub(crate) outer: TokenStream,
    /// The statements that move it into the stream and bind it there as it is written, also if nothing
    /// is bound by it: a guard in an argument that is not used is dropped when the stream ends.
    pub(crate) rebinding: TokenStream,
}

impl Argument {
    pub(crate) fn new((index, typed): (usize, &PatType)) -> Self {
        let PatType { attrs, pat, ty, .. } = typed;
        let plain = plain_name(pat);
        // Outside it keeps its name, for documentation, unless that could be one of ours.
        let name = match plain.map(ToString::to_string) {
            Some(name) if !name.starts_with("__") => Ident::new(&name, generated(pat.span())),
            _ => format_ident!("__argument_{index}", span = Span::mixed_site()),
        };
        let outside = attrs.iter().filter(|attr| !is_lint(attr));
        let outer = quote!(#(#outside)* #name: #ty);

        let inside: Vec<_> = attrs
            .iter()
            .filter(|attr| is_lint(attr) || is_cfg(attr))
            .collect();
        let rebinding = match &**pat {
            Pat::Wild(_) => quote_spanned!(Span::mixed_site()=> #(#inside)* let #name = #name;),
            pat if plain.is_some_and(|plain| plain.to_string().starts_with('_')) => {
                // An argument is never told so, but a variable is.
                quote_spanned! {Span::mixed_site()=>
                    #(#inside)*
                    #[allow(clippy::no_effect_underscore_binding, reason = "it holds an argument")]
                    let #pat = #name;
                }
            }
            pat if plain.is_some() => quote_spanned!(Span::mixed_site()=> #(#inside)* let #pat = #name;),
            pat => quote_spanned! {Span::mixed_site()=>
                #(#inside)* let #name = #name;
                #(#inside)* let #pat = #name;
            },
        };
        Self { outer, rebinding }
    }
}

/// The name, if the pattern is no more than that.
fn plain_name(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(&pat.ident),
        _ => None,
    }
}

fn is_cfg(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}

/// Lints of an argument speak of its binding, which is inside.
fn is_lint(attr: &Attribute) -> bool {
    ["allow", "warn", "deny", "expect", "forbid"]
        .iter()
        .any(|lint| attr.path().is_ident(lint))
}
