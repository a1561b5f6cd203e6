//! Streams of a hub on Redis.

mod proxies;

use sse_actix::Hub;
use sse_actix_redis::RedisLog;
use sse_tests::{patience::PATIENCE, redis::Redis};

/// A client's connection is lost at every byte of an answer.
#[actix_web::test]
async fn cut_at_every_byte() {
    let redis = Redis::start();
    let log = RedisLog::builder(&redis.url()).response_timeout(PATIENCE);
    let log = log.connect().await.unwrap();
    crate::hub::position::cut_everywhere(&Hub::builder().log(log).build().unwrap()).await;
}
