//! How fast bytes pass: so many a second in each direction, shared fairly between connections.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// How much a timer may be late without making the line slower.
const LATE: Duration = Duration::from_millis(20);

pub(super) struct Line {
    /// Bytes a second; 0 is no limit.
    rate: AtomicU64,
    /// When what has passed so far has left, in each direction. Who waits for the lock is served in order, one
    /// chunk each.
    free: [Mutex<Instant>; 2],
    passed: [AtomicU64; 2],
}

#[derive(Clone, Copy)]
pub(super) enum Direction {
    ToRedis = 0,
    FromRedis = 1,
}

impl Line {
    pub(super) fn new() -> Self {
        let now = || Mutex::new(Instant::now());
        Self {
            rate: AtomicU64::new(0),
            free: [now(), now()],
            passed: Default::default(),
        }
    }

    pub(super) fn set_rate(&self, bytes_a_second: u64) {
        self.rate.store(bytes_a_second, Ordering::Relaxed);
    }

    pub(super) fn passed(&self, direction: Direction) -> u64 {
        self.passed[direction as usize].load(Ordering::Relaxed)
    }

    /// Waits until so many bytes have passed.
    pub(super) async fn pass(&self, direction: Direction, bytes: usize) {
        let bytes = bytes as u64;
        let rate = self.rate.load(Ordering::Relaxed);
        if let Some(nanos) = (bytes * 1_000_000_000).checked_div(rate) {
            let mut free = self.free[direction as usize].lock().await;
            let begins = (*free).max(Instant::now() - LATE);
            *free = begins + Duration::from_nanos(nanos);
            sleep_until(*free).await;
        }
        self.passed[direction as usize].fetch_add(bytes, Ordering::Relaxed);
    }
}
