//! Sweeps rows of deleted topics, a few in each transaction.

use std::time::Duration;

use super::{
    Writer,
    delete::{self, Swept},
    transaction,
};

/// How long the writer rests between two sweeps, so that publishers wait for one at most.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the writer rests if it cannot sweep.
const REST: Duration = Duration::from_secs(1);

impl Writer {
    /// Sweeps some rows, and says when to sweep again.
    pub(super) fn sweep(&mut self) {
        if self.is_disk_full() {
            self.reserve.release();
        }
        let Some(connection) = &self.connection else {
            // The maintenance of topics opens the file again.
            return self.maintenance.sweep_after(REST);
        };
        let mut swept = Swept::Nothing;
        let done = transaction(connection, |connection| {
            swept = delete::sweep(connection)?;
            Ok(())
        });
        if let Err(failure) = done.and_then(|()| self.give_space_back().map(drop)) {
            self.maintenance.sweep_after(REST);
            return self.fail_maintenance(failure);
        }
        if let Swept::All(number) = swept {
            self.free_from = self.free_from.min(number);
        }
        if swept != Swept::Nothing {
            self.maintenance.sweep_after(PAUSE);
        }
    }
}
