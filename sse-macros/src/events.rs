//! `#[derive(SseEvents)]`: parse to a model, validate, expand, and fall back to something well-typed.

mod attributes;
mod case;
mod described;
mod expand;
mod field;
mod model;

use proc_macro2::TokenStream;
use syn::ItemEnum;

use self::model::Events;
use crate::errors::Errors;

/// Entry point of the derive on `proc_macro2` tokens, so that unit tests can call it.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Ok(item) = syn::parse2::<ItemEnum>(item.clone()) else {
        let name = item
            .into_iter()
            .find(|token| matches!(token, proc_macro2::TokenTree::Ident(_)));
        errors.push_spanned(
            name,
            "`SseEvents` is derived for an enum, whose variants are the events: `enum Market { Price(Price), Closed }`",
        );
        return errors.into_tokens();
    };
    let events = Events::new(&item, &mut errors);
    let expanded = if errors.is_empty() {
        let described = described::described(&events);
        [expand::events(&events), described].into_iter().collect()
    } else if item.generics.lifetimes().next().is_some() {
        TokenStream::new()
    } else {
        expand::without_names(&events)
    };
    [errors.into_tokens(), expanded].into_iter().collect()
}
