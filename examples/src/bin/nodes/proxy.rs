//! The way to the nodes: a stream goes to the one whose turn it is.

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

/// How long a request waits for a node that serves. To an `EventSource` every answer but a stream is a reason to
/// give up for good.
const HOLD: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// Passes the request on as it is, `Last-Event-ID` and all, and the answer as it comes.
pub(crate) async fn pass_on(
    request: HttpRequest,
    fleet: Data<Fleet>,
    client: Data<Client>,
    shutdown: Data<Shutdown>,
) -> HttpResponse {
    let came = Instant::now();
    while came.elapsed() < HOLD && !shutdown.is_fired() {
        for addr in fleet.addrs() {
            let url = format!("http://{addr}{}", request.uri());
            // One that refuses was killed a moment ago, and it is the next one's turn.
            if let Ok(answer) = client.request_from(url, request.head()).send().await {
                return stream(answer, shutdown);
            }
        }
        sleep(PAUSE).await;
    }
    // A stream too, which has come to its end: the browser comes back.
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .body("retry: 500\n")
}

/// When the node is killed the body ends with an error, which cuts the connection to the browser; when the
/// browser leaves, the body is dropped, which cuts the one to the node.
fn stream(answer: ClientResponse, shutdown: Data<Shutdown>) -> HttpResponse {
    let mut response = HttpResponse::build(answer.status());
    for (name, value) in answer.headers() {
        // These are each connection's own.
        if name != CONNECTION && name != TRANSFER_ENCODING {
            response.append_header((name, value));
        }
    }
    let fired = async move { shutdown.fired().await };
    response.streaming(answer.take_until(Box::pin(fired)))
}
