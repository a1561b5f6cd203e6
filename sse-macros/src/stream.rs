//! `#[sse_stream]`: parse to a model, validate, expand, and fall back to something well-typed.
//!
//! It turns a function into one that runs the body with an `Emitter`:
//!
//! ```text
//! async fn feed(topic: Topic) -> Result<(), E> {     async fn feed(topic: Topic) -> Result<EventStream, Error> {
//!     emit!(value);                                      run_until_open(OPTIONS, into_result, async move |emitter| {
//!     Ok(())                                                 emitter.emit(value).await;
//! }                                                          Ok(())
//!                                                        }).await
//!                                                     }
//! ```
//!
//! `run_until_open` and `Emitter` are in `sse-actix/src/stream/handler.rs`. [`expand`] makes the function,
//! `emission::expand_emits` replaces each `emit!`, and everything else here finds mistakes. To follow an event at run
//! time, read on in `handler.rs`.

mod args;
mod arguments;
mod emission;
mod expand;
mod foreign;
mod group;
mod last_value;
mod literal;
mod opening;
mod placement;
mod signature;
mod text;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Block;

pub(crate) use self::{
    args::Args,
    emission::{generated, neutralise_emits},
    expand::{expand, function},
    last_value::{ends_in_a_result, failure, is_result, lacks_a_value},
    literal::fault_of_name,
    signature::{Function, MAX_ARGUMENTS, borrows},
};
use self::{last_value::ends_in_an_error, text::OwnedTexts};
use crate::{errors::Errors, fallback};

/// Entry point of the attribute on `proc_macro2` tokens, so that unit tests can call it.
pub(crate) fn sse_stream(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let function: Function = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.add(error);
            return [errors.into_tokens(), item].into_iter().collect();
        }
    };
    let fits = function.check(&args, &mut errors);
    let body = errors.take(syn::parse2::<Block>(function.body.to_token_stream()));
    let mut inside = Errors::default();
    if let Some(body) = &body {
        check(&function, &args, body, &mut inside);
        if fits {
            check_outcome(&function, body, &mut inside);
            if inside.is_empty() {
                check_it_can_emit(&function, body, &mut errors);
            }
        }
    }

    let expanded = match body {
        _ if !fits => {
            errors.append(inside);
            fallback::without_body(&function, &args)
        }
        Some(body) if !inside.is_empty() => {
            fallback::without_emissions(function, &args, body, &inside.into_tokens())
        }
        Some(body) => {
            let stmts = insert_openings(body);
            expand(
                &function,
                &args,
                emission::expand_emits(stmts, &expand::emitter()),
            )
        }
        // The compiler reports the mistake, and an editor can complete unfinished code.
        None => expand(
            &function,
            &args,
            emission::expand_emits(function.body.stream(), &expand::emitter()),
        ),
    };
    [errors.into_tokens(), expanded].into_iter().collect()
}

/// Adds errors for code that a body cannot contain.
fn check(function: &Function, args: &Args, body: &Block, errors: &mut Errors) {
    emission::check_arguments(function.body.stream(), errors);
    placement::check(body, errors);
    let arguments: Vec<_> = function.arguments().collect();
    let texts = OwnedTexts::of(&arguments, body);
    literal::check(body, function.is_for_browsers(args), &texts, errors);
}

/// Adds an error if the body's last value does not fit the return type.
fn check_outcome(function: &Function, body: &Block, errors: &mut Errors) {
    if function.returns_a_result() && lacks_a_value(body) {
        let last = body.stmts.last().map(ToTokens::to_token_stream);
        errors.push_spanned(
            last.unwrap_or_else(|| function.body.to_token_stream()),
            "the stream ends here without a result: end with `Ok(())`, or, if nothing can fail, write `-> ()` as the return type",
        );
    }
    if function.returns_nothing()
        && let Some(failure) = failure(body)
    {
        errors.push_spanned(
            failure,
            format_args!(
                "this needs a return type: write `async fn {}(..) -> Result<(), actix_web::Error>`, and end with `Ok(())`",
                function.sig.ident
            ),
        );
    }
}

/// Adds an error if the function cannot emit.
fn check_it_can_emit(function: &Function, body: &Block, errors: &mut Errors) {
    if emission::cannot_emit(function.body.stream()) && !ends_in_an_error(body) {
        errors.push(
            function.sig.ident.span(),
            "this function never emits, so every request would be answered 204 and browsers would stop: use `emit!(..)`, or leave out `#[sse_stream]` and return `HttpResponse::NoContent()`",
        );
    }
}

/// The statements of `body`. Unless the function contains `open!`, `emitter.open()` is inserted before each loop, and
/// each other macro, that emits.
fn insert_openings(mut body: Block) -> TokenStream {
    if !emission::opens(body.to_token_stream()) {
        opening::insert(&mut body, &expand::emitter());
    }
    body.stmts.iter().map(ToTokens::to_token_stream).collect()
}

#[cfg(test)]
mod tests;
