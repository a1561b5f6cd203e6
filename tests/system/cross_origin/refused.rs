use sse_actix::{AllowedOrigins, CrossOrigin, test::Serving};
use sse_tests::wire::Wire;

use super::{PAGE, ask, cors_lines, serve};

const ORIGINS: [&str; 18] = [
    "https://evil.test",
    // Prefix, suffix, sub-domain, parent, port, scheme, user.
    "https://page.test.evil.test",
    "https://evilpage.test",
    "https://sub.page.test",
    "https://test",
    "https://page.test:8443",
    "http://page.test",
    "https://page.test@evil.test",
    // What no browser sends.
    "https://Page.test",
    "HTTPS://page.test",
    "https://page.test/",
    "https://page.test:443",
    "https://page.test.",
    "page.test",
    "https://page.test, https://evil.test",
    "null",
    "*",
    "",
];

async fn refused(headers: &str, told: &str) {
    let (serving, runs) = serve(CrossOrigin::allow([PAGE]).unwrap());
    for request in [
        "GET /in/stream",
        "POST /in/posted",
        "GET /in/missing",
        "OPTIONS /in/stream",
    ] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!(
            "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"
        ))
        .await;
        let head = wire.head().await;
        assert_eq!(
            head.status_line(),
            "HTTP/1.1 403 Forbidden",
            "{request} {headers}"
        );
        let varies = if request.starts_with("OPTIONS") {
            &[
                "vary: Access-Control-Request-Headers",
                "vary: Access-Control-Request-Method",
                "vary: Origin",
            ][..]
        } else {
            &["vary: Origin"]
        };
        assert_eq!(cors_lines(&head), varies, "{request} {headers}");
        assert_eq!(head.values("content-type"), ["text/plain; charset=utf-8"]);
        assert_eq!(head.values("x-content-type-options"), ["nosniff"]);
        assert_eq!(head.values("cache-control"), ["no-store"]);
        let (body, _) = wire.rest().await;
        assert_eq!(body, told, "{request} {headers}");
    }
    assert_eq!(runs.count(), 0, "{headers}");
}

#[tokio::test]
async fn any_other_origin_before_anything_runs() {
    for origin in ORIGINS {
        refused(
            &format!("Origin: {origin}\r\n"),
            &format!("Pages of the origin {origin} may not read this.\n"),
        )
        .await;
    }
}

#[tokio::test]
async fn what_another_site_makes_a_browser_do() {
    refused(
        "Sec-Fetch-Site: cross-site\r\n",
        "This cannot be requested from another site.\n",
    )
    .await;
    // What a page can say of itself does not help.
    refused(
        "Origin: https://evil.test\r\nSec-Fetch-Site: cross-site\r\nX-Forwarded-Host: page.test\r\n",
        "Pages of the origin https://evil.test may not read this.\n",
    )
    .await;
}

/// An `<img>`, a script, a `fetch` with `no-cors` or a frame of a page on a sibling domain: they have no `Origin`.
#[tokio::test]
async fn what_a_page_of_another_origin_of_this_site_embeds() {
    for (mode, dest) in [
        ("no-cors", "image"),
        ("no-cors", "script"),
        ("no-cors", "empty"),
        ("navigate", "iframe"),
        ("navigate", "object"),
    ] {
        refused(
            &format!("Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {dest}\r\n"),
            "This cannot be requested from another site.\n",
        )
        .await;
    }
}

#[tokio::test]
async fn two_origins_although_both_are_allowed() {
    refused(
        "Origin: https://page.test\r\nOrigin: https://page.test\r\n",
        "Pages of the origin https://page.test, https://page.test may not read this.\n",
    )
    .await;
}

#[tokio::test]
async fn what_is_no_text_or_too_long_is_shown_harmless() {
    let (serving, runs) = serve(CrossOrigin::allow([PAGE]).unwrap());
    let long = [b"Origin: https://".as_slice(), &b"x".repeat(5_000), b"\r\n"].concat();
    for (origin, told) in [
        (
            b"Origin: <b>\xff\xe2\x80\xae\r\n".to_vec(),
            "<b>\\xff\\xe2\\x80\\xae".to_owned(),
        ),
        (long, format!("https://{}", "x".repeat(192))),
    ] {
        let headers = [b"Connection: close\r\n".as_slice(), &origin].concat();
        let mut wire = Wire::get_with(serving.addr(), "/in/stream", &headers).await;
        assert_eq!(wire.head().await.status_line(), "HTTP/1.1 403 Forbidden");
        let (body, _) = wire.rest().await;
        assert_eq!(body, format!("Pages of the origin {told} may not read this.\n"));
    }
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn everybody_by_nobody() {
    let (serving, runs) = serve(CrossOrigin::nobody());
    for headers in [
        "Origin: https://page.test\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://sub.test\r\nSec-Fetch-Site: same-site\r\n",
    ] {
        let head = ask(&serving, "POST /in/posted", headers).await;
        assert_eq!(head.status_line(), "HTTP/1.1 403 Forbidden", "{headers}");
    }
    assert_eq!(runs.count(), 0);
    let own = ask(
        &serving,
        "POST /in/posted",
        "Origin: https://own.test\r\nSec-Fetch-Site: same-origin\r\n",
    )
    .await;
    assert_eq!(own.status_line(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn by_a_list_as_it_is_now_and_by_a_predicate() {
    let tenants = AllowedOrigins::new(["https://*.tenants.test"]).unwrap();
    let (listed, _) = serve(CrossOrigin::allow_listed(&tenants));
    let (asked, _) = serve(CrossOrigin::allow_if(|origin| {
        origin.host().ends_with(".tenants.test")
    }));
    let status = async |serving, origin| {
        let head = ask(serving, "GET /in/stream", &format!("Origin: {origin}\r\n")).await;
        head.status_line().to_owned()
    };
    for serving in [&listed, &asked] {
        assert_eq!(status(serving, "https://a.tenants.test").await, "HTTP/1.1 200 OK");
        assert_eq!(
            status(serving, "https://tenants.test").await,
            "HTTP/1.1 403 Forbidden"
        );
    }
    assert!(tenants.remove("https://*.tenants.test"));
    assert_eq!(
        status(&listed, "https://a.tenants.test").await,
        "HTTP/1.1 403 Forbidden"
    );
    tenants.insert("https://a.tenants.test").unwrap();
    assert_eq!(status(&listed, "https://a.tenants.test").await, "HTTP/1.1 200 OK");
}

/// The answer to a POST with these headers.
async fn post(serving: &Serving, headers: &str) -> (String, Vec<String>, String) {
    let mut wire = Wire::connect(serving.addr()).await;
    wire.send(format!(
        "POST /in/posted HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"
    ))
    .await;
    let head = wire.head().await;
    let (body, _) = wire.rest().await;
    let cors = cors_lines(&head).iter().map(ToString::to_string).collect();
    (
        head.status_line().to_owned(),
        cors,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn what_a_page_sends_with_credentials_where_anyone_may_read_without() {
    let (serving, runs) = serve(CrossOrigin::anyone());
    for credentials in [
        "Cookie: __Host-session=x",
        "Authorization: Basic eDp5",
        "Authorization: Bearer t",
    ] {
        for site in [
            "",
            "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\n",
            // A browser sends one value.
            "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n",
        ] {
            let headers = format!("Origin: https://evil.test\r\n{credentials}\r\n{site}");
            let (status, cors, body) = post(&serving, &headers).await;
            assert_eq!(status, "HTTP/1.1 403 Forbidden", "{headers}");
            assert_eq!(cors, ["vary: Origin"], "{headers}");
            assert_eq!(
                body,
                "Pages of the origin https://evil.test may request this only without cookies and passwords.\n"
            );
        }
    }
    assert_eq!(runs.count(), 0);
    for headers in [
        "Origin: https://evil.test\r\nSec-Fetch-Site: cross-site\r\n",
        "Origin: https://own.test\r\nSec-Fetch-Site: same-origin\r\nCookie: __Host-session=x\r\n",
        "Origin: https://own.test\r\nSec-Fetch-Site: same-origin\r\nAuthorization: Basic eDp5\r\n",
        "Cookie: __Host-session=x\r\n",
    ] {
        let head = ask(&serving, "POST /in/posted", headers).await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK", "{headers}");
    }
}

#[tokio::test]
async fn a_password_that_the_browser_adds_although_pages_may_send_tokens() {
    let (serving, runs) = serve(CrossOrigin::anyone().authorization());
    for (credentials, expected) in [
        ("Basic eDp5", "HTTP/1.1 403 Forbidden"),
        ("negotiate YII=", "HTTP/1.1 403 Forbidden"),
        ("Bearer t", "HTTP/1.1 200 OK"),
    ] {
        let headers = format!("Origin: https://evil.test\r\nAuthorization: {credentials}\r\n");
        assert_eq!(post(&serving, &headers).await.0, expected, "{credentials}");
    }
    assert_eq!(runs.count(), 1);
}
