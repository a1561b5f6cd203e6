//! Who is there.

use actix_web::{HttpRequest, web};
use futures_util::{StreamExt as _, future::join};
use serde::Deserialize;
use sse_actix::{CombineError, Event, Hub, PresenceChange, StreamControl, Subscription};
use sse_tests::patience::{until, within};

use super::{Reader, serve_hub, slow_log::Slow};
use crate::turmoil::seed;

#[derive(Deserialize)]
struct Who {
    user: Option<String>,
}

async fn room(
    request: HttpRequest,
    hub: web::Data<Hub>,
    who: web::Query<Who>,
) -> Result<Subscription, CombineError> {
    if let Some(user) = &who.user {
        hub.admit(&request, user.as_str());
    }
    hub.subscribe("room").and(hub.subscribe("lobby"))
}

#[tokio::test]
async fn the_tags_of_who_reads_a_topic() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(room)));
    let (present, mut changes) = (hub.presence("room"), hub.presence("room").changes());
    let mut next = async || within("a change", changes.next()).await.unwrap();
    let tags = || present.tags().iter().map(ToString::to_string).collect::<Vec<_>>();
    let joined = |tag: &str| PresenceChange::Joined(tag.into());
    let left = |tag: &str| PresenceChange::Left(tag.into());

    let nobody = Reader::new(serving.addr(), "/").await;
    let bob = Reader::new(serving.addr(), "/?user=bob").await;
    assert_eq!(next().await, joined("bob"));
    let ann = Reader::new(serving.addr(), "/?user=ann").await;
    assert_eq!(next().await, joined("ann"));
    let ann_again = Reader::new(serving.addr(), "/?user=ann").await;
    assert_eq!(tags(), ["ann", "bob"]);
    assert_eq!((present.streams("ann"), present.streams("carl")), (2, 0));
    assert_eq!(hub.presence("lobby").tags().len(), 2);

    drop(ann);
    until("one of ann's streams to be gone", async || {
        present.streams("ann") == 1
    })
    .await;
    drop(bob);
    // Not ann: she is still there.
    assert_eq!(next().await, left("bob"));
    assert_eq!(tags(), ["ann"]);
    // A new listener is told who is present.
    let mut late = hub.presence("room").changes();
    assert_eq!(within("who is there", late.next()).await, Some(joined("ann")));

    hub.revoke("ann");
    assert_eq!(next().await, left("ann"));
    assert!(tags().is_empty());
    until("the lobby to be empty", async || {
        hub.presence("lobby").tags().is_empty()
    })
    .await;
    drop((nobody, ann_again));
}

/// Tagged by a middleware, by admission, and on the subscription: still one stream.
#[tokio::test]
async fn a_stream_that_is_tagged_twice_is_one() {
    let hub = Hub::builder().max_streams_per_tag(1).build().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |request: HttpRequest, hub: web::Data<Hub>| {
                StreamControl::of(&request).tag("ann");
                hub.admit(&request, "ann");
                hub.admit(&request, "ann");
                hub.subscribe("room").tag("ann").tag("ann")
            }),
        );
    });
    let reader = Reader::new(serving.addr(), "/").await;
    let present = hub.presence("room");
    assert_eq!((hub.stats().streams, present.streams("ann")), (1, 1));
    drop(reader);
    until("nobody to be there", async || present.streams("ann") == 0).await;
    assert!(present.tags().is_empty());
    drop(Reader::new(serving.addr(), "/").await);
}

/// Code that greets a new reader may publish as soon as it is told of the join.
#[tokio::test]
async fn what_is_published_on_a_join_reaches_who_has_joined() {
    let slow = |failures| Hub::builder().log(Slow::new(seed(), 5, failures)).build();
    for hub in [Hub::new(), slow(0), slow(3)] {
        let hub = hub.unwrap();
        let serving = serve_hub(&hub, |app| _ = app.route("/", web::get().to(room)));
        let mut changes = hub.presence("room").changes();
        for guest in 0..20 {
            let guest = format!("guest-{guest}");
            let path = format!("/?user={guest}");
            let comes = async {
                let mut reader = Reader::new(serving.addr(), &path).await;
                reader.next().await
            };
            let is_greeted = async {
                let joined = PresenceChange::Joined(guest.as_str().into());
                while within("a change", changes.next()).await != Some(joined.clone()) {}
                // The log may be away for a moment.
                while hub.raw("room").publish(Event::data(&guest)).await.is_err() {}
            };
            let (greeting, ()) = within("a greeting", join(comes, is_greeted)).await;
            assert!(greeting.ends_with(&format!("data: {guest}\n\n")), "{greeting:?}");
        }
    }
}
