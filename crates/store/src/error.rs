//! What can go wrong between a row and the disk.

use std::path::PathBuf;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory or a file in it cannot be made, opened or protected.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has this database open; two writers would end each other's calls.
    #[error("{path} is in use by another process")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The database is of another version, or a migration failed.
    #[error("migration of the database: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A text to be stored has a NUL character in it.
    #[error("{column} has a NUL character in it")]
    Nul {
        /// Where it should have gone.
        column: &'static str,
    },
    /// A stored value is not one we write.
    #[error("{column} holds {value:?}, which is none of its values")]
    Unreadable {
        /// Where it was read.
        column: &'static str,
        /// What was read.
        value: String,
    },
    /// The writer has stopped, or could not say what became of the batch.
    #[error("the writer has stopped")]
    WriterGone,
    /// Anything the database itself says: disk full, file damaged.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}
