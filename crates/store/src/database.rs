//! The database file: opening, protecting and migrating it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{Account, AccountSid, ApiKey, ApiKeySid};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, SqlSafeStr};

use crate::StoreError;
use crate::recent::Recent;

/// The open database. Cloning it is cheap; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) readers: SqlitePool,
    /// One connection, so that writes happen in the order they are handed in.
    pub(crate) writer: SqlitePool,
    /// One more, which takes what has been written over into the file while others go on writing.
    pub(crate) checkpointer: SqlitePool,
    pub(crate) recent_accounts: Arc<Recent<AccountSid, Account>>,
    /// With what their secrets hash to.
    pub(crate) recent_keys: Arc<Recent<ApiKeySid, (ApiKey, String)>>,
    /// Held as long as the database is open, so that no second process takes our live calls for interrupted ones.
    _lock: Option<Arc<File>>,
}

impl Store {
    /// Opens the database file at `path`, making it and its directory if need be (readable by the owner only), and
    /// brings its tables up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = protect(path)?;
        let writer = writer(path).await?;
        migrations().run(&writer).await?;
        // Readers after that: what they see are the tables of today.
        Ok(Self::over(path, readers(path).await?, writer, Some(lock)))
    }

    /// Opens the database of a bridge that runs, to add to it what that bridge does not keep in mind: keys, not calls.
    pub async fn open_beside(path: &Path) -> Result<Self, StoreError> {
        let writer = writer(path).await?;
        Ok(Self::over(path, readers(path).await?, writer, None))
    }

    fn over(path: &Path, readers: SqlitePool, writer: SqlitePool, lock: Option<File>) -> Self {
        let checkpointer = SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options(path));
        let (recent_accounts, recent_keys) = (Arc::default(), Arc::default());
        Self { readers, writer, checkpointer, recent_accounts, recent_keys, _lock: lock.map(Arc::new) }
    }

    /// Takes what has been committed over into the file, and waits for the disk; who reads or writes does not wait for us.
    /// How long the log of commits is then, in pages.
    pub(crate) async fn checkpoint(&self) -> Result<i64, sqlx::Error> {
        let done = sqlx::query(CHECKPOINT).fetch_one(&self.checkpointer).await?;
        done.try_get("log")
    }

    /// The same between two commits. Right after a checkpoint little is left to be done, and then all is: the next commit
    /// begins the log anew.
    pub(crate) async fn finish_checkpoint(&self) -> Result<(), sqlx::Error> {
        sqlx::query(CHECKPOINT).execute(&self.writer).await?;
        Ok(())
    }

    /// Waits for what is under way and closes the files.
    pub async fn close(&self) {
        self.readers.close().await;
        self.checkpointer.close().await;
        self.writer.close().await;
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // A crash of the program loses nothing, a crash of the machine may lose the last commits.
        .synchronous(SqliteSynchronous::Normal)
        .pragma("wal_autocheckpoint", WAL_PAGES_MAX)
        .busy_timeout(BUSY_MAX)
}

async fn writer(path: &Path) -> Result<SqlitePool, StoreError> {
    Ok(SqlitePoolOptions::new().max_connections(1).connect_with(options(path)).await?)
}

async fn readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let options = options(path).read_only(true);
    Ok(SqlitePoolOptions::new().max_connections(READERS_MAX).connect_with(options).await?)
}

/// Makes directory and files with the owner's rights only, before SQLite would make them with everybody's; its
/// `-wal` and `-shm` files copy the rights of the database file.
fn protect(path: &Path) -> Result<File, StoreError> {
    let named = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| StoreError::File { path, source }
    };
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(named(directory))?;
    }
    let open = |path: &Path| -> Result<File, StoreError> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(named(path))?;
        file.set_permissions(Permissions::from_mode(0o600)).map_err(named(path))?;
        Ok(file)
    };
    open(path)?;
    let lock_path = path.with_extension("lock");
    let lock = open(&lock_path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: lock_path }),
        Err(TryLockError::Error(source)) => Err(StoreError::File { path: lock_path, source }),
    }
}

/// Every step from an empty file to today's tables. A step that was released is never edited, only followed.
fn migrations() -> Migrator {
    let step = |version, description: &'static str, sql: &'static str| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        step(1, "accounts, calls, conferences, participants", include_str!("../migrations/sqlite/0001_resources.sql")),
        step(2, "events, what legs did", include_str!("../migrations/sqlite/0002_events.sql")),
        step(3, "tuning of participants", include_str!("../migrations/sqlite/0003_tuning.sql")),
        step(4, "outbox, notifications, events of calls", include_str!("../migrations/sqlite/0004_outbox.sql")),
        step(5, "what accounts set up", include_str!("../migrations/sqlite/0005_directory.sql")),
        step(6, "keys of accounts", include_str!("../migrations/sqlite/0006_api_keys.sql")),
        step(7, "more about calls", include_str!("../migrations/sqlite/0007_calls.sql")),
        step(8, "phones that are registered", include_str!("../migrations/sqlite/0008_registrations.sql")),
        step(9, "one log of all that happens", include_str!("../migrations/sqlite/0009_account_events.sql")),
        step(10, "what TaskRouter keeps", include_str!("../migrations/sqlite/0010_routing.sql")),
        step(11, "main keys", include_str!("../migrations/sqlite/0011_main_keys.sql")),
        step(12, "statistics of TaskRouter", include_str!("../migrations/sqlite/0012_statistics.sql")),
        step(13, "what keys sign with", include_str!("../migrations/sqlite/0013_signing_secrets.sql")),
        step(14, "what the end of a worker's leg makes", include_str!("../migrations/sqlite/0014_work_end.sql")),
        step(15, "events of workspaces, counted", include_str!("../migrations/sqlite/0015_router_events.sql")),
        step(16, "what workflows did before", include_str!("../migrations/sqlite/0016_workflow_revisions.sql")),
    ])
}

/// Connections for reading; each is a thread that waits for the disk.
const READERS_MAX: u32 = 4;

/// Takes commits over as far as nobody needs them where they are; waits for nobody.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Pages of the log of commits after which each commit would do all of that itself: 256 MB, which it does not come to where
/// a [`Writer`](crate::Writer) runs.
const WAL_PAGES_MAX: &str = "65536";

/// How long a statement waits for another's lock. With one writer and WAL only a checkpoint takes one.
const BUSY_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ACCOUNT, conference, participant};

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn files_are_the_owners_alone() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("data/partyline.db");
        let store = Store::open(&path).await.expect("opens");
        assert_eq!(mode(path.parent().expect("has one")), 0o700);
        for file in ["partyline.db", "partyline.db-wal", "partyline.db-shm", "partyline.lock"] {
            assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
        }
        store.close().await;
    }

    #[tokio::test]
    async fn a_second_opener_is_refused_until_the_first_is_gone() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("partyline.db");
        let store = Store::open(&path).await.expect("opens");
        assert!(matches!(Store::open(&path).await, Err(StoreError::InUse { .. })));
        store.close().await;
        drop(store);
        Store::open(&path).await.expect("opens again, with its tables there already");
    }

    #[tokio::test]
    async fn a_file_of_an_older_version_is_brought_up_to_date_with_what_is_in_it() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("partyline.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await.expect("connects");
        let before_tuning = migrations().iter().take(2).cloned().collect();
        Migrator::with_migrations(before_tuning).run(&pool).await.expect("migrates");
        let ana = participant(conference(0).sid, 0);
        sqlx::query(
            "INSERT INTO participants (conference_sid, call_sid, account_sid, muted, hold, coaching, \
                start_conference_on_enter, end_conference_on_exit, beep_on_exit, status, created, updated, seq) \
            VALUES ($1, $2, $3, 0, 0, 0, 1, 0, 0, 'connected', $4, $5, $6)",
        )
        .bind(ana.conference_sid.to_string())
        .bind(ana.call_sid.to_string())
        .bind(ana.account_sid.to_string())
        .bind(ana.created.micros())
        .bind(ana.updated.micros())
        .bind(ana.seq)
        .execute(&pool)
        .await
        .expect("writes");
        pool.close().await;
        let store = Store::open(&path).await.expect("opens");
        let found = store.participant(ACCOUNT, ana.conference_sid, ana.call_sid).await.expect("reads");
        assert_eq!(found, Some(ana), "as if it had always had what is new");
    }

    #[tokio::test]
    async fn something_else_than_a_database_is_refused() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let path = scratch.path().join("partyline.db");
        std::fs::write(&path, b"not a database, but long enough to be taken for one; ".repeat(20)).expect("writes");
        assert!(Store::open(&path).await.is_err());
    }
}
