use sse_actix::CrossOrigin;
use sse_tests::http2::Http2;

use super::{PAGE, ask, cors_lines, serve};

/// What a request is answered, apart from other origins.
const ANSWERS: [(&str, &str); 10] = [
    ("GET /in/stream", "HTTP/1.1 200 OK"),
    ("HEAD /in/stream", "HTTP/1.1 404 Not Found"),
    ("GET /in/stream?lastEventId=sse-end", "HTTP/1.1 204 No Content"),
    ("GET /in/nothing", "HTTP/1.1 204 No Content"),
    ("GET /in/extracted?x", "HTTP/1.1 400 Bad Request"),
    ("GET /in/missing", "HTTP/1.1 404 Not Found"),
    ("GET /in/posted", "HTTP/1.1 405 Method Not Allowed"),
    ("POST /in/posted", "HTTP/1.1 200 OK"),
    ("GET /in/failing", "HTTP/1.1 500 Internal Server Error"),
    ("GET /in/unavailable", "HTTP/1.1 503 Service Unavailable"),
];

#[tokio::test]
async fn of_an_allowed_origin_has_each_header_once_whatever_its_status() {
    let (serving, runs) = serve(CrossOrigin::allow([PAGE]).unwrap());
    for (request, status) in ANSWERS {
        let head = ask(&serving, request, "Origin: https://page.test\r\n").await;
        assert_eq!(head.status_line(), status, "{request}");
        let mut lines = cors_lines(&head);
        // actix-cors keeps these in no order.
        lines.retain(|line| !line.starts_with("access-control-expose-headers: "));
        assert_eq!(
            lines,
            [
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://page.test",
                "vary: Origin"
            ],
            "{request}"
        );
        let exposed = head.values("access-control-expose-headers");
        let mut exposed: Vec<_> = exposed.iter().flat_map(|list| list.split(", ")).collect();
        exposed.sort_unstable();
        assert_eq!(exposed, ["location", "retry-after", "sse-keep-alive"]);
    }
    assert_eq!(runs.count(), ANSWERS.len());
}

#[tokio::test]
async fn of_the_servers_own_pages_and_of_no_page_has_none_but_varies() {
    let (serving, _) = serve(
        CrossOrigin::allow([PAGE])
            .unwrap()
            .own_origin("https://own.test")
            .unwrap(),
    );
    for headers in [
        "",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        // A link, on a page of this site.
        "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        "Origin: https://api.test\r\nSec-Fetch-Site: same-origin\r\n",
        "Origin: https://own.test\r\n",
    ] {
        for (request, status) in ANSWERS {
            let head = ask(&serving, request, headers).await;
            assert_eq!(head.status_line(), status, "{request} {headers}");
            assert_eq!(cors_lines(&head), ["vary: Origin"], "{request} {headers}");
        }
    }
}

#[tokio::test]
async fn says_once_what_something_inside_has_said_as_well() {
    let (serving, _) = serve(CrossOrigin::allow([PAGE]).unwrap());
    let head = ask(&serving, "GET /in/meddling", "Origin: https://page.test\r\n").await;
    assert_eq!(head.values("access-control-allow-origin"), [PAGE]);
    assert_eq!(head.values("access-control-allow-credentials"), ["true"]);
    assert_eq!(head.values("access-control-expose-headers").len(), 1);
    assert_eq!(head.values("access-control-allow-methods"), [""; 0]);
    assert_eq!(
        head.values("vary"),
        ["Accept-Encoding, Cookie", "Accept-Language", "Origin"]
    );

    let head = ask(&serving, "GET /in/meddling", "").await;
    assert_eq!(
        cors_lines(&head),
        [
            "vary: Accept-Encoding, Cookie",
            "vary: Accept-Language",
            "vary: Origin"
        ]
    );
}

#[tokio::test]
async fn for_anyone_has_a_wildcard_and_no_credentials() {
    let (serving, _) = serve(CrossOrigin::anyone());
    for origin in ["https://page.test", "null"] {
        for path in ["/in/stream", "/in/meddling"] {
            let head = ask(&serving, &format!("GET {path}"), &format!("Origin: {origin}\r\n")).await;
            assert_eq!(head.values("access-control-allow-origin"), ["*"]);
            assert_eq!(head.values("access-control-allow-credentials"), [""; 0]);
        }
    }
}

#[tokio::test]
async fn is_the_same_on_http_2() {
    let cross_origin = CrossOrigin::allow([PAGE]).unwrap();
    let serving = sse_tests::serve::serve(move |app| {
        app.service(
            actix_web::web::scope("/in")
                .wrap(cross_origin.clone())
                .service(super::stream),
        );
    });
    let mut client = Http2::connect(serving.addr()).await;
    let answer = client.get_from("/in/stream", PAGE).await;
    assert_eq!(answer.status(), 200);
    let mut headers = answer.headers();
    headers.retain(|line| line.starts_with("access-control-allow") || line.starts_with("vary"));
    assert_eq!(
        headers,
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://page.test",
            "vary: Origin"
        ]
    );
    let answer = client.get_from("/in/stream", "https://evil.test").await;
    assert_eq!(answer.status(), 403);
}
