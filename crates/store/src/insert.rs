//! An insert of many rows, several to a statement: most of what a small statement costs is the way to the thread that
//! runs it, and back.
//!
//! `37 rows ─▶ 32 │ 4 │ 1`: powers of two, so that there are few texts, and each stays prepared.

use std::sync::OnceLock;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection};

use crate::StoreError;

/// A statement that adds rows to one table, however many.
pub(crate) struct Insert {
    /// Up to `VALUES`.
    head: &'static str,
    columns: usize,
    /// What follows the rows.
    tail: &'static str,
    /// For 1, 2, 4 … rows.
    texts: [OnceLock<String>; SIZES],
}

/// What the values of a row are given to, in the order of its columns.
pub(crate) type Bindings<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

impl Insert {
    pub(crate) const fn new(head: &'static str, columns: usize, tail: &'static str) -> Self {
        Self { head, columns, tail, texts: [const { OnceLock::new() }; SIZES] }
    }

    /// Adds the rows, in their order.
    pub(crate) async fn run<'q, T>(
        &'static self,
        rows: &'q [T],
        connection: &mut SqliteConnection,
        bind: impl Fn(Bindings<'q>, &'q T) -> Result<Bindings<'q>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut rest = rows;
        while let Some(size) = rest.len().checked_ilog2() {
            let size = (size as usize).min(SIZES - 1);
            let (these, others) = rest.split_at(1 << size);
            let text = self.texts[size].get_or_init(|| self.text(these.len()));
            let bound = these.iter().try_fold(sqlx::query(text.as_str()), &bind)?;
            bound.execute(&mut *connection).await?;
            rest = others;
        }
        Ok(())
    }

    /// Values without numbers: SQLite looks for each number from the first on.
    fn text(&self, rows: usize) -> String {
        let mut text = self.head.to_owned();
        for number in 0..rows * self.columns {
            text.push_str(match (number % self.columns, number) {
                (0, 0) => " (?",
                (0, _) => "), (?",
                _ => ", ?",
            });
        }
        text + ") " + self.tail
    }
}

/// 1, 2, 4, 8, 16 or 32 rows to a statement.
const SIZES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_values() {
        let insert = Insert::new("INSERT INTO t (a, b) VALUES", 2, "ON CONFLICT (a) DO NOTHING");
        for (rows, want) in [
            (1, "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO NOTHING"),
            (2, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) ON CONFLICT (a) DO NOTHING"),
        ] {
            assert_eq!(insert.text(rows), want);
        }
    }
}
