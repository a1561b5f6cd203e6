//! The annotated function: what of it a stream can have.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    AttrStyle, Attribute, FnArg, Lifetime, ParenthesizedGenericArguments, PatType, ReturnType, Signature,
    Token, TraitBound, Type, TypeFnPtr, TypeReference, Visibility, braced,
    parse::{Parse, ParseStream},
    parse_quote_spanned,
    spanned::Spanned as _,
    visit::{self, Visit},
};

use super::args::{Args, UNUSED_ON_ERROR};
use crate::errors::Errors;

/// actix has a handler for that many arguments.
pub(crate) const MAX_ARGUMENTS: usize = 16;

/// actix's attributes for methods other than GET.
const OTHER_ROUTES: [&str; 8] = [
    "connect", "delete", "options", "patch", "post", "put", "route", "trace",
];

/// The function as it is written. Its body is left as tokens, so that a body that is not finished, as
/// in an editor, still expands to something.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
    /// The brace that closes the body.
    pub(crate) end: Span,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let Ok(sig) = input.fork().parse::<Signature>() else {
            let message =
                "`#[sse_stream]` goes on an async function: `async fn name(..) -> Result<(), Error> { .. }`";
            return Err(input.error(message));
        };
        let _: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(input.error("a stream needs a body that emits its events"));
        }
        let content;
        let brace = braced!(content in input);
        attrs.extend(content.call(Attribute::parse_inner)?.into_iter().map(outer));
        let mut body = Group::new(Delimiter::Brace, content.parse()?);
        body.set_span(brace.span.join());
        Ok(Self {
            attrs,
            vis,
            sig,
            body,
            end: brace.span.close(),
        })
    }
}

/// An attribute at the top of a body belongs to the function, and cannot stay where other code goes first.
fn outer(attr: Attribute) -> Attribute {
    Attribute {
        style: AttrStyle::Outer,
        ..attr
    }
}

impl Function {
    /// Notes what a stream cannot have. Returns whether the signature can be expanded as it stands.
    pub(crate) fn check(&self, args: &Args, errors: &mut Errors) -> bool {
        let mut own = Errors::default();
        if let Some(again) = self.attrs.iter().find(|attr| is_sse_stream(attr)) {
            own.push_spanned(again, "`#[sse_stream]` stands here twice");
        }
        for input in &self.sig.inputs {
            match input {
                FnArg::Receiver(receiver) => own.push_spanned(
                    receiver,
                    "a stream has no `self`, which would not outlive the call: take what is needed as `web::Data`",
                ),
                FnArg::Typed(typed) => Borrows { errors: &mut own }.visit_type(&typed.ty),
            }
        }
        if let Some(reason) = self.hidden_argument_reason(args)
            && let Some(last) = self.sig.inputs.iter().nth(MAX_ARGUMENTS - 1)
        {
            own.push_spanned(
                last,
                format!("{reason} a handler has at most 15 arguments: the reconnect after the end is told by one more"),
            );
        }
        if let Some(on_error) = &args.on_error
            && args.plain.is_none()
            && self.is_for_browsers(args)
        {
            errors.push_spanned(on_error, UNUSED_ON_ERROR);
        }
        if let ReturnType::Type(_, ty) = &self.sig.output
            && !may_be_outcome(ty)
        {
            own.push_spanned(
                ty,
                "a function under `#[sse_stream]` returns `()` or `Result<(), E>`: events are sent with `emit!(..)`",
            );
        }
        let fits = own.is_empty();
        errors.append(own);

        if self.sig.asyncness.is_none() {
            errors.push(
                self.sig.fn_token.span(),
                "a stream waits for its events: write `async fn`",
            );
        }
        fits
    }

    /// The arguments that are not `self`.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &PatType> {
        self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        })
    }

    /// Why the function that takes its place has one argument more, if it has.
    pub(crate) fn hidden_argument_reason(&self, args: &Args) -> Option<&'static str> {
        if args.finite {
            Some("with `finite`")
        } else {
            self.needs_plain_marker(args)
                .then_some("with `plain` and `LastEventId`")
        }
    }

    /// Whether a `LastEventId` has to be told that the stream is plain.
    pub(crate) fn needs_plain_marker(&self, args: &Args) -> bool {
        let takes_id = |argument: &PatType| has_ident(argument.ty.to_token_stream(), "LastEventId");
        args.plain == Some(true) && self.arguments().any(takes_id)
    }

    /// What the body evaluates to.
    pub(crate) fn outcome(&self) -> Type {
        match &self.sig.output {
            ReturnType::Default => parse_quote_spanned!(Span::mixed_site() => ()),
            ReturnType::Type(_, ty) => Type::clone(ty),
        }
    }

    /// Whether the body has no value.
    pub(crate) fn returns_nothing(&self) -> bool {
        match &self.sig.output {
            ReturnType::Default => true,
            ReturnType::Type(_, ty) => is_unit(ty),
        }
    }

    /// Whether only browsers read the stream, as far as it can be seen: `plain = false` says so, or it answers
    /// GET alone. An attribute above this one is not seen.
    pub(crate) fn is_for_browsers(&self, args: &Args) -> bool {
        let has = |routes: &[&str]| {
            self.attrs.iter().any(|attr| {
                let last = attr.path().segments.last();
                last.is_some_and(|last| routes.iter().any(|route| last.ident == route))
            })
        };
        match args.plain {
            Some(plain) => !plain,
            None => has(&["get"]) && !has(&OTHER_ROUTES),
        }
    }

    /// Whether the body must end in `Ok(())`. Under any other name, the type may be an alias of `()`.
    pub(crate) fn returns_a_result(&self) -> bool {
        let ReturnType::Type(_, ty) = &self.sig.output else {
            return false;
        };
        let Type::Path(ty) = peeled(ty) else {
            return false;
        };
        ty.path
            .segments
            .last()
            .is_some_and(|segment| segment.ident.to_string().ends_with("Result"))
    }
}

pub(crate) fn is_sse_stream(attr: &Attribute) -> bool {
    attr.path()
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "sse_stream")
}

/// What cannot be told from the tokens, an alias for one, is left to the `Outcome` trait.
fn may_be_outcome(ty: &Type) -> bool {
    match peeled(ty) {
        Type::Path(_) | Type::Macro(_) => true,
        other => is_unit(other),
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(peeled(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn peeled(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peeled(&group.elem),
        Type::Paren(paren) => peeled(&paren.elem),
        other => other,
    }
}

/// Whether a type borrows for less than `'static`.
pub(crate) fn borrows(ty: &Type) -> bool {
    let mut errors = Errors::default();
    Borrows { errors: &mut errors }.visit_type(ty);
    !errors.is_empty()
}

/// Finds what a type borrows for less than `'static`.
struct Borrows<'e> {
    errors: &'e mut Errors,
}

impl Borrows<'_> {
    fn refuse(&mut self, borrow: &impl ToTokens) {
        self.errors.push_spanned(
            borrow,
            "an argument of a stream cannot borrow, since the stream lives on after the call: take an owned value",
        );
    }
}

impl<'ast> Visit<'ast> for Borrows<'_> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        match &reference.lifetime {
            Some(lifetime) if lifetime.ident == "static" => visit::visit_type_reference(self, reference),
            _ => self.refuse(reference),
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.refuse(lifetime);
        }
    }

    // Lifetimes in the signature of a function type are that function's own.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}

    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        if bound.lifetimes.is_none() {
            visit::visit_trait_bound(self, bound);
        }
    }
}

fn has_ident(tokens: TokenStream, name: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => has_ident(group.stream(), name),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

#[cfg(test)]
mod tests;
