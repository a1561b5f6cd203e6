//! Limits: how many streams there may be, for each tag and address, and how fast they may be opened.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    net::IpAddr,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpRequest, http::StatusCode};
use sse_actix_core::Retry;

#[cfg(feature = "rate-limit")]
use std::num::NonZeroU32;

use super::client_address::{TrustedProxies, address_of};
#[cfg(feature = "rate-limit")]
use super::rate::ConnectRate;
use crate::hub::stats::TurnedAway;

#[derive(Debug, Clone)]
pub(in crate::hub) struct LimitSettings {
    pub(in crate::hub) streams: Option<usize>,
    pub(in crate::hub) per_tag: Option<usize>,
    pub(in crate::hub) per_address: Option<usize>,
    #[cfg(feature = "rate-limit")]
    pub(in crate::hub) per_minute: Option<NonZeroU32>,
    pub(in crate::hub) retry: RangeInclusive<Duration>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            streams: None,
            per_tag: None,
            per_address: None,
            #[cfg(feature = "rate-limit")]
            per_minute: None,
            retry: Duration::from_secs(30)..=Duration::from_secs(60),
        }
    }
}

pub(in crate::hub) struct Limits {
    settings: LimitSettings,
    proxies: TrustedProxies,
    /// Whether the warning about a client without an address was logged.
    no_address: Once,
    #[cfg(feature = "rate-limit")]
    rate: ConnectRate,
    /// The number of permits in use.
    permits: AtomicUsize,
    /// The number of streams that have begun to read.
    reading_streams: AtomicUsize,
    handed_over: AtomicUsize,
    addresses: Counts<IpAddr>,
    tags: Counts<Box<str>>,
    turned_away: [AtomicU64; 4],
}

/// The limit that a request exceeds.
///
/// ```
/// use sse_actix::LimitExceeded;
///
/// assert_eq!(LimitExceeded::Streams.to_string(), "the hub has reached its limit of streams");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// [`max_streams`](crate::HubBuilder::max_streams).
    Streams,
    /// [`max_streams_per_tag`](crate::HubBuilder::max_streams_per_tag).
    PerTag,
    /// [`max_streams_per_address`](crate::HubBuilder::max_streams_per_address).
    PerAddress,
    /// `HubBuilder::max_connects_per_minute` (feature `rate-limit`).
    PerMinute,
}

impl LimitExceeded {
    #[cfg(feature = "metrics")]
    pub(in crate::hub) const ALL: [Self; 4] =
        [Self::Streams, Self::PerTag, Self::PerAddress, Self::PerMinute];

    /// Its name in metrics.
    #[cfg(feature = "metrics")]
    pub(in crate::hub) const fn as_str(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::PerTag => "per_tag",
            Self::PerAddress => "per_address",
            Self::PerMinute => "per_minute",
        }
    }

    /// The status for a client other than `EventSource`.
    pub(in crate::hub) fn status(self) -> StatusCode {
        match self {
            Self::Streams => StatusCode::SERVICE_UNAVAILABLE,
            Self::PerTag | Self::PerAddress | Self::PerMinute => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl Limits {
    pub(in crate::hub) fn new(settings: LimitSettings, proxies: TrustedProxies) -> Self {
        Self {
            #[cfg(feature = "rate-limit")]
            rate: ConnectRate::new(settings.per_minute),
            settings,
            proxies,
            no_address: Once::new(),
            permits: AtomicUsize::new(0),
            reading_streams: AtomicUsize::new(0),
            handed_over: AtomicUsize::new(0),
            addresses: Counts::default(),
            tags: Counts::default(),
            turned_away: Default::default(),
        }
    }

    pub(in crate::hub) fn reading_streams(&self) -> usize {
        self.reading_streams.load(Ordering::Relaxed)
    }

    pub(in crate::hub) fn handed_over(&self) -> usize {
        self.handed_over.load(Ordering::Relaxed)
    }

    pub(in crate::hub) fn turned_away(&self) -> TurnedAway {
        let [streams, per_tag, per_address, per_minute] = &self.turned_away;
        TurnedAway {
            streams: streams.load(Ordering::Relaxed),
            per_tag: per_tag.load(Ordering::Relaxed),
            per_address: per_address.load(Ordering::Relaxed),
            per_minute: per_minute.load(Ordering::Relaxed),
        }
    }

    /// The address by which a request counts. The first request without an address is logged, if a limit needs the
    /// address.
    pub(in crate::hub) fn address_of(&self, request: &HttpRequest) -> Option<IpAddr> {
        let address = address_of(request, &self.proxies);
        #[cfg(feature = "rate-limit")]
        let is_limited = self.settings.per_address.is_some() || self.settings.per_minute.is_some();
        #[cfg(not(feature = "rate-limit"))]
        let is_limited = self.settings.per_address.is_some();
        if address.is_none() && is_limited {
            self.no_address.call_once(|| {
                tracing::warn!(
                    target: "sse_actix",
                    "a client that came over a unix socket has no address: limits by address do not apply to it; if a proxy connects there, set `trusted_proxy(\"unix:\")`"
                );
            });
        }
        address
    }

    /// The reconnection time for a refused client.
    pub(in crate::hub) fn retry(&self) -> Retry {
        let [low, high] =
            [self.settings.retry.start(), self.settings.retry.end()].map(|end| Retry::from(*end).as_millis());
        Retry::from(Duration::from_millis(fastrand::u32(low..=high.max(low)).into()))
    }

    /// Forgets addresses that have not connected for a long time.
    #[cfg(feature = "rate-limit")]
    pub(in crate::hub) fn maintain(&self) {
        self.rate.forget_old();
    }

    /// Checks whether an address connects too often. Called once for each request.
    #[cfg(feature = "rate-limit")]
    pub(in crate::hub) fn check_rate(&self, address: Option<IpAddr>) -> Result<(), LimitExceeded> {
        match address {
            Some(address) if self.rate.is_exceeded(address) => Err(self.refuse(LimitExceeded::PerMinute)),
            _ => Ok(()),
        }
    }

    fn refuse(&self, limit: LimitExceeded) -> LimitExceeded {
        if let Some(counter) = self.turned_away.get(limit as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        #[cfg(feature = "metrics")]
        crate::hub::topic_metrics::turned_away(limit as usize);
        limit
    }
}

/// A stream's place in the limits, which is freed when this is dropped.
pub(in crate::hub) struct StreamPermit {
    limits: Arc<Limits>,
    counted_keys: Option<Box<CountedKeys>>,
    is_counted_as_reader: bool,
    handed_over: bool,
}

/// The keys by which a stream is counted; most streams have none.
#[derive(Default)]
struct CountedKeys {
    address: Option<IpAddr>,
    tags: Vec<Box<str>>,
}

impl StreamPermit {
    /// Takes a permit for a stream of this address and with these tags.
    pub(in crate::hub) fn take(
        limits: &Arc<Limits>,
        address: Option<IpAddr>,
        tags: &[Box<str>],
    ) -> Result<Self, LimitExceeded> {
        let permits = limits.permits.fetch_add(1, Ordering::AcqRel);
        // From here on, dropping the permit gives everything back.
        let mut permit = Self {
            limits: Arc::clone(limits),
            counted_keys: None,
            is_counted_as_reader: false,
            handed_over: false,
        };
        if limits.settings.streams.is_some_and(|max| permits >= max) {
            return Err(limits.refuse(LimitExceeded::Streams));
        }
        if let (Some(max), Some(address)) = (limits.settings.per_address, address) {
            if !limits.addresses.take(&address, max) {
                return Err(limits.refuse(LimitExceeded::PerAddress));
            }
            permit.counted_keys.get_or_insert_default().address = Some(address);
        }
        if let Some(max) = limits.settings.per_tag {
            for tag in tags {
                if !limits.tags.take(tag, max) {
                    return Err(limits.refuse(LimitExceeded::PerTag));
                }
                permit.counted_keys.get_or_insert_default().tags.push(tag.clone());
            }
        }
        Ok(permit)
    }
}

impl StreamPermit {
    /// Its stream has begun to read.
    pub(in crate::hub) fn count_as_reader(&mut self) {
        self.is_counted_as_reader = true;
        self.limits.reading_streams.fetch_add(1, Ordering::AcqRel);
    }

    /// Its stream's connection was handed over.
    pub(in crate::hub) fn hand_over(&mut self) {
        self.handed_over = true;
        self.limits.handed_over.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let limits = &self.limits;
        limits.permits.fetch_sub(1, Ordering::AcqRel);
        if self.is_counted_as_reader {
            limits.reading_streams.fetch_sub(1, Ordering::AcqRel);
        }
        if self.handed_over {
            limits.handed_over.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(counted) = self.counted_keys.take() {
            if let Some(address) = &counted.address {
                limits.addresses.give_back(address);
            }
            for tag in &counted.tags {
                limits.tags.give_back(tag);
            }
        }
    }
}

/// A count for each key.
struct Counts<K>(Mutex<HashMap<K, usize>>);

impl<K: Eq + Hash + Clone> Counts<K> {
    fn take(&self, key: &K, max: usize) -> bool {
        let mut counts = self.lock();
        let count = counts.get(key).copied().unwrap_or(0);
        if count >= max {
            return false;
        }
        counts.insert(key.clone(), count + 1);
        true
    }

    fn give_back(&self, key: &K) {
        let mut counts = self.lock();
        match counts.get_mut(key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(key)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        // No code that could panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Streams => "the hub has reached its limit of streams",
            Self::PerTag => "one of the stream's tags has reached its limit of streams",
            Self::PerAddress => "the client's address has reached its limit of streams",
            Self::PerMinute => "the client's address has reached its limit of new streams within a minute",
        })
    }
}
