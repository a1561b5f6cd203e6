//! The thread that writes: group commit, and the recovery after a failure.

mod batch;
mod delete;
mod maintain;
mod retention;
mod space;
mod sweep;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode};
use sse_actix_core::AppendError;

use self::{batch::Batch, maintain::Maintenance};
use crate::{
    cause::Cause, error::OpenError, file, file_lock::FileLock, in_place::InPlace, queue::Command,
    reserve::Reserve, rows, shared::Shared, topic::Topic,
};

/// How many events one transaction takes. More of them do not make it faster.
const BATCH: usize = 256;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// `None` after a failure, until the file is open again.
    connection: Option<Connection>,
    /// Released last, when everything is closed; `None` then.
    lock: Option<FileLock>,
    reserve: Reserve,
    maintenance: Maintenance,
    /// Every topic number below this one is in use.
    free_from: i64,
    /// Topics of a commit whose outcome is unknown, until the file is open again.
    doubtful: Vec<Arc<Topic>>,
    /// The threads that read. They end before the file is closed.
    pub(crate) file_readers: Vec<JoinHandle<()>>,
}

/// The failure of a transaction.
#[derive(Debug)]
enum Failure {
    /// Nothing of it was written.
    Refused(Cause),
    /// It may have been written.
    Unknown(Cause),
}

impl Writer {
    /// Opens the file, which no other process has.
    pub(crate) fn open(shared: Arc<Shared>, mut lock: FileLock) -> Result<Self, OpenError> {
        let reserve = Reserve::new(&shared.settings.path, shared.settings.reserve_bytes);
        let mut maintenance = Maintenance::new();
        let connection = match file::open(&shared.settings, &mut lock) {
            Err(error) if error.is_disk_full() => {
                // The log accepts no events until retention has made room for the reserve again.
                reserve.release();
                shared.state.failed(&Cause::DiskFull);
                maintenance.hurry();
                file::open(&shared.settings, &mut lock)?
            }
            opened => {
                let connection = opened?;
                if let Err(error) = reserve.take() {
                    tracing::warn!(target: "sse_actix", %error, "there is no room for the reserve of the log");
                }
                connection
            }
        };
        let in_place = InPlace::of(&shared.settings.path).map_err(|source| OpenError::Io {
            path: shared.settings.path.clone(),
            source,
        })?;
        let _ = shared.in_place.set(in_place);
        begin_unpublished(&shared, &connection).map_err(|source| OpenError::Sqlite {
            path: shared.settings.path.clone(),
            source,
        })?;
        let unswept = delete::first_unswept(&connection).map_err(|source| OpenError::Sqlite {
            path: shared.settings.path.clone(),
            source,
        })?;
        if unswept.is_some() {
            maintenance.sweep_after(Duration::ZERO);
        }
        shared.state.measure(&shared.settings.path);
        Ok(Self {
            shared,
            connection: Some(connection),
            lock: Some(lock),
            reserve,
            maintenance,
            free_from: 0,
            doubtful: Vec::new(),
            file_readers: Vec::new(),
        })
    }

    /// Writes until the log is closed.
    pub(crate) fn run(mut self) {
        let queue = Arc::clone(&self.shared.queue);
        while let Some(commands) = queue.take(BATCH, self.maintenance.rest()) {
            if !commands.is_empty() {
                self.write(commands);
            }
            if self.maintenance.is_due() {
                self.maintain();
            }
        }
        if let Some(connection) = &self.connection
            && let Err(error) = file::note_closed(connection)
        {
            tracing::warn!(target: "sse_actix", %error, "the log was not closed in order");
        }
    }

    /// Writes the waiting events in one transaction, shows them to the readers, and answers the publishers.
    fn write(&mut self, commands: Vec<Command>) {
        let mut batch = Batch::new(commands);
        let written = match self.ready() {
            Err(cause) => Err(Failure::Refused(cause)),
            Ok(()) => self.transaction(&mut batch),
        };
        match written {
            Ok(took) => {
                self.shared.state.committed(took);
                self.shared.state.recovered();
                batch.succeeded();
            }
            Err(failure) => {
                self.fail(&failure, &batch);
                let is_full = matches!(&failure, Failure::Refused(cause) if cause.is_full());
                let deletes = if is_full { batch.take_deletes() } else { Vec::new() };
                batch.failed(&failure);
                if !deletes.is_empty() {
                    self.delete_although_full(deletes);
                }
            }
        }
    }

    /// Deletes topics although there is no room for events: deleting makes room.
    fn delete_although_full(&mut self, deletes: Vec<Command>) {
        let fault = self.shared.state.fault();
        if matches!(fault, Some(Cause::DiskFull)) {
            self.reserve.release();
            if self.connection.is_none() {
                self.reopen();
            }
        }
        let mut batch = Batch::new(deletes);
        let written = match fault.filter(|_| self.connection.is_none()) {
            Some(cause) => Err(Failure::Refused(cause)),
            None => self.transaction(&mut batch),
        };
        match written {
            Ok(took) => {
                self.shared.state.committed(took);
                batch.succeeded();
                self.maintenance.hurry();
            }
            Err(failure) => {
                self.fail(&failure, &batch);
                batch.failed(&failure);
            }
        }
    }

    /// The reason why nothing can be written now.
    fn ready(&mut self) -> Result<(), Cause> {
        self.shared.check_in_place()?;
        if let Some(cause) = self.shared.state.fault()
            && (self.connection.is_none() || matches!(cause, Cause::DiskFull))
        {
            // The next maintenance tries again to write.
            return Err(cause);
        }
        self.has_room()
    }

    /// Checks that the file has not reached its limit.
    fn has_room(&self) -> Result<(), Cause> {
        let limit = self.shared.settings.max_file_bytes;
        if limit < u64::MAX
            && let Some(connection) = &self.connection
        {
            let used = space::used_bytes(connection)?;
            if used >= limit {
                return Err(Cause::FileFull { used, limit });
            }
        }
        Ok(())
    }

    fn transaction(&mut self, batch: &mut Batch) -> Result<Duration, Failure> {
        let Some(connection) = &self.connection else {
            return Err(Failure::Refused(Cause::Closed));
        };
        let began = Instant::now();
        let mut free_from = self.free_from;
        transaction(connection, |connection| {
            batch.write(connection, &self.shared, &mut free_from)
        })?;
        self.free_from = free_from;
        if batch.has_deleted() {
            self.maintenance.sweep_after(Duration::ZERO);
        }
        Ok(began.elapsed())
    }

    /// Called after a failed transaction: the rows in memory may be wrong.
    fn fail(&mut self, failure: &Failure, batch: &Batch) {
        batch.forget_heads();
        let (Failure::Refused(cause) | Failure::Unknown(cause)) = failure;
        let cause = &self.explain(cause.clone());
        let before = self.shared.state.fault();
        let is_new = before.is_none_or(|before| matches!(before, Cause::FileFull { .. }));
        self.shared.state.failed(cause);
        if matches!(cause, Cause::FileFull { .. } | Cause::Replaced(_)) {
            // The connection stays open: with it, the events of a file that is put back are not lost.
            return;
        }
        if matches!(cause, Cause::DiskFull) && is_new {
            self.maintenance.hurry();
        }
        if matches!(failure, Failure::Refused(Cause::DiskFull)) {
            return;
        }
        if matches!(failure, Failure::Unknown(_)) {
            self.doubtful.extend(batch.topics());
        }
        self.connection = None;
        // The maintenance tries it again later.
        if is_new {
            self.reopen();
        }
    }

    /// The cause. If writing failed because there is no room, the cause is [`Cause::DiskFull`].
    fn explain(&self, cause: Cause) -> Cause {
        if cause.is_failed_write() && self.reserve.is_disk_full() {
            Cause::DiskFull
        } else {
            cause
        }
    }

    /// Opens the file again. Then the file shows which events of an unknown outcome it has, and readers read their
    /// topics again.
    fn reopen(&mut self) {
        if let Err(cause) = self.shared.check_in_place() {
            // The file that is there now is another one.
            return self.shared.state.failed(&cause);
        }
        match file::reopen(&self.shared.settings) {
            Ok(connection) => {
                self.connection = Some(connection);
                self.free_from = 0;
                for topic in self.doubtful.drain(..) {
                    *topic.row() = None;
                    topic.forget();
                    topic.watchers.wake();
                }
            }
            Err(error) => self.shared.state.failed(&self.explain(error.into())),
        }
    }
}

impl Writer {
    /// Fails everything that will not be done any more after a panic, so that no caller waits for it.
    fn refuse_rest(&self) {
        for command in self.shared.queue.take_rest() {
            if let Command::Append(append) = command {
                drop(append.permit);
                let _ = append.reply.send(Err(AppendError::Refused(Cause::Closed.into())));
            }
        }
        self.shared.refuse_waiting();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.to_read.close();
        for thread in self.file_readers.drain(..) {
            // If the thread has panicked, it has logged that.
            let _ = thread.join();
        }
        self.refuse_rest();
        self.connection = None;
        // Another process may have the file as soon as `close` returns.
        self.lock = None;
        self.shared.state.close();
    }
}

/// Reads the epochs of topics to which nobody has published, and begins another shared number of them if it is time.
fn begin_unpublished(shared: &Shared, connection: &Connection) -> rusqlite::Result<()> {
    shared.unpublished.load(connection)?;
    let now = rows::millis(shared.clock.now());
    if shared.unpublished.is_due(now)
        && let Err(error) = shared.unpublished.renew(connection, now)
    {
        // The disk may be full, for example. The next number is written again.
        tracing::warn!(target: "sse_actix", %error, "a position in a topic without events may not survive a restart");
    }
    Ok(())
}

/// Runs `change` in a transaction.
fn transaction(
    connection: &Connection,
    change: impl FnOnce(&Connection) -> Result<(), Cause>,
) -> Result<(), Failure> {
    let run = |sql| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
    };
    let refused = |error: rusqlite::Error| Failure::Refused(error.into());
    run("BEGIN IMMEDIATE").map_err(refused)?;
    let undo = || {
        // After some errors SQLite has rolled back by itself.
        if !connection.is_autocommit()
            && let Err(error) = run("ROLLBACK")
        {
            tracing::error!(target: "sse_actix", %error, "a transaction was not rolled back");
        }
    };
    if let Err(cause) = change(connection) {
        undo();
        return Err(Failure::Refused(cause));
    }
    match run("COMMIT") {
        Ok(_) => Ok(()),
        Err(error) => {
            undo();
            // Only for this error it is certain that nothing was written.
            match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => Err(Failure::Refused(Cause::DiskFull)),
                _ => Err(Failure::Unknown(error.into())),
            }
        }
    }
}
