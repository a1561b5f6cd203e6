//! What a function with a mistake in it expands to: as much of it as is well-typed, so that the mistake
//! is all that is told.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Block, Expr, FnArg, PatType, Stmt, parse_quote, parse_quote_spanned,
    spanned::Spanned as _,
    visit_mut::{self, VisitMut},
};

use crate::stream::{
    Args, Function, MAX_ARGUMENTS, borrows, ends_in_a_result, expand, failure, function, generated,
    is_result, lacks_a_value, neutralise_emits,
};

/// For a mistake in the body: the body without what `emit!`, `open!`, `emitter!` and `yield` do. It still uses what
/// it uses, so that no import or variable becomes superfluous.
///
/// The `errors` stand in it, where they keep the compiler from telling of borrows as well.
pub(crate) fn without_emissions(
    mut function: Function,
    args: &Args,
    mut body: Block,
    errors: &TokenStream,
) -> TokenStream {
    WithoutYield.visit_block_mut(&mut body);
    let mut lacks_a_value = if function.returns_nothing() && failure(&body).is_some() {
        let krate = &args.krate;
        function.sig.output = parse_quote!(-> ::core::result::Result<(), #krate::__private::Error>);
        !ends_in_a_result(&body)
    } else {
        function.returns_a_result() && lacks_a_value(&body)
    };
    if lacks_a_value
        && let Some(Stmt::Expr(last, semicolon)) = body.stmts.last_mut()
        && is_result(last)
    {
        // `Ok(());`, which has nothing wrong with it but the semicolon.
        *semicolon = None;
        lacks_a_value = false;
    }
    let stmts = body.stmts.iter().map(ToTokens::to_token_stream).collect();
    let (krate, events) = (&args.krate, args.events().into_iter());
    let stmts = neutralise_emits(stmts, &quote!(#krate::Emitter<'static #(, #events)*>));
    let body = if lacks_a_value {
        quote_spanned!(Span::mixed_site()=> { #errors #stmts } ::core::unreachable!())
    } else {
        quote!(#errors #stmts)
    };
    expand(&function, args, body)
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
    let arguments: Vec<_> = arguments
        .take(MAX_ARGUMENTS - usize::from(item.hidden_argument_reason(args).is_some()))
        .collect();
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
