//! What is allowed has a reason.

use syn::{Attribute, visit::Visit};

use crate::{none, over_library};

fn allows_without_reason(name: &str, text: &str) -> Vec<String> {
    struct Allows(Vec<String>);
    impl<'ast> Visit<'ast> for Allows {
        fn visit_attribute(&mut self, attribute: &'ast Attribute) {
            let path = attribute.path();
            if !path.is_ident("allow") && !path.is_ident("expect") {
                return;
            }
            let list = attribute.meta.require_list().unwrap().tokens.to_string();
            if !list.contains("reason =") {
                self.0.push(list);
            }
        }
    }
    let mut allows = Allows(Vec::new());
    allows.visit_file(&syn::parse_file(text).unwrap());
    let faults = allows.0.into_iter();
    faults
        .map(|what| format!("{name}: say why `{what}` is allowed"))
        .collect()
}

#[test]
fn what_is_allowed_has_a_reason() {
    none(&over_library(allows_without_reason));
    assert_eq!(
        allows_without_reason("a.rs", "#[allow(dead_code)] fn a() {}").len(),
        1
    );
    let with = "#[expect(dead_code, reason = \"held\")] fn a() {}";
    assert_eq!(allows_without_reason("a.rs", with).len(), 0);
}
