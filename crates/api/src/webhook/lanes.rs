//! Which callbacks are in memory, and which of them is next.
//!
//! ```text
//! row ─▶ has its host room? ─▶ lane (of one call or conference, at one host) ─▶ one at a time ─▶ each host in turn
//!                 └─ no: this row and all later ones of the host stay in the table until there is
//! ```
//! A host may have as many rows in memory as there is room left for all others: one host that hangs takes half of the
//! memory, two take a third each, and there is always room for one that answers. Since the rows of a host are taken in
//! their order, one number says which of them are in the table only.
//!
//! The same rule holds for requests under way: a host has as many of them as are left for all others, and never more than
//! its bound. However many hosts hang, the next one that answers is told at once.

use std::collections::{HashMap, HashSet, VecDeque};

use store::OpenCallback;
use web::target;

use super::OutboxConfig;

/// What waits, by lane; and which lane is next, each host in turn.
#[derive(Debug)]
pub(super) struct Lanes {
    in_flight_max: usize,
    in_flight_per_host_max: usize,
    rows_max: usize,
    in_flight: usize,
    /// In memory, those under way included.
    rows: usize,
    /// Of the last row seen, taken or left in the table: those after it are new.
    seq: i64,
    /// Lanes with rows. Of one that is sending, the row that is sent is not there any more.
    lanes: HashMap<Lane, VecDeque<OpenCallback>>,
    /// Hosts that are being told something, or wait to be.
    hosts: HashMap<String, Host>,
    hosts_behind: usize,
    /// Hosts with a lane that may send now, each once.
    ready: VecDeque<String>,
}

/// What has an order: what one host is told of one call or conference. What two hosts are told has none, or the one
/// would wait for the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Lane {
    of: String,
    host: String,
}

#[derive(Debug, Default)]
struct Host {
    in_flight: usize,
    /// In memory, those under way included.
    rows: usize,
    /// Its rows after this `seq` that have been seen are in the table only.
    left_after: Option<i64>,
    /// Lanes that wait and send nothing.
    lanes: VecDeque<Lane>,
    is_ready: bool,
}

/// A row under way.
#[derive(Debug)]
pub(super) struct Sending(Lane);

impl Lanes {
    pub(super) fn new(config: &OutboxConfig) -> Self {
        Self {
            in_flight_max: config.in_flight_max.max(1),
            in_flight_per_host_max: config.in_flight_per_host_max.max(1),
            rows_max: config.rows_max.max(1),
            in_flight: 0,
            rows: 0,
            seq: 0,
            lanes: HashMap::new(),
            hosts: HashMap::new(),
            hosts_behind: 0,
            ready: VecDeque::new(),
        }
    }

    /// In memory, those under way included.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// For so many more.
    pub(super) fn room(&self) -> usize {
        self.rows_max.saturating_sub(self.rows)
    }

    /// Of the last row seen.
    pub(super) fn seq(&self) -> i64 {
        self.seq
    }

    /// Hosts with rows that are in the table only.
    pub(super) fn hosts_behind(&self) -> usize {
        self.hosts_behind
    }

    /// The next row in the order of the table; one that has been seen is nothing new. Without room for it it is left in
    /// the table.
    pub(super) fn put(&mut self, row: OpenCallback) {
        if row.seq <= self.seq {
            return;
        }
        self.seq = row.seq;
        let name = host(&row.url);
        let room = self.room();
        let host = self.hosts.entry(name.clone()).or_default();
        if host.left_after.is_some() {
            return;
        }
        if host.rows >= room {
            host.left_after = Some(row.seq - 1);
            self.hosts_behind += 1;
            return;
        }
        self.enter(row, name);
    }

    /// Where to read on in the table for hosts that have room again; if they have. Half of what they may have, so that a
    /// page is not read for each row.
    pub(super) fn behind_after(&self) -> Option<i64> {
        let room = self.room();
        if self.hosts_behind == 0 || room == 0 {
            return None;
        }
        self.hosts.values().filter(|host| host.rows <= room / 2).filter_map(|host| host.left_after).min()
    }

    /// A page of the table, of what is after that `seq`: takes what belongs to hosts that lack nothing before it.
    pub(super) fn catch_up(&mut self, after: i64, page: Vec<OpenCallback>, more: bool) {
        let (seq, until) = (self.seq, page.last().map_or(self.seq, |row| row.seq));
        let mut refused = HashSet::new();
        for row in page.into_iter().filter(|row| row.seq <= seq) {
            let name = host(&row.url);
            let room = self.room();
            let Some(host) = self.hosts.get_mut(&name) else { continue };
            if host.left_after.is_none_or(|left| left < after || left >= row.seq) {
                continue;
            }
            // Room only gets less within a page, so a host that has none for a row has none for a later one either.
            if host.rows >= room {
                refused.insert(name);
                continue;
            }
            host.left_after = Some(row.seq);
            self.enter(row, name);
        }
        let is_all = !more || until >= seq;
        for (name, host) in &mut self.hosts {
            let Some(left) = host.left_after.filter(|left| *left >= after && !refused.contains(name)) else { continue };
            host.left_after = (!is_all).then_some(left.max(until));
            self.hosts_behind -= usize::from(is_all);
        }
        self.hosts.retain(|_, host| !host.is_idle());
    }

    fn enter(&mut self, row: OpenCallback, host: String) {
        self.rows += 1;
        self.hosts.entry(host.clone()).or_default().rows += 1;
        let lane = Lane { of: row.lane.clone(), host };
        match self.lanes.get_mut(&lane) {
            Some(waiting) => waiting.push_back(row),
            None => {
                self.lanes.insert(lane.clone(), VecDeque::from([row]));
                self.line_up(lane);
            }
        }
    }

    /// A lane that sends nothing waits for a turn with its host.
    fn line_up(&mut self, lane: Lane) {
        let name = lane.host.clone();
        let host = self.hosts.entry(name.clone()).or_default();
        host.lanes.push_back(lane);
        if !host.is_ready && host.in_flight < self.in_flight_per_host_max {
            host.is_ready = true;
            self.ready.push_back(name);
        }
    }

    /// The next row that may be sent. Looks past as many hosts as have requests under way, at most.
    pub(super) fn next(&mut self) -> Option<(OpenCallback, Sending)> {
        let free = self.in_flight_max.saturating_sub(self.in_flight);
        let has_its_share = |name: &String| self.hosts.get(name).is_some_and(|host| host.in_flight >= free);
        let at = self.ready.iter().position(|name| !has_its_share(name))?;
        let name = self.ready.remove(at)?;
        let host = self.hosts.get_mut(&name)?;
        let lane = host.lanes.pop_front();
        let lane = lane.expect("a host that is ready has a lane that waits for it");
        host.in_flight += 1;
        self.in_flight += 1;
        host.is_ready = !host.lanes.is_empty() && host.in_flight < self.in_flight_per_host_max;
        if host.is_ready {
            self.ready.push_back(name);
        }
        let row = self.lanes.get_mut(&lane).and_then(VecDeque::pop_front);
        let row = row.expect("a lane that waits has a row");
        Some((row, Sending(lane)))
    }

    /// The row has been answered or given up.
    pub(super) fn done(&mut self, Sending(lane): Sending) {
        self.in_flight -= 1;
        self.rows -= 1;
        if let Some(host) = self.hosts.get_mut(&lane.host) {
            host.in_flight -= 1;
            host.rows -= 1;
            if host.is_idle() {
                self.hosts.remove(&lane.host);
            } else if !host.lanes.is_empty() && !host.is_ready {
                host.is_ready = true;
                self.ready.push_back(lane.host.clone());
            }
        }
        match self.lanes.get(&lane) {
            Some(waiting) if !waiting.is_empty() => self.line_up(lane),
            _ => drop(self.lanes.remove(&lane)),
        }
    }
}

impl Host {
    fn is_idle(&self) -> bool {
        self.rows == 0 && self.left_after.is_none()
    }
}

/// Host and port of a URL; of what is none, nothing, which fails by itself soon enough.
fn host(url: &str) -> String {
    match target::parse(url) {
        Ok(url) => {
            format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
        }
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use model::{AccountSid, CallbackKind, HttpMethod, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn row(seq: i64, lane: u8, host: u8) -> OpenCallback {
        OpenCallback {
            seq,
            event: None,
            id: seq.unsigned_abs().into(),
            lane: format!("CA{lane}"),
            account_sid: AccountSid::from_bits(1),
            call_sid: None,
            kind: CallbackKind::CallStatus,
            url: format!("http://host{host}/"),
            method: HttpMethod::Post,
            body: String::new(),
            is_json: false,
            created: Timestamp::from_micros(0),
        }
    }

    fn config(rows_max: usize) -> OutboxConfig {
        OutboxConfig { in_flight_max: 4, in_flight_per_host_max: 2, rows_max }
    }

    #[test]
    fn hosts_that_hang_leave_room_for_others() {
        for (hanging, share) in [(1, 512), (2, 341), (9, 102)] {
            let mut lanes = Lanes::new(&config(1_024));
            for seq in 1..=20_000 {
                lanes.put(row(seq, 1, (seq % hanging) as u8));
            }
            let of = |lanes: &Lanes, name: &str| lanes.hosts.get(name).map_or(0, |host| host.rows);
            assert!(of(&lanes, "host0:80").abs_diff(share) <= 1, "{hanging}: {}", of(&lanes, "host0:80"));
            assert_eq!(lanes.hosts_behind(), hanging as usize, "{hanging}");
            lanes.put(row(20_001, 1, 200));
            assert_eq!(of(&lanes, "host200:80"), 1, "{hanging}");
        }
    }

    #[test]
    fn however_many_hosts_hang_there_is_a_turn_for_one_more() {
        // So many hosts hang, and have so many requests under way each; so many are left.
        for (hanging, share, left) in [(1, 64, 192), (3, 64, 64), (4, 51, 51), (9, 25, 25), (100, 2, 2)] {
            let mut lanes = Lanes::new(&OutboxConfig::default());
            for seq in 1..=6_400 {
                lanes.put(row(seq, (seq / hanging % 64) as u8, (seq % hanging) as u8));
            }
            let sent: Vec<_> = std::iter::from_fn(|| lanes.next()).collect();
            let of = |host: i64| lanes.hosts.get(&format!("host{host}:80")).map_or(0, |host| host.in_flight);
            assert!((0..hanging).all(|host| (share..=share + 1).contains(&of(host))), "{hanging}");
            assert_eq!(lanes.in_flight_max - sent.len(), left, "{hanging}");
            lanes.put(row(6_401, 1, 200));
            let (row, sending) = lanes.next().expect("a turn");
            assert_eq!(row.url, "http://host200/", "{hanging}");
            lanes.done(sending);
            assert!(lanes.next().is_none(), "{hanging}: what hangs has what it may");
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Come { lane: u8, host: u8 },
        Send,
        Done(prop::sample::Index),
        CatchUp,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_u8, 0..5_u8).prop_map(|(lane, host)| Step::Come { lane, host }),
            2 => Just(Step::Send),
            2 => any::<prop::sample::Index>().prop_map(Step::Done),
            2 => Just(Step::CatchUp),
        ]
    }

    /// The outbox without time: lanes over a table.
    struct Desk {
        lanes: Lanes,
        table: Vec<OpenCallback>,
        sending: Vec<(OpenCallback, Sending)>,
        sent: HashMap<(String, String), Vec<i64>>,
    }

    impl Desk {
        fn send(&mut self) {
            while let Some((row, sending)) = self.lanes.next() {
                self.sent.entry((row.lane.clone(), row.url.clone())).or_default().push(row.seq);
                self.sending.push((row, sending));
            }
        }

        fn done(&mut self, at: usize) {
            let (row, sending) = self.sending.swap_remove(at);
            self.table.retain(|other| other.seq != row.seq);
            self.lanes.done(sending);
        }

        fn catch_up(&mut self, page_rows: usize) -> bool {
            let Some(after) = self.lanes.behind_after() else { return false };
            let mut page: Vec<_> = self.table.iter().filter(|row| row.seq > after).cloned().collect();
            let more = page.len() > page_rows;
            page.truncate(page_rows);
            self.lanes.catch_up(after, page, more);
            true
        }
    }

    proptest! {
        #[test]
        fn each_is_sent_once_and_in_its_order(
            steps in prop::collection::vec(step(), 0..300), rows_max in 1..20_usize, page_rows in 1..6_usize
        ) {
            let (lanes, table) = (Lanes::new(&config(rows_max)), Vec::new());
            let mut desk = Desk { lanes, table, sending: Vec::new(), sent: HashMap::new() };
            let mut want: HashMap<(String, String), Vec<i64>> = HashMap::new();
            for (seq, step) in (1..).zip(steps) {
                match step {
                    Step::Come { lane, host } => {
                        let row = row(seq, lane, host);
                        want.entry((row.lane.clone(), row.url.clone())).or_default().push(seq);
                        desk.table.push(row.clone());
                        desk.lanes.put(row.clone());
                        desk.lanes.put(row); // told of twice
                    }
                    Step::Send => desk.send(),
                    Step::Done(_) if desk.sending.is_empty() => {}
                    Step::Done(which) => desk.done(which.index(desk.sending.len())),
                    Step::CatchUp => drop(desk.catch_up(page_rows)),
                }
                prop_assert!(desk.lanes.rows() <= rows_max);
            }
            loop {
                while desk.catch_up(page_rows) {}
                desk.send();
                if desk.sending.is_empty() {
                    break;
                }
                desk.done(0);
            }
            prop_assert_eq!(&desk.sent, &want);
            prop_assert!(desk.lanes.hosts.is_empty() && desk.lanes.lanes.is_empty() && desk.table.is_empty());
            prop_assert_eq!((desk.lanes.rows(), desk.lanes.hosts_behind()), (0, 0));
        }
    }
}
