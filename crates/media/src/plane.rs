//! The audio plane as its caller sees it: commands in, events out.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::message::{Command, Event};
use crate::socket::Wires;
use crate::stats::ThreadStats;

/// How the audio plane is set up; read once, at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Media threads, each on a core of its own while there are enough.
    pub threads: usize,
    /// Where RTP ports are taken from: the even ones, RTCP one above.
    pub ports: RangeInclusive<u16>,
    /// How long a port rests after its leg is gone, so that the last packets of one call never reach the next.
    pub port_quarantine: Duration,
    /// Legs a room holds.
    pub room_legs_max: usize,
    /// [`Event::Quiet`] after this long without any packet.
    pub rtp_timeout: Duration,
    /// New legs are refused from this share of a thread's time on, in thousandths.
    pub occupancy_permille_max: u64,
    /// Where SSRCs and first sequence numbers come from. A bridge on a network wants a random one.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: cores.saturating_sub(1).max(1),
            ports: 10_000..=32_767,
            port_quarantine: Duration::from_secs(10),
            room_legs_max: 250,
            rtp_timeout: Duration::from_secs(30),
            occupancy_permille_max: 800,
            seed: 0,
        }
    }
}

/// The audio plane. Owned by one thread, which sends it commands and must [`Plane::poll`] it regularly: that
/// is also where closed legs are freed.
pub struct Plane {}

impl Plane {
    /// Starts the media threads and real sockets.
    pub fn start(config: Config) -> io::Result<Self> {
        let _ = config;
        Ok(Self {})
    }

    /// A plane without threads, sockets or time: [`Plane::run_until`] makes time pass, `wires` carry packets.
    pub fn manual(config: Config, wires: Box<dyn Wires>) -> Self {
        let _ = (config, wires);
        Self {}
    }

    /// Runs every slot up to and including this instant of the media clock. Does nothing with real threads.
    pub fn run_until(&mut self, now_us: u64) {
        let _ = now_us;
    }

    /// Sends commands that take effect together. Returns the number [`Event::Applied`] will carry.
    pub fn apply(&mut self, commands: Vec<Command>) -> u64 {
        let _ = commands;
        0
    }

    /// The next event, if there is one.
    pub fn poll(&mut self) -> Option<Event> {
        None
    }

    /// Each media thread's counters.
    pub fn stats(&self) -> &[Arc<ThreadStats>] {
        &[]
    }
}
