//! The attributes on the fields of an enum's variants.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Attribute, Field, LitStr, PathArguments, Type, ext::IdentExt as _};

use super::{
    attributes::{ALONE, Documents, changes_type, for_each, has_value, refuse, skip_value, span, text},
    case,
};
use crate::errors::Errors;

/// True if a field is the id. Adds errors for other arguments, and where the id would not be in the data.
pub(super) fn is_id(attributes: &[Attribute], errors: &mut Errors) -> bool {
    let mut id = None;
    for_each(attributes, "sse", errors, |meta, errors| {
        if meta.path.is_ident("id") && has_value(meta) {
            return refuse(meta, errors, ALONE);
        }
        if meta.path.is_ident("id") {
            id = Some(span(meta));
            return Ok(());
        }
        refuse(
            meta,
            errors,
            "is not an argument of `#[sse(..)]` on a field: there is `id`",
        )
    });
    if let Some(id) = id {
        for (argument, fault) in [
            (
                "skip",
                "is in the data too, and `skip` leaves it out: leave out `skip`",
            ),
            (
                "flatten",
                "is one value, and `flatten` is for structs and maps: leave out `flatten`",
            ),
        ] {
            if has_argument(attributes, "serde", &[argument]) {
                errors.push(id, format_args!("an event's id {fault}"));
            }
        }
    }
    id.is_some()
}

/// Adds errors for serde's attributes on a field that make sending and receiving differ, or that one of the `documents`
/// cannot see. `is_whole` is true for a newtype variant's field.
pub(super) fn check(field: &Field, is_whole: bool, documents: Documents, errors: &mut Errors) {
    let (mut omits, mut has_default) = (None, false);
    for_each(&field.attrs, "serde", errors, |meta, errors| {
        if meta.path.is_ident("rename") {
            if let Some(name) = text(meta, errors)?
                && name.value().is_empty()
                && documents.any()
            {
                errors.push(
                    name.span(),
                    "OpenAPI and TypeScript have no field without a name: give it one",
                );
            }
            return Ok(());
        }
        let skips = [
            "skip",
            "skip_serializing",
            "skip_deserializing",
            "skip_serializing_if",
        ];
        if is_whole && skips.iter().any(|name| meta.path.is_ident(name)) {
            return refuse(
                meta,
                errors,
                "would leave out the whole data of the event: write a variant without data, or a struct variant",
            );
        }
        if meta.path.is_ident("skip_serializing") || meta.path.is_ident("skip_deserializing") {
            return refuse(
                meta,
                errors,
                "has no meaning in an event, which is sent and received: write `skip`, or leave it out",
            );
        }
        if changes_type(meta) {
            check_written_type(field, span(meta), documents, errors);
        }
        if meta.path.is_ident("flatten") && documents.any() && is_option(&field.ty) {
            errors.push(
                span(meta),
                "OpenAPI and TypeScript cannot tell that these fields come together or not at all: write `Option` at each of the fields, \
                 or leave out `flatten`",
            );
        }
        has_default |= meta.path.is_ident("default");
        if meta.path.is_ident("skip_serializing_if") {
            omits = Some(span(meta));
        }
        skip_value(meta)
    });
    if !documents.any() {
        return;
    }
    if let Some(omits) = omits.filter(|_| !has_default) {
        errors.push(
            omits,
            "a field that may be left out needs a `default` when it is received: write `#[serde(default, skip_serializing_if = \"..\")]`",
        );
    }
    check_description(field, documents, errors);
}

/// `with` hides the type that it writes, so another attribute on the field must give it.
fn check_written_type(field: &Field, with: Span, documents: Documents, errors: &mut Errors) {
    let of_schema: &[_] = if field.ident.is_some() {
        &["value_type", "schema_with"]
    } else {
        &["value_type"]
    };
    if documents.openapi && !has_argument(&field.attrs, "schema", of_schema) {
        errors.push(
            with,
            "OpenAPI does not see the type that this writes: give it with `#[schema(value_type = Type)]` on the field",
        );
    }
    if documents.typescript && !has_argument(&field.attrs, "ts", &["type", "as"]) {
        errors.push(
            with,
            "TypeScript does not see the type that this writes: give it with `#[ts(type = \"..\")]` or `#[ts(as = \"Type\")]` on the field",
        );
    }
}

/// Adds errors for descriptions of a field that would differ from its bytes.
fn check_description(field: &Field, documents: Documents, errors: &mut Errors) {
    for (name, is_asked) in [("schema", documents.openapi), ("ts", documents.typescript)] {
        for_each(&field.attrs, name, &mut Errors::default(), |meta, _| {
            if is_asked && meta.path.is_ident("rename") {
                errors.push(
                    span(meta),
                    format_args!("the field has its name from serde: write `#[serde(rename = \"..\")]` instead of `#[{name}(rename = \"..\")]`"),
                );
            }
            skip_value(meta)
        });
    }
    let described = field
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("schema"));
    let described = described.filter_map(|attribute| attribute.meta.require_list().ok());
    let mut tokens = described
        .map(|list| list.tokens.clone())
        .chain([field.ty.to_token_stream()]);
    if let Some(whole_enum) = tokens.find_map(find_self) {
        errors.push(
            whole_enum,
            "`Self` is the whole enum, and not the data of its events: declare a type for the data, and write its name",
        );
    }
}

fn find_self(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "Self" => Some(ident.span()),
        TokenTree::Group(group) => find_self(group.stream()),
        _ => None,
    })
}

pub(super) fn has_argument(attributes: &[Attribute], attribute: &str, arguments: &[&str]) -> bool {
    let mut found = false;
    for_each(attributes, attribute, &mut Errors::default(), |meta, _| {
        found |= arguments.iter().any(|argument| meta.path.is_ident(argument));
        skip_value(meta)
    });
    found
}

/// True if the type is written as an `Option`.
fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            last.ident == "Option" && matches!(last.arguments, PathArguments::AngleBracketed(_))
        }),
        Type::Group(group) => is_option(&group.elem),
        Type::Paren(paren) => is_option(&paren.elem),
        _ => false,
    }
}

/// The name that serde writes for a field. `None` for a newtype's field and a flattened one, which have no name.
pub(super) fn written_name(field: &Field, rule: Option<&LitStr>) -> Option<String> {
    let ident = field.ident.as_ref()?.unraw().to_string();
    let (mut renamed, mut is_flattened) = (None, false);
    for_each(&field.attrs, "serde", &mut Errors::default(), |meta, errors| {
        is_flattened |= meta.path.is_ident("flatten");
        if meta.path.is_ident("rename") {
            renamed = text(meta, errors)?.map(|name| name.value());
            return Ok(());
        }
        skip_value(meta)
    });
    if is_flattened {
        return None;
    }
    let by_rule = || rule.map(|rule| case::rename_field(&ident, &rule.value()));
    Some(renamed.or_else(by_rule).unwrap_or(ident))
}

/// The arguments of `#[serde(..)]` on a field, without `rename`.
pub(super) fn without_rename(attributes: &[Attribute]) -> TokenStream {
    let mut kept = Vec::new();
    for_each(attributes, "serde", &mut Errors::default(), |meta, _| {
        let path = &meta.path;
        let value = meta.input.fork();
        skip_value(meta)?;
        if !path.is_ident("rename") {
            let value = tokens_between(&value, meta.input);
            kept.push(quote!(#[serde(#path #value)]));
        }
        Ok(())
    });
    kept.into_iter().collect()
}

/// The tokens that were parsed between two states of one input.
fn tokens_between(from: syn::parse::ParseStream<'_>, to: syn::parse::ParseStream<'_>) -> TokenStream {
    let [all, rest] = [from, to].map(|input| input.cursor().token_stream());
    let count = all.clone().into_iter().count() - rest.into_iter().count();
    all.into_iter().take(count).collect()
}
