//! What nodes tell each other besides events.

use actix_web::{HttpRequest, web};
use futures_util::StreamExt as _;
use serde::Deserialize;
use sse_actix::{Hub, PresenceChange, Subscription};
use sse_tests::{
    patience::{until, within},
    redis::Redis,
};

use super::node;
use sse_tests::hub::{Reader, count, event, serve_hub};

const ENDED: &str = "event: sse-end\nid: sse-end\ndata: {\"reason\":\"ended\"}\n\n";

#[derive(Deserialize)]
struct Who {
    user: String,
}

async fn inbox(request: HttpRequest, hub: web::Data<Hub>, who: web::Query<Who>) -> Subscription {
    hub.admit(&request, who.user.as_str());
    hub.subscribe("n")
}

fn serve(hub: &Hub) -> sse_actix::test::Serving {
    serve_hub(hub, |app| _ = app.route("/", web::get().to(inbox)))
}

fn here(hub: &Hub) -> Vec<String> {
    hub.presence("n").tags().iter().map(ToString::to_string).collect()
}

#[actix_web::test]
async fn what_is_revoked_on_one_node_ends_on_all() {
    let redis = Redis::start();
    let (one, two) = (node(&redis).await, node(&redis).await);
    let serving = serve(&two);
    let mut ann = Reader::new(serving.addr(), "/?user=ann").await;
    let mut bob = Reader::new(serving.addr(), "/?user=bob").await;
    until("both to be there", async || here(&one) == ["ann", "bob"]).await;
    assert_eq!(one.revoke("ann"), 0, "none is here");
    assert_eq!(within("the end", ann.rest()).await, ENDED);
    // Later log-ins live, and the others were never concerned.
    let mut again = Reader::new(serving.addr(), "/?user=ann").await;
    let ids = count(&one, "n", 1..=1).await;
    for reader in [&mut bob, &mut again] {
        assert_eq!(reader.next().await, event(&ids[0], 1));
    }
}

#[actix_web::test]
async fn what_was_revoked_while_a_node_was_cut_off_ends_once_it_is_back() {
    let mut redis = Redis::durable();
    let (one, two) = (node(&redis).await, node(&redis).await);
    let serving = serve(&two);
    let mut ann = Reader::new(serving.addr(), "/?user=ann").await;
    until("both nodes to know", async || here(&one) == ["ann"]).await;
    redis.kill();
    until("it to be missed", async || !one.is_ready() && !two.is_ready()).await;
    one.revoke("ann");
    // She logs in again, which the node that was not told yet cannot tell from before.
    let mut again = Reader::new(serving.addr(), "/?user=ann").await;
    redis.begin();
    assert_eq!(within("the end", ann.rest()).await, ENDED);
    let rest = within("the end", again.rest()).await;
    assert!(is_retry(&rest), "it comes back, to be looked at: {rest}");
    // They are counted once all have been told.
    until("figures", async || two.stats().evictions.revoked == 2).await;
}

/// Only a time to come back after.
fn is_retry(rest: &str) -> bool {
    let millis = rest
        .strip_prefix("retry: ")
        .and_then(|rest| rest.strip_suffix('\n'));
    millis
        .and_then(|millis| millis.parse().ok())
        .is_some_and(|millis: u64| (1_000..=5_000).contains(&millis))
}

#[actix_web::test]
async fn when_it_is_not_known_what_was_revoked_all_are_to_be_allowed_anew() {
    let mut redis = Redis::start();
    let (one, two) = (node(&redis).await, node(&redis).await);
    let serving = serve(&two);
    one.revoke("somebody");
    let mut ann = Reader::new(serving.addr(), "/?user=ann").await;
    until("it to be there", async || here(&one) == ["ann"]).await;
    redis.kill();
    redis.begin();
    let rest = within("the end", ann.rest()).await;
    assert!(is_retry(&rest), "{rest}");
}

#[actix_web::test]
async fn who_is_there_is_known_everywhere() {
    let redis = Redis::start();
    let (one, two) = (node(&redis).await, node(&redis).await);
    let serving = [serve(&one), serve(&two)];
    let mut changes = one.presence("n").changes();
    let mut next = async || within("a change", changes.next()).await.unwrap();
    let ann = Reader::new(serving[1].addr(), "/?user=ann").await;
    assert_eq!(next().await, PresenceChange::Joined("ann".into()));
    let ann_too = Reader::new(serving[0].addr(), "/?user=ann").await;
    until("two streams", async || {
        one.presence("n").streams("ann") == 2 && two.presence("n").streams("ann") == 2
    })
    .await;
    // One that comes later is told.
    let three = node(&redis).await;
    until("it to be told", async || three.presence("n").streams("ann") == 2).await;
    drop(ann);
    until("one stream", async || three.presence("n").streams("ann") == 1).await;
    drop(ann_too);
    assert_eq!(next().await, PresenceChange::Left("ann".into()));
    until("nobody", async || {
        here(&three).is_empty() && here(&two).is_empty()
    })
    .await;
}
