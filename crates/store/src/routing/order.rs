//! Lists in an order that is asked for: by columns that may change while a list is read, the place in it told by values.

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;

use crate::select::Select;
use crate::{Rows, StoreError};

/// What a list of a workspace may be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderBy {
    /// When it was made: the order of all lists, and the last resort of each.
    Created,
    /// When it was last changed.
    Updated,
    /// Of tasks.
    Priority,
    /// Of tasks.
    VirtualStart,
    /// Of workers: when their activity changed.
    StatusChanged,
}

impl OrderBy {
    const fn column(self) -> &'static str {
        match self {
            Self::Created => "seq",
            Self::Updated => "updated",
            Self::Priority => "priority",
            Self::VirtualStart => "virtual_start",
            Self::StatusChanged => "status_changed",
        }
    }
}

/// One column of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderColumn {
    /// Which.
    pub by: OrderBy,
    /// The greatest first.
    pub descending: bool,
}

/// An order, by up to so many columns before the row's own place decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOrder(Vec<OrderColumn>);

impl ListOrder {
    /// By these, the first first. What follows [`OrderBy::Created`] cannot matter, since no two rows agree on that.
    pub fn new(columns: impl IntoIterator<Item = OrderColumn>) -> Self {
        let mut order = Self::default();
        for column in columns {
            let is_last = order.0.last().is_some_and(|last| last.by == OrderBy::Created);
            if !is_last && !order.0.iter().any(|known| known.by == column.by) {
                order.0.push(column);
            }
        }
        order
    }

    /// By creation alone, the newest first.
    pub fn newest_first() -> Self {
        Self::new([OrderColumn { by: OrderBy::Created, descending: true }])
    }

    /// What tells a row's place besides its `seq`: one value each.
    pub fn keys(&self) -> impl Iterator<Item = OrderBy> {
        self.0.iter().map(|column| column.by).filter(|by| *by != OrderBy::Created)
    }

    /// With the row's own place at the end.
    fn columns(&self) -> impl Iterator<Item = OrderColumn> {
        let is_last = self.0.last().is_some_and(|last| last.by == OrderBy::Created);
        let own = (!is_last).then_some(OrderColumn { by: OrderBy::Created, descending: false });
        self.0.iter().copied().chain(own)
    }
}

/// Where in such a list a row stands: its values of [`ListOrder::keys`], and its `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPlace {
    /// One for each key.
    pub keys: Vec<i64>,
    /// The row's.
    pub seq: i64,
}

/// One page of an ordered list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// At most so many rows.
    pub size: u32,
    /// In which order.
    pub order: ListOrder,
    /// From where; from the beginning without.
    pub from: Option<ListFrom>,
}

/// Where a page begins, or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListFrom {
    /// With the row that follows.
    After(ListPlace),
    /// It ends with the row before.
    Before(ListPlace),
}

impl Select {
    /// Runs it for one page of an ordered list.
    pub(super) async fn list<T>(
        mut self,
        page: &ListPage,
        readers: &SqlitePool,
        decode: impl Fn(&SqliteRow) -> Result<T, StoreError>,
    ) -> Result<Rows<T>, StoreError> {
        let columns: Vec<OrderColumn> = page.order.columns().collect();
        let is_backwards = matches!(page.from, Some(ListFrom::Before(_)));
        let descending = |column: &OrderColumn| column.descending != is_backwards;
        if let Some(ListFrom::After(place) | ListFrom::Before(place)) = &page.from {
            let mut keys = place.keys.iter().copied();
            let values = columns.iter().map(|column| match column.by {
                OrderBy::Created => place.seq,
                _ => keys.next().unwrap_or_default(),
            });
            let values: Vec<i64> = values.collect();
            // Said twice of the first column: as a range of an index, and where rows agree on it.
            if let (Some(first), Some(value)) = (columns.first(), values.first()) {
                let bound = if descending(first) { " <= " } else { " >= " };
                self = self.text(" AND ").text(first.by.column()).push(bound, *value);
            }
            self = self.text(" AND (");
            for (column, value) in columns.iter().zip(&values) {
                let beyond = if descending(column) { " < " } else { " > " };
                self = self.text(column.by.column()).push(beyond, *value);
                if column.by != OrderBy::Created {
                    self = self.text(" OR (").text(column.by.column()).push(" = ", *value).text(" AND (");
                }
            }
            for column in &columns {
                self = self.text(if column.by == OrderBy::Created { ")" } else { "))" });
            }
        }
        let mut separator = " ORDER BY ";
        for column in &columns {
            self = self.text(separator).text(column.by.column());
            self = self.text(if descending(column) { " DESC" } else { " ASC" });
            separator = ", ";
        }
        let one_more = i64::from(page.size) + i64::from(!is_backwards); // tells whether rows follow
        let mut rows = self.push(" LIMIT ", one_more).all(readers, decode).await?;
        let more = is_backwards || rows.len() > page.size as usize; // backwards: the row this page was asked from
        if is_backwards {
            rows.reverse();
        }
        rows.truncate(page.size as usize);
        Ok(Rows { rows, more })
    }
}
