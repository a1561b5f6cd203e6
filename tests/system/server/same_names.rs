//! `Server` has every method of actix's `HttpServer`, with the same arguments, or the guide says why not.

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use quote::ToTokens;
use syn::{
    FnArg, GenericParam, ImplItem, Item, Signature, Type, Visibility, WherePredicate, visit_mut::VisitMut,
};

/// What `Server` has otherwise, or not at all. The guide gives the reason.
const EXCEPTIONS: [&str; 7] = [
    "bind_rustls",
    "bind_rustls_021",
    "bind_rustls_0_22",
    "listen_rustls",
    "listen_rustls_0_21",
    "listen_rustls_0_22",
    "shutdown_timeout",
];

/// The arguments' types of each public method, by its name.
type Methods = BTreeMap<String, Vec<String>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(arguments).current_dir(root()).output().unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Where the source is of the version that this workspace is locked to.
fn source_of(package: &str) -> PathBuf {
    let version = output("rustc", &["-vV"]);
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    // Packages of other platforms need not be there.
    let arguments = [
        "metadata",
        "--offline",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        host,
    ];
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata: serde_json::Value = serde_json::from_str(&output(&cargo, &arguments)).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|found| found["name"] == package).unwrap();
    let manifest = Path::new(found["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().join("src")
}

/// The public methods of a type that one would call today.
fn methods(source: &str, of: &str) -> Methods {
    let mut methods = Methods::new();
    for item in syn::parse_file(source).unwrap().items {
        let Item::Impl(item) = item else { continue };
        let is_of = matches!(&*item.self_ty, Type::Path(ty) if ty.path.segments.last().unwrap().ident == of);
        if item.trait_.is_some() || !is_of {
            continue;
        }
        for item in item.items {
            if let ImplItem::Fn(method) = item
                && matches!(method.vis, Visibility::Public(_))
                && !method
                    .attrs
                    .iter()
                    .any(|attribute| attribute.path().is_ident("deprecated"))
            {
                methods.insert(method.sig.ident.to_string(), arguments(&method.sig));
            }
        }
    }
    methods
}

/// The types of arguments, whichever way they are written: `impl T` or a parameter, with a path or without.
fn arguments(signature: &Signature) -> Vec<String> {
    let mut bounds = HashMap::new();
    for parameter in &signature.generics.params {
        if let GenericParam::Type(parameter) = parameter {
            bounds.insert(parameter.ident.to_string(), text(&parameter.bounds));
        }
    }
    let clauses = signature.generics.where_clause.iter();
    for predicate in clauses.flat_map(|clause| &clause.predicates) {
        if let WherePredicate::Type(predicate) = predicate {
            bounds.insert(text(&predicate.bounded_ty), text(&predicate.bounds));
        }
    }
    let types = signature.inputs.iter().filter_map(|argument| match argument {
        FnArg::Receiver(_) => None,
        FnArg::Typed(argument) => Some(text(&argument.ty)),
    });
    types
        .map(|ty| {
            let ty = bounds.get(&ty).map_or(ty, |bounds| format!("impl {bounds}"));
            let mut ty: Type = syn::parse_str(&ty).unwrap();
            WithoutPaths.visit_type_mut(&mut ty);
            text(&ty)
        })
        .collect()
}

fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// Leaves the last segment of every path.
struct WithoutPaths;

impl VisitMut for WithoutPaths {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        syn::visit_mut::visit_path_mut(self, path);
        let segments = std::mem::take(&mut path.segments);
        path.segments = segments.into_iter().last().into_iter().collect();
        path.leading_colon = None;
    }
}

/// What differs, and is no exception, or is one without need.
fn faults(theirs: &Methods, ours: &Methods, guide: &str, exceptions: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, arguments) in theirs {
        let same = ours.get(name) == Some(arguments);
        match (same, exceptions.contains(&&**name)) {
            (true, true) => faults.push(format!("`{name}` is the same: it is no exception any more")),
            (false, false) => faults.push(format!(
                "`{name}` takes {arguments:?}, and ours {:?}: do as actix does, or say why not",
                ours.get(name)
            )),
            (false, true) if !guide.contains(&format!("`{name}`")) => {
                faults.push(format!(
                    "docs/serving.md does not say why there is no `{name}` as actix has it"
                ));
            }
            _ => {}
        }
    }
    for name in exceptions {
        if !theirs.contains_key(*name) {
            faults.push(format!(
                "`{name}` is no method of `HttpServer`, so it is no exception"
            ));
        }
    }
    faults
}

#[test]
fn server_has_what_http_server_has() {
    let theirs = fs::read_to_string(source_of("actix-web").join("server.rs")).unwrap();
    let theirs = methods(&theirs, "HttpServer");
    let source = root().join("sse-actix/src");
    let mut ours = methods(&fs::read_to_string(source.join("server.rs")).unwrap(), "Server");
    for file in fs::read_dir(source.join("server")).unwrap() {
        ours.extend(methods(
            &fs::read_to_string(file.unwrap().path()).unwrap(),
            "Server",
        ));
    }
    assert!(theirs.contains_key("bind_uds") && ours.contains_key("run"));
    let guide = fs::read_to_string(root().join("docs/serving.md")).unwrap();
    let faults = faults(&theirs, &ours, &guide, &EXCEPTIONS);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The rule is shown what breaks it.
#[test]
fn what_differs_is_found() {
    let theirs =
        "impl HttpServer { pub fn a<T: Into<u8>>(self, t: T) {} pub fn b(self, b: std::time::Duration) {}
        #[deprecated] pub fn c(self) {} fn d(self) {} }";
    let theirs = methods(theirs, "HttpServer");
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ["a", "b"]);
    let faults = |ours: &str, guide: &str, exceptions: &[&str]| {
        faults(&theirs, &methods(ours, "Server"), guide, exceptions).len()
    };
    let same = "impl<F> Server<F> { pub fn a(self, t: impl Into<u8>) {} pub fn b(self, time: Duration) {} }";
    assert_eq!(faults(same, "", &[]), 0);
    assert_eq!(faults(same, "`b`", &["b"]), 1);
    assert_eq!(faults(same, "", &["e"]), 1);
    let other = "impl Server { pub fn a(self, t: impl Into<u8>) {} pub fn b(self, seconds: u64) {} }";
    assert_eq!(faults(other, "", &[]), 1);
    assert_eq!(faults(other, "", &["b"]), 1);
    assert_eq!(faults(other, "`b` takes seconds", &["b"]), 0);
    assert_eq!(faults("impl Other { pub fn a(self) {} }", "", &[]), 2);
}
