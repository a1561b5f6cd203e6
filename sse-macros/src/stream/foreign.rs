//! Visits the tokens of other macros, as far as they can be parsed.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use syn::{Block, Expr, Token, parse::Parser as _, punctuated::Punctuated, visit::Visit};

/// Visits `tokens` as expressions or statements if they parse as such, else part by part. Returns the parts that could
/// not be parsed.
pub(crate) fn visit(visitor: &mut impl for<'ast> Visit<'ast>, tokens: TokenStream) -> TokenStream {
    if let Ok(exprs) = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone()) {
        exprs.iter().for_each(|expr| visitor.visit_expr(expr));
        return TokenStream::new();
    }
    if let Ok(stmts) = Block::parse_within.parse2(tokens.clone()) {
        for stmt in &stmts {
            visitor.visit_stmt(stmt);
        }
        return TokenStream::new();
    }
    let parts = parts(tokens.clone());
    if parts.len() > 1 {
        parts.into_iter().map(|part| visit(visitor, part)).collect()
    } else {
        tokens
    }
}

/// Splits at each `,`, `=` and `=>`, because `select!` and similar macros separate patterns, futures and handlers in
/// this way.
fn parts(tokens: TokenStream) -> Vec<TokenStream> {
    let mut parts = vec![TokenStream::new()];
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_end = match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => true,
            TokenTree::Punct(punct) if punct.as_char() == '=' => {
                punct.spacing() == Spacing::Alone
                    || tokens
                        .next_if(|next| matches!(next, TokenTree::Punct(next) if next.as_char() == '>'))
                        .is_some()
            }
            _ => false,
        };
        match parts.last_mut() {
            Some(part) if !is_end => part.extend([token]),
            _ => parts.push(TokenStream::new()),
        }
    }
    parts
}
