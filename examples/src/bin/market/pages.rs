//! The page, the page of the API, and the files that both load. Nothing is loaded from other servers.

use std::sync::LazyLock;

use actix_web::{
    HttpResponse, Responder,
    dev::HttpServiceFactory,
    get,
    http::header::{CONTENT_SECURITY_POLICY, ContentType, X_CONTENT_TYPE_OPTIONS},
    middleware::DefaultHeaders,
    web::{self, Bytes, ServiceConfig},
};
use utoipa::OpenApi;

use crate::Api;

/// Built from `page/src` by `npm run build`.
const SCRIPT: &str = include_str!("page/built/page.js");
const STYLE: &str = include_str!("page/built/page.css");
const WORKER: &str = include_str!("page/built/sse-worker.js");

/// The content security policy: the browser loads scripts, styles and fonts from this server only.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'";
/// The policy of the API page allows more, because Scalar writes style sheets and compiles its checks at run time.
const POLICY_OF_API: &str = "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; worker-src 'self' blob:; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn configure(app: &mut ServiceConfig) {
    app.service(document)
        .service(page(POLICY, "/", include_str!("page/page.html")))
        .service(page(POLICY_OF_API, "/api", include_str!("page/api.html")))
        .service(file("/page.js", "text/javascript", || SCRIPT.into()))
        .service(file("/page.css", "text/css", || STYLE.into()))
        .service(file("/sse-worker.js", "text/javascript", || WORKER.into()))
        .service(file("/scalar.js", "text/javascript", || SCALAR.clone()));
}

/// Scalar's page of an API, 4.9 MB. Scalar's crate contains it.
static SCALAR: LazyLock<Bytes> = LazyLock::new(|| {
    scalar_api_reference::get_asset("scalar.js")
        .unwrap_or_default()
        .into()
});

#[get("/openapi.json")]
async fn document() -> impl Responder {
    web::Json(Api::openapi())
}

fn page(policy: &'static str, path: &str, html: &'static str) -> impl HttpServiceFactory + use<> {
    let headers = DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, policy))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    let answer = move || async move { HttpResponse::Ok().content_type(ContentType::html()).body(html) };
    web::resource(path).wrap(headers).route(web::get().to(answer))
}

fn file(path: &str, content_type: &'static str, content: fn() -> Bytes) -> impl HttpServiceFactory + use<> {
    let answer = move || async move {
        HttpResponse::Ok()
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .content_type(content_type)
            .body(content())
    };
    web::resource(path).route(web::get().to(answer))
}
