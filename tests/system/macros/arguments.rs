//! Arguments live as long as the stream, whatever is done with them.

use std::future::{Ready, ready};

use actix_web::{
    Error, FromRequest, HttpRequest,
    dev::Payload,
    web::{self, Data, ServiceConfig},
};
use sse_actix::sse_stream;
use sse_tests::{
    guard::{Drops, Guard, Guards},
    serve::serve,
    wire::Wire,
};

use super::{get, silence};

/// What a request brings that has to be given back.
struct Held(Guard);

impl FromRequest for Held {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let guards: &Data<Guards> = request.app_data().expect("they are configured");
        ready(Ok(Self(guards.guard())))
    }
}

struct Pair(#[allow(dead_code, reason = "held, not read")] Held, Held);

impl FromRequest for Pair {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let guards: &Data<Guards> = request.app_data().expect("they are configured");
        ready(Ok(Self(Held(guards.guard()), Held(guards.guard()))))
    }
}

#[sse_stream]
async fn used(held: Held) {
    emit!("begun");
    silence().await;
    drop(held);
}

#[sse_stream]
async fn unused(#[allow(unused_variables, reason = "what is tested")] held: Held, _also: Held) {
    emit!("begun");
    silence().await;
}

#[sse_stream]
async fn ignored(_: Held, _: Held) {
    emit!("begun");
    silence().await;
}

#[sse_stream]
async fn in_patterns(Held(held): Held, Pair(_, _first): Pair, whole @ Held(_): Held, ref by_ref: Held) {
    emit!("begun");
    silence().await;
    drop((held, whole));
    let Held(_) = by_ref;
}

#[sse_stream]
async fn changed(mut held: Held, other: Held) {
    emit!("begun");
    silence().await;
    held = other;
    drop(held);
}

#[sse_stream]
async fn configured(#[cfg(not(any()))] _held: Held, #[cfg(any())] _missing: NoSuchType) {
    emit!("begun");
    silence().await;
}

fn app(guards: &Guards) -> impl Fn(&mut ServiceConfig) + Send + Clone + 'static {
    let guards = guards.clone();
    move |app: &mut ServiceConfig| {
        app.app_data(Data::new(guards.clone()))
            .route("/used", web::get().to(used))
            .route("/unused", web::get().to(unused))
            .route("/ignored", web::get().to(ignored))
            .route("/in-patterns", web::get().to(in_patterns))
            .route("/changed", web::get().to(changed))
            .route("/configured", web::get().to(configured))
            .route("/ending", web::get().to(ending))
            .route("/failing", web::get().to(failing));
    }
}

async fn all(mut drops: Drops, count: usize) {
    for _ in 0..count {
        drops.next().await;
    }
}

#[tokio::test]
async fn they_live_until_the_client_leaves() {
    for (path, count) in [
        ("/used", 1),
        ("/unused", 2),
        ("/ignored", 2),
        ("/in-patterns", 5),
        ("/changed", 2),
        ("/configured", 1),
    ] {
        let (guards, drops) = Guards::new();
        let serving = serve(app(&guards));
        let mut wire = Wire::get(serving.addr(), path).await;
        wire.head().await;
        assert_eq!(wire.chunk().await.unwrap(), "retry: 3000\ndata: begun\n\n");
        assert_eq!(guards.held(), count, "{path}");
        drop(wire);
        all(drops, count).await;
        assert_eq!(guards.held(), 0, "{path}");
    }
}

#[sse_stream]
async fn ending(_: Held, guards: Data<Guards>) {
    emit!(guards.held().to_string());
}

#[sse_stream]
async fn failing(_: Held, guards: Data<Guards>) -> Result<(), Error> {
    Err(actix_web::error::ErrorConflict(guards.held()))
}

#[tokio::test]
async fn they_live_until_the_stream_ends() {
    for (path, body) in [("/ending", "retry: 3000\ndata: 1\n\n"), ("/failing", "1")] {
        let (guards, drops) = Guards::new();
        let serving = serve(app(&guards));
        assert_eq!(get(&serving, path).await.1, body);
        all(drops, 1).await;
        assert_eq!(guards.held(), 0, "{path}");
    }
}
