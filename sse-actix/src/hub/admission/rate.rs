//! Limits how often one address may connect.

use std::{net::IpAddr, num::NonZeroU32, time};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore,
};
use tokio::time::Instant;

/// The clock of all other timers, which tests can stop.
#[derive(Debug, Clone, Default)]
struct TimerClock;

impl Clock for TimerClock {
    type Instant = time::Instant;

    fn now(&self) -> time::Instant {
        Instant::now().into_std()
    }
}

type ByAddress = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, TimerClock, NoOpMiddleware<time::Instant>>;

/// Counts connects by address, if there is a limit.
#[derive(Default)]
pub(super) struct ConnectRate(Option<ByAddress>);

impl ConnectRate {
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> Self {
        let quota = per_minute.map(Quota::per_minute);
        Self(quota.map(|quota| RateLimiter::hashmap_with_clock(quota, TimerClock)))
    }

    /// Counts a connect. Returns true if it exceeds the limit.
    pub(super) fn is_exceeded(&self, address: IpAddr) -> bool {
        let rate = self.0.as_ref();
        rate.is_some_and(|rate| rate.check_key(&address).is_err())
    }

    /// Forgets addresses that have not connected for a long time.
    pub(super) fn forget_old(&self) {
        if let Some(rate) = &self.0 {
            rate.retain_recent();
        }
    }
}
