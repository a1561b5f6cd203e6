//! How often one address may connect.

use std::{net::IpAddr, num::NonZeroU32};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Counts connects by address, if there is a limit.
#[derive(Default)]
pub(super) struct ConnectRate(Option<DefaultKeyedRateLimiter<IpAddr>>);

impl ConnectRate {
    pub(super) fn new(per_minute: Option<NonZeroU32>) -> Self {
        Self(per_minute.map(|connects| RateLimiter::keyed(Quota::per_minute(connects))))
    }

    /// Counts a connect. Returns whether it is one too many.
    pub(super) fn is_exceeded(&self, address: IpAddr) -> bool {
        let rate = self.0.as_ref();
        rate.is_some_and(|rate| rate.check_key(&address).is_err())
    }

    /// Forgets addresses that were not seen for long.
    pub(super) fn forget_old(&self) {
        if let Some(rate) = &self.0 {
            rate.retain_recent();
        }
    }
}
