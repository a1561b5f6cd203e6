//! The function's arguments. Each is bound again inside the stream, so that it lives as long as the stream.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, Pat, PatType, spanned::Spanned as _};

use super::emission::generated;

/// One argument and its two bindings.
pub(crate) struct Argument {
    /// The argument of the expanded function: a plain name.
    pub(crate) outer: TokenStream,
    /// The statements that move it into the stream and bind it there with the written pattern, even if the pattern
    /// binds nothing: an unused guard in an argument is dropped only when the stream ends.
    pub(crate) rebinding: TokenStream,
}

impl Argument {
    pub(crate) fn new((index, typed): (usize, &PatType)) -> Self {
        let PatType { attrs, pat, ty, .. } = typed;
        let plain = plain_name(pat);
        // The outer argument keeps its name, for documentation, unless the name could be a generated one.
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
                // The compiler warns about this for a variable, but not for an argument.
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

/// The name, if the pattern is only a name.
fn plain_name(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(&pat.ident),
        _ => None,
    }
}

fn is_cfg(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}

/// Lint attributes of an argument apply to its binding, which is inside the stream.
fn is_lint(attr: &Attribute) -> bool {
    ["allow", "warn", "deny", "expect", "forbid"]
        .iter()
        .any(|lint| attr.path().is_ident(lint))
}
