//! Limits how often one address may connect.

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Counts connects by address, if there is a limit.
#[derive(Default)]
pub(super) struct ConnectRate(Option<DefaultKeyedRateLimiter<IpAddr>>);

impl ConnectRate {
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> Self {
        Self(per_minute.map(|connects| RateLimiter::keyed(Quota::per_minute(connects))))
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
