//! The attributes `#[sse(..)]` and `#[serde(..)]` on an enum of events, its variants and their fields.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, LitStr, Path, Token, meta::ParseNestedMeta, parse_quote, token::Paren};

use super::case;
use crate::errors::Errors;

/// Which documents describe the events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Documents {
    pub(super) openapi: bool,
    pub(super) typescript: bool,
}

impl Documents {
    pub(super) fn any(self) -> bool {
        self.openapi || self.typescript
    }
}

/// Attributes of the enum.
pub(super) struct EnumAttributes {
    /// The path of `sse_actix`.
    pub(super) krate: Path,
    /// True for clients other than `EventSource`: names may be `open` and `error`.
    pub(super) plain: bool,
    pub(super) documents: Documents,
    pub(super) rename_all: Option<String>,
    /// serde's rule for the names of the fields of all variants.
    pub(super) rename_fields: Option<LitStr>,
    pub(super) denies_unknown_fields: bool,
}

/// Attributes of a variant.
#[derive(Default)]
pub(super) struct VariantAttributes {
    /// The name in `#[sse(name = "..")]`.
    pub(super) name: Option<LitStr>,
    /// The name in `#[serde(rename = "..")]`.
    pub(super) rename: Option<LitStr>,
    /// The catch-all.
    pub(super) other: Option<Span>,
    /// `#[serde(skip)]`.
    pub(super) skip: Option<Span>,
    /// serde's rule for the names of its fields.
    pub(super) rename_fields: Option<LitStr>,
    /// The attribute that serialises its data in another way than its type does.
    pub(super) with: Option<Span>,
}

impl EnumAttributes {
    pub(super) fn parse(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self {
            krate: parse_quote!(::sse_actix),
            plain: false,
            documents: Documents::default(),
            rename_all: None,
            rename_fields: None,
            denies_unknown_fields: false,
        };
        for_each(attributes, "sse", errors, |meta, errors| {
            if ["plain", "openapi", "typescript"]
                .iter()
                .any(|name| meta.path.is_ident(name))
                && has_value(meta)
            {
                return refuse(meta, errors, ALONE);
            }
            if meta.path.is_ident("plain") {
                found.plain = true;
            } else if meta.path.is_ident("openapi") {
                found.documents.openapi = true;
            } else if meta.path.is_ident("typescript") {
                found.documents.typescript = true;
            } else if meta.path.is_ident("crate") {
                found.krate = meta.value()?.call(Path::parse_mod_style)?;
            } else {
                return refuse(
                    meta,
                    errors,
                    "is not an argument of `#[sse(..)]` on an enum: there are `openapi`, `typescript`, `plain` and `crate = path::to::sse_actix`",
                );
            }
            Ok(())
        });
        for_each(attributes, "serde", errors, |meta, errors| {
            if meta.path.is_ident("rename_all") {
                if let Some(rule) = text(meta, errors)? {
                    let rule_text = rule.value();
                    if case::rename("", &rule_text).is_some() {
                        found.rename_all = Some(rule_text);
                    } else {
                        errors.push(
                            rule.span(),
                            format_args!("serde has no such rule: there are `{}`", case::RULES.join("`, `")),
                        );
                    }
                }
                return Ok(());
            }
            if meta.path.is_ident("rename_all_fields") {
                found.rename_fields = text(meta, errors)?;
                return Ok(());
            }
            found.denies_unknown_fields |= meta.path.is_ident("deny_unknown_fields");
            if ["tag", "content", "untagged"]
                .iter()
                .any(|name| meta.path.is_ident(name))
            {
                return refuse(
                    meta,
                    errors,
                    "has no meaning in an enum of events: the variant's name is the event's name, and is not in the data; leave it out",
                );
            }
            if ["from", "into", "try_from", "remote", "transparent", "default"]
                .iter()
                .any(|name| meta.path.is_ident(name))
            {
                return refuse(
                    meta,
                    errors,
                    "puts something else in the place of the variants, which are the events: leave it out",
                );
            }
            skip_value(meta)
        });
        found
    }
}

impl VariantAttributes {
    pub(super) fn parse(attributes: &[Attribute], errors: &mut Errors) -> Self {
        let mut found = Self::default();
        for_each(attributes, "sse", errors, |meta, errors| {
            if meta.path.is_ident("name") {
                found.name = text(meta, errors)?;
            } else if meta.path.is_ident("other") && has_value(meta) {
                return refuse(meta, errors, ALONE);
            } else if meta.path.is_ident("other") {
                found.other = Some(span(meta));
            } else {
                return refuse(
                    meta,
                    errors,
                    "is not an argument of `#[sse(..)]` on a variant: there are `name = \"..\"` and `other`",
                );
            }
            Ok(())
        });
        for_each(attributes, "serde", errors, |meta, errors| {
            if meta.path.is_ident("rename") {
                found.rename = text(meta, errors)?;
                return Ok(());
            }
            if meta.path.is_ident("skip") {
                found.skip = Some(span(meta));
                return Ok(());
            }
            if meta.path.is_ident("rename_all") {
                found.rename_fields = text(meta, errors)?;
                return Ok(());
            }
            if changes_type(meta) {
                found.with = Some(span(meta));
            }
            let reason = if meta.path.is_ident("other") {
                "is serde's catch-all, which an enum of events cannot have: write `#[sse(other)] #[serde(skip)] Other(UnknownEvent)`"
            } else if meta.path.is_ident("untagged") {
                "has no meaning in an enum of events: the variant's name is the event's name; leave it out"
            } else if meta.path.is_ident("alias") {
                "has no meaning on an event, which has one name: write a variant for the other name"
            } else if meta.path.is_ident("skip_serializing") || meta.path.is_ident("skip_deserializing") {
                "has no meaning on an event, which is sent and received: leave it out"
            } else {
                return skip_value(meta);
            };
            refuse(meta, errors, reason)
        });
        found
    }
}

/// True if the attribute changes the serialised type.
pub(super) fn changes_type(meta: &ParseNestedMeta<'_>) -> bool {
    ["with", "serialize_with", "deserialize_with"]
        .iter()
        .any(|name| meta.path.is_ident(name))
}

/// Calls a function with every argument of every `#[name(..)]`.
pub(super) fn for_each(
    attributes: &[Attribute],
    name: &str,
    errors: &mut Errors,
    mut take: impl FnMut(&ParseNestedMeta<'_>, &mut Errors) -> syn::Result<()>,
) {
    for attribute in attributes {
        if attribute.path().is_ident(name) {
            let parsed = attribute.parse_nested_meta(|meta| take(&meta, errors));
            errors.take(parsed);
        }
    }
}

/// The text value of an argument.
pub(super) fn text(meta: &ParseNestedMeta<'_>, errors: &mut Errors) -> syn::Result<Option<LitStr>> {
    if meta.input.peek(Paren) {
        refuse(
            meta,
            errors,
            "with two names has no meaning in an event, which is sent and received by the same name: write it with `=` and one name",
        )?;
        return Ok(None);
    }
    meta.value()?.parse().map(Some)
}

pub(super) const ALONE: &str = "takes no value: write it alone";

pub(super) fn has_value(meta: &ParseNestedMeta<'_>) -> bool {
    meta.input.peek(Token![=]) || meta.input.peek(Paren)
}

pub(super) fn refuse(meta: &ParseNestedMeta<'_>, errors: &mut Errors, reason: &str) -> syn::Result<()> {
    let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    errors.push(span(meta), format_args!("`{name}` {reason}"));
    skip_value(meta)
}

pub(super) fn span(meta: &ParseNestedMeta<'_>) -> Span {
    syn::spanned::Spanned::span(&meta.path)
}

/// Skips the value of an argument.
pub(super) fn skip_value(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<Expr>()?;
    } else if meta.input.peek(Paren) {
        let inside;
        syn::parenthesized!(inside in meta.input);
        inside.parse::<TokenStream>()?;
    }
    Ok(())
}
