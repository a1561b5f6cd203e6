//! What is there at present.

use std::sync::atomic::Ordering;

use actix_web::{
    Responder, get,
    web::{Data, Json},
};
use serde_json::json;
use sse_actix::stream_counts;

use super::{HEAP, Site};

#[get("/figures")]
pub(super) async fn figures(site: Data<Site>) -> impl Responder {
    let stats = site.hub.stats();
    let topics = &stats.topics;
    let present = topics
        .iter()
        .map(|topic| site.hub.presence(topic.name.clone()).tags().len());
    let kept = topics.iter().filter_map(|topic| topic.log.as_ref());
    let counts = stream_counts();
    Json(json!({
        "left": {
            "streams": site.shutdown.open_streams(),
            "reading": stats.streams,
            "handed_over": stats.handed_over,
            "subscribers": topics.iter().map(|topic| topic.subscribers).sum::<usize>(),
            "present": present.sum::<usize>(),
        },
        "heap": HEAP.allocated(),
        "topics": topics.len(),
        "kept": kept.map(|kept| kept.bytes).sum::<usize>(),
        "followed": site.followed.load(Ordering::Relaxed),
        "happened": {
            "opened": counts.opened,
            "finished": counts.finished,
            "failed": counts.failed,
            "panicked": counts.panicked,
            "aborted": counts.aborted,
            "left": counts.left,
            "turned away by tag": stats.turned_away.per_tag,
            "turned away by address": stats.turned_away.per_address,
            "turned away by rate": stats.turned_away.per_minute,
            "overtaken": stats.evictions.overtaken,
            "stalled": stats.evictions.stalled,
            "aged": stats.evictions.aged,
            "expired": stats.evictions.expired,
            "revoked": stats.evictions.revoked,
        },
    }))
}
