//! Has a node publish number after number, and writes down what became of each.

use std::{sync::Arc, time::Duration};

use awc::{Client, error::SendRequestError, http::StatusCode};
use tokio::time::sleep;

use crate::{
    fleet::Node,
    ledger::{Ledger, Outcome},
    node::Number,
};

const PAUSE: Duration = Duration::from_millis(200);
/// Before the next is tried where one was refused.
const LONGER_PAUSE: Duration = Duration::from_secs(1);
/// Longer than a node takes to find out that Redis does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes through the node as long as the leader runs. No number is ever repeated, and none is given to
/// the node before the outcome of the last is written down: so acknowledged ones are in Redis in their order.
pub(crate) async fn publish(node: Arc<Node>, ledger: Arc<Ledger>) {
    let client = Client::builder().timeout(PATIENCE).finish();
    loop {
        let number = Number {
            node: node.number(),
            n: ledger.next(node.number()),
        };
        let outcome = offer(&client, &node, number).await;
        if let Some(outcome) = outcome {
            ledger.add(number.node, outcome);
        }
        let refused = outcome == Some(Outcome::Refused);
        sleep(if refused { LONGER_PAUSE } else { PAUSE }).await;
    }
}

/// `None` if the number has not left this program.
async fn offer(client: &Client, node: &Node, number: Number) -> Option<Outcome> {
    let addr = node.addr()?;
    let answer = client
        .post(format!("http://{addr}/numbers"))
        .send_json(&number)
        .await;
    match answer.map(|answer| answer.status()) {
        Ok(StatusCode::OK) => Some(Outcome::Acknowledged),
        Ok(StatusCode::SERVICE_UNAVAILABLE) => Some(Outcome::Refused),
        // The node was killed before.
        Err(SendRequestError::Connect(_)) => None,
        // Killed meanwhile, or itself without an answer.
        Ok(_) | Err(_) => Some(Outcome::Unknown),
    }
}
