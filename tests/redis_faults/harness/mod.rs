//! Redis as it fails, and what sees it.

pub(crate) mod cluster;
pub(crate) mod keys;
mod line;
pub(crate) mod node;
pub(crate) mod pair;
pub(crate) mod proxy;
pub(crate) mod sentinel;

use std::{
    error::Error,
    iter,
    time::{Duration, Instant},
};

use sse_actix::EventId;
use sse_tests::hub::{Reader, event, gap, id_of};
use tokio::time::timeout;

/// Within what a node that has lost its Redis hears again: 3 s until it has not heard itself, and the time to connect; or,
/// where no notice has brought an event, the 10 s within which it is found. On a machine that is busy.
pub(crate) const HEARS_AGAIN: Duration = Duration::from_secs(15);

/// Waits as long as is promised.
pub(crate) async fn promised<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let Ok(value) = timeout(limit, future).await else {
        panic!("promised within {limit:?}, and did not come: {what}");
    };
    println!(
        "measured: {what}: {:.0} ms",
        began.elapsed().as_secs_f64() * 1_000.0
    );
    value
}

/// Whether an event tells of a gap.
pub(crate) fn is_gap(event: &str) -> bool {
    event.starts_with("event: sse-gap\n")
}

/// Reads on through an event that was published, which may come after what tells of a gap; whether it did.
pub(crate) async fn reads_through(reader: &mut Reader, id: &EventId, data: impl std::fmt::Display) -> bool {
    let expected = event(id, &data);
    let mut told = false;
    loop {
        let next = reader.next().await;
        if next == expected {
            return told;
        }
        told |= is_gap(&next);
        assert!(told, "{next:?} is neither a gap nor {expected:?}");
    }
}

/// Reads what tells that it is not known how much is missing.
pub(crate) async fn reads_gap(reader: &mut Reader) {
    let next = reader.next().await;
    let id = id_of(&next).to_owned();
    assert_eq!(next, gap(&id, None));
}

/// What an error says, and what its causes say.
pub(crate) fn said(error: &dyn Error) -> String {
    let causes = iter::successors(Some(error), |&error| error.source());
    let all: Vec<_> = causes.map(|error| format!("{error} {error:?}")).collect();
    all.join(" ")
}
