//! The model of an enum of events, without the parts that have mistakes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens as _;
use syn::{
    Field, Fields, GenericParam, Generics, ItemEnum, LitStr, Path, Type, ext::IdentExt as _,
    spanned::Spanned as _,
};

use super::{
    attributes::{Documents, EnumAttributes, VariantAttributes},
    case, field,
};
use crate::{errors::Errors, stream::fault_of_name};

pub(super) struct Events {
    pub(super) krate: Path,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    /// True for clients other than `EventSource`.
    pub(super) plain: bool,
    /// Which documents describe it.
    pub(super) documents: Documents,
    pub(super) denies_unknown_fields: bool,
    pub(super) variants: Vec<Variant>,
    pub(super) other: Option<CatchAll>,
}

/// The variant with `#[sse(other)]`.
pub(super) struct CatchAll {
    pub(super) ident: Ident,
    /// The type of its field.
    pub(super) ty: Option<Type>,
}

/// An event.
pub(super) struct Variant {
    pub(super) ident: Ident,
    pub(super) fields: Fields,
    /// serde's rule for the names of its fields.
    pub(super) rename_fields: Option<LitStr>,
    /// The event's name.
    pub(super) name: String,
    /// The field that is its id.
    pub(super) id: Option<IdField>,
}

/// The field with `#[sse(id)]`.
pub(super) struct IdField {
    /// Its name, or its number.
    pub(super) name: TokenStream,
    pub(super) ty: Type,
}

impl Events {
    /// Makes the model, and adds mistakes to `errors`.
    pub(super) fn new(item: &ItemEnum, errors: &mut Errors) -> Self {
        let of_enum = EnumAttributes::parse(&item.attrs, errors);
        let mut events = Self {
            krate: of_enum.krate.clone(),
            ident: item.ident.clone(),
            generics: item.generics.clone(),
            plain: of_enum.plain,
            documents: of_enum.documents,
            denies_unknown_fields: of_enum.denies_unknown_fields,
            variants: Vec::new(),
            other: None,
        };
        if let Some(lifetime) = item.generics.lifetimes().next() {
            errors.push_spanned(
                lifetime,
                "a received event owns its data, so an enum of events cannot borrow: write `String` for `&str`",
            );
        }
        if of_enum.documents.any()
            && let Some(parameter) = without_lifetimes(&item.generics).next()
        {
            errors.push_spanned(
                parameter,
                "an enum with parameters has more than one description: write an enum without parameters, or leave out `openapi` and `typescript`",
            );
        }
        if item.variants.is_empty() {
            errors.push(
                item.ident.span(),
                "an enum without variants has no events: give it one",
            );
        }
        for variant in &item.variants {
            let of_variant = VariantAttributes::parse(&variant.attrs, errors);
            if let Some(other) = of_variant.other {
                events.take_other(variant, &of_variant, other, errors);
                continue;
            }
            if let Some(before) = &events.other {
                errors.push(
                    before.ident.span(),
                    "the catch-all, `#[sse(other)]`, is the last variant: move it there",
                );
            }
            if let Some(skip) = of_variant.skip {
                errors.push(
                    skip,
                    "`skip` has no meaning on an event, which is sent and received: leave it out, or the variant",
                );
            }
            if let Some(with) = of_variant.with.filter(|_| of_enum.documents.any()) {
                errors.push(
                    with,
                    "OpenAPI and TypeScript do not see the type that this writes: write it on the field, and give the type there",
                );
            }
            let rename_fields = of_variant
                .rename_fields
                .clone()
                .or_else(|| of_enum.rename_fields.clone());
            let (name, span) = name_of(&variant.ident, &of_enum, of_variant);
            events.check_name(&name, span, errors);
            let id = check_fields(variant, of_enum.documents, errors);
            events.variants.push(Variant {
                ident: variant.ident.clone(),
                fields: variant.fields.clone(),
                rename_fields,
                name,
                id,
            });
        }
        events
    }

    fn take_other(
        &mut self,
        variant: &syn::Variant,
        of_variant: &VariantAttributes,
        other: Span,
        errors: &mut Errors,
    ) {
        let holds_one = matches!(&variant.fields, Fields::Unnamed(fields) if fields.unnamed.len() == 1);
        if self.other.is_some() {
            errors.push(
                other,
                "an enum has one catch-all, `#[sse(other)]`: leave this out",
            );
        } else if !holds_one || of_variant.skip.is_none() || of_variant.name.is_some() {
            errors.push(
                variant.ident.span(),
                format_args!(
                    "the catch-all holds the received event, and serde must skip it: write `#[sse(other)] #[serde(skip)] {}(UnknownEvent)`",
                    variant.ident
                ),
            );
        }
        self.other = Some(CatchAll {
            ident: variant.ident.clone(),
            ty: variant.fields.iter().next().map(|field| field.ty.clone()),
        });
    }

    fn check_name(&self, name: &str, span: Span, errors: &mut Errors) {
        let allowed = self.plain && ["open", "error"].contains(&name);
        if let Some(fault) = fault_of_name(name).filter(|_| !allowed) {
            let or = match name {
                "open" | "error" => {
                    ", or, for clients other than `EventSource`, write `#[sse(plain)]` on the enum"
                }
                _ => "",
            };
            errors.push(span, fault + or);
        } else if let Some(first) = self.variants.iter().find(|variant| variant.name == name) {
            errors.push(
                span,
                format_args!(
                    "the variant `{}` is already called `{name}`: give one of them another name",
                    first.ident
                ),
            );
        }
    }
}

/// An event's name, and the place where it is written.
fn name_of(ident: &Ident, of_enum: &EnumAttributes, of_variant: VariantAttributes) -> (String, Span) {
    if let Some(name) = of_variant.name.or(of_variant.rename) {
        return (name.value(), name.span());
    }
    let variant = ident.unraw().to_string();
    let renamed = of_enum
        .rename_all
        .as_deref()
        .and_then(|rule| case::rename(&variant, rule));
    (renamed.unwrap_or(variant), ident.span())
}

/// Adds errors for the fields of a variant. Returns the field that is its id.
fn check_fields(variant: &syn::Variant, documents: Documents, errors: &mut Errors) -> Option<IdField> {
    let is_whole = match &variant.fields {
        Fields::Unit => return None,
        Fields::Unnamed(fields) if fields.unnamed.len() != 1 => {
            errors.push(
                fields.span(),
                format_args!(
                    "an event's data is one value: write `{0} {{ name: Type, .. }}`, `{0}(Type)`, or `{0}` alone",
                    variant.ident
                ),
            );
            return None;
        }
        Fields::Unnamed(_) => true,
        Fields::Named(_) => false,
    };
    let mut id = None;
    for (name, field) in variant.fields.members().zip(&variant.fields) {
        field::check(field, is_whole, documents, errors);
        if field::is_id(&field.attrs, errors) {
            if id.is_some() {
                errors.push_spanned(named(field), "an event has one id: leave out this `#[sse(id)]`");
            }
            id = Some(IdField {
                name: name.to_token_stream(),
                ty: field.ty.clone(),
            });
        }
    }
    id
}

fn without_lifetimes(generics: &Generics) -> impl Iterator<Item = &GenericParam> {
    let is_lifetime = |parameter: &&GenericParam| matches!(parameter, GenericParam::Lifetime(_));
    generics
        .params
        .iter()
        .filter(move |parameter| !is_lifetime(parameter))
}

fn named(field: &Field) -> TokenStream {
    field
        .ident
        .as_ref()
        .map_or_else(|| field.ty.to_token_stream(), quote::ToTokens::to_token_stream)
}
