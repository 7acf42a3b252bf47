//! The network between phones and bridge: timed datagrams, with loss and delay drawn from the world's seed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use media::{Received, Wire, Wires};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Shared by the world and the bridge's wires.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<Inner>>);

struct Inner {
    now_us: u64,
    rng: StdRng,
    sent: u64,
    /// By the bridge's address, in order of arrival.
    to_bridge: HashMap<SocketAddr, BTreeMap<(u64, u64), Datagram>>,
    /// The bridge's own addresses: what it sends there comes back to it.
    bridge: HashSet<SocketAddr>,
    /// By the phone's address.
    to_phones: HashMap<SocketAddr, Vec<Arrived>>,
    weather: HashMap<SocketAddr, Weather>,
}

struct Datagram {
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// What a phone has received.
pub(crate) struct Arrived {
    pub(crate) at_us: u64,
    pub(crate) bytes: Vec<u8>,
}

/// What the network does to what one phone sends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Packets lost, in a hundred.
    pub(crate) lost_percent: u64,
    /// Each packet is late by up to this much, on its own: more than its spacing, and packets overtake each other.
    pub(crate) delay_us_max: u64,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            now_us: 0,
            rng: StdRng::seed_from_u64(seed),
            sent: 0,
            to_bridge: HashMap::new(),
            bridge: HashSet::new(),
            to_phones: HashMap::new(),
            weather: HashMap::new(),
        })))
    }

    pub(crate) fn set_now(&self, now_us: u64) {
        self.inner().now_us = now_us;
    }

    pub(crate) fn set_weather(&self, phone: SocketAddr, weather: Weather) {
        self.inner().weather.insert(phone, weather);
    }

    /// A phone sends to the bridge.
    pub(crate) fn send(&self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let mut inner = self.inner();
        let weather = inner.weather.get(&from).copied().unwrap_or_default();
        if inner.rng.next_u64() % 100 < weather.lost_percent {
            return;
        }
        let late_us = if weather.delay_us_max == 0 { 0 } else { inner.rng.next_u64() % weather.delay_us_max };
        inner.sent += 1;
        let key = (inner.now_us + late_us, inner.sent);
        inner.to_bridge.entry(to).or_default().insert(key, Datagram { from, bytes });
    }

    /// What has come for a phone since it last looked.
    pub(crate) fn take(&self, phone: SocketAddr) -> Vec<Arrived> {
        self.inner().to_phones.remove(&phone).unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no test thread panics while it holds the network")
    }
}

impl Wires for Network {
    fn open(&mut self, address: IpAddr, port: u16) -> io::Result<Box<dyn Wire>> {
        let local = SocketAddr::new(address, port);
        self.inner().bridge.insert(local);
        Ok(Box::new(BridgeWire { network: self.clone(), local, peer: None }))
    }
}

struct BridgeWire {
    network: Network,
    local: SocketAddr,
    peer: Option<SocketAddr>,
}

impl Wire for BridgeWire {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Received> {
        let mut inner = self.network.inner();
        let now_us = inner.now_us;
        let waiting = inner.to_bridge.get_mut(&self.local)?;
        loop {
            let (&(arrival_us, _), _) = waiting.first_key_value()?;
            if arrival_us > now_us {
                return None;
            }
            let (_, datagram) = waiting.pop_first()?;
            if self.peer.is_none_or(|peer| peer == datagram.from) {
                let len = datagram.bytes.len().min(buffer.len());
                buffer[..len].copy_from_slice(&datagram.bytes[..len]);
                return Some(Received { len, from: datagram.from, arrival_us: Some(arrival_us) });
            }
        }
    }

    fn send(&mut self, datagram: &[u8], to: SocketAddr) -> bool {
        let mut inner = self.network.inner();
        if inner.bridge.contains(&to) {
            drop(inner);
            self.network.send(self.local, to, datagram.to_vec());
            return true;
        }
        let arrived = Arrived { at_us: inner.now_us, bytes: datagram.to_vec() };
        inner.to_phones.entry(to).or_default().push(arrived);
        true
    }

    fn connect(&mut self, peer: Option<SocketAddr>) {
        self.peer = peer;
    }
}
