//! `#[sse_stream]`: parse to a model, validate, expand, and fall back to something well-typed.

mod args;
mod arguments;
mod emission;
mod ending;
mod errors;
mod expand;
mod opening;
mod placement;
mod signature;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Block;

pub(crate) use self::{
    args::Args,
    emission::{disconnect, generated},
    expand::{expand, function},
    signature::{Function, MAX_ARGUMENTS, borrows},
};
use self::{ending::lacks_a_value, errors::Errors};
use crate::fallback;

/// The whole of the attribute, over tokens that need no compiler around them.
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
    let lacks_a_value = fits && function.returns_a_result() && body.as_ref().is_some_and(lacks_a_value);
    let is_sound = body
        .as_ref()
        .is_none_or(|body| check(&function, body, lacks_a_value, &mut errors));

    let expanded = match body {
        _ if !fits => fallback::without_body(&function, &args),
        Some(body) if !is_sound => fallback::without_emissions(&function, &args, body, lacks_a_value),
        Some(body) => {
            let stmts = opened(body);
            expand(&function, &args, emission::connect(stmts, &expand::emitter()))
        }
        // The compiler tells what is wrong, and an editor completes what is unfinished.
        None => expand(
            &function,
            &args,
            emission::connect(function.body.stream(), &expand::emitter()),
        ),
    };
    [errors.into_tokens(), expanded].into_iter().collect()
}

/// Notes what the body cannot do. Whether it can be expanded as it stands.
fn check(function: &Function, body: &Block, lacks_a_value: bool, errors: &mut Errors) -> bool {
    let mut own = Errors::default();
    emission::check_arguments(function.body.stream(), &mut own);
    placement::check(body, &mut own);
    if lacks_a_value {
        let last = body.stmts.last().map(ToTokens::to_token_stream);
        own.push_spanned(
            last.unwrap_or_else(|| function.body.to_token_stream()),
            "the stream ends here without a result: end with `Ok(())`, or return `()` if nothing can fail",
        );
    }
    let is_sound = own.is_empty();
    errors.append(own);
    is_sound
}

/// The statements of `body`, which open the stream where it waits, unless they say themselves when.
fn opened(mut body: Block) -> TokenStream {
    if !emission::opens(body.to_token_stream()) {
        opening::insert(&mut body, &expand::emitter());
    }
    body.stmts.iter().map(ToTokens::to_token_stream).collect()
}

#[cfg(test)]
mod tests;
