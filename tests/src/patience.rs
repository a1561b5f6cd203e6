//! Waiting for what has to come. The limit is long, because it only ever passes on a failure.
#![allow(clippy::panic, reason = "what fails here fails the test that uses it")]

use std::{pin::pin, time::Duration};

use tokio::time::{sleep, timeout};

/// How long nothing may happen before a wait has failed. Also what a test gives Redis where Redis is never away, and slow only if
/// the machine is: then an unknown outcome says that nothing has happened for so long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What `future` gives.
///
/// # Panics
///
/// If it gives nothing for a minute.
pub async fn within<T>(awaited: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(PATIENCE, future).await else {
        panic!("waited in vain for {awaited}")
    };
    value
}

/// What `future` gives, however long that takes, as long as `progress` changes.
///
/// # Panics
///
/// If nothing happens for a minute.
pub async fn while_progress<T>(
    awaited: &str,
    progress: impl Fn() -> u64,
    future: impl Future<Output = T>,
) -> T {
    let mut future = pin!(future);
    let mut known = None;
    loop {
        if let Ok(value) = timeout(PATIENCE, &mut future).await {
            return value;
        }
        let now = Some(progress());
        assert!(known != now, "waited in vain for {awaited}");
        known = now;
    }
}

/// Asks until `condition` holds.
///
/// # Panics
///
/// If it does not for a minute.
pub async fn until(awaited: &str, mut condition: impl AsyncFnMut() -> bool) {
    within(awaited, async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
