//! The JavaScript module by which all tabs share one stream.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use actix_web::{
    HttpResponse, Resource,
    dev::HttpServiceFactory,
    guard::{Any, Get, Head},
    http::header::{self, EntityTag, Header as _, HeaderValue, IfNoneMatch},
    web,
};

const MODULE: &str = include_str!("shared_event_source/shared-event-source.js");
const TYPES: &str = include_str!("shared_event_source/shared-event-source.d.ts");

/// Serves `shared-event-source.js`, an ES module, and its types, `shared-event-source.d.ts`, for pages of this origin.
///
/// On HTTP/1.1 a browser opens six connections to an origin, for all its tabs together. With this module the tabs
/// of the page's origin share one for each stream:
///
/// ```
/// use actix_web::{App, http::header, test};
///
/// # #[actix_web::main]
/// # async fn main() {
/// let app = test::init_service(App::new().service(sse_actix::shared_event_source())).await;
/// let request = test::TestRequest::get().uri("/shared-event-source.js").to_request();
/// let response = test::call_service(&app, request).await;
/// assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "text/javascript; charset=utf-8");
/// # }
/// ```
///
/// ```js
/// import { SharedEventSource } from "/shared-event-source.js";
///
/// const source = new SharedEventSource("https://figures.example.com/streams", { withCredentials: true, key: user });
/// source.addEventListener("cpu", (event) => draw(JSON.parse(event.data)));
/// source.onclose = ({ reason, status }) => say(`over: ${reason} (${status})`);
/// // At log-out, before the next user's streams are opened:
/// await SharedEventSource.reset();
/// ```
///
/// The module has the interface of `EventSource`, and adds what `EventSource` lacks:
///
/// - `onclose` with a reason; reconnects after a 5xx, a 429 or a refused connection, at growing, random intervals of up
///   to 30 s, or after `Retry-After`.
/// - A tab that joins later first gets the latest event of each name, of at most 64 names and 256 K characters.
/// - A tab that returns, from the back/forward cache or from being frozen, gets what it missed.
/// - `headers: async () => ({ Authorization: .. })` is called at every connect.
/// - A connection without a byte for three keep-alives counts as lost. The server announces the interval in
///   `Sse-Keep-Alive`; `heartbeatTimeout` sets another limit, in milliseconds, and 0 none.
/// - An event named `sse-position` moves the last event id, and no listener gets it. `positionEvent` changes the name.
/// - `source.connection` is the state of the connection, and `for await (const event of source.events())` a loop over
///   events.
/// - `onGap`, `onEnd` and `onPosition` are called for the library's own events.
/// - With `events`, the run-time side of a Rust enum, data is parsed and checked.
///
/// It is built from the npm package `sse-actix`, in the repository's folder `npm`, which pages with a bundler use.
///
/// Only a script of the page's own origin can be a `SharedWorker`. So this origin must serve the module, as here;
/// streams may come from another origin. A `Content-Security-Policy` must allow it as `script-src` and `worker-src`,
/// and the streams as `connect-src`.
///
/// Answers GET and HEAD, with an `ETag`; a browser asks each time whether it has changed.
pub fn shared_event_source() -> impl HttpServiceFactory {
    vec![
        file(
            "/shared-event-source.js",
            "text/javascript; charset=utf-8",
            MODULE,
        ),
        file("/shared-event-source.d.ts", "text/plain; charset=utf-8", TYPES),
    ]
}

fn file(path: &str, content_type: &'static str, text: &'static str) -> Resource {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let tag = EntityTag::new_strong(format!("{:016x}", hasher.finish()));
    let answer = move |request: actix_web::HttpRequest| {
        let is_known = match IfNoneMatch::parse(&request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(&tag)),
            Err(_) => false,
        };
        let mut response = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response
            .insert_header(header::ETag(tag.clone()))
            .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-cache")))
            .insert_header((
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ));
        let response = if is_known {
            response.finish()
        } else {
            response.content_type(content_type).body(text)
        };
        async { response }
    };
    web::resource(path).route(web::route().guard(Any(Get()).or(Head())).to(answer))
}
