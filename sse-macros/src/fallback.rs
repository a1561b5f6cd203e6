//! What a function with a mistake in it expands to: as much of it as is well-typed, so that the mistake
//! is all that is told.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Block, Expr, FnArg, PatType, Stmt, parse_quote_spanned,
    spanned::Spanned as _,
    visit_mut::{self, VisitMut},
};

use crate::stream::{Args, Function, MAX_ARGUMENTS, borrows, disconnect, expand, function, generated};

/// For a mistake in the body: the body without what `emit!`, `open!` and `yield` do. It still uses what
/// it uses, so that no import or variable becomes superfluous.
pub(crate) fn without_emissions(
    function: &Function,
    args: &Args,
    mut body: Block,
    lacks_a_value: bool,
) -> TokenStream {
    WithoutYield.visit_block_mut(&mut body);
    let mut lacks_a_value = lacks_a_value;
    if lacks_a_value && let Some(Stmt::Expr(Expr::Call(_), semicolon)) = body.stmts.last_mut() {
        // `Ok(());`, which has nothing wrong with it but the semicolon.
        *semicolon = None;
        lacks_a_value = false;
    }
    let stmts = disconnect(body.stmts.iter().map(ToTokens::to_token_stream).collect());
    let body = if lacks_a_value {
        quote_spanned!(Span::mixed_site()=> { #stmts } ::core::unreachable!())
    } else {
        stmts
    };
    expand(function, args, body)
}

/// For a mistake in the signature: one that actix takes for a handler.
pub(crate) fn without_body(item: &Function, args: &Args) -> TokenStream {
    let arguments = item
        .sig
        .inputs
        .iter()
        .enumerate()
        .map(|(index, input)| match input {
            FnArg::Receiver(receiver) => receiver.to_token_stream(),
            FnArg::Typed(PatType { attrs, ty, .. }) => {
                let name = format_ident!("_argument_{index}");
                let krate = &args.krate;
                if borrows(ty) {
                    quote!(#(#attrs)* #name: #krate::__private::HttpRequest)
                } else {
                    quote!(#(#attrs)* #name: #ty)
                }
            }
        });
    let arguments: Vec<_> = arguments.take(MAX_ARGUMENTS - usize::from(args.finite)).collect();
    let body = quote_spanned!(Span::mixed_site()=> ::core::unreachable!());
    function(item, args, arguments.into_iter(), &body)
}

/// Leaves of each `yield` what it would have sent.
struct WithoutYield;

impl VisitMut for WithoutYield {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::Yield(yielded) = expr {
            let value = &yielded.expr;
            *expr = parse_quote_spanned!(generated(yielded.span())=> { let _ = (#value); });
        }
    }
}
