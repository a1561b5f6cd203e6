//! The proxy in front of the nodes. It gives each stream to the node whose turn it is.

use std::time::{Duration, Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONNECTION, TRANSFER_ENCODING},
    web::Data,
};
use awc::{Client, ClientResponse};
use futures_util::StreamExt as _;
use sse_actix::Shutdown;
use tokio::time::sleep;

use crate::fleet::Fleet;

/// How long a request waits until a node serves. An `EventSource` stops permanently at any answer that is not a stream,
/// so the proxy lets it wait.
const MAX_WAIT: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// Passes the request on unchanged, including `Last-Event-ID`, and passes the answer back as it arrives.
pub(crate) async fn pass_on(
    request: HttpRequest,
    fleet: Data<Fleet>,
    client: Data<Client>,
    shutdown: Data<Shutdown>,
) -> HttpResponse {
    let came = Instant::now();
    while came.elapsed() < MAX_WAIT && !shutdown.is_fired() {
        for addr in fleet.addrs() {
            let url = format!("http://{addr}{}", request.uri());
            // A node that refuses the connection was killed a moment ago. The request goes to the next node.
            if let Ok(answer) = client.request_from(url, request.head()).send().await {
                return stream(answer, shutdown);
            }
        }
        sleep(PAUSE).await;
    }
    // This answer is a stream that has already ended, so the browser reconnects.
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .body("retry: 500\n")
}

/// Passes the node's answer to the browser. If the node is killed, the body ends with an error, which cuts the
/// connection to the browser. If the browser leaves, the body is dropped, which cuts the connection to the node.
fn stream(answer: ClientResponse, shutdown: Data<Shutdown>) -> HttpResponse {
    let mut response = HttpResponse::build(answer.status());
    for (name, value) in answer.headers() {
        // These headers belong to one connection, and are not passed on.
        if name != CONNECTION && name != TRANSFER_ENCODING {
            response.append_header((name, value));
        }
    }
    let fired = async move { shutdown.fired().await };
    response.streaming(answer.take_until(Box::pin(fired)))
}
