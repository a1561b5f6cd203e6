//! Structs have few fields.

use syn::{
    File, ItemStruct,
    visit::{self, Visit},
};

use crate::{none, over_library};

const MOST_FIELDS: usize = 10;

struct Structs<'a> {
    file: &'a str,
    faults: Vec<String>,
}

impl<'ast> Visit<'ast> for Structs<'_> {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        if item.fields.len() > MOST_FIELDS {
            self.faults.push(format!(
                "{}: `{}` has {} fields; group them into parts with names",
                self.file,
                item.ident,
                item.fields.len()
            ));
        }
        visit::visit_item_struct(self, item);
    }

    // `pin_project! { .. }` holds one.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Ok(file) = syn::parse2::<File>(without_pins(&item.mac.tokens)) {
            self.visit_file(&file);
        }
    }
}

/// What `pin_project!` adds to a struct is no Rust by itself: it is left out.
fn without_pins(tokens: &proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let text = tokens.to_string();
    let end = text.find("impl <").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().parse().unwrap_or_default()
}

fn too_many_fields(name: &str, text: &str) -> Vec<String> {
    let mut structs = Structs {
        file: name,
        faults: Vec::new(),
    };
    structs.visit_file(&syn::parse_file(text).unwrap());
    structs.faults
}

#[test]
fn no_struct_has_many_fields() {
    none(&over_library(too_many_fields));
    let fields = |number: usize| {
        let fields: Vec<_> = (0..number).map(|n| format!("f{n}: u8")).collect();
        fields.join(", ")
    };
    assert_eq!(
        too_many_fields("a.rs", &format!("struct A {{ {} }}", fields(10))).len(),
        0
    );
    assert_eq!(
        too_many_fields("a.rs", &format!("struct A {{ {} }}", fields(11))).len(),
        1
    );
    let pinned = format!("pin_project! {{ struct A {{ #[pin] {} }} }}", fields(11));
    assert_eq!(too_many_fields("a.rs", &pinned).len(), 1);
}
