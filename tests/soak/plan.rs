//! How long, how many, and which random numbers.

use std::{
    env,
    str::FromStr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::{Instant, sleep, sleep_until};

/// More descriptors than this the server has only if it does not come to close what was left.
const CROWD: usize = 800;

/// What the environment asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) duration: Duration,
    /// How many connections are opened.
    pub(crate) opens: u64,
    pub(crate) seed: u64,
    /// Whether the honest clients' latency is checked: a machine with other work to do cannot promise it.
    pub(crate) strict: bool,
}

impl Plan {
    pub(crate) fn of_environment() -> Self {
        Self {
            duration: Duration::from_secs(variable("SOAK_SECONDS").unwrap_or(60)),
            opens: variable("SOAK_OPENS").unwrap_or(30_000),
            seed: variable("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..)),
            strict: env::var_os("SOAK_STRICT").is_some(),
        }
    }

    /// To warm up by.
    pub(crate) fn tenth(self) -> Self {
        Self {
            duration: self.duration / 10,
            opens: self.opens / 10,
            ..self
        }
    }

    /// The random numbers of one client.
    pub(crate) fn rng(self, kind: u64, nth: u64) -> Rng {
        let mut rng = Rng::with_seed(self.seed ^ (kind << 32) ^ nth);
        // Seeds that differ little begin alike.
        rng.fork()
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let value = env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
    )
}

/// A plan that is being carried out.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) began: Instant,
    opened: AtomicU64,
    /// The server has yet to close many connections that their clients have left.
    is_crowded: AtomicBool,
    finished: AtomicBool,
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            began: Instant::now(),
            opened: AtomicU64::new(0),
            is_crowded: AtomicBool::new(false),
            finished: AtomicBool::new(false),
        }
    }

    /// The first minute, or the first sixth of a run that is short.
    pub(crate) fn quiet_until(&self) -> Instant {
        self.began + (self.plan.duration / 6).min(Duration::from_secs(60))
    }

    /// Waits until it is time for one connection more. `false` when there were as many as planned.
    pub(crate) async fn next(&self) -> bool {
        let nth = self.opened.fetch_add(1, Ordering::Relaxed);
        if nth >= self.plan.opens {
            return false;
        }
        let nanos = self.plan.duration.as_nanos() * u128::from(nth) / u128::from(self.plan.opens);
        let at = Duration::from_nanos(u64::try_from(nanos).unwrap());
        sleep_until(self.began + at).await;
        // On a machine that is too busy the run takes longer.
        while self.is_crowded.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(50)).await;
        }
        true
    }

    /// The server has so many descriptors.
    pub(crate) fn server_has(&self, descriptors: usize) {
        self.is_crowded.store(descriptors > CROWD, Ordering::Relaxed);
    }

    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed).min(self.plan.opens)
    }

    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished.load(Ordering::SeqCst)
    }

    pub(crate) fn report(&self) {
        println!("{} connections in {:.0?}", self.opened(), self.began.elapsed());
    }
}
