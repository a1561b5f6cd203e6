//! TypeScript, compiled as strictly as it can be.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

use std::{fs, path::Path, process::Command};

/// Compiles the files of a folder to modules of JavaScript, beside them.
///
/// # Panics
///
/// With what the compiler says, if they do not compile, and if `tests/clients/install.sh` has not installed it.
pub fn compile(folder: &Path, files: &[&str]) {
    let compiler = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/node_modules/.bin/tsc");
    assert!(compiler.exists(), "run tests/clients/install.sh");
    fs::write(folder.join("package.json"), "{ \"type\": \"module\" }").unwrap();
    let run = Command::new(compiler)
        .args([
            "--strict",
            "--noUnusedLocals",
            "--noUncheckedIndexedAccess",
            "--exactOptionalPropertyTypes",
        ])
        .args([
            "--target",
            "es2022",
            "--lib",
            "es2023,dom",
            "--module",
            "nodenext",
        ])
        .args(files)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}");
}
