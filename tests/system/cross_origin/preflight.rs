use std::{collections::BTreeSet, time::Duration};

use actix_web::{
    App, Error, get,
    http::{Method, header},
    web,
};
use sse_actix::{CrossOrigin, Sse, sse_stream, test::Serving};
use sse_tests::wire::Head;

use super::{PAGE, ask, cors_lines, serve};

fn list(head: &Head, name: &str) -> BTreeSet<String> {
    let values = head.values(name);
    assert_eq!(values.len(), 1, "{name}");
    values[0].split(", ").map(str::to_owned).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

const ASKED: &str = "Origin: https://page.test\r\n\
    Access-Control-Request-Method: GET\r\n\
    Access-Control-Request-Headers: cache-control,last-event-id\r\n";

#[tokio::test]
async fn of_a_client_that_fetches_is_answered_without_the_handler() {
    let (serving, runs) = serve(CrossOrigin::allow([PAGE]).unwrap());
    for path in ["/in/stream", "/in/posted"] {
        let head = ask(&serving, &format!("OPTIONS {path}"), ASKED).await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(head.values("access-control-allow-origin"), [PAGE]);
        assert_eq!(head.values("access-control-allow-credentials"), ["true"]);
        assert_eq!(head.values("access-control-max-age"), ["7200"]);
        assert_eq!(list(&head, "access-control-allow-methods"), set(["GET", "POST"]));
        assert_eq!(
            list(&head, "access-control-allow-headers"),
            set(["accept", "cache-control", "content-type", "last-event-id"])
        );
        assert_eq!(
            head.values("vary"),
            [
                "Access-Control-Request-Headers",
                "Access-Control-Request-Method",
                "Origin"
            ]
        );
    }
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn allows_what_was_asked_for_beyond_that() {
    let cross_origin = CrossOrigin::allow([PAGE])
        .unwrap()
        .authorization()
        .allow_header(header::IF_NONE_MATCH)
        .allow_method(Method::DELETE)
        .expose_header(header::ETAG)
        .max_age(Duration::from_millis(60_900));
    let (serving, _) = serve(cross_origin);
    let head = ask(&serving, "OPTIONS /in/stream", ASKED).await;
    assert_eq!(head.values("access-control-max-age"), ["60"]);
    assert_eq!(
        list(&head, "access-control-allow-methods"),
        set(["DELETE", "GET", "POST"])
    );
    let allowed = list(&head, "access-control-allow-headers");
    assert!(allowed.is_superset(&set(["authorization", "if-none-match", "last-event-id"])));
    let head = ask(&serving, "GET /in/stream", "Origin: https://page.test\r\n").await;
    assert_eq!(
        list(&head, "access-control-expose-headers"),
        set(["etag", "location", "retry-after", "sse-keep-alive"])
    );
}

#[tokio::test]
async fn of_what_is_not_allowed_gives_no_permission() {
    let (serving, runs) = serve(CrossOrigin::allow([PAGE]).unwrap());
    for asked in [
        "Access-Control-Request-Method: DELETE\r\n",
        "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n",
        "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-evil\r\n",
    ] {
        let head = ask(
            &serving,
            "OPTIONS /in/stream",
            &format!("Origin: https://page.test\r\n{asked}"),
        )
        .await;
        assert_eq!(head.status_line(), "HTTP/1.1 400 Bad Request", "{asked}");
        assert_eq!(
            cors_lines(&head),
            [
                "vary: Access-Control-Request-Headers",
                "vary: Access-Control-Request-Method",
                "vary: Origin"
            ],
            "{asked}"
        );
    }
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn is_answered_around_an_app_and_a_resource_as_well_but_not_inside_a_route() {
    let cross_origin = || CrossOrigin::allow([PAGE]).unwrap();
    let app = Serving::start(move || App::new().wrap(cross_origin()).service(super::stream));
    let resource = Serving::start(move || {
        let stream = || async { Sse::new(futures_util::stream::iter(["one"])) };
        App::new().service(
            web::resource("/stream")
                .wrap(cross_origin())
                .route(web::get().to(stream)),
        )
    });
    let nested = Serving::start(move || {
        let inner = web::scope("").wrap(cross_origin()).service(super::stream);
        App::new().wrap(cross_origin()).service(inner)
    });
    for serving in [app, resource, nested] {
        let head = ask(&serving, "OPTIONS /stream", ASKED).await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(head.values("access-control-allow-origin"), [PAGE]);
        let head = ask(&serving, "GET /stream", "Origin: https://page.test\r\n").await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
        assert_eq!(head.values("access-control-allow-origin"), [PAGE]);
        assert_eq!(head.values("access-control-allow-credentials"), ["true"]);
        assert_eq!(head.values("vary"), ["Origin"]);
    }

    // The documentation of `CrossOrigin` says so.
    #[get("/stream", wrap = "CrossOrigin::allow([PAGE]).unwrap()")]
    #[sse_stream]
    async fn inside() -> Result<(), Error> {
        emit!("one");
        Ok(())
    }
    let route = Serving::start(|| App::new().service(inside));
    let head = ask(&route, "OPTIONS /stream", ASKED).await;
    assert_eq!(head.status_line(), "HTTP/1.1 404 Not Found");
    let head = ask(&route, "GET /stream", "Origin: https://page.test\r\n").await;
    assert_eq!(head.values("access-control-allow-origin"), [PAGE]);
}

#[tokio::test]
async fn is_none_without_a_method_and_says_nothing_of_private_networks() {
    let (serving, runs) = serve(CrossOrigin::allow([PAGE]).unwrap());
    let head = ask(&serving, "OPTIONS /in/stream", "Origin: https://page.test\r\n").await;
    assert_eq!(head.status_line(), "HTTP/1.1 404 Not Found");
    assert_eq!(head.values("access-control-allow-origin"), [PAGE]);
    assert_eq!(head.values("access-control-allow-methods"), [""; 0]);
    assert_eq!(runs.count(), 1);

    let asked = format!("{ASKED}Access-Control-Request-Private-Network: true\r\n");
    let head = ask(&serving, "OPTIONS /in/stream", &asked).await;
    assert_eq!(head.status_line(), "HTTP/1.1 200 OK");
    assert_eq!(head.values("access-control-allow-private-network"), [""; 0]);
}
