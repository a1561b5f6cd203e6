//! Behind actix-cors.

use actix_cors::Cors;
use actix_web::{App, web};
use futures_util::stream;
use sse_actix::{Sse, test::Serving};
use sse_tests::wire::Wire;

#[tokio::test]
async fn no_cors_header_comes_twice() {
    let serving = Serving::start(|| {
        let cors = Cors::default()
            .allowed_origin("https://page.test")
            .supports_credentials();
        let handler = async || Sse::new(stream::iter(["one"])).finite();
        App::new().wrap(cors).route("/", web::get().to(handler))
    });
    // The stream itself, and the answer to the reconnect after its end.
    for reconnect in ["", "Last-Event-ID: sse-end\r\n"] {
        let headers = format!("Origin: https://page.test\r\n{reconnect}");
        let head = Wire::get_with(serving.addr(), "/", headers.as_bytes())
            .await
            .head()
            .await;
        assert_eq!(
            head.values("access-control-allow-origin"),
            ["https://page.test"],
            "{reconnect}"
        );
        assert_eq!(
            head.values("access-control-allow-credentials"),
            ["true"],
            "{reconnect}"
        );
    }
}
