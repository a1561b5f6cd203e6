//! The page about conformance is true: a row names a place and a test that exist, and each clause of a standard that
//! the code cites has a row.

use std::{collections::BTreeSet, fs, path::Path};

use proc_macro2::TokenTree;
use syn::{
    ItemFn, ItemMacro,
    visit::{self, Visit},
};

use crate::{CRATES, files, none, root};

const PAGE: &str = "docs/conformance.md";

/// What a row says of a clause that no file of ours implements.
const NO_PLACES: [&str; 4] = ["browser", "actix", "not done", "not concerned"];

/// How links to a standard begin.
const STANDARDS: [&str; 6] = [
    "https://html.spec.whatwg.org/",
    "https://fetch.spec.whatwg.org/",
    "https://encoding.spec.whatwg.org/",
    "https://www.rfc-editor.org/rfc/",
    "https://www.w3.org/TR/",
    "https://w3c.github.io/",
];

/// The cells of each row that begins with a link.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = page.lines().filter(|line| line.starts_with("| ["));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// What stands between back-ticks.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// Whether there is `path`, or in it the function of `path::function`.
fn is_place(name: &str) -> bool {
    let Some((path, function)) = name.split_once("::") else {
        return root().join(name).is_file();
    };
    let has = |text: String| {
        ["(", "<"]
            .iter()
            .any(|after| text.contains(&format!("fn {function}{after}")))
    };
    read(path).is_some_and(has)
}

/// The names of the tests in a file.
fn tests(text: &str) -> BTreeSet<String> {
    struct Tests(BTreeSet<String>);
    impl<'ast> Visit<'ast> for Tests {
        fn visit_item_fn(&mut self, item: &'ast ItemFn) {
            let is_test = |path: &syn::Path| path.segments.last().is_some_and(|last| last.ident == "test");
            if item.attrs.iter().any(|attribute| is_test(attribute.path())) {
                self.0.insert(item.sig.ident.to_string());
            }
            visit::visit_item_fn(self, item);
        }

        // `proptest! { .. }` holds tests; `in_each_browser! { .. }` makes one of each name.
        fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
            let each = item.mac.path.is_ident("in_each_browser");
            let mut after_fn = false;
            for token in item.mac.tokens.clone() {
                let TokenTree::Ident(ident) = token else {
                    after_fn = false;
                    continue;
                };
                if each || after_fn {
                    self.0.insert(ident.to_string());
                }
                after_fn = ident == "fn";
            }
        }
    }
    let mut tests = Tests(BTreeSet::new());
    tests.visit_file(&syn::parse_file(text).unwrap());
    tests.0
}

/// Whether there is this test of `sse-tests`, or the one of `path.rs::test`, or the vector of `path.json::name`.
fn is_test(name: &str) -> bool {
    if let Some((path, vector)) = name.split_once(".json::") {
        let named = format!("\"name\": \"{vector}\"");
        return read(&format!("{path}.json")).is_some_and(|text| text.contains(&named));
    }
    let Some((module, function)) = name.rsplit_once("::") else {
        return false;
    };
    let source = if Path::new(module)
        .extension()
        .is_some_and(|extension| extension == "rs")
    {
        read(module)
    } else {
        let module = format!("tests/system/{}", module.replace("::", "/"));
        read(&format!("{module}.rs")).or_else(|| read(&format!("{module}/mod.rs")))
    };
    source.is_some_and(|source| tests(&source).contains(function))
}

fn wrong_rows(page: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for row in rows(page) {
        let [clause, _, place, test] = row[..] else {
            faults.push(format!("{PAGE}: a row has four cells: {}", row.join(" | ")));
            continue;
        };
        let mut fault = |what: String| faults.push(format!("{PAGE}: {clause}: {what}"));
        if names(place).next().is_none() && !NO_PLACES.contains(&place) {
            fault(format!("`{place}` is no place"));
        }
        for name in names(place).filter(|name| !is_place(name)) {
            fault(format!("`{name}` is not there"));
        }
        // A clause that nobody tests has a reason for it.
        if names(test).next().is_none() && !test.starts_with("none: ") {
            fault(format!("`{test}` is no test"));
        }
        for name in names(test).filter(|name| !is_test(name)) {
            fault(format!("there is no test `{name}`"));
        }
        let seen = names(test).any(|name| name.starts_with("browser::"));
        if place == "browser" && !seen && !test.starts_with("none: ") {
            fault("a browser does it, and no test of one sees it".to_owned());
        }
    }
    faults
}

#[test]
fn rows_name_what_is_there() {
    none(&wrong_rows(&read(PAGE).unwrap()));
    let faults = |place: &str, test: &str| wrong_rows(&format!("| [a](b) | it | {place} | {test} |")).len();
    let (place, test) = ("`tests/tidy.rs::root`", "`wire::head::on_http_1_1`");
    assert_eq!(faults(place, test), 0);
    assert_eq!(faults("`tests/tidy.rs`", "none: nobody can see it"), 0);
    assert_eq!(
        faults(
            "browser",
            "`browser::reconnect::nul_in_data_does_not_arrive_in_firefox`"
        ),
        0
    );
    assert_eq!(
        faults(
            place,
            "`sse-core/src/line.rs::each_of_lf_cr_and_crlf_is_one_break`"
        ),
        0
    );
    assert_eq!(
        faults(
            place,
            "`sse-core/tests/decode/properties.rs::what_was_encoded_is_decoded`"
        ),
        0
    );
    assert_eq!(faults(place, "`sse-core/tests/vectors/traps.json::nothing`"), 0);
    for place in [
        "somewhere",
        "`tests/no.rs`",
        "`tests/no.rs::root`",
        "`tests/tidy.rs::no`",
    ] {
        assert_eq!(faults(place, test), 1, "{place}");
    }
    for test in [
        "none",
        "`root`",
        "`wire::no::on_http_1_1`",
        "`wire::head::no`",
        // It is a function there, but no test.
        "`wire::head::silence`",
        "`sse-core/src/line.rs::split_line`",
        "`sse-core/tests/vectors/traps.json::no`",
    ] {
        assert_eq!(faults(place, test), 1, "{test}");
    }
    assert_eq!(faults("browser", test), 1);
    assert_eq!(wrong_rows("| [a](b) | it | browser |").len(), 1);
}

/// The clauses of standards that a text links to, or names by the number of an RFC and of its section.
fn cited(text: &str) -> BTreeSet<String> {
    let links = text.match_indices("https://").map(|(at, _)| {
        let link = text.get(at..).unwrap_or_default();
        let link = link.split([' ', '\n', '\r', ')', '>', '"', '`']).next().unwrap();
        link.trim_end_matches(['.', ',', ';', ':']).to_owned()
    });
    let is_clause =
        |link: &String| link.contains('#') && STANDARDS.iter().any(|known| link.starts_with(known));
    links.filter(is_clause).chain(sections(text)).collect()
}

/// `RFC 9112, 7.1` and `RFC 9112, section 7.1`, as links.
fn sections(text: &str) -> impl Iterator<Item = String> {
    text.split("RFC ").skip(1).filter_map(|after| {
        let (number, after) = after.split_once(", ")?;
        let after = after.strip_prefix("section ").unwrap_or(after);
        let section = after.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let section = section.trim_end_matches('.');
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let link = format!("https://www.rfc-editor.org/rfc/rfc{number}#section-{section}");
        Some(link).filter(|_| is_number && !section.is_empty())
    })
}

fn without_row(name: &str, text: &str, page: &str) -> Vec<String> {
    let clauses: BTreeSet<String> = rows(page)
        .filter_map(|row| row.first().copied())
        .flat_map(cited)
        .collect();
    let missing = cited(text).into_iter().filter(|clause| !clauses.contains(clause));
    missing
        .map(|clause| format!("{name}: {clause} has no row in {PAGE}"))
        .collect()
}

#[test]
fn clauses_that_the_code_cites_have_a_row() {
    let page = read(PAGE).unwrap();
    let mut faults = Vec::new();
    for krate in CRATES {
        for extension in ["rs", "js", "json"] {
            for path in files(&root().join(krate), extension) {
                let text = fs::read_to_string(&path).unwrap();
                faults.extend(without_row(&path.to_string_lossy(), &text, &page));
            }
        }
    }
    none(&faults);
    let page = "| [7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1) | it | actix | none: so |\n\
        | [sending](https://html.spec.whatwg.org/a.html#b) | https://html.spec.whatwg.org/a.html#c | actix | none: so |";
    for (text, missing) in [
        ("// RFC 9112, 7.1", 0),
        (
            "// [RFC 9112, section 7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1).",
            0,
        ),
        ("// <https://html.spec.whatwg.org/a.html#b>.", 0),
        (
            "// https://example.com/#b, https://html.spec.whatwg.org/a.html, RFC 9112, RFC 6265bis, 5",
            0,
        ),
        ("// RFC 9112, section 7.2: no.", 1),
        ("// [a](https://www.rfc-editor.org/rfc/rfc9112#section-7.1.1)", 1),
        (
            "// (https://html.spec.whatwg.org/a.html#b, https://html.spec.whatwg.org/a.html#c)",
            1,
        ),
    ] {
        assert_eq!(without_row("a.rs", text, page).len(), missing, "{text}");
    }
}
