//! Every form that a function and its route can have.

use actix_web::{
    Error, FromRequest, Scope,
    http::Method,
    test::TestRequest,
    web::{self, Data, Path, Query},
};
use sse_actix::{Event, Json, sse_stream, test::respond};
use sse_tests::{serve::serve, wire::Wire};

use super::get;

/// Functions under actix's own attributes, which take the place of functions by that name.
mod routed {
    use actix_web::{Error, HttpRequest, get, route, routes, scope, web::Path};
    use sse_actix::sse_stream;

    #[get("/above/{n}")]
    #[sse_stream]
    pub(super) async fn above(n: Path<u8>) -> Result<(), Error> {
        emit!(n.to_string());
        Ok(())
    }

    #[sse_stream(event = "tick")]
    #[get("/below/{n}", name = "feed")]
    pub(super) async fn below(n: Path<u8>) {
        emit!(n.to_string());
    }

    #[sse_stream(finite)]
    #[get("/finite-below")]
    pub(super) async fn finite_below(request: HttpRequest) {
        if request.path() == "/elsewhere" {
            emit!("never");
        }
    }

    #[routes]
    #[get("/first")]
    #[post("/second")]
    #[sse_stream]
    pub(super) async fn several(request: HttpRequest) -> () {
        emit!(request.path());
    }

    #[route("/route", method = "GET", method = "REPORT")]
    #[sse_stream]
    pub(super) async fn any_method(request: HttpRequest) -> () {
        emit!(request.method().as_str());
    }

    #[scope("/scoped")]
    pub(super) mod scoped {
        use actix_web::get;
        use sse_actix::sse_stream;

        #[get("/above")]
        #[sse_stream]
        pub(in super::super) async fn above() -> () {
            emit!("scoped");
        }

        #[sse_stream]
        #[get("/below")]
        pub(in super::super) async fn below() {
            emit!("scoped");
        }
    }
}

#[sse_stream]
async fn plain() {
    emit!("plain");
}

#[tokio::test]
async fn every_route() {
    let serving = serve(|app| {
        app.service(routed::above)
            .service(routed::below)
            .service(routed::finite_below)
            .service(routed::several)
            .service(routed::any_method)
            .service(routed::scoped::above)
            .service(routed::scoped::below)
            .route("/app-route", web::get().to(plain))
            .route("/to", web::to(plain))
            .service(web::resource("/resource").route(web::get().to(plain)))
            .service(web::resource("/resource-to").to(plain))
            .service(Scope::new("/in").route("/scope", web::method(Method::GET).to(plain)))
            .default_service(web::to(plain));
    });
    for (path, data) in [
        ("/above/7", "data: 7"),
        ("/below/8", "event: tick\ndata: 8"),
        ("/first", "data: /first"),
        ("/route", "data: GET"),
        ("/scoped/above", "data: scoped"),
        ("/scoped/below", "data: scoped"),
        ("/app-route", "data: plain"),
        ("/to", "data: plain"),
        ("/resource", "data: plain"),
        ("/resource-to", "data: plain"),
        ("/in/scope", "data: plain"),
        ("/nowhere", "data: plain"),
    ] {
        let (head, body) = get(&serving, path).await;
        assert_eq!(
            (head.status_line(), body),
            ("HTTP/1.1 200 OK", format!("retry: 3000\n{data}\n\n")),
            "{path}"
        );
    }
    assert_eq!(
        get(&serving, "/finite-below").await.0.status_line(),
        "HTTP/1.1 204 No Content"
    );
    // Its extractors' errors stay theirs.
    assert_eq!(
        get(&serving, "/above/x").await.0.status_line(),
        "HTTP/1.1 404 Not Found"
    );
    for (request, data) in [
        ("POST /second", "data: /second"),
        ("REPORT /route", "data: REPORT"),
    ] {
        let mut wire = Wire::connect(serving.addr()).await;
        wire.send(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
        wire.head().await;
        assert_eq!(
            wire.body().await,
            format!("{data}\n\n"),
            "{request}: plain, since it is no GET"
        );
    }
}

trait Feed {
    fn next(&mut self) -> Option<Event>;
}

struct Countdown(u8);

impl Feed for Countdown {
    fn next(&mut self) -> Option<Event> {
        self.0 = self.0.checked_sub(1)?;
        Some(Event::data(self.0.to_string()))
    }
}

impl FromRequest for Countdown {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Error>>;

    fn from_request(_: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        std::future::ready(Ok(Self(2)))
    }
}

#[sse_stream]
async fn generic<F, const TIMES: usize>(mut feed: F) -> Result<(), Error>
where
    F: Feed + 'static,
{
    while let Some(event) = feed.next() {
        for _ in 0..TIMES {
            emit!(&event);
        }
    }
    Ok(())
}

#[sse_stream]
async fn opaque(mut feed: impl Feed + 'static, text: impl Into<String> + 'static) {
    emit!(text.into());
    while let Some(event) = feed.next() {
        emit!(event);
    }
}

struct Api;

impl Api {
    const GREETING: &'static str = "hello";

    #[sse_stream]
    async fn greet(name: Path<String>) {
        emit!(Self::greeting(&name));
    }

    fn greeting(name: &str) -> String {
        format!("{} {name}", Self::GREETING)
    }
}

#[tokio::test]
async fn generic_functions_and_those_of_a_type_are_handlers() {
    let serving = serve(|app| {
        app.route("/generic", web::get().to(generic::<Countdown, 2>))
            .route("/greet/{name}", web::get().to(Api::greet));
    });
    assert_eq!(
        get(&serving, "/generic").await.1,
        "retry: 3000\ndata: 1\n\ndata: 1\n\ndata: 0\n\ndata: 0\n\n"
    );
    assert_eq!(
        get(&serving, "/greet/you").await.1,
        "retry: 3000\ndata: hello you\n\n"
    );
}

/// The data of what a direct call gives.
async fn data(stream: impl Future<Output = Result<sse_actix::EventStream, Error>>) -> Vec<String> {
    let messages = respond(stream.await.unwrap(), TestRequest::get()).collect().await;
    messages.iter().map(|message| message.data.to_string()).collect()
}

#[actix_web::test]
async fn a_test_can_call_them() {
    assert_eq!(data(plain()).await, ["plain"]);
    assert_eq!(data(opaque(Countdown(2), "go")).await, ["go", "1", "0"]);
    assert_eq!(data(generic::<_, 1>(Countdown(1))).await, ["0"]);
    assert_eq!(
        data(Api::greet(Path::from("you".to_owned()))).await,
        ["hello you"]
    );
}

mod reexported {
    pub(crate) mod deeply {
        pub(crate) use sse_actix as sse;
    }

    #[sse_actix::sse_stream(crate = crate::macros::forms::reexported::deeply::sse, event = "tick", finite)]
    pub(super) async fn elsewhere() {
        emit!("x");
    }
}

macro_rules! handler {
    ($name:ident, $event:literal, $keep_alive:expr, $argument:ident: $ty:ty, $value:expr) => {
        #[sse_stream(event = $event, keep_alive = $keep_alive)]
        async fn $name($argument: $ty) {
            emit!($value);
        }
    };
}

/// Whole parts of a function that come out of a macro come with invisible delimiters around them.
macro_rules! assembled {
    ($name:ident, $pattern:pat, $ty:ty, $returns:ty, $body:block) => {
        #[sse_stream]
        async fn $name($pattern: $ty) -> $returns $body
    };
}

type Unit = ();

assembled!(from_parts, Countdown(mut n), Countdown, Unit, {
    while n > 0 {
        emit!(n.to_string());
        n -= 1;
    }
});

handler!(made, "made", sse_actix::KeepAlive::OFF, text: Data<&'static str>, **text);

#[tokio::test]
async fn it_works_through_a_reexport_and_out_of_a_macro() {
    let serving = serve(|app| {
        app.app_data(Data::new("text"))
            .route("/reexported", web::get().to(reexported::elsewhere))
            .route("/made", web::get().to(made))
            .route("/from-parts", web::get().to(from_parts));
    });
    assert_eq!(
        get(&serving, "/from-parts").await.1,
        "retry: 3000\ndata: 2\n\ndata: 1\n\n"
    );
    assert!(
        get(&serving, "/reexported")
            .await
            .1
            .starts_with("retry: 3000\nevent: tick\ndata: x\n\n")
    );
    assert_eq!(
        get(&serving, "/made").await.1,
        "retry: 3000\nevent: made\ndata: text\n\n"
    );
}

#[derive(serde::Deserialize)]
struct Named {
    text: String,
}

#[sse_stream]
async fn names(
    emit: Query<Named>,
    open: Query<Named>,
    emitter: Query<Named>,
    __emitter: Query<Named>,
    __request: Query<Named>,
) {
    let outcome = [&emit, &open, &emitter, &__emitter, &__request];
    open!();
    for emit in outcome {
        let emitter = &emit.text;
        let __emitter = emitter.as_str();
        emit!(__emitter);
    }
    const __OPTIONS: u8 = 1;
    emit!(Json(__OPTIONS));
}

#[tokio::test]
async fn users_names_are_their_own() {
    let serving = serve(|app| {
        app.route("/", web::get().to(names));
    });
    let (_, body) = get(&serving, "/?text=x").await;
    assert_eq!(
        body,
        format!("retry: 3000\n{}data: 1\n\n", "data: x\n\n".repeat(5))
    );
}

#[actix_web::test]
async fn instrument_above_spans_the_whole_stream() {
    #[tracing::instrument(skip_all)]
    #[sse_stream]
    async fn instrumented(steps: u8) -> Result<(), Error> {
        for n in 0..steps {
            let span = tracing::Span::current().metadata().map(tracing::Metadata::name);
            emit!(format!("{n} {span:?}"));
            actix_web::rt::task::yield_now().await;
        }
        Ok(())
    }
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry());
    let within = "Some(\"instrumented\")";
    assert_eq!(
        data(instrumented(3)).await,
        [0, 1, 2].map(|n| format!("{n} {within}"))
    );
}
