//! The feed: an account's log from a place on, and then what is added to it as it is committed.
//!
//! Whoever subscribes follows first and reads then, so that nothing falls between the two; what is heard of what has been
//! read already is passed over by its `seq`, which only grows. Who falls behind reads again from the log:
//!
//! ```text
//! follow ─▶ read after 7: 8 9 10 ─▶ hear: (9 10) 11 12 … Lagged ─▶ read after 12: 13 … 90 ─▶ hear: 91 …
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use model::{AccountSid, CallSid, ConferenceSid, EventsLost, QueueSid, TaskRouterEvent, WorkerSid};
use store::{LoggedEvent, Row, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::auth::Standing;
use crate::event_bridge::listeners;
use crate::fanout::{Fanout, FanoutBounds, Follower, Heard, NotFollowed};
use crate::metrics::{Metric, Reading};

/// Everything that can be followed.
#[derive(Debug)]
pub struct Feeds {
    /// Told when credentials may be good no longer.
    credentials: watch::Sender<()>,
    /// Places of those who follow by WebSocket, so that their last words can be waited for.
    sockets: Arc<Semaphore>,
    events: Arc<Fanout<AccountSid, Arc<LoggedEvent>>>,
    workers: Arc<Fanout<WorkerSid, Arc<TaskRouterEvent>>>,
}

impl Default for Feeds {
    fn default() -> Self {
        Self::new(EVENTS_BOUNDS)
    }
}

impl Feeds {
    /// `events`: how many may follow the logs of accounts, and how far each may fall behind before it reads again.
    pub fn new(events: FanoutBounds) -> Self {
        Self {
            credentials: watch::Sender::new(()),
            sockets: Arc::new(Semaphore::new(SOCKETS_MAX)),
            events: Arc::new(Fanout::new(events)),
            workers: Arc::new(Fanout::new(WORKERS_BOUNDS)),
        }
    }

    /// To be called with the rows of each batch after its commit, in the order of the commits.
    pub fn committed(&self, rows: &[Row]) {
        let mut events = rows.iter().filter_map(Row::event).peekable();
        while let Some(first) = events.peek() {
            // A batch is of one account nearly always; where it is not, the order of each is kept all the same.
            let account = first.account_sid();
            self.events.publish(&account, || {
                std::iter::from_fn(|| events.next_if(|event| event.account_sid() == account))
                    .map(|event| Arc::new(LoggedEvent::from(event)))
                    .collect::<Vec<_>>()
            });
            while events.next_if(|event| event.account_sid() == account).is_some() {}
        }
        for row in rows {
            if let Row::TaskRouterEvent(event) = row {
                for worker in listeners(event) {
                    self.workers.publish(&worker, || [Arc::clone(event)]);
                }
            }
        }
    }

    /// What happens to workers, once it is committed. Nothing is kept for who lags.
    pub(crate) fn workers(&self) -> &Arc<Fanout<WorkerSid, Arc<TaskRouterEvent>>> {
        &self.workers
    }

    /// Nothing more will happen: whoever follows is told.
    pub fn close(&self) {
        self.events.close();
        self.workers.close();
    }

    /// After [`close`](Self::close): until everybody who follows by WebSocket has been told.
    pub async fn told(&self) {
        drop(self.sockets.acquire_many(u32::try_from(SOCKETS_MAX).unwrap_or(u32::MAX)).await);
    }

    /// A place for one who follows by WebSocket, kept until it has heard our last word.
    pub(crate) fn socket_place(&self) -> Result<OwnedSemaphorePermit, FeedEnded> {
        Arc::clone(&self.sockets).try_acquire_owned().map_err(|_| FeedEnded::TooMany)
    }

    /// Credentials may be good no longer: whoever follows by them is to look.
    pub(crate) fn credentials_changed(&self) {
        self.credentials.send_replace(());
    }

    pub(crate) fn credential_changes(&self) -> watch::Receiver<()> {
        self.credentials.subscribe()
    }

    /// Subscribes to an account's log after `after`, or from now on.
    pub(crate) async fn subscribe(
        &self,
        store: &Store,
        account: AccountSid,
        after: Option<i64>,
        filter: Filter,
    ) -> Result<Subscription, FeedEnded> {
        let follower = self.events.follow(account)?;
        let bounds = store.log_bounds(account).await?;
        let seen = match after {
            Some(after) if after < bounds.pruned || after > bounds.highest => {
                return Err(FeedEnded::OutOfRange { after, first: bounds.pruned, last: bounds.newest });
            }
            Some(after) => after,
            None => bounds.newest,
        };
        let is_behind = after.is_some();
        let (store, read) = (store.clone(), VecDeque::new());
        Ok(Subscription { store, account, follower, filter, seen, is_behind, read, standing: None })
    }

    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let counts = self.events.counts();
        let counter = |name, help, count: u64| (name, help, Reading::Counter(count as f64)); // exact up to 2^53
        let rows = [
            (
                "partyline_event_followers",
                "Who follows the log of an account.",
                Reading::Gauge(counts.followers as f64),
            ),
            counter("partyline_event_followers_refused_total", "Those for whom there was no room.", counts.refused),
            counter(
                "partyline_event_followers_lagged_total",
                "How often one had to read the log again.",
                counts.lagged,
            ),
        ];
        rows.map(|(name, help, reading)| Metric { name, help, labels: Vec::new(), reading }).into()
    }
}

/// Which events are wanted; all, where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Names, or with an asterisk at the end their beginnings. None: all.
    pub(crate) types: Vec<String>,
    pub(crate) conference: Option<ConferenceSid>,
    pub(crate) call: Option<CallSid>,
    pub(crate) queue: Option<QueueSid>,
}

impl Filter {
    /// Of a gap everybody is told: nobody knows what is missing.
    fn admits(&self, event: &LoggedEvent) -> bool {
        if event.name == EventsLost::NAME {
            return true;
        }
        let named = |wanted: &String| match wanted.strip_suffix('*') {
            Some(begin) => event.name.starts_with(begin),
            None => event.name == *wanted,
        };
        (self.types.is_empty() || self.types.iter().any(named))
            && self.conference.is_none_or(|sid| event.conference_sid == Some(sid))
            && self.call.is_none_or(|sid| event.call_sid == Some(sid))
            && self.queue.is_none_or(|sid| event.queue_sid == Some(sid))
    }
}

/// One who follows an account's log.
pub(crate) struct Subscription {
    store: Store,
    account: AccountSid,
    follower: Follower<AccountSid, Arc<LoggedEvent>>,
    filter: Filter,
    /// The last event that was heard or read, wanted or not.
    seen: i64,
    /// There may be more in the log than was heard.
    is_behind: bool,
    /// Read from the log, and not handed out yet.
    read: VecDeque<LoggedEvent>,
    /// The credentials by which it is allowed.
    standing: Option<Standing>,
}

impl Subscription {
    /// The same, for as long as these credentials are good.
    pub(crate) fn by(self, standing: Standing) -> Self {
        Self { standing: Some(standing), ..self }
    }

    /// The next event that is wanted, as soon as it is there. Nothing is lost if this is given up while it waits.
    pub(crate) async fn next(&mut self) -> Result<Arc<LoggedEvent>, FeedEnded> {
        loop {
            if let Some(standing) = self.standing.as_mut().filter(|standing| standing.is_due())
                && !standing.look().await
            {
                return Err(FeedEnded::NotPermitted);
            }
            let event = match self.read.pop_front() {
                Some(event) => Arc::new(event),
                None if self.is_behind => {
                    self.read().await?;
                    continue;
                }
                None => tokio::select! {
                    heard = self.follower.next() => match heard {
                        Heard::Item(event) => event,
                        Heard::Lagged => {
                            self.is_behind = true;
                            continue;
                        }
                        Heard::Closed => return Err(FeedEnded::Closed),
                    },
                    () = due(&mut self.standing) => continue,
                },
            };
            if event.seq > self.seen {
                self.seen = event.seq;
                if self.filter.admits(&event) {
                    return Ok(event);
                }
            }
        }
    }

    /// Reads on in the log.
    async fn read(&mut self) -> Result<(), FeedEnded> {
        let (page, bounds) = self.store.events(self.account, self.seen, PAGE_ROWS).await?;
        if bounds.pruned > self.seen {
            return Err(FeedEnded::OutOfRange { after: self.seen, first: bounds.pruned, last: bounds.newest });
        }
        self.is_behind = page.more;
        self.read = page.rows.into();
        Ok(())
    }
}

/// Waits until credentials are to be looked at.
async fn due(standing: &mut Option<Standing>) {
    match standing {
        Some(standing) => standing.due().await,
        None => std::future::pending().await,
    }
}

/// Why nothing more comes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedEnded {
    /// The log does not reach there: what came after has been removed, or nothing ever did.
    #[error("the log does not reach back to {after}: it begins after {first} and ends with {last}")]
    OutOfRange { after: i64, first: i64, last: i64 },
    /// As many follow as may.
    #[error("too many follow already")]
    TooMany,
    /// The credentials are good no longer.
    #[error("the credentials are not valid any more")]
    NotPermitted,
    /// The bridge stops.
    #[error("the bridge stops")]
    Closed,
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Store(#[from] StoreError),
}

impl From<NotFollowed> for FeedEnded {
    fn from(why: NotFollowed) -> Self {
        match why {
            NotFollowed::TooMany => Self::TooMany,
            NotFollowed::Closed => Self::Closed,
        }
    }
}

/// Events read from the log at once.
const PAGE_ROWS: u32 = 500;

/// Who follows the logs of accounts, by WebSocket and gRPC together. What waits for one is shared with all others.
const EVENTS_BOUNDS: FanoutBounds = FanoutBounds { followers_max: 1_024, followers_per_key_max: 256, queue_max: 1_024 };

/// Who follows by WebSocket: as many as may follow at all.
const SOCKETS_MAX: usize = EVENTS_BOUNDS.followers_max;

/// Workers' screens: as many as workers may be not offline, and some who have several. What waits for one is shared.
const WORKERS_BOUNDS: FanoutBounds = FanoutBounds { followers_max: 16_384, followers_per_key_max: 16, queue_max: 256 };

#[cfg(test)]
mod tests {
    use model::{AccountEvent, ConferenceEvent, Happening, Timestamp};
    use store::Writer;
    use tempfile::TempDir;

    use super::*;

    const ACCOUNT: AccountSid = AccountSid::from_bits(0xACC);

    /// A store, and a writer that tells the feeds.
    struct Desk {
        store: Store,
        writer: Writer,
        feeds: Arc<Feeds>,
        scratch: TempDir,
    }

    impl Desk {
        async fn with(bounds: FanoutBounds) -> Self {
            Self::on(tempfile::tempdir().expect("a scratch directory"), bounds).await
        }

        async fn on(scratch: TempDir, bounds: FanoutBounds) -> Self {
            let store = Store::open(&scratch.path().join("partyline.db")).await.expect("opens");
            let feeds = Arc::new(Feeds::new(bounds));
            let told = Arc::clone(&feeds);
            let writer = Writer::start_watched(store.clone(), 1_024, Box::new(move |rows| told.committed(rows)));
            Self { store, writer, feeds, scratch }
        }

        async fn happens(&self, seqs: std::ops::RangeInclusive<i64>) {
            self.writer.write(seqs.map(|seq| event(seq, seq)).collect()).await.expect("writes");
        }

        async fn subscribe(&self, after: Option<i64>) -> Result<Subscription, FeedEnded> {
            self.feeds.subscribe(&self.store, ACCOUNT, after, Filter::default()).await
        }
    }

    fn event(seq: i64, seconds: i64) -> Row {
        Row::Event(AccountEvent::Conference(ConferenceEvent {
            seq,
            account_sid: ACCOUNT,
            conference_sid: ConferenceSid::from_bits(if seq % 2 == 0 { 2 } else { 1 }),
            friendly_name: "standup".to_owned(),
            sequence_number: 1,
            at: Timestamp::from_micros(seconds * 1_000_000),
            happening: Happening::Started,
        }))
    }

    async fn seqs(events: &mut Subscription, count: usize) -> Vec<i64> {
        let mut seqs = Vec::new();
        for _ in 0..count {
            seqs.push(events.next().await.expect("goes on").seq);
        }
        seqs
    }

    fn out_of_range<T>(outcome: Result<T, FeedEnded>) -> Option<(i64, i64, i64)> {
        match outcome.err()? {
            FeedEnded::OutOfRange { after, first, last } => Some((after, first, last)),
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn what_is_kept_comes_first_and_then_what_happens() {
        let desk = Desk::with(EVENTS_BOUNDS).await;
        desk.happens(1..=1_203).await;
        let mut all = desk.subscribe(Some(0)).await.expect("subscribes");
        let mut some = desk.subscribe(Some(1_201)).await.expect("subscribes");
        let mut new = desk.subscribe(None).await.expect("subscribes");
        let of = Filter {
            types: vec!["conference-*".to_owned()],
            conference: Some(ConferenceSid::from_bits(2)),
            ..Filter::default()
        };
        let mut of_one = desk.feeds.subscribe(&desk.store, ACCOUNT, Some(1_199), of).await.expect("subscribes");
        desk.happens(1_204..=1_206).await;
        assert_eq!(seqs(&mut all, 1_206).await, (1..=1_206).collect::<Vec<_>>());
        assert_eq!(seqs(&mut some, 5).await, (1_202..=1_206).collect::<Vec<_>>());
        assert_eq!(seqs(&mut new, 3).await, [1_204, 1_205, 1_206]);
        assert_eq!(seqs(&mut of_one, 4).await, [1_200, 1_202, 1_204, 1_206]);
    }

    #[tokio::test]
    async fn of_what_could_not_be_kept_everybody_is_told_in_its_place() {
        let desk = Desk::with(EVENTS_BOUNDS).await;
        let mut follows = desk.subscribe(None).await.expect("subscribes");
        let of = Filter { types: vec!["queue-*".to_owned()], ..Filter::default() };
        let mut of_queues = desk.feeds.subscribe(&desk.store, ACCOUNT, None, of).await.expect("subscribes");
        desk.happens(1..=2).await;
        for seq in 3..=4 {
            let mut bad = event(seq, seq);
            if let Row::Event(AccountEvent::Conference(event)) = &mut bad {
                event.friendly_name = "no\0database keeps this".to_owned();
            }
            desk.writer.write(vec![event(10 * seq, seq), bad]).await.expect_err("fails as a whole");
        }
        desk.happens(50..=50).await;
        let mut reads = desk.subscribe(Some(1)).await.expect("subscribes");
        for (case, events, want) in [
            ("follows", &mut follows, &[1, 2, 30, 40, 50][..]),
            ("reads", &mut reads, &[2, 30, 40, 50]),
            ("follows queues", &mut of_queues, &[30, 40]),
        ] {
            for want in want {
                let event = events.next().await.expect("goes on");
                let lost = event.parameters.get("EventsLost").map(String::as_str);
                let first = event.parameters.get("FirstSeq").map(String::as_str);
                let missing = match want {
                    30 => (Some("2"), Some("3")),
                    40 => (Some("2"), Some("4")),
                    _ => (None, None),
                };
                assert_eq!((event.seq, (lost, first)), (*want, missing), "{case}");
            }
        }
    }

    #[tokio::test]
    async fn who_subscribes_while_much_happens_misses_nothing_and_sees_nothing_twice() {
        let desk = Desk::with(FanoutBounds { queue_max: 7, ..EVENTS_BOUNDS }).await;
        let write = async {
            for seq in 1..=400 {
                desk.happens(seq..=seq).await;
            }
        };
        let read = async {
            let mut seen = Vec::new();
            while seen.last() != Some(&400) {
                // Away and back again, from where it was.
                let mut events = desk.subscribe(Some(seen.last().copied().unwrap_or(0))).await.expect("subscribes");
                seen.extend(seqs(&mut events, 25.min(400 - seen.len())).await);
            }
            seen
        };
        let ((), seen) = tokio::join!(write, read);
        assert_eq!(seen, (1..=400).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn who_is_slow_reads_again_what_it_could_not_keep() {
        let desk = Desk::with(FanoutBounds { queue_max: 2, ..EVENTS_BOUNDS }).await;
        let mut slow = desk.subscribe(None).await.expect("subscribes");
        desk.happens(1..=900).await;
        assert_eq!(seqs(&mut slow, 10).await, (1..=10).collect::<Vec<_>>());
        desk.happens(901..=1_000).await;
        assert_eq!(seqs(&mut slow, 990).await, (11..=1_000).collect::<Vec<_>>());
        desk.happens(1_001..=1_001).await;
        assert_eq!(seqs(&mut slow, 1).await, [1_001], "and follows again");
        assert!(desk.feeds.events.counts().lagged >= 1);
    }

    #[tokio::test]
    async fn a_place_in_the_log_outlives_a_restart() {
        let desk = Desk::with(EVENTS_BOUNDS).await;
        desk.happens(1..=5).await;
        let Desk { writer, store, scratch, .. } = desk;
        writer.close().await;
        store.close().await;
        drop(store);
        let desk = Desk::on(scratch, EVENTS_BOUNDS).await;
        let mut events = desk.subscribe(Some(3)).await.expect("subscribes");
        desk.happens(6..=6).await;
        assert_eq!(seqs(&mut events, 3).await, [4, 5, 6]);
    }

    #[tokio::test]
    async fn a_place_that_the_log_does_not_have_is_told_so() {
        let desk = Desk::with(EVENTS_BOUNDS).await;
        assert_eq!(out_of_range(desk.subscribe(Some(1)).await), Some((1, 0, 0)), "nothing has ever happened");
        let mut early = desk.subscribe(Some(0)).await.expect("subscribes");
        let week = i64::try_from(store::EVENTS_KEPT_FOR.as_secs()).expect("small");
        desk.writer.write(vec![event(1, 0), event(2, 0), event(3, week + 1)]).await.expect("writes");
        // Batches are looked at one after the other, so what was removed for the first is gone by now.
        desk.writer.write(vec![event(4, week + 1)]).await.expect("writes");
        for (after, want) in [(0, Some((0, 2, 4))), (1, Some((1, 2, 4))), (2, None), (4, None), (5, Some((5, 2, 4)))] {
            assert_eq!(out_of_range(desk.subscribe(Some(after)).await), want, "after {after}");
        }
        assert_eq!(out_of_range(early.next().await), Some((0, 2, 4)), "who was too slow for that long is told, too");

        // Of the moment, 6 is gone by now; that there was one is known of what happened to somebody else.
        let mut foreign = event(7, week + 1);
        if let Row::Event(AccountEvent::Conference(event)) = &mut foreign {
            event.account_sid = AccountSid::from_bits(7);
        }
        desk.writer.write(vec![foreign]).await.expect("writes");
        let mut late = desk.subscribe(Some(6)).await.expect("has missed nothing");
        desk.happens(8..=8).await;
        assert_eq!(seqs(&mut late, 1).await, [8]);
    }

    #[tokio::test]
    async fn followers_are_bounded_and_told_of_the_end() {
        let desk = Desk::with(FanoutBounds { followers_per_key_max: 1, ..EVENTS_BOUNDS }).await;
        let mut only = desk.subscribe(None).await.expect("subscribes");
        assert!(matches!(desk.subscribe(None).await, Err(FeedEnded::TooMany)));
        desk.happens(1..=1).await;
        desk.feeds.close();
        assert_eq!(seqs(&mut only, 1).await, [1], "what has happened is told first");
        assert!(matches!(only.next().await, Err(FeedEnded::Closed)));
    }
}
