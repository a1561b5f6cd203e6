//! Describes an enum of events for OpenAPI and TypeScript: each variant's data becomes a separate struct, which the
//! derives of utoipa and ts-rs describe.

use std::slice;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{Attribute, Field, Fields, LitStr};

use super::{
    attributes::Documents,
    field,
    model::{Events, IdField, Variant},
};

/// The requested `impl`s.
pub(super) fn described(events: &Events) -> TokenStream {
    let Documents { openapi, typescript } = events.documents;
    let openapi = openapi.then(|| describe(events, &OPENAPI));
    let typescript = typescript.then(|| describe(events, &TYPESCRIPT));
    quote!(#openapi #typescript)
}

/// A document that describes the events.
struct Document {
    /// The module of `sse_actix`, the crate with the derive, and the derive.
    module: &'static str,
    library: &'static str,
    derive: &'static str,
    /// The derive's attributes.
    attribute: &'static str,
}

const OPENAPI: Document = Document {
    module: "openapi",
    library: "utoipa",
    derive: "ToSchema",
    attribute: "schema",
};

const TYPESCRIPT: Document = Document {
    module: "typescript",
    library: "ts_rs",
    derive: "TS",
    attribute: "ts",
};

fn describe(events: &Events, document: &Document) -> TokenStream {
    let (krate, ident) = (&events.krate, &events.ident);
    let [module, library] = [document.module, document.library].map(|name| format_ident!("{name}"));
    let mut structs = Vec::new();
    let mut list = Vec::new();
    for variant in &events.variants {
        let Variant { name, .. } = variant;
        let ty = if let Some((ty, item)) = data_struct(events, document, variant) {
            structs.push(item);
            ty.to_token_stream()
        } else {
            quote!(#krate::#module::Null)
        };
        // The id's type may be an alias of an `Option`, so the compiler decides (`IS_OPTIONAL`).
        let has_id = variant.id.as_ref().map_or_else(
            || quote!(false),
            |IdField { ty, .. }| quote_spanned!(Span::mixed_site()=> !<#ty as #krate::IdField>::IS_OPTIONAL),
        );
        list.push(
            quote_spanned!(Span::mixed_site()=> #krate::#module::EventDescription::of::<#ty>(#name, #has_id)),
        );
    }
    let (name, is_open) = (ident.to_string(), events.other.is_some());
    // In a constant, because a module would hide the names of the fields' types.
    quote_spanned! {Span::mixed_site()=>
        const _: () = {
            use #krate::__private::{#library, serde};
            #(#structs)*

            #[automatically_derived]
            impl #krate::#module::DescribeEvents for #ident {
                const NAME: &'static str = #name;
                const IS_OPEN: bool = #is_open;

                fn events() -> ::std::vec::Vec<#krate::#module::EventDescription> {
                    ::std::vec![#(#list),*]
                }
            }
        };
    }
}

/// A struct with the data of a variant; `None` if the data is `null`.
fn data_struct(events: &Events, document: &Document, variant: &Variant) -> Option<(syn::Ident, TokenStream)> {
    let Variant {
        fields,
        rename_fields,
        ..
    } = variant;
    let ident = format_ident!("__{}{}", events.ident, variant.ident);
    let krate = events.krate.to_token_stream().to_string().replace(' ', "");
    let serde = format!("{krate}::__private::serde");
    let [library, derive] = [document.library, document.derive].map(|name| format_ident!("{name}"));
    let of_fields = fields
        .iter()
        .map(|field| described_field(document, field, rename_fields.as_ref()));
    // utoipa takes the schema of a newtype from the struct, and `inline` from its field.
    let of_struct = match fields {
        Fields::Unnamed(fields) if document.attribute == "schema" => fields
            .unnamed
            .iter()
            .flat_map(|field| &field.attrs)
            .filter(|attribute| moves_to_struct(attribute))
            .collect(),
        _ => Vec::new(),
    };
    let body = match fields {
        Fields::Unit => return None,
        Fields::Unnamed(_) => quote!((#(#of_fields),*);),
        Fields::Named(_) => quote!({ #(#of_fields),* }),
    };
    let strict = (events.denies_unknown_fields && matches!(fields, Fields::Named(_)))
        .then(|| quote!(#[serde(deny_unknown_fields)]));
    let typescript = (document.library == "ts_rs").then(|| {
        let path = format!("{krate}::__private::ts_rs");
        quote!(#[ts(crate = #path)])
    });
    let item = quote_spanned! {Span::mixed_site()=>
        #[derive(serde::Serialize, serde::Deserialize, #library::#derive)]
        #[serde(crate = #serde)]
        #strict
        #typescript
        #(#of_struct)*
        #[allow(dead_code, non_snake_case, reason = "it is described, and never made; the names are the enum's")]
        struct #ident #body
    };
    Some((ident, item))
}

/// A field of the described struct. It has the name that serde writes as its explicit name: serde, utoipa and ts-rs apply
/// `rename_all` differently to names that are not in snake case, and read literals differently.
fn described_field(document: &Document, field: &Field, rule: Option<&LitStr>) -> TokenStream {
    let keeps = |attribute: &&Attribute| {
        let describes = attribute.path().is_ident(document.attribute) || attribute.path().is_ident("doc");
        describes && !(field.ident.is_none() && moves_to_struct(attribute))
    };
    let attributes = field.attrs.iter().filter(keeps);
    let serde = field::without_rename(&field.attrs);
    let name = field::written_name(field, rule).map(|name| {
        let name = if document.derive == "TS" {
            in_quotes(&name)
        } else {
            name
        };
        let attribute = format_ident!("{}", document.attribute);
        quote!(#[#attribute(rename = #name)])
    });
    let (ident, ty) = (&field.ident, &field.ty);
    let colon = ident.as_ref().map(|_| quote!(:));
    quote!(#(#attributes)* #serde #name #ident #colon #ty)
}

fn moves_to_struct(attribute: &Attribute) -> bool {
    attribute.path().is_ident("schema")
        && !field::has_argument(slice::from_ref(attribute), "schema", &["inline"])
}

/// Escapes a name, because ts-rs writes it between quotes as it is.
fn in_quotes(name: &str) -> String {
    let escape = |char: char| match char {
        '"' | '\\' => format!("\\{char}"),
        char if char.is_control() => format!("\\u{:04x}", u32::from(char)),
        char => char.to_string(),
    };
    name.chars().map(escape).collect()
}
