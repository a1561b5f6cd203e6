//! What README and guide show compiles with the dependencies that they show, and costs as few crates as they say.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    let after = page.split(&fence).skip(1);
    after.map(|block| block.split("\n```").next().unwrap()).collect()
}

/// Runs cargo in this folder, and returns what it prints. The build has a folder of its own, whatever runs beside it.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", root().join("target/guide"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A package of a stranger's: these dependencies and these programs.
fn package(folder: &Path, name: &str, dependencies: &str, programs: &[&str]) {
    let folder = folder.join(name);
    fs::create_dir_all(folder.join("src/bin")).unwrap();
    // The only thing that is not as it is shown: where this checkout is.
    let dependencies = dependencies.replace(
        "\"../sse-actix/sse-actix\"",
        &format!("\"{}\"", root().join("sse-actix").display()),
    );
    let manifest =
        format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n{dependencies}\n");
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    for (number, program) in programs.iter().enumerate() {
        fs::write(folder.join(format!("src/bin/{name}-{number}.rs")), program).unwrap();
    }
}

#[test]
fn programs_compile_with_the_dependencies_beside_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut packages = Vec::new();
    for page in ["README.md", "docs/observability.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let programs = blocks(&text, "rust")
            .into_iter()
            .filter(|code| code.contains("fn main("));
        let programs: Vec<_> = programs.collect();
        let dependencies = blocks(&text, "toml");
        let dependencies = dependencies
            .iter()
            .find(|block| block.starts_with("[dependencies]"))
            .unwrap();
        assert!(!programs.is_empty(), "{page} has no program any more");
        let name = Path::new(page)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_lowercase();
        package(folder.path(), &name, dependencies, &programs);
        packages.push(name);
    }
    let workspace = format!("[workspace]\nresolver = \"3\"\nmembers = {packages:?}\n");
    fs::write(folder.path().join("Cargo.toml"), workspace).unwrap();
    // The versions that are tested, and no newer ones.
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    cargo(folder.path(), &["check", "--workspace", "--bins"]);
}

/// The crates that a package needs at run time, but for itself.
fn crates(folder: &Path, name: &str, dependencies: &str) -> BTreeSet<String> {
    package(folder, name, &format!("[workspace]\n\n{dependencies}"), &[]);
    let tree = cargo(&folder.join(name), &["tree", "-e", "normal", "--prefix", "none"]);
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names
        .filter(|known| !known.is_empty() && *known != name)
        .map(str::to_owned)
        .collect()
}

#[test]
fn few_crates_are_added_to_those_of_actix_web() {
    let folder = tempfile::tempdir().unwrap();
    let actix_web = "[dependencies]\nactix-web = \"4\"\n";
    let without = crates(folder.path(), "without", actix_web);
    let with = format!("{actix_web}sse-actix = {{ path = \"../sse-actix/sse-actix\" }}\n");
    let with = crates(folder.path(), "with", &with);
    let added: Vec<_> = with.difference(&without).collect();
    println!("{} crates: {added:?}", added.len());
    assert!(added.len() <= 15, "{} crates: {added:?}", added.len());
    let page = fs::read_to_string(root().join("docs/first-stream.md")).unwrap();
    for name in added {
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/first-stream.md does not name {name}"
        );
    }
}
