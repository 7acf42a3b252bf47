//! The event log: what happened in conferences, to calls and in queues, each account's own, oldest first; of all accounts
//! no more than [`EVENTS_MAX`], [`FLEETING_MAX`] and [`EVENTS_KEPT_FOR`]. Where it is too much, whoever has the most goes
//! without its oldest: nobody's load empties the log of another.
//!
//! What goes is remembered by how far it went: whoever wants to go on from before that is told that there is a gap.
//! Who speaks is of the moment and goes sooner; that is no gap.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use model::{AccountEvent, AccountSid, CallSid, ConferenceSid, LegStats, QueueSid, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use crate::column::{number, storable, text, text_if, time, word_if};
use crate::insert::{Bindings, Insert};
use crate::select::Select;
use crate::{Rows, Store, StoreError, leg_stats};

/// One event of the log, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its place among all events.
    pub seq: i64,
    /// Its name on the wire.
    pub name: String,
    /// The conference it happened in, if it did in one.
    pub conference_sid: Option<ConferenceSid>,
    /// The call or participant it is about, if it is about one.
    pub call_sid: Option<CallSid>,
    /// The queue it happened in, if it did in one.
    pub queue_sid: Option<QueueSid>,
    /// When.
    pub at: Timestamp,
    /// Its parameters, in the contract's spelling.
    pub parameters: BTreeMap<String, String>,
    /// What a leg did, where the event tells that.
    pub leg_stats: Option<LegStats>,
}

impl From<&AccountEvent> for LoggedEvent {
    /// As it will be read.
    fn from(event: &AccountEvent) -> Self {
        Self {
            seq: event.seq(),
            name: event.name().to_owned(),
            conference_sid: event.conference_sid(),
            call_sid: event.call_sid(),
            queue_sid: event.queue_sid(),
            at: event.at(),
            parameters: event.parameters().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            leg_stats: event.leg_stats().copied(),
        }
    }
}

/// How far an account's log reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogBounds {
    /// The last event that has been removed, but for those of the moment; 0: none has. Whoever has seen it misses nothing.
    pub pruned: i64,
    /// The last event there is; 0: there has been none.
    pub newest: i64,
    /// The last one of all accounts. One of the moment may be gone, so that a place beyond `newest` was one all the same;
    /// beyond this there has been none.
    pub highest: i64,
}

impl Store {
    /// This account's events after `seq`, oldest first, at most `limit`; and how far the log reached at that moment.
    pub async fn events(
        &self,
        account: AccountSid,
        seq: i64,
        limit: u32,
    ) -> Result<(Rows<LoggedEvent>, LogBounds), StoreError> {
        // One transaction, so that nothing is removed between the two.
        let mut snapshot = self.readers.begin().await?;
        let bounds = bounds(account, &mut snapshot).await?;
        let rows = Select::new("SELECT * FROM events WHERE")
            .push(" account_sid = ", account.to_string())
            .next_after(seq, limit, &mut *snapshot, decode)
            .await?;
        Ok((rows, bounds))
    }

    /// How far this account's log reaches.
    pub async fn log_bounds(&self, account: AccountSid) -> Result<LogBounds, StoreError> {
        bounds(account, &mut *self.readers.acquire().await?).await
    }
}

async fn bounds(account: AccountSid, connection: &mut SqliteConnection) -> Result<LogBounds, StoreError> {
    const BOUNDS: &str = "SELECT COALESCE((SELECT seq FROM events_pruned WHERE account_sid = $1), 0) AS pruned, \
        COALESCE((SELECT MAX(seq) FROM events WHERE account_sid = $1), 0) AS newest, \
        COALESCE((SELECT MAX(seq) FROM events), 0) AS highest";
    let row = sqlx::query(BOUNDS).bind(account.to_string()).fetch_one(connection).await?;
    let pruned = number(&row, "pruned")?;
    let newest = number(&row, "newest")?.max(pruned);
    Ok(LogBounds { pruned, newest, highest: number(&row, "highest")?.max(newest) })
}

/// Adds the events. One that is there already stays as it is.
pub(crate) async fn save(events: &[&AccountEvent], connection: &mut SqliteConnection) -> Result<(), StoreError> {
    static SAVE: Insert = Insert::new(
        "INSERT INTO events (seq, account_sid, type, conference_sid, call_sid, queue_sid, data, leg_stats, created, \
            fleeting) VALUES",
        10,
        "ON CONFLICT (seq) DO NOTHING",
    );
    fn bind<'q>(row: Bindings<'q>, event: &'q &AccountEvent) -> Result<Bindings<'q>, StoreError> {
        let parameters: BTreeMap<_, _> = event.parameters().into_iter().collect();
        for value in parameters.values() {
            storable(value, "events.data")?;
        }
        let data = serde_json::to_string(&parameters).expect("texts by texts cannot fail to serialize");
        Ok(row
            .bind(event.seq())
            .bind(event.account_sid().to_string())
            .bind(event.name())
            .bind(event.conference_sid().map(|sid| sid.to_string()))
            .bind(event.call_sid().map(|sid| sid.to_string()))
            .bind(event.queue_sid().map(|sid| sid.to_string()))
            .bind(data)
            .bind(event.leg_stats().map(leg_stats::encode))
            .bind(event.at().micros())
            .bind(i64::from(event.is_fleeting())))
    }
    SAVE.run(events, connection, bind).await
}

fn decode(row: &SqliteRow) -> Result<LoggedEvent, StoreError> {
    let data = text(row, "data")?;
    let parameters =
        serde_json::from_str(&data).map_err(|_| StoreError::Unreadable { column: "data", value: data.clone() })?;
    Ok(LoggedEvent {
        seq: number(row, "seq")?,
        name: text(row, "type")?,
        conference_sid: word_if(row, "conference_sid")?,
        call_sid: word_if(row, "call_sid")?,
        queue_sid: word_if(row, "queue_sid")?,
        at: time(row, "created")?,
        parameters,
        leg_stats: text_if(row, "leg_stats")?.map(|text| leg_stats::decode(text, "leg_stats")).transpose()?,
    })
}

/// Keeps the log within its bounds, a few rows at a time, so that no writer waits for it.
#[derive(Debug)]
pub(crate) struct Pruning {
    lasting: Kind,
    fleeting: Kind,
    /// Rows added since the last look.
    added: u64,
}

/// Events of one kind: those that last, or those of the moment.
#[derive(Debug)]
struct Kind {
    /// In the log, of each account: counted once, and kept up to date.
    rows: BTreeMap<AccountSid, u64>,
    /// Of all accounts.
    rows_max: u64,
    /// Removes the oldest of one account.
    remove: &'static str,
}

impl Pruning {
    /// Counts what is there.
    pub(crate) async fn begin(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        const COUNT: &str = "SELECT account_sid, fleeting, COUNT(*) AS n FROM events GROUP BY account_sid, fleeting";
        let mut counted = Self::of([], []);
        for row in sqlx::query(COUNT).fetch_all(connection).await? {
            let rows: i64 = row.try_get("n")?;
            counted.kind(is_fleeting(&row)?).rows.insert(account(&row)?, rows.unsigned_abs());
        }
        Ok(counted)
    }

    fn of<const L: usize, const F: usize>(lasting: [(AccountSid, u64); L], fleeting: [(AccountSid, u64); F]) -> Self {
        Self {
            lasting: Kind { rows: lasting.into(), rows_max: EVENTS_MAX, remove: REMOVE_LASTING },
            fleeting: Kind { rows: fleeting.into(), rows_max: FLEETING_MAX, remove: REMOVE_FLEETING },
            added: LOOK_EVERY,
        }
    }

    fn kind(&mut self, is_fleeting: bool) -> &mut Kind {
        if is_fleeting { &mut self.fleeting } else { &mut self.lasting }
    }

    /// These have been added.
    pub(crate) fn added<'a>(&mut self, events: impl Iterator<Item = &'a AccountEvent>) {
        for event in events {
            self.added += 1;
            *self.kind(event.is_fleeting()).rows.entry(event.account_sid()).or_default() += 1;
        }
    }

    /// So much has been added that it is time to look for what is too old or too much.
    pub(crate) fn is_due(&self) -> bool {
        self.added >= LOOK_EVERY
    }

    /// Removes what is too old, or too much, [`PRUNED_MAX`] rows of each at most; `newest`: the time of the latest event.
    pub(crate) async fn prune(
        &mut self,
        connection: &mut SqliteConnection,
        newest: Timestamp,
    ) -> Result<(), sqlx::Error> {
        const TOO_OLD: &str = "DELETE FROM events WHERE created < $1 \
            AND seq IN (SELECT seq FROM events ORDER BY seq LIMIT $2) RETURNING account_sid, seq, fleeting";
        let since = newest.micros().saturating_sub(i64::try_from(EVENTS_KEPT_FOR.as_micros()).unwrap_or(i64::MAX));
        let old = sqlx::query(TOO_OLD).bind(since).bind(PRUNED_MAX).fetch_all(&mut *connection).await?;
        let mut more = old.len() as u64 >= PRUNED_MAX.unsigned_abs();
        remember(&old, connection).await?;
        for row in old {
            self.kind(is_fleeting(&row)?).is_gone(account(&row)?, 1);
        }
        for kind in [&mut self.lasting, &mut self.fleeting] {
            more |= kind.prune(connection).await?;
        }
        // Where more is left to be removed than one look takes, the next event is reason enough to look again.
        self.added = if more { LOOK_EVERY } else { 0 };
        Ok(())
    }
}

impl Kind {
    fn all(&self) -> u64 {
        self.rows.values().sum()
    }

    /// So many of that account's have been removed.
    fn is_gone(&mut self, account: AccountSid, count: u64) {
        if let Entry::Occupied(mut rows) = self.rows.entry(account) {
            *rows.get_mut() = rows.get().saturating_sub(count);
            if *rows.get() == 0 {
                rows.remove();
            }
        }
    }

    /// Removes what is too much from whoever has the most; true if there is still too much.
    async fn prune(&mut self, connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        let over = self.all().saturating_sub(self.rows_max);
        let most = self.rows.iter().max_by_key(|(_, rows)| **rows).map(|(account, rows)| (*account, *rows));
        let Some((account, rows)) = most.filter(|_| over > 0) else { return Ok(false) };
        // No more than half of what it has: by then somebody else may have the most.
        let count = i64::try_from(over.min(rows.div_ceil(2))).unwrap_or(i64::MAX).min(PRUNED_MAX);
        let removed =
            sqlx::query(self.remove).bind(account.to_string()).bind(count).fetch_all(&mut *connection).await?;
        remember(&removed, connection).await?;
        self.is_gone(account, removed.len() as u64);
        Ok(self.all() > self.rows_max)
    }
}

fn account(row: &SqliteRow) -> Result<AccountSid, sqlx::Error> {
    let text: String = row.try_get("account_sid")?;
    text.parse().map_err(|reason| sqlx::Error::Decode(Box::<model::SidError>::new(reason)))
}

fn is_fleeting(row: &SqliteRow) -> Result<bool, sqlx::Error> {
    Ok(row.try_get::<i64, _>("fleeting")? == 1)
}

const REMOVE_LASTING: &str = "DELETE FROM events WHERE seq IN \
    (SELECT seq FROM events WHERE account_sid = $1 AND fleeting = 0 ORDER BY seq LIMIT $2) \
    RETURNING account_sid, seq, fleeting";

/// There are few of them, so that looking among those of all accounts is less than among all of one.
const REMOVE_FLEETING: &str = "DELETE FROM events WHERE seq IN \
    (SELECT seq FROM events INDEXED BY events_fleeting WHERE fleeting = 1 AND account_sid = $1 ORDER BY seq LIMIT $2) \
    RETURNING account_sid, seq, fleeting";

/// Keeps in mind how far each account's log has been removed.
async fn remember(removed: &[SqliteRow], connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const REMEMBER: &str = "INSERT INTO events_pruned (account_sid, seq) VALUES ($1, $2) \
        ON CONFLICT (account_sid) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > events_pruned.seq";
    let mut last = BTreeMap::<String, i64>::new();
    for row in removed {
        if !is_fleeting(row)? {
            let (account, seq): (_, i64) = (row.try_get("account_sid")?, row.try_get("seq")?);
            last.entry(account).and_modify(|last| *last = seq.max(*last)).or_insert(seq);
        }
    }
    for (account, seq) in last {
        sqlx::query(REMEMBER).bind(account).bind(seq).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Events kept at most, of all accounts.
pub const EVENTS_MAX: u64 = 500_000;

/// The same for those of the moment, which would otherwise push all others out.
pub const FLEETING_MAX: u64 = 10_000;

/// How long an event is kept.
pub const EVENTS_KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Rows after which the log is looked at.
const LOOK_EVERY: u64 = 500;

/// Rows removed at once; more than are added between two looks.
const PRUNED_MAX: i64 = 1_000;

#[cfg(test)]
mod tests {
    use model::{CallStatus, ConferenceEvent, Happening, ReasonParticipantLeft};

    use super::*;
    use crate::testing::{ACCOUNT, event, open, participant};
    use crate::{Row, Writer};

    fn logged(event: ConferenceEvent) -> Row {
        Row::Event(event.into())
    }

    async fn seqs(store: &Store, after: i64, limit: u32) -> (Vec<i64>, bool) {
        let (page, _) = store.events(ACCOUNT, after, limit).await.expect("reads");
        (page.rows.iter().map(|event| event.seq).collect(), page.more)
    }

    #[tokio::test]
    async fn the_log_reads_in_order_page_by_page() {
        let (_scratch, store) = open().await;
        let mut foreign = event(3);
        foreign.account_sid = AccountSid::from_bits(7);
        for event in [event(0), event(1), event(2), foreign, event(4), event(1)] {
            store.commit(&[Row::Event(event.into())]).await.expect("writes");
        }
        for (after, limit, want) in [
            (0, 10, (vec![1, 2, 3, 5], false)),
            (0, 2, (vec![1, 2], true)),
            (2, 2, (vec![3, 5], false)),
            (5, 2, (vec![], false)),
            (i64::MAX, 2, (vec![], false)),
        ] {
            assert_eq!(seqs(&store, after, limit).await, want, "after {after}, {limit}");
        }
    }

    #[tokio::test]
    async fn an_event_comes_back_as_it_was_told() {
        let (_scratch, store) = open().await;
        let stats = LegStats { packets_in: 7, level_in_db: -20, ..LegStats::default() };
        let mut left = event(0);
        let participant = participant(left.conference_sid, 3);
        left.happening = Happening::Left {
            participant: participant.clone(),
            call_status: CallStatus::Completed,
            reason: ReasonParticipantLeft::HungUp,
            stats: Some(Box::new(stats)),
        };
        left.friendly_name = "caf\u{e9} \"quoted\"".to_owned();
        store.commit(&[Row::Event(left.clone().into())]).await.expect("writes");
        let kept = store.events(ACCOUNT, 0, 1).await.expect("reads").0.rows.remove(0);
        assert_eq!((kept.name.as_str(), kept.at, kept.call_sid), (left.name(), left.at, Some(participant.call_sid)));
        assert_eq!((kept.conference_sid, kept.leg_stats), (Some(left.conference_sid), Some(stats)));
        let told = left.parameters().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        assert_eq!(kept.parameters, told);

        left.friendly_name = "a\0b".to_owned();
        left.seq = 2;
        assert!(matches!(store.commit(&[Row::Event(left.into())]).await, Err(StoreError::Nul { .. })));
    }

    #[tokio::test]
    async fn what_is_too_old_or_too_much_goes_and_the_rest_stays() {
        let (_scratch, store) = open().await;
        let writer = Writer::start(store.clone(), 8);
        let week = EVENTS_KEPT_FOR.as_secs();
        // Events of the first five minutes, and some a week and 150 seconds after the first of them.
        let late = |number: u64| {
            let mut event = event(number);
            event.at = Timestamp::from_micros(i64::try_from((week + 150) * 1_000_000).expect("small"));
            event
        };
        writer.write((0..300).map(event).map(logged).collect()).await.expect("writes");
        assert_eq!(seqs(&store, 0, 1).await.0, [1]);
        writer.write((300..800).map(late).map(logged).collect()).await.expect("writes");
        writer.close().await;
        let (kept, more) = seqs(&store, 0, 1_000).await;
        assert_eq!((kept[0], kept.len(), more), (151, 650, false), "what is a week old to the second stays");
    }

    #[tokio::test]
    async fn of_what_is_too_much_the_oldest_goes_and_who_speaks_before_what_else_happened() {
        let (_scratch, store) = open().await;
        let spoken = |number| {
            let mut event = event(number);
            event.happening = Happening::Speaker { call: None };
            event
        };
        store.commit(&(0..200).map(event).map(logged).collect::<Vec<_>>()).await.expect("writes");
        store.commit(&(200..1_400).map(spoken).map(logged).collect::<Vec<_>>()).await.expect("writes");
        let mut connection = store.writer.acquire().await.expect("the one there is");
        let counted = Pruning::begin(&mut connection).await.expect("counts");
        assert_eq!((counted.lasting.all(), counted.fleeting.all()), (200, 1_200));

        let mut pruning = Pruning::of([(ACCOUNT, EVENTS_MAX + 120)], [(ACCOUNT, FLEETING_MAX + 1_100)]);
        let newest = Timestamp::from_micros(0);
        pruning.prune(&mut connection, newest).await.expect("prunes");
        assert_eq!((pruning.lasting.all(), pruning.fleeting.all()), (EVENTS_MAX, FLEETING_MAX + 100));
        assert!(pruning.is_due(), "the rest goes with the next event");
        pruning.prune(&mut connection, newest).await.expect("prunes");
        assert!(!pruning.is_due());
        drop(connection);
        let (kept, _) = seqs(&store, 0, 10_000).await;
        assert_eq!(kept, (121..=200).chain(1_301..=1_400).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn who_has_the_most_goes_without_its_oldest() {
        let (_scratch, store) = open().await;
        let quiet = AccountSid::from_bits(7);
        // The oldest of all are the other account's.
        let whose = |number: u64| if number < 20 { quiet } else { ACCOUNT };
        let rows = (0..120).map(|number| logged(ConferenceEvent { account_sid: whose(number), ..event(number) }));
        store.commit(&rows.collect::<Vec<_>>()).await.expect("writes");
        let mut connection = store.writer.acquire().await.expect("the one there is");
        let mut pruning = Pruning::begin(&mut connection).await.expect("counts");
        pruning.lasting.rows_max = 30;
        let newest = Timestamp::from_micros(0);
        for (looks, of_loud, of_quiet) in [(0, 100, 20), (1, 50, 20), (2, 25, 20), (3, 12, 20), (4, 12, 18)] {
            let left = |account| pruning.lasting.rows.get(&account).copied();
            assert_eq!((left(ACCOUNT), left(quiet)), (Some(of_loud), Some(of_quiet)), "after {looks}");
            assert_eq!(pruning.is_due(), looks < 4);
            pruning.prune(&mut connection, newest).await.expect("prunes");
        }
        drop(connection);
        assert_eq!(seqs(&store, 0, 1_000).await.0, (109..=120).collect::<Vec<_>>());
        let pruned = store.log_bounds(quiet).await.expect("reads").pruned;
        assert_eq!(pruned, 2, "and it is told so");
    }

    #[tokio::test]
    async fn the_log_is_read_from_its_index() {
        let (_scratch, store) = open().await;
        for sql in [
            "SELECT * FROM events WHERE account_sid = 'a' AND seq > 5 ORDER BY seq ASC LIMIT 50",
            "SELECT seq FROM events ORDER BY seq LIMIT 50",
            "SELECT seq FROM events WHERE account_sid = 'a' AND fleeting = 0 ORDER BY seq LIMIT 50",
            "SELECT seq FROM events INDEXED BY events_fleeting WHERE fleeting = 1 AND account_sid = 'a' \
                ORDER BY seq LIMIT 50",
        ] {
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan = sqlx::query(explain).fetch_all(&store.readers).await.expect("explains");
            let plan: Vec<String> = plan.iter().map(|row| text(row, "detail").expect("has a detail")).collect();
            assert!(plan.len() == 1 && plan[0].contains("INDEX"), "{sql}: {plan:?}");
        }
    }
}
