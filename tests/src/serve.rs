//! A few routes, served on a port of their own.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test that uses it")]

use actix_web::{App, web::ServiceConfig};
use sse_actix::test::Serving;

use crate::patience::PATIENCE;

/// Serves these routes over HTTP/1.1 and HTTP/2.
///
/// # Panics
///
/// If there is no free port.
pub fn serve(routes: impl Fn(&mut ServiceConfig) + Send + Clone + 'static) -> Serving {
    Serving::with(
        move || App::new().configure(|config| routes(config)),
        // On a machine that is busy a client may come to its request late.
        |server| {
            let server = server.client_request_timeout(PATIENCE);
            server.bind_auto_h2c(("127.0.0.1", 0)).unwrap()
        },
    )
}
