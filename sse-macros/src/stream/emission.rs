//! `emit!(..)`, `open!()` and `emitter!()` as tokens: found wherever they are written, also among the tokens of other
//! macros (`select!`, `join!`), which only those macros can parse.

mod arguments;

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

pub(crate) use self::arguments::{check_arguments, is_format};

/// One `emit!(..)`, `open!(..)` or `emitter!()`.
pub(crate) struct StreamMacroCall {
    pub(crate) name: Ident,
    pub(crate) kind: Kind,
    pub(crate) arguments: Group,
    /// A `?` or `.await` directly after it, if its value is `()`.
    pub(crate) suffix: Option<Suffix>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Emit,
    Open,
    Emitter,
}

/// Code that treats the `()` of an `emit!` or `open!` as another type.
pub(crate) enum Suffix {
    Question(TokenStream),
    Await(TokenStream),
}

impl Kind {
    pub(crate) fn of(name: &Ident) -> Option<Self> {
        if name == "emit" {
            Some(Self::Emit)
        } else if name == "open" {
            Some(Self::Open)
        } else if name == "emitter" {
            Some(Self::Emitter)
        } else {
            None
        }
    }
}

/// Macros of the standard library that never expand to an `emit!`.
const NON_EMITTING_MACROS: [&str; 30] = [
    "assert",
    "assert_eq",
    "assert_matches",
    "assert_ne",
    "column",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "eprint",
    "eprintln",
    "file",
    "format",
    "format_args",
    "include_bytes",
    "include_str",
    "line",
    "matches",
    "module_path",
    "option_env",
    "pin",
    "print",
    "println",
    "stringify",
    "thread_local",
    "vec",
    "write",
    "writeln",
];

/// True if `tokens` contain an `emit!` or `emitter!`, at any depth.
pub(crate) fn emits(tokens: TokenStream) -> bool {
    contains(tokens, &[Kind::Emit, Kind::Emitter])
}

/// True if `tokens` contain an `open!`, at any depth.
pub(crate) fn opens(tokens: TokenStream) -> bool {
    contains(tokens, &[Kind::Open])
}

/// True if `tokens` contain one of the three macros, at any depth.
pub(crate) fn contains_stream_macro(tokens: TokenStream) -> bool {
    contains(tokens, &[Kind::Emit, Kind::Open, Kind::Emitter])
}

fn contains(tokens: TokenStream, kinds: &[Kind]) -> bool {
    let mut found = false;
    for_each(tokens, &mut |call| {
        found |= kinds.contains(&call.kind);
    });
    found
}

/// True if `tokens` contain none of `emit!`, `open!`, `emitter!`, and call no macro that could expand to one (`todo!`
/// counts as such a macro).
pub(crate) fn cannot_emit(tokens: TokenStream) -> bool {
    !contains_stream_macro(tokens.clone())
        && !calls_a_macro(tokens, &|name| {
            !NON_EMITTING_MACROS.iter().any(|known| name == known)
        })
}

/// True if `tokens` call any macro other than `emit!`, `open!` and `emitter!`, even one that cannot expand to these.
pub(crate) fn has_other_macros(tokens: TokenStream) -> bool {
    calls_a_macro(tokens, &|_| true)
}

/// True if `tokens` call a macro other than `emit!`, `open!` and `emitter!` for whose name `such` returns true.
fn calls_a_macro(tokens: TokenStream, such: &impl Fn(&Ident) -> bool) -> bool {
    let mut previous = [None, None];
    map(tokens, &mut |call| call.arguments.stream())
        .into_iter()
        .any(|token| {
            let found = match (&token, &previous) {
                (TokenTree::Group(_), [Some(TokenTree::Ident(name)), bang])
                    if is_punct(bang.as_ref(), '!') && such(name) =>
                {
                    true
                }
                (TokenTree::Group(group), _) => calls_a_macro(group.stream(), such),
                _ => false,
            };
            previous.rotate_left(1);
            let [_, last] = &mut previous;
            *last = Some(token);
            found
        })
}

pub(crate) fn for_each(tokens: TokenStream, visit: &mut impl FnMut(&StreamMacroCall)) {
    map(tokens, &mut |call| {
        visit(&call);
        for_each(call.arguments.stream(), visit);
        TokenStream::new()
    });
}

/// Replaces every call. The function that makes a replacement gets the arguments as they are written, and has to map
/// them itself.
pub(crate) fn map(
    tokens: TokenStream,
    replace: &mut impl FnMut(StreamMacroCall) -> TokenStream,
) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    // After `::` or `$` the name is part of a path or a macro variable.
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
                    Some(TokenTree::Group(arguments)) => {
                        let suffix = match kind {
                            Kind::Emit | Kind::Open => suffix(&mut tokens),
                            Kind::Emitter => None,
                        };
                        out.extend(replace(StreamMacroCall {
                            name,
                            kind,
                            arguments,
                            suffix,
                        }));
                    }
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

/// Takes a `?` or `.await`, if it comes next.
fn suffix(tokens: &mut (impl Iterator<Item = TokenTree> + Clone)) -> Option<Suffix> {
    let mut ahead = tokens.clone();
    let first = ahead.next();
    if is_punct(first.as_ref(), '?') {
        return Some(Suffix::Question(tokens.next().into_iter().collect()));
    }
    match ahead.next() {
        Some(TokenTree::Ident(word)) if is_punct(first.as_ref(), '.') && word == "await" => {
            Some(Suffix::Await(tokens.by_ref().take(2).collect()))
        }
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

/// Turns every call into a use of `emitter`, an identifier that user code cannot name.
pub(crate) fn expand_emits(tokens: TokenStream, emitter: &Ident) -> TokenStream {
    map(tokens, &mut |call| {
        let StreamMacroCall {
            name,
            kind,
            arguments,
            suffix,
        } = call;
        let span = generated(name.span());
        let emitter = Ident::new(&emitter.to_string(), span);
        let mut value = Group::new(Delimiter::Parenthesis, expand_emits(arguments.stream(), &emitter));
        value.set_span(arguments.span());
        let call = match kind {
            Kind::Emitter => quote_spanned!(span=> #emitter),
            Kind::Open if value.stream().is_empty() => quote_spanned!(span=> #emitter.open()),
            Kind::Open => quote_spanned!(span=> #emitter.open_with #value),
            Kind::Emit => quote_spanned!(span=> #emitter.#name #value.await),
        };
        let call = match (kind, arguments.delimiter()) {
            // `emit! { .. }` needs no semicolon after it, so its replacement must not need one.
            (Kind::Emit, Delimiter::Brace) => quote_spanned!(span=> { #call }),
            _ => call,
        };
        let suffix = suffix.map(|(Suffix::Question(tokens) | Suffix::Await(tokens))| tokens);
        quote!(#call #suffix)
    })
}

/// Turns every call into code that only evaluates its argument. It is well-typed everywhere, so that a function with an
/// error in another place causes no second error. `emitter` is the type of `emitter!()`.
pub(crate) fn neutralise_emits(tokens: TokenStream, emitter: &TokenStream) -> TokenStream {
    map(tokens, &mut |call| {
        let span = generated(call.name.span());
        if call.kind == Kind::Emitter {
            return quote_spanned! {span=>
                ::core::option::Option::<#emitter>::None.unwrap()
            };
        }
        let mut value = Group::new(
            Delimiter::Parenthesis,
            neutralise_emits(call.arguments.stream(), emitter),
        );
        value.set_span(generated(call.arguments.span()));
        let format = is_format(&call.arguments).then(|| quote_spanned!(span=> ::std::format!));
        quote_spanned!(span=> { let _ = #format #value; })
    })
}

/// A span at the place of `span` for generated tokens: lints ignore them, and their local variables cannot be confused
/// with the user's.
pub(crate) fn generated(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

#[cfg(test)]
mod tests {
    use quote::format_ident;

    use super::*;

    fn connected(tokens: TokenStream) -> String {
        expand_emits(tokens, &format_ident!("e")).to_string()
    }

    #[test]
    fn every_delimiter_at_every_depth() {
        for (tokens, becomes) in [
            (quote!(emit!(x);), quote!(e.emit(x).await;)),
            (quote!(emit![x,];), quote!(e.emit(x,).await;)),
            (quote!(emit! { x } y()), quote!({ e.emit(x).await } y())),
            (quote!(open!(); open!{}), quote!(e.open(); e.open())),
            (
                quote!(open!(time); open![f(emitter!()),]),
                quote!(e.open_with(time); e.open_with(f(e),)),
            ),
            (
                quote!(join!(f(emitter!(), 1), g(emitter![]));),
                quote!(join!(f(e, 1), g(e));),
            ),
            // In a body that cannot be parsed, the compiler reports the mistake.
            (
                quote!(emit!(x)?; open!().await; y?),
                quote!(e.emit(x).await?; e.open().await; y?),
            ),
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
    fn what_certainly_sends_nothing() {
        for tokens in [
            quote!(),
            quote!(Ok(())),
            quote!(println!("{}", std::format!("x")); sleep(x).await;),
        ] {
            assert!(cannot_emit(tokens.clone()), "{tokens}");
        }
        for tokens in [
            quote!(emit!(x)),
            quote!(if x {
                open!()
            }),
            quote!(f(emitter!()).await),
            quote!(helper!(x)),
            quote!(println!("{}", helper!())),
            quote!(todo!()),
            quote!(sse_actix::emit!(x)),
        ] {
            assert!(!cannot_emit(tokens.clone()), "{tokens}");
        }
    }
}
