//! Examples, where no browser is needed.

use std::{ffi::OsStr, fs, path::Path};

use h2::client::Builder;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use sse_tests::{certified::connect, http2::Http2, process::Example};

/// As on a command line.
fn files(certificate: &Path, key: &Path) -> String {
    format!("{},{}", certificate.display(), key.display())
}

#[tokio::test]
async fn the_chat_serves_https_with_the_files_that_are_named() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        folder.path().join("fullchain.pem"),
        folder.path().join("privkey.pem"),
    );
    fs::write(&certificate, cert.pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    let named = files(&certificate, &key);
    let example = Example::start("chat", 0, &[OsStr::new("--tls"), OsStr::new(&named)]);
    let addr = ([127, 0, 0, 1], example.port()).into();
    let secure = connect(addr, cert.der().clone()).await;
    let mut http2 = Http2::over(secure, &Builder::new()).await;
    let page = http2.get("/").await.body().await;
    assert!(page.contains("<title>sse-actix chat</title>"), "{page}");

    let missing = folder.path().join("missing.pem");
    for (named, says) in [
        ("fullchain.pem".to_owned(), "--tls takes two files"),
        (files(&missing, &key), "missing.pem: "),
        (files(&key, &key), "privkey.pem: "),
        (files(&certificate, &certificate), "fullchain.pem: "),
    ] {
        let said = Example::refused("chat", &[OsStr::new("--tls"), OsStr::new(&named)]);
        assert!(said.contains(says), "{named}: {said}");
    }
}
