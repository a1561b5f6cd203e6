//! The function that replaces the annotated one.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Signature, spanned::Spanned as _};

use super::{
    args::{Args, EventName, Header, KeepAlive, Names, Retry},
    arguments::Argument,
    emission::{self, generated},
    signature::{Function, is_sse_stream},
};

/// The variable that events go through. It has the hygiene of generated code: user code cannot reach
/// it, whatever it calls its own variables.
pub(crate) fn emitter() -> Ident {
    Ident::new("__emitter", Span::mixed_site())
}

/// An async function that runs `body`, whose `emit!`s use the [`emitter`].
pub(crate) fn expand(function: &Function, args: &Args, body: TokenStream) -> TokenStream {
    let krate = &args.krate;
    let (emitter, outcome, options) = (emitter(), function.outcome(), options(args));
    let arguments: Vec<_> = function.arguments().enumerate().map(Argument::new).collect();
    let rebindings = arguments.iter().map(|argument| &argument.rebinding);
    let helpers = emission::has_other_macros(body.clone()).then(|| helper_macros(&emitter));
    let mut user = Group::new(Delimiter::Brace, body);
    // The span at which the compiler reports a missing return value.
    user.set_span(generated(function.end));

    let typed = args.events().map(|events| {
        let span = generated(events.span());
        let typed = quote_spanned!(span=> #krate::__private::typed::<#events>);
        quote_spanned!(Span::mixed_site()=> let #emitter = #typed(#emitter);)
    });
    let no_content = args.finite.then(|| {
        quote_spanned! {Span::mixed_site()=>
            if #krate::__private::reconnects_after_end(&__request, __options) {
                return ::core::result::Result::Ok(#krate::__private::EventStream::no_content());
            }
            ::core::mem::drop(__request);
        }
    });
    // The `return` before the user's code never runs. It tells the compiler the type of the body, even if the body
    // itself never returns.
    let body = quote_spanned! {Span::mixed_site()=>
        let __options = #options;
        #no_content
        #krate::__private::run_until_open(
            __options,
            <#outcome as #krate::__private::Outcome>::into_result,
            async move |#emitter: #krate::Emitter<'_>| -> #outcome {
                #typed
                #(#rebindings)*
                #helpers
                if let ::core::option::Option::Some(outcome) = ::core::option::Option::<#outcome>::None {
                    return outcome;
                }
                #user
            },
        )
        .await
    };
    self::function(
        function,
        args,
        arguments.iter().map(|argument| &argument.outer),
        &body,
    )
}

/// The function as it is written, except for its arguments, its return type and its body.
pub(crate) fn function(
    function: &Function,
    args: &Args,
    arguments: impl Iterator<Item = impl ToTokens>,
    body: &TokenStream,
) -> TokenStream {
    let Function { attrs, vis, sig, .. } = function;
    let attrs = attrs.iter().filter(|attr| !is_sse_stream(attr));
    let Signature {
        constness,
        safety,
        abi,
        fn_token,
        ident,
        generics,
        ..
    } = sig;
    let (krate, where_clause) = (&args.krate, &generics.where_clause);
    let request = args
        .finite
        .then(|| quote_spanned!(Span::mixed_site()=> __request: #krate::__private::HttpRequest));
    // First, because actix runs extractors in order: `LastEventId` then finds the mark of `IsPlain`.
    let plain = function
        .needs_plain_marker(args)
        .then(|| quote_spanned!(Span::mixed_site()=> _: #krate::__private::IsPlain));
    // The lint counts written arguments, and these are generated.
    let lints = function.hidden_argument_reason(args).map(|_| {
        quote_spanned!(Span::mixed_site()=> #[allow(clippy::too_many_arguments, reason = "one is hidden")])
    });
    let arguments = plain
        .into_iter()
        .chain(arguments.map(ToTokens::into_token_stream))
        .chain(request);
    quote_spanned! {Span::mixed_site()=>
        #(#attrs)*
        #lints
        #vis #constness async #safety #abi #fn_token #ident #generics (#(#arguments),*)
            -> ::core::result::Result<#krate::__private::EventStream, #krate::__private::Error>
        #where_clause
        {
            #body
        }
    }
}

/// The options are a static, because `cargo check` evaluates a static, but does not evaluate `const { .. }`.
fn options(args: &Args) -> TokenStream {
    let krate = &args.krate;
    let mut setters = TokenStream::new();
    if let Some(keep_alive) = &args.keep_alive {
        let value = match keep_alive {
            KeepAlive::Off => quote!(#krate::KeepAlive::OFF),
            KeepAlive::Millis(millis) => {
                quote!(#krate::KeepAlive::comment(::core::time::Duration::from_millis(#millis)))
            }
            KeepAlive::Const(expr) => typed(&quote!(#krate::KeepAlive), expr),
        };
        setters.extend(quote!(.keep_alive(#value)));
    }
    if let Some(retry) = &args.retry {
        setters.extend(match retry {
            Retry::Off => quote!(.no_retry()),
            Retry::Millis(millis) => quote!(.retry(#krate::Retry::from_millis(#millis))),
            Retry::Const(expr) => {
                let value = typed(&quote!(#krate::Retry), expr);
                quote!(.retry(#value))
            }
        });
    }
    if let Some(Names::Default(event)) = &args.names {
        let value = match event {
            EventName::Literal(name) => quote!(#krate::EventName::from_static(#name)),
            EventName::Const(expr) => typed(&quote!(#krate::EventName), expr),
        };
        setters.extend(quote!(.event(#value)));
    }
    if let Some(plain) = args.plain {
        setters.extend(quote!(.plain(#plain)));
    }
    if let Some(on_error) = &args.on_error {
        let value = typed(&quote!(fn(&#krate::__private::Error) -> #krate::Event), on_error);
        setters.extend(quote!(.on_error(#value)));
    }
    let flags = [
        (args.finite, "finite"),
        (args.resume, "resume"),
        (args.compress, "compress"),
    ];
    for (_, flag) in flags.into_iter().filter(|(given, _)| *given) {
        let flag = Ident::new(flag, Span::mixed_site());
        setters.extend(quote!(.#flag()));
    }
    if !args.headers.is_empty() {
        let headers = args
            .headers
            .iter()
            .map(|Header { name, value }| quote!((#name, #value)));
        setters.extend(quote!(.headers(&[#(#headers),*])));
    }
    quote_spanned! {Span::mixed_site()=>
        {
            static __OPTIONS: #krate::__private::StreamOptions = #krate::__private::StreamOptions::new() #setters;
            &__OPTIONS
        }
    }
}

/// Puts `expr` where a `ty` is expected, so that the compiler reports a mismatch only at the expression.
fn typed(ty: &TokenStream, expr: &syn::Expr) -> TokenStream {
    quote_spanned!(Span::mixed_site()=> { const __VALUE: #ty = #expr; __VALUE })
}

/// A helper macro may expand to an `emit!`, `open!` or `emitter!`. Such a call resolves to one of these macros.
fn helper_macros(emitter: &Ident) -> TokenStream {
    let [emit, open, get] = ["emit", "open", "emitter"].map(|name| Ident::new(name, Span::call_site()));
    quote_spanned! {Span::mixed_site()=>
        macro_rules! #emit {
            ($($value:tt)+) => { #emitter.emit($($value)+).await };
        }
        macro_rules! #open {
            () => { #emitter.open() };
            ($($retry:tt)+) => { #emitter.open_with($($retry)+) };
        }
        macro_rules! #get {
            () => { #emitter };
        }
    }
}
