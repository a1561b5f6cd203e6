use std::{
    collections::HashMap, net::IpAddr, num::NonZeroU32, ops::RangeInclusive, str::FromStr, sync::Arc, thread,
    time::Duration,
};

use ipnet::IpNet;
use sse_actix_core::{IntoTopicName, Log, MemoryLog};

use super::{
    Hub,
    admission::limits::{LimitSettings, Limits},
    error::HubError,
    registry::HubShared,
    settings::Settings,
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
///     .max_age(Duration::from_secs(3_600))
///     .max_streams_per_address(100)
///     .build()?;
/// # Ok::<(), sse_actix::HubError>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
#[derive(Debug)]
pub struct HubBuilder {
    log: Option<Arc<dyn Log>>,
    settings: Settings,
    quotas: LimitSettings,
    proxies: Vec<String>,
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
            },
            quotas: LimitSettings::default(),
            proxies: Vec::new(),
        }
    }

    /// Where events are kept. Default: a [`MemoryLog`].
    pub fn log(mut self, log: impl Log) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// How one topic is kept and told.
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

    /// How all other topics are kept and told. Default: [`TopicOptions::log`].
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

    /// How long a client may leave events unread. After that its permit and its presence are given back, and its
    /// stream ends when the client reads again. To the second. Default: 30 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.settings.stall_timeout = timeout;
        self
    }

    /// How many streams there may be. Default: no limit. A client over the limit gets 200, a `retry` as long as
    /// [`overload_retry`](Self::overload_retry) says, and the end of the stream. An error status would make
    /// `EventSource` give up.
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.quotas.streams = Some(streams);
        self
    }

    /// How many streams may carry one tag. Default: no limit.
    pub fn max_streams_per_tag(mut self, streams: usize) -> Self {
        self.quotas.per_tag = Some(streams);
        self
    }

    /// How many streams one address may have, or one network of IPv6 (/64). Default: no limit. The address
    /// is the socket's, unless that is a [trusted proxy](Self::trusted_proxy).
    pub fn max_streams_per_address(mut self, streams: usize) -> Self {
        self.quotas.per_address = Some(streams);
        self
    }

    /// How many streams one address may open in a minute, be they new or reconnects. Default: no limit.
    pub fn max_connects_per_minute(mut self, connects: NonZeroU32) -> Self {
        self.quotas.per_minute = Some(connects);
        self
    }

    /// A proxy whose `Forwarded` or `X-Forwarded-For` header is believed: an address, or a network such as
    /// `10.0.0.0/8`. Default: none, and no header is believed. May be called several times.
    pub fn trusted_proxy(mut self, network: impl Into<String>) -> Self {
        self.proxies.push(network.into());
        self
    }

    /// After how long the clients come back that are turned away: a random time of this range each.
    /// Default: 30 s to 60 s.
    pub fn overload_retry(mut self, range: RangeInclusive<Duration>) -> Self {
        self.quotas.retry = range;
        self
    }

    /// The hub.
    ///
    /// # Errors
    ///
    /// [`HubError`], if this is a worker's thread, or a setting makes no sense.
    pub fn build(mut self) -> Result<Hub, HubError> {
        // How actix names the threads on which it runs factories and handlers.
        let thread = thread::current();
        if thread.name().is_some_and(|name| {
            name.starts_with("actix-server worker")
                || name.starts_with("actix-rt|") && name.contains("arbiter:")
        }) {
            return Err(HubError::OnWorker);
        }
        let proxies = self
            .proxies
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
        let of_topics = self.settings.topics.values();
        let of_prefixes = self.settings.prefixes.iter().map(|(_, options)| options);
        of_topics
            .chain(of_prefixes)
            .chain([&self.settings.default])
            .try_for_each(|options| options.check())?;
        // The longest first.
        self.settings
            .prefixes
            .sort_by_key(|(prefix, _)| usize::MAX - prefix.len());
        let log = self.log.unwrap_or_else(|| Arc::new(MemoryLog::new()));
        let limits = Limits::new(self.quotas, proxies);
        let signals = log.signals();
        let state = Arc::new(HubShared::new(log, self.settings, limits));
        if let Some(signals) = signals {
            let hub = Arc::downgrade(&state);
            signals.listen(Box::new(move |heard| {
                if let Some(hub) = hub.upgrade() {
                    hub.hear(heard);
                }
            }));
        }
        Ok(Hub(state))
    }
}

fn parse_network(text: &str) -> Option<IpNet> {
    IpNet::from_str(text)
        .ok()
        .or_else(|| IpAddr::from_str(text).ok().map(IpNet::from))
}
