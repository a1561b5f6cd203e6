//! The arguments of `emit!`, `open!` and `emitter!`, and the use of their values.

use proc_macro2::{Group, TokenStream};
use quote::{ToTokens as _, quote};
use syn::{Expr, ExprLit, Lit, Token, parse::Parser as _, punctuated::Punctuated};

use super::{Kind, StreamMacroCall, Suffix, for_each};
use crate::errors::Errors;

/// Adds errors for calls with wrong arguments, and for a `?` or `.await` on their `()`.
pub(crate) fn check_arguments(tokens: TokenStream, errors: &mut Errors) {
    for_each(tokens, &mut |call| {
        let StreamMacroCall {
            name,
            kind,
            arguments,
            suffix,
        } = call;
        let values = values(arguments);
        let second = values.iter().nth(1);
        match kind {
            Kind::Open if second.is_some() => errors.push_spanned(
                second,
                "`open!` takes nothing, or one reconnection time: `open!(Duration::from_secs(5))`",
            ),
            Kind::Open if matches!(values.first(), Some(Expr::Lit(_))) => errors.push_spanned(
                values.first(),
                "`open!` takes a reconnection time as a `Duration` or a `Retry`: write `open!(Duration::from_secs(5))`",
            ),
            Kind::Emitter if !arguments.stream().is_empty() => errors.push(
                arguments.span(),
                "`emitter!()` takes no argument: the emitter that it returns sends, as in `helper(emitter!(), value).await`",
            ),
            Kind::Emit if arguments.stream().is_empty() => errors.push_spanned(
                quote!(#name #arguments),
                "`emit!` needs a value to send, such as `emit!(Event::data(\"text\"))` or `emit!(Json(value))`",
            ),
            Kind::Emit if is_format(arguments) => {
                let written = arguments.span().source_text().filter(|text| !text.contains('\n'));
                let written = written.unwrap_or_else(|| format!("({}, ..)", values.first().to_token_stream()));
                errors.push(
                    arguments.span(),
                    format_args!("`emit!` takes no format string: write `emit!(format!{written})`"),
                );
            }
            Kind::Emit if second.is_some() => errors.push_spanned(
                second,
                "`emit!` sends one event: for a name write `emit!(Event::data(text).event(\"name\"))`",
            ),
            Kind::Emit | Kind::Open | Kind::Emitter => {}
        }
        match suffix {
            Some(Suffix::Question(question)) => errors.push_spanned(
                question,
                if *kind == Kind::Open {
                    "`open!` cannot fail: leave out the `?`"
                } else {
                    "`emit!` cannot fail: leave out the `?`; if an event cannot be sent, the stream itself fails"
                },
            ),
            Some(Suffix::Await(_)) if *kind == Kind::Open => {
                errors.push(name.span(), "`open!` does not wait: leave out the `.await`");
            }
            Some(Suffix::Await(_)) => {
                errors.push(name.span(), "`emit!` waits by itself: leave out the `.await`");
            }
            None => {}
        }
    });
}

/// True if these are a format string and its values.
pub(crate) fn is_format(arguments: &Group) -> bool {
    let values = values(arguments);
    values.len() > 1
        && matches!(
            values.first(),
            Some(Expr::Lit(ExprLit { lit: Lit::Str(literal), .. })) if literal.value().contains('{')
        )
}

/// The arguments. Empty if they do not parse: the compiler then reports the mistake.
fn values(arguments: &Group) -> Punctuated<Expr, Token![,]> {
    Punctuated::parse_terminated
        .parse2(arguments.stream())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_are_not_theirs() {
        for (tokens, says) in [
            (quote!(emit!()), "needs a value to send"),
            (quote!(join! { f(emit![]) }), "needs a value to send"),
            (quote!(emit!("tick", x)), "sends one event"),
            (quote!(emit!(emit!())), "needs a value to send"),
            (
                quote!(emit!("n = {}", 1)),
                "write `emit!(format!(\"n = {}\", ..))`",
            ),
            (quote!(emit!("{}: {}", a, b, c = d)), "takes no format string"),
            (quote!(open!(x, y)), "or one reconnection time"),
            (quote!(open!("5s")), "as a `Duration` or a `Retry`"),
            (quote!(emitter!(x)), "takes no argument"),
            (quote!(emit!(x)?), "leave out the `?`"),
            (quote!(select! { x = y => { emit!(x)?; } }), "leave out the `?`"),
            (quote!(emit!(x).await), "waits by itself"),
            (quote!(open!()?), "`open!` cannot fail"),
            (quote!(open!().await), "does not wait"),
        ] {
            let mut errors = Errors::default();
            check_arguments(tokens.clone(), &mut errors);
            let [message] = errors.messages().try_into().unwrap();
            assert!(message.contains(says), "{tokens}: {message}");
        }
        let mut errors = Errors::default();
        check_arguments(
            quote!(emit!(f::<A, B>(a, b),); emit!(a b); open!{}; open!(after(3),); emitter!().emit(x).await?; emit!("{}")),
            &mut errors,
        );
        assert!(errors.is_empty());
    }
}
