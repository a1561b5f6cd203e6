//! What a reader may not see is on the wire in no way: not live, not replayed, not counted.

use std::{
    cell::Cell,
    future::ready,
    pin::pin,
    rc::Rc,
    task::{Context, Waker},
    time::{Duration, SystemTime},
};

use actix_web::{test::TestRequest, web};
use serde::Deserialize;
use sse_actix::{Event, EventId, Hub, TopicOptions, test::respond};
use sse_tests::patience::{until, within};

use super::{Reader, count, event, gap, hooked_log::Hooked, serve_hub, sibling};

/// Which subscription is asked for.
#[derive(Deserialize)]
struct Right {
    since: Option<u64>,
    after: Option<String>,
    history: Option<usize>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "filters are given a reference")]
fn is_even(number: &u64) -> bool {
    number.is_multiple_of(2)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// A time that is later than what has been published, and not later than what will be.
async fn later() -> u64 {
    let now = millis(SystemTime::now());
    while millis(SystemTime::now()) <= now {
        tokio::task::yield_now().await;
    }
    now + 1
}

fn serve(hub: &Hub) -> sse_actix::test::Serving {
    serve_hub(hub, |app| {
        app.route(
            "/even",
            web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n").filter(is_even)),
        )
        .route(
            "/even/history",
            web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n").filter(is_even).history(2)),
        )
        .route(
            "/fours",
            web::get().to(async |hub: web::Data<Hub>| {
                let fours = |number: &u64| number.is_multiple_of(4);
                hub.subscribe("n").filter(is_even).filter(fours)
            }),
        )
        .route(
            "/names",
            web::get().to(async |hub: web::Data<Hub>| {
                hub.subscribe("names").filter_names(|name| name != Some("secret"))
            }),
        )
        .route(
            "/latest",
            web::get().to(async |hub: web::Data<Hub>| hub.subscribe("latest").filter(is_even)),
        )
        .route(
            "/snapshot",
            web::get().to(async |hub: web::Data<Hub>| {
                let state = async |_| (1..=6).map(|n| Event::data(n.to_string())).collect::<Vec<_>>();
                hub.subscribe("n").filter(is_even).snapshot(state)
            }),
        )
        .route(
            "/right",
            web::get().to(async |hub: web::Data<Hub>, right: web::Query<Right>| {
                let mut n = hub.subscribe("n");
                if let Some(since) = right.since {
                    n = n.since(SystemTime::UNIX_EPOCH + Duration::from_millis(since));
                }
                if let Some(after) = &right.after {
                    n = n.after(&EventId::try_from(after.as_str()).unwrap()).unwrap();
                }
                match right.history {
                    Some(events) => n.history(events),
                    None => n,
                }
            }),
        );
    })
}

#[tokio::test]
async fn the_value_decides_live_and_replayed() {
    let hub = Hub::new().unwrap();
    let serving = serve(&hub);
    let mut live = Reader::new(serving.addr(), "/even").await;
    let mut fours = Reader::new(serving.addr(), "/fours").await;
    let ids = count(&hub, "n", 1..=3).await;
    // What is no number is nobody's who asked for numbers.
    hub.raw("n").publish(Event::data("secret")).await.unwrap();
    let more = count(&hub, "n", 4..=4).await;
    let (two, four) = (event(&ids[1], 2), event(&more[0], 4));
    assert_eq!(live.take(2).await, [two.clone(), four.clone()]);
    assert_eq!(fours.next().await, four);

    let mut back = Reader::back(serving.addr(), "/even", &ids[0]).await;
    assert_eq!(back.take(2).await, [two, four.clone()]);
    // From a place that it was not shown, too.
    let mut back = Reader::back(serving.addr(), "/even", &ids[2]).await;
    assert_eq!(back.next().await, four);
}

#[tokio::test]
async fn the_value_decides_of_history_the_latest_and_a_snapshot() {
    let hub = Hub::builder()
        .topic("latest", TopicOptions::latest())
        .build()
        .unwrap();
    let serving = serve(&hub);
    let ids = count(&hub, "n", 1..=9).await;
    let mut history = Reader::new(serving.addr(), "/even/history").await;
    // So many that it may see, not so many of which it may see some.
    assert_eq!(history.take(2).await, [event(&ids[5], 6), event(&ids[7], 8)]);

    let mut latest = Vec::new();
    for (key, number) in [("a", 1), ("b", 2), ("c", 4), ("c", 3), ("d", 6)] {
        latest.push(hub.topic("latest").publish_keyed(key, &number).await.unwrap());
    }
    let mut reader = Reader::new(serving.addr(), "/latest").await;
    assert_eq!(reader.take(2).await, [event(&latest[1], 2), event(&latest[4], 6)]);
    // Its key's newest is none that it may see; an older one is none at all.
    let id = hub.topic("latest").publish_keyed("a", &8).await.unwrap();
    assert_eq!(reader.next().await, event(&id, 8));

    let mut reader = Reader::new(serving.addr(), "/snapshot").await;
    let at = &ids[8];
    assert_eq!(
        reader.take(3).await,
        ["data: 2\n\n".to_owned(), "data: 4\n\n".to_owned(), event(at, 6)]
    );
    let ids = count(&hub, "n", 11..=12).await;
    assert_eq!(reader.next().await, event(&ids[1], 12));
}

#[tokio::test]
async fn the_name_decides() {
    let hub = Hub::new().unwrap();
    let serving = serve(&hub);
    let mut live = Reader::new(serving.addr(), "/names").await;
    let topic = hub.raw("names");
    let first = topic.publish(Event::data("a")).await.unwrap();
    topic.publish(Event::data("b").event("secret")).await.unwrap();
    // A name in the data is none.
    let third = topic
        .publish(Event::data("event: secret").event("open-secret"))
        .await
        .unwrap();
    let expected = [
        event(&first, "a"),
        format!("id: {third}\nevent: open-secret\ndata: event: secret\n\n"),
    ];
    assert_eq!(live.take(2).await, expected);
    let mut back = Reader::back(serving.addr(), "/names", sibling(&first, 0)).await;
    assert_eq!(back.take(2).await, expected);
}

#[tokio::test]
async fn what_is_hidden_is_counted_in_no_gap() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(2))
        .build()
        .unwrap();
    let serving = serve(&hub);
    let ids = count(&hub, "n", 1..=8).await;
    let mut reader = Reader::back(serving.addr(), "/even", &ids[1]).await;
    assert_eq!(reader.take(2).await, [gap(&ids[5], None), event(&ids[7], 8)]);
    // Where nothing is gone there is no gap, whatever is hidden.
    let mut reader = Reader::back(serving.addr(), "/even", &ids[5]).await;
    assert_eq!(reader.next().await, event(&ids[7], 8));
}

#[tokio::test]
async fn no_id_reaches_before_the_right_by_place() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(4))
        .build()
        .unwrap();
    let serving = serve(&hub);
    let ids = count(&hub, "n", 1..=4).await;
    let path = |after: usize| format!("/right?after={}", ids[after - 1]);
    for brought in [sibling(&ids[0], 0), ids[0].to_string(), ids[1].to_string()] {
        let mut reader = Reader::back(serving.addr(), &path(2), &brought).await;
        assert_eq!(
            reader.take(2).await,
            [event(&ids[2], 3), event(&ids[3], 4)],
            "{brought}"
        );
    }
    // An id that makes no sense reaches no further either, nor does history.
    let mut reader = Reader::back(serving.addr(), &path(3), "17").await;
    assert_eq!(
        reader.take(2).await,
        [gap(sibling(&ids[0], 0), None), event(&ids[3], 4)]
    );
    let mut reader = Reader::new(serving.addr(), &format!("{}&history=9", path(3))).await;
    assert_eq!(reader.next().await, event(&ids[3], 4));

    // 1 to 4 are gone: of these, who has a right after 3 has missed one.
    let more = count(&hub, "n", 5..=8).await;
    let mut reader = Reader::back(serving.addr(), &path(3), &ids[0]).await;
    assert_eq!(reader.take(2).await, [gap(&ids[3], Some(1)), event(&more[0], 5)]);
    let mut reader = Reader::back(serving.addr(), &path(4), &ids[0]).await;
    assert_eq!(reader.next().await, event(&more[0], 5));
}

#[tokio::test]
async fn no_id_reaches_before_the_right_by_time() {
    let hub = Hub::builder()
        .topic("n", TopicOptions::log().max_events(4))
        .build()
        .unwrap();
    let serving = serve(&hub);
    let ids = count(&hub, "n", 1..=2).await;
    let since = later().await;
    let more = count(&hub, "n", 3..=4).await;
    let path = format!("/right?since={since}");
    let shown = [event(&more[0], 3), event(&more[1], 4)];
    let mut reader = Reader::back(serving.addr(), &path, sibling(&ids[0], 0)).await;
    assert_eq!(reader.take(2).await, shown);
    let mut reader = Reader::new(serving.addr(), &format!("{path}&history=3")).await;
    assert_eq!(reader.take(2).await, shown);

    // 1 is gone, which was before its right: no gap.
    let five = count(&hub, "n", 5..=5).await;
    let mut reader = Reader::back(serving.addr(), &path, sibling(&ids[0], 0)).await;
    assert_eq!(reader.take(2).await, shown);
    assert_eq!(reader.next().await, event(&five[0], 5));
    // 3 is gone, too: how many that it might have seen, nobody knows any more.
    count(&hub, "n", 6..=7).await;
    let mut reader = Reader::back(serving.addr(), &path, sibling(&ids[0], 0)).await;
    assert_eq!(reader.take(2).await, [gap(&more[0], None), event(&more[1], 4)]);
    // Its right begins in the future.
    let future = millis(SystemTime::now()) + 3_600_000;
    let path = format!("/right?since={future}");
    let mut reader = Reader::back(serving.addr(), &path, &more[1]).await;
    count(&hub, "n", 8..=8).await;
    serving.shutdown().fire();
    let end = reader.rest().await;
    assert!(end.starts_with("retry: ") && end.lines().count() == 1, "{end}");
}

/// `since(now)` and an event in the same millisecond.
#[tokio::test]
async fn what_is_published_right_after_the_right_by_time_is_shown() {
    let hub = Hub::new().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| {
                let since = hub.subscribe("n").since(SystemTime::now());
                hub.topic("n").publish(&1).await.unwrap();
                since.history(1)
            }),
        );
    });
    for _ in 0..50 {
        let mut reader = Reader::new(serving.addr(), "/").await;
        assert!(reader.next().await.ends_with("data: 1\n\n"));
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_nothing_that_comes_later() {
    let log = Hooked::new();
    let hub = Hub::builder().log(log.clone()).build().unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n").since(SystemTime::now())),
        );
        app.route(
            "/later",
            web::get().to(async |hub: web::Data<Hub>| {
                hub.subscribe("n")
                    .since(SystemTime::now() + Duration::from_secs(3_600))
            }),
        );
    });
    let mut live = Reader::new(serving.addr(), "/").await;
    let mut later = Reader::new(serving.addr(), "/later").await;
    until("two readers", async || hub.stats().streams == 2).await;
    // Less than the hour that events are kept.
    log.set_clock_back(Duration::from_secs(1_800));
    let ids = count(&hub, "n", 1..=2).await;
    assert_eq!(live.take(2).await, [event(&ids[0], 1), event(&ids[1], 2)]);
    log.set_clock_back(Duration::ZERO);
    hub.raw("n").publish(Event::data("now")).await.unwrap();
    // A time that has not come yet hides all of that.
    let shutdown = serving.shutdown().clone();
    shutdown.fire();
    assert!(later.rest().await.starts_with("retry: "));
}

#[tokio::test]
async fn of_several_rights_the_strictest_counts() {
    let hub = Hub::new().unwrap();
    let ids = count(&hub, "n", 1..=4).await;
    let rights = ids.clone();
    let serving = serve_hub(&hub, move |app| {
        let ids = rights.clone();
        app.route(
            "/{first}/{second}",
            web::get().to(move |hub: web::Data<Hub>, which: web::Path<(usize, usize)>| {
                let (first, second) = which.into_inner();
                let n = hub.subscribe("n").history(10);
                ready(n.after(&ids[first]).unwrap().after(&ids[second]).unwrap())
            }),
        );
        app.route(
            "/times",
            web::get().to(async |hub: web::Data<Hub>| {
                let later = SystemTime::now() + Duration::from_secs(3_600);
                hub.subscribe("n")
                    .history(10)
                    .since(later)
                    .since(SystemTime::UNIX_EPOCH)
            }),
        );
    });
    for path in ["/2/0", "/0/2"] {
        let mut reader = Reader::new(serving.addr(), path).await;
        assert_eq!(reader.next().await, event(&ids[3], 4), "{path}");
    }
    let mut none = Reader::new(serving.addr(), "/times").await;
    until("a reader", async || hub.stats().streams == 1).await;
    serving.shutdown().fire();
    assert!(none.rest().await.starts_with("retry: "));
}

#[actix_web::test]
async fn an_id_of_another_topic_is_no_right() {
    let hub = Hub::new().unwrap();
    let id = count(&hub, "n", 1..=1).await.remove(0);
    let both = || hub.subscribe("a").and(hub.subscribe("n")).unwrap();
    assert!(both().after(&id).is_ok());
    for foreign in [
        hub.subscribe("a").after(&id),
        hub.subscribe("n").after(&EventId::from_static("17")),
    ] {
        let error = foreign.unwrap_err().to_string();
        assert!(
            error.contains("pass an id that `publish` has returned"),
            "{error}"
        );
    }
}

/// A filter that hides everything does not keep a thread for a whole log.
#[actix_web::test]
async fn who_is_shown_nothing_gives_others_a_turn() {
    const EVENTS: u64 = 20_000;
    let hub = Hub::builder()
        .topics(TopicOptions::log().max_events(100_000).max_bytes(100_000_000))
        .build()
        .unwrap();
    let ids = count(&hub, "n", 0..EVENTS).await;
    for history in [false, true] {
        let looked = Rc::new(Cell::new(0));
        let seen = Rc::clone(&looked);
        let hidden = hub.subscribe("n").filter(move |_: &u64| {
            seen.set(seen.get() + 1);
            false
        });
        let request = TestRequest::get();
        let mut stream = if history {
            respond(hidden.history(5), request)
        } else {
            respond(hidden, request.insert_header(("last-event-id", ids[0].as_str())))
        };
        let mut polls = 0;
        let mut next = pin!(stream.next());
        while looked.get() < EVENTS - 1 {
            let before = looked.get();
            assert!(
                next.as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            assert!(
                looked.get() - before <= 3_000,
                "{} in one poll",
                looked.get() - before
            );
            polls += 1;
            assert!(polls < 1_000, "{} of {EVENTS}", looked.get());
        }
        assert!(polls > 5);
    }
}

/// At a shutdown, what was published before comes, however much is passed over before it.
#[tokio::test]
async fn a_shutdown_waits_for_what_comes_after_hidden_events() {
    let hub = Hub::builder()
        .topics(TopicOptions::log().max_events(100_000).max_bytes(100_000_000))
        .build()
        .unwrap();
    let serving = serve_hub(&hub, |app| {
        app.route(
            "/",
            web::get().to(async |hub: web::Data<Hub>| hub.subscribe("n").filter(|n: &u64| *n == 0)),
        );
    });
    let first = count(&hub, "n", 1..=1).await.remove(0);
    count(&hub, "n", 2..=20_000).await;
    let last = count(&hub, "n", 0..=0).await.remove(0);
    let mut reader = Reader::back(serving.addr(), "/", &first).await;
    serving.shutdown().fire();
    assert_eq!(reader.next().await, event(&last, 0));
}

/// It was in the midst of a scan when its time was up.
#[actix_web::test]
async fn who_gave_others_a_turn_is_ended_like_anybody() {
    let hub = Hub::builder()
        .topics(TopicOptions::log().max_events(100_000).max_bytes(100_000_000))
        .build()
        .unwrap();
    let ids = count(&hub, "n", 0..5_000).await;
    let hidden = hub.subscribe("n").filter(|_: &u64| false);
    let hidden = hidden.valid_until(SystemTime::now() + Duration::from_millis(200));
    let request = TestRequest::get().insert_header(("last-event-id", ids[0].as_str()));
    let mut stream = respond(hidden, request);
    {
        let mut next = pin!(stream.next());
        assert!(
            next.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    until("its end", async || hub.stats().streams == 0).await;
    assert!(within("the end", stream.next()).await.is_none());
}
