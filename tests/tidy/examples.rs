//! Public types and functions have an example.
//!
//! A type's example stands in its own documentation, or that names the item whose example shows it:
//! ``[`Topic::publish`]'s example``. A method may also be called in an example on the same page: that of its type, or of another
//! of the type's methods. What a trait's methods do is shown by the trait's example.

use std::{collections::BTreeSet, path::Path};

use syn::{
    Attribute, Expr, ExprLit, File, ImplItem, Item, Lit, Meta, UseTree, Visibility,
    visit::{self, Visit},
};

use crate::{CRATES, library, none};

/// A public item.
struct Documented {
    file: String,
    /// The type that a method is of.
    of: Option<String>,
    name: String,
    documentation: String,
    /// Its examples, as far as the compiler sees them.
    examples: String,
}

impl Documented {
    fn place(&self) -> String {
        let of = self.of.as_ref().map(|of| format!("{of}::")).unwrap_or_default();
        format!("{}: `{of}{}`", self.file, self.name)
    }

    /// The type whose page in the documentation it is on.
    fn page(&self) -> &str {
        self.of.as_ref().unwrap_or(&self.name)
    }

    /// The item whose example shows it: ``[`Topic::publish`]`` or ``[`publish`](Self::publish)``.
    fn shown_by(&self) -> Option<&str> {
        let (before, _) = self.documentation.split_once("'s example")?;
        let link = before.rsplit('[').next()?;
        let name = link.split('`').nth(1)?;
        name.trim_end_matches(['(', ')', '!']).rsplit("::").next()
    }
}

/// The blocks of code in documentation that the compiler sees.
fn examples(documentation: &str) -> String {
    let blocks = documentation.split("```").skip(1).step_by(2);
    let compiled = blocks.filter(|block| {
        let info = block.lines().next().unwrap_or_default();
        !info.contains("text") && !info.contains("ignore")
    });
    compiled.collect()
}

/// The text of an item's documentation.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(line), ..
            }) => Some(line.value()),
            // `include_str!`, which is a page.
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    let is_hidden = |attribute: &Attribute| {
        attribute.path().is_ident("doc")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "hidden")
    };
    attributes.iter().any(is_hidden)
}

/// The functions in there are what `log_suite!` makes tests of, and its example shows them.
const TESTS_OF_A_MACRO: &str = "sse-core/src/log_suite/";

struct Public<'a> {
    file: &'a str,
    /// Names that only `__private` gives out.
    private: &'a BTreeSet<String>,
    found: Vec<Documented>,
    modules: Vec<(String, String)>,
}

impl Public<'_> {
    fn note(&mut self, of: Option<&str>, name: &str, attributes: &[Attribute]) {
        if !is_hidden(attributes) && !self.private.contains(name) {
            let documentation = documentation(attributes);
            self.found.push(Documented {
                file: self.file.to_owned(),
                of: of.map(ToOwned::to_owned),
                name: name.to_owned(),
                examples: examples(&documentation),
                documentation,
            });
        }
    }

    /// What is said of a file's module, by the module's name.
    fn note_module(&mut self, attributes: &[Attribute]) {
        let documentation = documentation(attributes);
        let stem = Path::new(self.file).file_stem().unwrap();
        self.modules
            .push((stem.to_string_lossy().into_owned(), examples(&documentation)));
    }

    fn note_public(&mut self, visibility: &Visibility, name: &syn::Ident, attributes: &[Attribute]) {
        if matches!(visibility, Visibility::Public(_)) {
            self.note(None, &name.to_string(), attributes);
        }
    }
}

impl<'ast> Visit<'ast> for Public<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Struct(item) => self.note_public(&item.vis, &item.ident, &item.attrs),
            Item::Enum(item) => self.note_public(&item.vis, &item.ident, &item.attrs),
            Item::Trait(item) => self.note_public(&item.vis, &item.ident, &item.attrs),
            Item::Type(item) => self.note_public(&item.vis, &item.ident, &item.attrs),
            Item::Fn(item) => self.note_public(&item.vis, &item.sig.ident, &item.attrs),
            Item::Macro(item)
                if item
                    .attrs
                    .iter()
                    .any(|known| known.path().is_ident("macro_export")) =>
            {
                let name = item.ident.as_ref().map(ToString::to_string).unwrap_or_default();
                self.note(None, &name, &item.attrs);
            }
            // What is in there is public for this crate alone.
            Item::Mod(item) if item.content.is_some() && !matches!(item.vis, Visibility::Public(_)) => return,
            Item::Impl(item) if item.trait_.is_none() => {
                let of = match &*item.self_ty {
                    syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
                    _ => None,
                };
                let of = of.unwrap_or_default();
                // What is said of the methods together.
                self.note(Some(&of), "", &item.attrs);
                for item in &item.items {
                    if let ImplItem::Fn(function) = item
                        && matches!(function.vis, Visibility::Public(_))
                        && !self.private.contains(&of)
                    {
                        self.note(Some(&of), &function.sig.ident.to_string(), &function.attrs);
                    }
                }
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

fn used_names(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => used_names(&path.tree, names),
        UseTree::Name(name) => drop(names.insert(name.ident.to_string())),
        UseTree::Rename(rename) => drop(names.insert(rename.rename.to_string())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| used_names(tree, names)),
        UseTree::Glob(_) => {}
    }
}

/// The names that a `lib.rs` gives out in `__private` alone.
fn private_names(lib: &File) -> BTreeSet<String> {
    let (mut public, mut private) = (BTreeSet::new(), BTreeSet::new());
    let used = |items: &[Item], names: &mut BTreeSet<String>| {
        for item in items {
            if let Item::Use(item) = item {
                used_names(&item.tree, names);
            }
        }
    };
    used(&lib.items, &mut public);
    for item in &lib.items {
        if let Item::Mod(module) = item
            && module.ident == "__private"
        {
            used(
                module.content.as_ref().map_or(&[], |(_, items)| items),
                &mut private,
            );
        }
    }
    private.difference(&public).cloned().collect()
}

/// The files of one crate, the `lib.rs` among them.
fn without_example(files: &[(String, String)]) -> Vec<String> {
    let parsed: Vec<_> = files
        .iter()
        .map(|(name, text)| (name, syn::parse_file(text).unwrap()))
        .collect();
    let lib = parsed.iter().find(|(name, _)| name.ends_with("lib.rs"));
    let private = lib.map(|(_, lib)| private_names(lib)).unwrap_or_default();
    let (mut found, mut modules) = (Vec::new(), Vec::new());
    for (file, parsed) in &parsed {
        let mut public = Public {
            file,
            private: &private,
            found: Vec::new(),
            modules: Vec::new(),
        };
        public.note_module(&parsed.attrs);
        public.visit_file(parsed);
        found.extend(public.found);
        modules.extend(public.modules);
    }
    let has_example = |name: &str| {
        let mut named = found.iter().filter(|item| item.name == name);
        let of_module = modules
            .iter()
            .any(|(known, examples)| known == name && !examples.is_empty());
        of_module || named.any(|item| !item.examples.is_empty())
    };
    let is_called = |method: &Documented| {
        let mut page = found.iter().filter(|item| item.page() == method.page());
        page.any(|item| {
            let examples = &item.examples;
            let mut calls = examples.match_indices(&method.name);
            calls.any(|(at, name)| {
                let (before, found) = examples.split_at(at);
                let after = found.strip_prefix(name).unwrap_or_default();
                before.ends_with(['.', ':']) && after.starts_with(['(', ':', ')'])
            })
        })
    };
    let named = found
        .iter()
        .filter(|item| !item.name.is_empty() && !item.file.starts_with(TESTS_OF_A_MACRO));
    let faults = named.filter_map(|item| {
        let is_shown = !item.examples.is_empty() || item.of.is_some() && is_called(item);
        match item.shown_by() {
            _ if is_shown => None,
            Some(other) if has_example(other) => None,
            Some(other) => Some(format!("{}: `{other}` has no example", item.place())),
            None => Some(format!(
                "{} has no example; write one that asserts, or name the item whose example shows it: [`other`]'s example",
                item.place()
            )),
        }
    });
    faults.collect()
}

#[test]
fn public_types_and_functions_have_an_example() {
    none(
        &CRATES
            .into_iter()
            .flat_map(|krate| without_example(&library(krate)))
            .collect::<Vec<_>>(),
    );
    let faults = |text: &str| without_example(&[("a/lib.rs".to_owned(), text.to_owned())]);
    let shown = "/// One.\n///\n/// ```\n/// assert!(one().two());\n/// ```\npub fn one() {}";
    assert_eq!(faults(shown).len(), 0);
    assert_eq!(
        faults("pub struct A; impl A { pub fn a() {} fn b() {} }").len(),
        2
    );
    assert_eq!(faults("/// ```text\n/// a\n/// ```\npub fn two() {}").len(), 1);
    assert_eq!(
        faults(&format!(
            "{shown}\n/// As [`one`]'s example.\npub fn three() {{}}"
        ))
        .len(),
        0
    );
    assert_eq!(faults("/// As [`one`]'s example.\npub fn two() {}").len(), 1);
    let of_type = "/// ```\n/// A::one().two();\n/// ```\npub struct A; impl A { pub fn one() {} pub fn two() {} pub fn wo() {} }";
    assert_eq!(faults(of_type).len(), 1);
    assert_eq!(
        faults("pub(crate) fn one() {} trait A { fn a(); } struct B;").len(),
        0
    );
    assert_eq!(
        faults("pub mod __private { pub use a::one; } pub fn one() {}").len(),
        0
    );
}
