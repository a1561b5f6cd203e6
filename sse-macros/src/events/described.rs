//! What OpenAPI and TypeScript are told of an enum of events: each variant's data as a struct of its own, which their derives
//! describe.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{Attribute, Fields};

use super::{
    attributes::Documents,
    model::{Events, IdField, Variant},
};

/// The `impl`s that were asked for.
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
        // One whose id is an `Option`, whatever that is called, may have none.
        let has_id = variant.id.as_ref().map_or_else(
            || quote!(false),
            |IdField { ty, .. }| quote_spanned!(Span::mixed_site()=> !<#ty as #krate::IdField>::IS_OPTIONAL),
        );
        list.push(
            quote_spanned!(Span::mixed_site()=> #krate::#module::EventDescription::of::<#ty>(#name, #has_id)),
        );
    }
    let (name, is_open) = (ident.to_string(), events.other.is_some());
    // In a constant, since a module would hide the names that the fields' types have.
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

/// A struct with the data of a variant; `None` if that is `null`.
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
    let keeps = |attribute: &&Attribute| {
        attribute.path().is_ident("serde")
            || attribute.path().is_ident(document.attribute)
            || attribute.path().is_ident("doc")
    };
    let of_fields = fields.iter().map(|field| {
        let attributes = field.attrs.iter().filter(keeps);
        let (ident, ty) = (&field.ident, &field.ty);
        let colon = ident.as_ref().map(|_| quote!(:));
        quote!(#(#attributes)* #ident #colon #ty)
    });
    let body = match fields {
        Fields::Unit => return None,
        Fields::Unnamed(_) => quote!((#(#of_fields),*);),
        Fields::Named(_) => quote!({ #(#of_fields),* }),
    };
    let rename = rename_fields
        .as_ref()
        .filter(|_| matches!(fields, Fields::Named(_)));
    let rename = rename.map(|rule| quote!(#[serde(rename_all = #rule)]));
    let strict = (events.denies_unknown_fields && matches!(fields, Fields::Named(_)))
        .then(|| quote!(#[serde(deny_unknown_fields)]));
    let typescript = (document.library == "ts_rs").then(|| {
        let path = format!("{krate}::__private::ts_rs");
        quote!(#[ts(crate = #path)])
    });
    let item = quote_spanned! {Span::mixed_site()=>
        #[derive(serde::Serialize, serde::Deserialize, #library::#derive)]
        #[serde(crate = #serde)]
        #rename
        #strict
        #typescript
        #[allow(dead_code, reason = "it is described, and never made")]
        struct #ident #body
    };
    Some((ident, item))
}
