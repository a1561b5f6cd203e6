//! The `impl`s for an enum of events.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Generics, parse_quote_spanned};

use super::model::{CatchAll, Events, IdField, Variant};

/// The `impl` of `SseEvents`, and of `TopicValue` if the enum can be published to a topic.
pub(super) fn events(events: &Events) -> TokenStream {
    let Events { krate, ident, .. } = events;
    let generics = bounded(events);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = events.generics.split_for_impl();
    let literals: Vec<_> = events
        .variants
        .iter()
        .map(|variant| literal(events, variant))
        .collect();
    let arms = events
        .variants
        .iter()
        .zip(&literals)
        .map(|(Variant { ident, .. }, literal)| {
            quote_spanned! {Span::mixed_site()=>
                Self::#ident { .. } => {
                    static NAME: #krate::EventName = #literal;
                    &NAME
                }
            }
        });
    let other_arm = events
        .other
        .iter()
        .map(|CatchAll { ident, ty }| {
            let private = private(events);
            quote_spanned!(Span::mixed_site()=> Self::#ident(event) => &<#ty as #private::CatchAll>::as_event(event).name,)
        });
    let (id, other) = (id(events), other(events));
    let topic = topic_value(events);
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #impl_generics #krate::SseEvents for #ident #ty_generics #where_clause {
            const NAMES: &'static [#krate::EventName] = &[#(#literals),*];

            #[inline]
            fn event_name(&self) -> &#krate::EventName {
                match self {
                    #(#arms)*
                    #(#other_arm)*
                }
            }

            #id
            #other
        }

        #topic
    }
}

/// The `impl`s for an enum with a mistake. They contain only what the code that uses the enum needs to be well-typed.
pub(super) fn without_names(events: &Events) -> TokenStream {
    let Events { krate, ident, .. } = events;
    let generics = bounded(events);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = events.generics.split_for_impl();
    let topic = topic_value(events);
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #impl_generics #krate::SseEvents for #ident #ty_generics #where_clause {
            const NAMES: &'static [#krate::EventName] = &[];
            fn event_name(&self) -> &#krate::EventName {
                ::core::unreachable!()
            }
        }

        #topic
    }
}

/// The bounds that the trait needs, if the enum has parameters.
fn bounded(events: &Events) -> Generics {
    let mut generics = events.generics.clone();
    if generics.type_params().next().is_some() {
        let private = private(events);
        generics.make_where_clause().predicates.push(
            parse_quote_spanned!(Span::mixed_site()=> Self: #private::Serialize + #private::DeserializeOwned),
        );
    }
    generics
}

fn private(events: &Events) -> TokenStream {
    let krate = &events.krate;
    quote!(#krate::__private)
}

fn literal(events: &Events, variant: &Variant) -> TokenStream {
    let (krate, name) = (&events.krate, &variant.name);
    if events.plain {
        quote_spanned!(Span::mixed_site()=> #krate::EventName::from_static_not_for_browsers(#name))
    } else {
        quote_spanned!(Span::mixed_site()=> #krate::EventName::from_static(#name))
    }
}

fn id(events: &Events) -> Option<TokenStream> {
    let krate = &events.krate;
    let with_id: Vec<_> = events
        .variants
        .iter()
        .filter_map(|variant| {
            let IdField { name, ty } = variant.id.as_ref()?;
            let ident = &variant.ident;
            Some(quote_spanned! {Span::mixed_site()=>
                Self::#ident { #name: id, .. } => <#ty as #krate::IdField>::to_event_id(id),
            })
        })
        .collect();
    if with_id.is_empty() {
        return None;
    }
    let has_more = with_id.len() < events.variants.len() || events.other.is_some();
    let rest = has_more.then(|| quote!(_ => ::core::result::Result::Ok(::core::option::Option::None),));
    Some(quote_spanned! {Span::mixed_site()=>
        fn event_id(
            &self,
        ) -> ::core::result::Result<::core::option::Option<#krate::EventId>, #krate::FieldError> {
            match self {
                #(#with_id)*
                #rest
            }
        }
    })
}

fn other(events: &Events) -> Option<TokenStream> {
    let krate = &events.krate;
    let CatchAll { ident, ty } = events.other.as_ref()?;
    let private = private(events);
    Some(quote_spanned! {Span::mixed_site()=>
        #[inline]
        fn as_unknown(&self) -> ::core::option::Option<&#krate::UnknownEvent> {
            match self {
                Self::#ident(event) => {
                    ::core::option::Option::Some(<#ty as #private::CatchAll>::as_event(event))
                }
                #[allow(unreachable_patterns, reason = "there may be nothing but the catch-all")]
                _ => ::core::option::Option::None,
            }
        }

        fn from_unknown(event: #krate::UnknownEvent) -> ::core::option::Option<Self> {
            ::core::option::Option::Some(Self::#ident(<#ty as #private::CatchAll>::from_event(event)))
        }
    })
}

fn topic_value(events: &Events) -> Option<TokenStream> {
    if events.plain || events.variants.iter().any(|variant| variant.id.is_some()) {
        return None;
    }
    let Events { krate, ident, .. } = events;
    let mut generics = bounded(events);
    if events.generics.type_params().next().is_some() {
        generics
            .make_where_clause()
            .predicates
            .push(parse_quote_spanned!(Span::mixed_site()=> Self: ::core::marker::Send + ::core::marker::Sync + 'static));
    }
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = events.generics.split_for_impl();
    Some(quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #impl_generics #krate::TopicValue for #ident #ty_generics #where_clause {}
    })
}
