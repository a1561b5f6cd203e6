//! What is published, and revoked.

use std::{sync::Arc, time::Duration};

use sse_tests::wire::Wire;
use tokio::time::sleep;

use crate::{honest::Progress, plan::Run, site::{Server, Site}, wish};

/// A connection to publish by, for many requests.
struct Publisher(Wire);

impl Publisher {
    async fn connect(site: &Site) -> Self {
        Self(Wire::connect(site.addr(Server::Direct)).await)
    }

    async fn post(&mut self, path: &str) -> String {
        let request = format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
        self.0.send(request).await;
        let head = self.0.head().await;
        assert_eq!(head.status_line(), "HTTP/1.1 200 OK", "{path}");
        let length = head.values("content-length")[0].parse().unwrap();
        String::from_utf8(self.0.exactly(length).await.to_vec()).unwrap()
    }
}

/// The numbers that honest clients read.
pub async fn numbers(site: Arc<Site>, run: Arc<Run>, progress: Arc<Progress>) {
    let mut publisher = Publisher::connect(&site).await;
    let mut number = 0;
    while !run.is_finished() {
        publisher.post(&format!("/number?number={number}")).await;
        number += 1;
        sleep(Duration::from_millis(50)).await;
    }
    progress.finish(number + 1);
    publisher.post(&format!("/number?number={number}")).await;
}

/// Anything else, and revocations. Returns tags that streams had.
pub async fn others(site: Arc<Site>, run: Arc<Run>) -> Vec<String> {
    let mut rng = run.plan.rng(6, 0);
    let mut publisher = Publisher::connect(&site).await;
    while !run.is_finished() {
        let request = match rng.u8(0..40) {
            0 => format!("/publish?topic=large&size={}", rng.usize(1..200_000)),
            1..4 => format!("/revoke?tag={}", wish::tag(&mut rng)),
            _ => wish::event(&mut rng, &run),
        };
        publisher.post(&request).await;
        sleep(Duration::from_millis(rng.u64(0..20))).await;
    }
    (0..50).map(|_| wish::tag(&mut rng)).collect()
}
