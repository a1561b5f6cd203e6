//! The log in a file, in a folder of the test's own.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use sse_actix_core::log_suite::LogFactory;
use sse_actix_sqlite::{SqliteLog, Synchronous};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::sleep};

struct InFile {
    folder: TempDir,
    began: SystemTime,
    passed: AtomicU64,
    opened: AtomicU64,
}

impl InFile {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            began: SystemTime::now(),
            passed: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        }
    }
}

impl LogFactory for InFile {
    type Log = SqliteLog;

    const MODEL_RUNS: usize = 20;

    async fn open(&self) -> SqliteLog {
        let nth = self.opened.fetch_add(1, Ordering::SeqCst);
        let path = self.folder.path().join(format!("{nth}.db"));
        // What the suite looks at does not depend on when it is on disk.
        let log = SqliteLog::builder(path).synchronous(Synchronous::Off);
        log.reserve_bytes(0).open().unwrap()
    }

    fn now(&self) -> SystemTime {
        self.began + Duration::from_millis(self.passed.load(Ordering::SeqCst))
    }

    async fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.passed.fetch_add(millis, Ordering::SeqCst);
    }

    async fn rest(&self) {
        sleep(Duration::from_millis(5)).await;
    }
}

fn block_on(test: impl Future<Output = ()>) {
    Runtime::new().unwrap().block_on(test);
}

sse_actix_core::log_suite!(block_on, InFile::new());
