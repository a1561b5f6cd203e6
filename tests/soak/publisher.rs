//! What is published, and revoked.

use std::{sync::Arc, time::Duration};

use sse_tests::wire::Wire;
use tokio::time::sleep;

use crate::{
    honest::Progress,
    plan::Run,
    site::{Server, Site},
    wish,
};

/// Over a connection of its own: one that is kept might be closed as idle just when it is used.
async fn post(site: &Site, path: &str) {
    let mut wire = Wire::connect(site.addr(Server::Direct)).await;
    wire.send(format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
    ))
    .await;
    assert_eq!(wire.head().await.status_line(), "HTTP/1.1 200 OK", "{path}");
}

/// The numbers that honest clients read.
pub(crate) async fn numbers(site: Arc<Site>, run: Arc<Run>, progress: Arc<Progress>) {
    let mut number = 0;
    while !run.is_finished() {
        post(&site, &format!("/number?number={number}")).await;
        number += 1;
        sleep(Duration::from_millis(50)).await;
    }
    progress.finish(number + 1);
    post(&site, &format!("/number?number={number}")).await;
}

/// Anything else, and revocations. Returns tags that streams had.
pub(crate) async fn others(site: Arc<Site>, run: Arc<Run>) -> Vec<String> {
    let mut rng = run.plan.rng(6, 0);
    while !run.is_finished() {
        let request = match rng.u8(0..40) {
            0 => format!("/publish?topic=large&size={}", rng.usize(1..200_000)),
            1..4 => format!("/revoke?tag={}", wish::tag(&mut rng)),
            _ => wish::event(&mut rng, &run),
        };
        post(&site, &request).await;
        sleep(Duration::from_millis(rng.u64(0..20))).await;
    }
    (0..50).map(|_| wish::tag(&mut rng)).collect()
}
