//! Where Redis is, who may ask it, and what of it is said.

use std::{error::Error, fs, time::Duration};

use redis::cmd;
use sse_actix::{Hub, IdempotencyKey, OnceWindow, TopicOptions};
use sse_actix_redis::{ConnectError, RedisLog};
use sse_tests::{
    patience::until,
    redis::{Redis, free_port},
};
use tracing::Level;

use super::builder;
use sse_tests::{hub::count, logged::Log};

#[actix_web::test]
async fn what_makes_no_sense_is_refused_with_what_to_write() {
    let redis = Redis::start();
    for (url, says) in [
        ("http://127.0.0.1", "write `redis://host:6379/0`"),
        ("not an address", "write `redis://host:6379/0`"),
        ("redis+sentinel://a:26379", "it names no service"),
        ("redis+cluster://a:6379/3", "a cluster has no database but 0"),
        (
            "redis://a:6379,b:6379",
            "write `redis+cluster://host:6379,host:6379`",
        ),
    ] {
        let error = RedisLog::connect(url).await.unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
    }
    for prefix in ["", "a:b", "a b", "ü", &"x".repeat(65)] {
        let error = builder(&redis).prefix(prefix).connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::Prefix(_)), "{error}");
    }
}

#[actix_web::test]
async fn a_cluster_and_a_sentinel_are_refused() {
    let cluster = Redis::with(&["--cluster-enabled", "yes", "--save", ""]);
    let error = builder(&cluster).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Cluster), "{error:?}");
    let sentinel = Redis::sentinel("");
    let error = builder(&sentinel).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Sentinel), "{error:?}");
}

#[actix_web::test]
async fn nothing_secret_is_said() {
    let redis = Redis::with(&["--requirepass", "hunter2", "--save", ""]);
    let at = |password: &str| format!("redis://:{password}@127.0.0.1:{}/5", redis.port());
    let error = RedisLog::connect(&at("s3cret")).await.unwrap_err();
    let said = format!("{error} {error:?} {:?}", error.source());
    assert!(!said.contains("s3cret") && !said.contains("hunter2"), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{}/5", redis.port())), "{said}");

    let log = RedisLog::connect(&at("hunter2")).await.unwrap();
    let said = format!("{log:?} {:?}", RedisLog::builder(&at("hunter2")));
    assert!(!said.contains("hunter2"), "{said}");
    let hub = Hub::builder().log(log).build().unwrap();
    count(&hub, "n", 1..=1).await;
    let error = RedisLog::connect("redis://:s3cret@127.0.0.1:bad/")
        .await
        .unwrap_err();
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

#[actix_web::test]
async fn a_replica_is_refused() {
    let redis = Redis::start();
    let replica = Redis::replica_of(&redis, &[]);
    let error = builder(&replica).connect().await.unwrap_err();
    assert!(matches!(error, ConnectError::Replica(_)), "{error:?}");
    assert!(
        error.to_string().ends_with("give the address of its primary"),
        "{error}"
    );
}

#[actix_web::test]
async fn what_is_logged_of_an_absence_says_where_and_why_and_nothing_secret() {
    let log = Log::start_everywhere();
    let mut redis = Redis::with(&["--requirepass", "hunter2", "--save", ""]);
    let address = format!("127.0.0.1:{}/5", redis.port());
    let hub = RedisLog::connect(&format!("redis://:hunter2@{address}")).await;
    let hub = Hub::builder().log(hub.unwrap()).build().unwrap();
    count(&hub, "n", 1..=1).await;
    redis.kill();
    until("it to be missed", async || !hub.is_ready()).await;
    hub.topic("n").publish(&2).await.unwrap_err();
    redis.begin();
    until("it to be back", async || hub.is_ready()).await;

    let said = log.take();
    assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
    let of_redis = said.iter().filter(|(_, fields)| fields.get("redis") == address);
    let of_redis: Vec<_> = of_redis
        .map(|(level, fields)| (*level, fields.get("message")))
        .collect();
    let [lost, back] = [
        "Redis cannot be reached; streams stay open, and nothing is published",
        "Redis is back; reading continues where it was",
    ];
    assert_eq!(of_redis, [(Level::WARN, lost), (Level::INFO, back)]);
    assert_eq!(hub.stats().log.interruptions, 1);
}

/// A user that may only do what is needed, and only with the prefix's keys.
#[actix_web::test]
async fn a_user_with_few_rights_and_a_database_of_its_own() {
    let redis = Redis::start();
    let rules = "on >pw ~shop:* resetchannels &shop:* -@all +@connection +subscribe +unsubscribe +publish +info +time +set +xadd \
                 +xread +xrange +xrevrange +xtrim +xdel +exists +eval +evalsha +script|load +pexpire +del +hset +hgetall \
                 +hdel +hmget +zadd +zrange +zcard +zrem +rpush +lrange +ltrim";
    let mut call = cmd("ACL");
    call.arg("SETUSER").arg("app");
    for rule in rules.split_whitespace() {
        call.arg(rule);
    }
    redis.ask::<()>(&call);
    let url = format!("redis://app:pw@127.0.0.1:{}/3", redis.port());
    let log = RedisLog::builder(&url).prefix("shop").connect().await.unwrap();
    let hub = Hub::builder().log(log).build().unwrap();
    count(&hub, "n", 1..=3).await;
    hub.topic("latest").publish_keyed("k", &1).await.unwrap();
    // More keys than are kept, so that it has to take some.
    let options = TopicOptions::log().once_within(OnceWindow::new().max_keys(1));
    let log = RedisLog::builder(&url).prefix("shop").connect().await.unwrap();
    let few = Hub::builder().log(log).topic("few", options).build().unwrap();
    for text in ["a", "b", "b"] {
        let key = IdempotencyKey::try_from(text).unwrap();
        few.topic("few").once(&key).publish(text).await.unwrap();
    }
    let error = RedisLog::builder(&url)
        .prefix("other")
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Unusable { .. }), "{error:?}");
    assert!(
        error.to_string().contains("give this application its own prefix"),
        "{error}"
    );
    redis.ask::<()>(cmd("ACL").arg("SETUSER").arg("app").arg("-info"));
    let error = RedisLog::builder(&url)
        .prefix("shop")
        .connect()
        .await
        .unwrap_err();
    assert!(error.source().unwrap().to_string().contains("info"), "{error:?}");
    let databases: String = redis.ask(cmd("INFO").arg("keyspace"));
    assert!(
        databases.contains("db3:") && !databases.contains("db0:"),
        "{databases}"
    );
}

#[actix_web::test]
async fn two_applications_see_nothing_of_each_other() {
    let redis = Redis::start();
    let mut hubs = Vec::new();
    for prefix in ["one", "two"] {
        let log = builder(&redis).prefix(prefix).connect().await.unwrap();
        hubs.push(Hub::builder().log(log).build().unwrap());
    }
    count(&hubs[0], "n", 1..=3).await;
    let ids = count(&hubs[1], "n", 1..=1).await;
    let keys: Vec<String> = redis.ask(cmd("KEYS").arg("*"));
    assert!(
        keys.contains(&"one:topic:{73}:n".to_owned()) && keys.contains(&"two:topic:{73}:n".to_owned()),
        "{keys:?}"
    );
    let serving = sse_tests::hub::serve_topic(&hubs[0], "n");
    let mut reader = sse_tests::hub::Reader::back(serving.addr(), "/", &ids[0]).await;
    assert!(reader.next().await.starts_with("event: sse-gap\n"));
    assert_eq!(sse_tests::hub::data(&reader.take(3).await), ["1", "2", "3"]);
}

#[actix_web::test]
async fn through_tls() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (cert, key) = (file("cert.pem", &certificate), file("key.pem", &key));
    let port = free_port();
    let _redis = Redis::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &cert,
        "--tls-auth-clients",
        "no",
        "--save",
        "",
    ]);
    let url = format!("rediss://localhost:{port}/");
    let log = RedisLog::builder(&url)
        .tls_root(certificate.as_str())
        .connect()
        .await
        .unwrap();
    count(&Hub::builder().log(log).build().unwrap(), "n", 1..=1).await;
    // Not known to the system.
    let error = RedisLog::builder(&url)
        .connect_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error}");
}
