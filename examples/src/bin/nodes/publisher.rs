//! Lets a node publish one number after the other, and records the outcome of each.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use awc::{
    Client,
    error::{ConnectError, SendRequestError},
    http::StatusCode,
};
use tokio::time::sleep;

use crate::{
    fleet::Node,
    ledger::{Ledger, Outcome},
    node::Number,
};

const PAUSE: Duration = Duration::from_millis(200);
/// The pause after a refused number.
const LONGER_PAUSE: Duration = Duration::from_secs(1);
/// How long the publisher waits for an answer: longer than a node needs to notice that Redis does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes numbers through the node as long as the leader runs. It never repeats a number. It gives a number to the
/// node only when it has recorded the outcome of the last one, so acknowledged numbers are in Redis in their order.
pub(crate) async fn publish(node: Arc<Node>, ledger: Arc<Ledger>) {
    let client = Client::builder().timeout(ANSWER_TIMEOUT).finish();
    loop {
        let mut pause = PAUSE;
        if let Some(addr) = node.addr() {
            let number = Number {
                node: node.number(),
                n: ledger.next(node.number()),
            };
            if let Some(outcome) = offer(&client, addr, number).await {
                ledger.add(number.node, outcome);
                if outcome == Outcome::Refused {
                    pause = LONGER_PAUSE;
                }
            }
        }
        sleep(pause).await;
    }
}

/// Sends a number to the node. Returns `None` if the number has not left this program.
async fn offer(client: &Client, addr: SocketAddr, number: Number) -> Option<Outcome> {
    let answer = client
        .post(format!("http://{addr}/numbers"))
        .send_json(&number)
        .await;
    match answer.map(|answer| answer.status()) {
        Ok(StatusCode::OK) => Some(Outcome::Acknowledged),
        Ok(StatusCode::SERVICE_UNAVAILABLE) => Some(Outcome::Refused),
        // The node was killed before there was a connection. If a connection exists and ends without an answer, the
        // error is `ConnectError::Disconnected`: then the number may be in Redis.
        Err(SendRequestError::Connect(ConnectError::Io(_))) => None,
        Ok(_) | Err(_) => Some(Outcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// The outcome of a number if its node answers this. An empty answer is a node that dies before it answers.
    async fn answered(answer: &'static str) -> Option<Outcome> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let node = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let outcome = offer(&Client::default(), addr, Number { node: 1, n: 1 }).await;
        node.join().unwrap();
        outcome
    }

    #[actix_web::test]
    async fn a_number_is_unknown_as_soon_as_the_node_may_have_it() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answered(ok).await, Some(Outcome::Acknowledged));
        let refused = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answered(refused).await, Some(Outcome::Refused));
        let nobody_knows = "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n";
        for answer in ["", "HTTP/1.1 200", nobody_knows] {
            assert_eq!(answered(answer).await, Some(Outcome::Unknown), "{answer:?}");
        }
    }

    #[actix_web::test]
    async fn one_that_no_node_was_there_for_is_given_out_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(
            offer(&Client::default(), addr, Number { node: 1, n: 1 }).await,
            None
        );
    }
}
