//! The settings of a hub. `build` checks them and chooses the log: a `MemoryLog` unless one is given.

use std::{
    collections::HashMap, net::IpAddr, ops::RangeInclusive, str::FromStr, sync::Arc, thread, time::Duration,
};

#[cfg(feature = "rate-limit")]
use std::num::NonZeroU32;

use actix_web::http::header::{self, HeaderName};
use ipnet::IpNet;
use sse_actix_core::{IntoTopicName, Log, MemoryLog};

#[cfg(feature = "metrics")]
use super::topic_metrics::TopicPatterns;
use super::{
    Hub,
    admission::{
        client_address::{TrustedProxies, UNIX_SOCKETS},
        limits::{LimitSettings, Limits},
    },
    error::HubError,
    settings::Settings,
    shared::{HubHandle, HubShared},
    topic_options::TopicOptions,
};

/// Settings of a [`Hub`].
///
/// ```
/// use std::time::Duration;
/// use sse_actix::{Hub, TopicOptions};
///
/// let hub = Hub::builder()
///     .topic("prices", TopicOptions::latest())
///     .topics_with_prefix("room:", TopicOptions::log().max_events(500))
///     .topic("cursor", TopicOptions::transient())
///     .topics(TopicOptions::log().max_age(Duration::from_secs(60)))
///     .max_age(Duration::from_secs(3_600))
///     .stall_timeout(Duration::from_secs(10))
///     .max_streams_per_address(100)
///     .max_streams_per_tag(10)
///     .build()?;
/// assert_eq!(hub.stats().streams, 0);
/// # Ok::<(), sse_actix::HubError>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
#[derive(Debug)]
pub struct HubBuilder {
    log: Option<Arc<dyn Log>>,
    settings: Settings,
    limits: LimitSettings,
    proxies: Vec<String>,
    address_header: HeaderName,
    #[cfg(feature = "metrics")]
    metrics_topics: Vec<String>,
}

impl HubBuilder {
    pub(super) fn new() -> Self {
        Self {
            log: None,
            settings: Settings {
                topics: HashMap::new(),
                prefixes: Vec::new(),
                default: Arc::new(TopicOptions::log()),
                max_age: None,
                stall_timeout: Duration::from_secs(30),
                #[cfg(feature = "metrics")]
                patterns: TopicPatterns::default(),
            },
            #[cfg(feature = "metrics")]
            metrics_topics: Vec::new(),
            limits: LimitSettings::default(),
            proxies: Vec::new(),
            address_header: header::X_FORWARDED_FOR,
        }
    }

    /// The log that stores events. Default: a [`MemoryLog`].
    pub fn log(mut self, log: impl Log) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// Retention, event names and gap behaviour of one topic.
    ///
    /// # Panics
    ///
    /// As [`Hub::topic`].
    #[track_caller]
    pub fn topic(mut self, name: impl IntoTopicName, options: TopicOptions) -> Self {
        self.settings
            .topics
            .insert(name.into_topic_name(), Arc::new(options));
        self
    }

    /// Options for all topics whose name starts with `prefix`. The longest prefix wins; [`topic`](Self::topic)
    /// wins over any prefix.
    pub fn topics_with_prefix(mut self, prefix: impl Into<String>, options: TopicOptions) -> Self {
        self.settings.prefixes.push((prefix.into(), Arc::new(options)));
        self
    }

    /// Retention, event names and gap behaviour of all other topics. Default: [`TopicOptions::log`].
    pub fn topics(mut self, options: TopicOptions) -> Self {
        self.settings.default = Arc::new(options);
        self
    }

    /// How long a stream may last; each ends at a random time between 80 % and 100 % of it, so that their
    /// clients do not come back together. Default: no limit.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = Some(age);
        self
    }

    /// How long a client may leave events unread. After that its permit and its presence are freed. If the handler
    /// returned the [`Subscription`](crate::Subscription), [`Server`](crate::Server) closes a connection on HTTP/1.1 at
    /// once; else the stream ends when the client reads again. A client that takes at least 2 KiB/s of a large event
    /// counts as reading. Precise to one second. Default: 30 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.settings.stall_timeout = timeout;
        self
    }

    /// How many streams there may be. Default: no limit. A client over the limit gets 200, a `retry` as long as
    /// [`overload_retry`](Self::overload_retry) says, and the end of the stream. An error status would make
    /// `EventSource` give up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use actix_web::test::TestRequest;
    /// use sse_actix::{Decoded, Hub, test::respond};
    ///
    /// # #[actix_web::main] async fn main() -> Result<(), sse_actix::HubError> {
    /// let minute = Duration::from_secs(60);
    /// let hub = Hub::builder().max_streams(1).overload_retry(minute..=minute).build()?;
    /// let first = respond(hub.subscribe("news"), TestRequest::get());
    /// let mut second = respond(hub.subscribe("news"), TestRequest::get());
    /// assert_eq!(second.status(), 200);
    /// assert_eq!(second.next_decoded().await, Some(Decoded::Retry(minute)));
    /// assert_eq!(hub.stats().turned_away.streams, 1);
    /// # drop(first);
    /// # Ok(()) }
    /// ```
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.limits.streams = Some(streams);
        self
    }

    /// How many streams may carry one tag. Default: no limit.
    pub fn max_streams_per_tag(mut self, streams: usize) -> Self {
        self.limits.per_tag = Some(streams);
        self
    }

    /// How many streams one address may have, or one network of IPv6 (/64). Default: no limit. The address is that of
    /// the socket, unless the peer is a [trusted proxy](Self::trusted_proxy).
    pub fn max_streams_per_address(mut self, streams: usize) -> Self {
        self.limits.per_address = Some(streams);
        self
    }

    /// How many streams one address may open in a minute, new ones and reconnects together. Default: no limit.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    ///
    /// let hub = sse_actix::Hub::builder().max_connects_per_minute(NonZeroU32::new(30).unwrap()).build()?;
    /// assert_eq!(hub.stats().turned_away.per_minute, 0);
    /// # Ok::<(), sse_actix::HubError>(())
    /// ```
    #[cfg(feature = "rate-limit")]
    pub fn max_connects_per_minute(mut self, connects: NonZeroU32) -> Self {
        self.limits.per_minute = Some(connects);
        self
    }

    /// A proxy that is trusted to write the client's address into [one header](Self::client_address_header). Give an
    /// address, a network such as `10.0.0.0/8`, or `unix:` for all peers of a unix socket. Default: none, and no header
    /// is trusted. May be called several times.
    ///
    /// A client that connects over a [unix socket](crate::Server::bind_uds) has no address. Without `unix:`, limits by
    /// address do not apply to it, and a warning is logged once.
    ///
    /// ```
    /// let hub = sse_actix::Hub::builder()
    ///     .trusted_proxy("unix:")
    ///     .max_streams_per_address(100)
    ///     .build()?;
    /// # Ok::<(), sse_actix::HubError>(())
    /// ```
    pub fn trusted_proxy(mut self, network: impl Into<String>) -> Self {
        self.proxies.push(network.into());
        self
    }

    /// The header in which the [trusted proxies](Self::trusted_proxy) write the client's address. Default:
    /// `X-Forwarded-For`. `Forwarded` is read as [RFC 7239](https://www.rfc-editor.org/rfc/rfc7239) says, any other
    /// header as a list of addresses. The last address that is not a trusted proxy counts.
    ///
    /// Other headers are ignored. A client can write into every header that the proxy does not set. So name the header
    /// that your proxy sets.
    ///
    /// ```
    /// use actix_web::http::header;
    ///
    /// let hub = sse_actix::Hub::builder()
    ///     .trusted_proxy("10.0.0.0/8")
    ///     .client_address_header(header::FORWARDED)
    ///     .max_streams_per_address(100)
    ///     .build()?;
    /// # Ok::<(), sse_actix::HubError>(())
    /// ```
    pub fn client_address_header(mut self, name: HeaderName) -> Self {
        self.address_header = name;
        self
    }

    /// The reconnection time of refused clients: for each, a random time in this range. Default: 30 s to 60 s. A range
    /// that ends before it begins is an error of [`build`](Self::build).
    pub fn overload_retry(mut self, range: RangeInclusive<Duration>) -> Self {
        self.limits.retry = range;
        self
    }

    /// Topics that [metrics](crate::metrics) report under this pattern, in the label `topic`: a name, or the beginning
    /// of names and `*`. May be called several times. An exact name wins over all patterns, and a longer pattern over a
    /// shorter one. Default: none; all topics are reported as `other`.
    ///
    /// ```
    /// let hub = sse_actix::Hub::builder().metrics_topics("prices").metrics_topics("room:*").build()?;
    /// assert!(sse_actix::Hub::builder().metrics_topics("*:eu").build().is_err());
    /// # Ok::<(), sse_actix::HubError>(())
    /// ```
    #[cfg(feature = "metrics")]
    pub fn metrics_topics(mut self, pattern: impl Into<String>) -> Self {
        self.metrics_topics.push(pattern.into());
        self
    }

    /// Builds the hub.
    ///
    /// # Errors
    ///
    /// [`HubError`], if this is a worker's thread, or a setting is not valid.
    pub fn build(mut self) -> Result<Hub, HubError> {
        // actix's name for the threads on which it runs factories and handlers.
        let thread = thread::current();
        if thread.name().is_some_and(|name| {
            name.starts_with("actix-server worker")
                || name.starts_with("actix-rt|") && name.contains("arbiter:")
        }) {
            return Err(HubError::OnWorker);
        }
        let (unix_sockets, proxies): (Vec<_>, Vec<_>) = self
            .proxies
            .into_iter()
            .partition(|network| network == UNIX_SOCKETS);
        let proxies = proxies
            .into_iter()
            .map(|network| parse_network(&network).ok_or(HubError::NoNetwork(network)))
            .collect::<Result<Vec<_>, _>>()?;
        if self.settings.stall_timeout < Duration::from_secs(1) {
            return Err(HubError::StallTimeout(self.settings.stall_timeout));
        }
        if self
            .settings
            .max_age
            .is_some_and(|age| age < Duration::from_secs(1))
        {
            return Err(HubError::MaxAge);
        }
        if self.limits.retry.is_empty() {
            return Err(HubError::OverloadRetry(self.limits.retry));
        }
        let of_topics = self.settings.topics.values();
        let of_prefixes = self.settings.prefixes.iter().map(|(_, options)| options);
        of_topics
            .chain(of_prefixes)
            .chain([&self.settings.default])
            .try_for_each(|options| options.check())?;
        #[cfg(feature = "metrics")]
        for pattern in self.metrics_topics {
            let added = self.settings.patterns.add(pattern.clone());
            added.ok_or(HubError::MetricsTopics(pattern))?;
        }
        // The longest first.
        self.settings
            .prefixes
            .sort_by_key(|(prefix, _)| usize::MAX - prefix.len());
        let log = self.log.unwrap_or_else(|| Arc::new(MemoryLog::new()));
        let proxies = TrustedProxies {
            networks: proxies,
            unix_sockets: !unix_sockets.is_empty(),
            header: self.address_header,
        };
        let limits = Limits::new(self.limits, proxies);
        let cluster = log.cluster();
        let hub = Arc::new(HubShared::new(log, self.settings, limits));
        if let Some(cluster) = cluster {
            let hub = Arc::downgrade(&hub);
            cluster.listen(Box::new(move |message| {
                if let Some(hub) = hub.upgrade() {
                    hub.receive(message);
                }
            }));
        }
        #[cfg(feature = "metrics")]
        super::metrics_exporter::include(&hub);
        Ok(Hub(Arc::new(HubHandle(hub))))
    }
}

fn parse_network(text: &str) -> Option<IpNet> {
    IpNet::from_str(text)
        .ok()
        .or_else(|| IpAddr::from_str(text).ok().map(IpNet::from))
}
