//! `emit!(..)` and `open!()` as tokens: found wherever they are written, also among the tokens of other
//! macros (`select!`, `join!`), which nobody but those macros can parse.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Expr, Token, parse::Parser as _, punctuated::Punctuated};

use super::errors::Errors;

/// One `emit!(..)` or `open!(..)`.
pub(crate) struct Invocation {
    pub(crate) name: Ident,
    pub(crate) kind: Kind,
    pub(crate) arguments: Group,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Emit,
    Open,
}

impl Kind {
    pub(crate) fn of(name: &Ident) -> Option<Self> {
        if name == "emit" {
            Some(Self::Emit)
        } else if name == "open" {
            Some(Self::Open)
        } else {
            None
        }
    }
}

/// Whether an `emit!` is written in `tokens`, at any depth.
pub(crate) fn emits(tokens: TokenStream) -> bool {
    contains(tokens, Kind::Emit)
}

/// Whether an `open!` is written in `tokens`, at any depth.
pub(crate) fn opens(tokens: TokenStream) -> bool {
    contains(tokens, Kind::Open)
}

fn contains(tokens: TokenStream, kind: Kind) -> bool {
    let mut found = false;
    for_each(tokens, &mut |invocation| found |= invocation.kind == kind);
    found
}

/// Whether `tokens` call a macro that is not one of these two, and could expand to one.
pub(crate) fn has_other_macros(tokens: TokenStream) -> bool {
    let mut previous = [None, None];
    map(tokens, &mut |invocation| invocation.arguments.stream())
        .into_iter()
        .any(|token| {
            let found = match &token {
                TokenTree::Group(group) => {
                    matches!(&previous, [Some(TokenTree::Ident(_)), bang] if is_punct(bang.as_ref(), '!'))
                        || has_other_macros(group.stream())
                }
                _ => false,
            };
            previous.rotate_left(1);
            let [_, last] = &mut previous;
            *last = Some(token);
            found
        })
}

/// Notes invocations whose arguments are not theirs.
pub(crate) fn check_arguments(tokens: TokenStream, errors: &mut Errors) {
    for_each(tokens, &mut |invocation| {
        let Invocation {
            name,
            kind,
            arguments,
        } = invocation;
        match kind {
            Kind::Open if arguments.stream().is_empty() => {}
            Kind::Open => errors.push(arguments.span(), "`open!()` takes nothing"),
            Kind::Emit if arguments.stream().is_empty() => errors.push_spanned(
                quote!(#name #arguments),
                "`emit!` needs what it shall send, such as `emit!(Event::data(\"text\"))` or `emit!(Json(value))`",
            ),
            // What does not parse is told by the compiler, which knows better why.
            Kind::Emit => {
                let values = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(arguments.stream());
                if let Some(second) = values.ok().as_ref().and_then(|values| values.iter().nth(1)) {
                    errors.push_spanned(
                        second,
                        "`emit!` sends one event: for a name write `emit!(Event::data(text).event(\"name\"))`",
                    );
                }
            }
        }
    });
}

pub(crate) fn for_each(tokens: TokenStream, visit: &mut impl FnMut(&Invocation)) {
    map(tokens, &mut |invocation| {
        visit(&invocation);
        for_each(invocation.arguments.stream(), visit);
        TokenStream::new()
    });
}

/// Replaces every invocation. A replacement is given its arguments as they are written, and has to
/// map them itself.
pub(crate) fn map(tokens: TokenStream, replace: &mut impl FnMut(Invocation) -> TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    // After `::` or `$` the name is part of something else.
    let mut qualified = false;
    let mut half_path = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => {
                let mut mapped = Group::new(group.delimiter(), map(group.stream(), replace));
                mapped.set_span(group.span());
                out.extend([TokenTree::Group(mapped)]);
                qualified = false;
            }
            TokenTree::Ident(name) => {
                let kind = Kind::of(&name).filter(|_| !qualified && is_punct(tokens.peek(), '!'));
                qualified = false;
                let Some(kind) = kind else {
                    out.extend([TokenTree::Ident(name)]);
                    continue;
                };
                let bang = tokens.next();
                match tokens.next_if(|token| matches!(token, TokenTree::Group(_))) {
                    Some(TokenTree::Group(arguments)) => out.extend(replace(Invocation {
                        name,
                        kind,
                        arguments,
                    })),
                    _ => out.extend([TokenTree::Ident(name)].into_iter().chain(bang)),
                }
            }
            TokenTree::Punct(punct) => {
                let colon = punct.as_char() == ':';
                qualified = punct.as_char() == '$' || (colon && half_path);
                half_path = colon && punct.spacing() == Spacing::Joint;
                out.extend([TokenTree::Punct(punct)]);
            }
            TokenTree::Literal(literal) => {
                qualified = false;
                out.extend([TokenTree::Literal(literal)]);
            }
        }
    }
    out
}

fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

/// Turns every invocation into a call on `emitter`, an identifier that user code cannot name.
pub(crate) fn connect(tokens: TokenStream, emitter: &Ident) -> TokenStream {
    map(tokens, &mut |invocation| {
        let Invocation {
            name,
            kind,
            arguments,
        } = invocation;
        let span = generated(name.span());
        let emitter = Ident::new(&emitter.to_string(), span);
        if kind == Kind::Open {
            return quote_spanned!(span=> #emitter.open());
        }
        let mut value = Group::new(Delimiter::Parenthesis, connect(arguments.stream(), &emitter));
        value.set_span(arguments.span());
        let call = quote_spanned!(span=> #emitter.#name #value.await);
        match arguments.delimiter() {
            // `emit! { .. }` needs no semicolon after it, so its replacement must not either.
            Delimiter::Brace => quote_spanned!(span=> { #call }),
            _ => call,
        }
    })
}

/// Turns every invocation into something that merely evaluates its argument: well-typed wherever it
/// stands, so that a function with an error elsewhere brings no second one.
pub(crate) fn disconnect(tokens: TokenStream) -> TokenStream {
    map(tokens, &mut |invocation| {
        let mut value = Group::new(Delimiter::Parenthesis, disconnect(invocation.arguments.stream()));
        value.set_span(generated(invocation.arguments.span()));
        quote_spanned!(generated(invocation.name.span())=> { let _ = #value; })
    })
}

/// Where `span` is, for tokens that are not the user's: lints leave them alone, and their local
/// variables cannot be confused with the user's.
pub(crate) fn generated(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

#[cfg(test)]
mod tests {
    use quote::format_ident;

    use super::*;

    fn connected(tokens: TokenStream) -> String {
        connect(tokens, &format_ident!("e")).to_string()
    }

    #[test]
    fn every_delimiter_at_every_depth() {
        for (tokens, becomes) in [
            (quote!(emit!(x);), quote!(e.emit(x).await;)),
            (quote!(emit![x,];), quote!(e.emit(x,).await;)),
            (quote!(emit! { x } y()), quote!({ e.emit(x).await } y())),
            (quote!(open!(); open!{}), quote!(e.open(); e.open())),
            (
                quote!(select! { x = y => { z(emit!(x)) } }),
                quote!(select! { x = y => { z(e.emit(x).await) } }),
            ),
            (
                quote!(S { sent: emit!(x) }),
                quote!(S {
                    sent: e.emit(x).await
                }),
            ),
            (
                quote!(emit!({
                    emit!(1);
                    2
                })),
                quote!(
                    e.emit({
                        e.emit(1).await;
                        2
                    })
                    .await
                ),
            ),
        ] {
            assert_eq!(connected(tokens), becomes.to_string());
        }
    }

    #[test]
    fn what_only_looks_like_one_is_left_alone() {
        for tokens in [
            quote!(emit != x),
            quote!(emit(x)),
            quote!(other::emit!(x)),
            quote!($emit!(x)),
            quote!(
                macro_rules! emit {
                    () => {};
                }
            ),
            quote!(let emit = !(x);),
            quote!('open: loop {}),
            quote!(emitted!(x)),
        ] {
            assert_eq!(connected(tokens.clone()), tokens.to_string());
        }
    }

    #[test]
    fn other_macros() {
        for tokens in [quote!(a!()), quote!({ f(a::b! {}) }), quote!(emit!(a![]))] {
            assert!(has_other_macros(tokens.clone()), "{tokens}");
        }
        for tokens in [
            quote!(emit!(f(x)); open!()),
            quote!(a != (b)),
            quote!(x = !(b)),
            quote!(
                macro_rules! a {}
            ),
        ] {
            assert!(!has_other_macros(tokens.clone()), "{tokens}");
        }
    }

    #[test]
    fn arguments_that_are_not_theirs() {
        for (tokens, says) in [
            (quote!(emit!()), "needs what it shall send"),
            (quote!(join! { f(emit![]) }), "needs what it shall send"),
            (quote!(emit!("tick", x)), "sends one event"),
            (quote!(emit!(emit!())), "needs what it shall send"),
            (quote!(open!(x)), "takes nothing"),
        ] {
            let mut errors = Errors::default();
            check_arguments(tokens.clone(), &mut errors);
            let [message] = errors.messages().try_into().unwrap();
            assert!(message.contains(says), "{tokens}: {message}");
        }
        let mut errors = Errors::default();
        check_arguments(quote!(emit!(f::<A, B>(a, b),); emit!(a b); open!{}), &mut errors);
        assert!(errors.is_empty());
    }
}
