//! Names of hosts and services, asked of the system's name servers for the switch.
//!
//! Which names to ask for, what follows from the answers and how long they are kept is the resolver's in `sip`; here a
//! question goes out and what comes back is brought into the run loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};
use sip::{Answered, LookupFailed, Naptr, Query, Records, Srv};
use switch::Event;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use crate::run_loop::{Inbox, Input};

/// Starts lookups and brings what they find into the run loop.
pub(crate) struct Lookups {
    dns: Option<Dns>,
    under_way: Arc<Semaphore>,
    runtime: Handle,
    inbox: Inbox,
}

/// The name servers.
#[derive(Clone)]
struct Dns(TokioResolver);

/// Questions under way; past it one fails at once.
const UNDER_WAY_MAX: usize = 256;
/// A name server that has said nothing for this long is asked again, or another one.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often a question is asked before nobody is said to have answered.
const ATTEMPTS: usize = 2;
/// How long to believe that there is nothing, where nobody says how long.
const NOTHING_TTL: Duration = Duration::from_secs(60);

impl Lookups {
    /// Asks the servers that the system is set up to ask. Without any, every lookup fails; addresses need none.
    pub(crate) fn new(runtime: Handle, inbox: Inbox) -> Self {
        let dns = TokioResolver::builder_tokio().and_then(Dns::new);
        if let Err(error) = &dns {
            warn!(%error, "no name servers: SIP hosts can be reached by address only");
        }
        Self { dns: dns.ok(), under_way: Arc::new(Semaphore::new(UNDER_WAY_MAX)), runtime, inbox }
    }

    /// Answered by [`Event::LookedUp`], exactly once.
    pub(crate) fn start(&self, query: Query) {
        let place = self.dns.clone().zip(Arc::clone(&self.under_way).try_acquire_owned().ok());
        let inbox = self.inbox.clone();
        self.runtime.spawn(async move {
            let answer = match place {
                Some((dns, _place)) => dns.ask(&query).await,
                None => Err(LookupFailed),
            };
            inbox.send(Input::Event(Event::LookedUp { query, answer })).await;
        });
    }
}

impl Dns {
    fn new(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, NetError> {
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = ATTEMPTS;
        // What we know is kept by the resolver in `sip`, which counts it.
        options.cache_size = 0;
        builder.build().map(Self)
    }

    async fn ask(&self, query: &Query) -> Result<Answered, LookupFailed> {
        let kind = match query {
            Query::Naptr(_) => RecordType::NAPTR,
            Query::Srv(_) => RecordType::SRV,
            Query::A(_) => RecordType::A,
            Query::Aaaa(_) => RecordType::AAAA,
        };
        // A name with a dot in it is whole; others may be short for one of this network.
        let dot = if query.name().contains('.') { "." } else { "" };
        let asked_at = Instant::now();
        match self.0.lookup(format!("{}{dot}", query.name()), kind).await {
            Ok(found) => {
                let ttl = found.valid_until().saturating_duration_since(asked_at);
                let mut records = Records::none(query);
                found.answers().iter().for_each(|record| put(&mut records, &record.data));
                Ok(Answered { records, ttl })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => {
                let ttl = nothing.negative_ttl.map_or(NOTHING_TTL, |seconds| Duration::from_secs(seconds.into()));
                Ok(Answered { records: Records::none(query), ttl })
            }
            Err(error) => {
                debug!(?query, %error, "lookup failed");
                Err(LookupFailed)
            }
        }
    }
}

/// Adds a record to others of its kind; aliases and the like, which come along, are left out.
fn put(records: &mut Records, data: &RData) {
    match (records, data) {
        (Records::A(records), RData::A(address)) => records.push(address.0),
        (Records::Aaaa(records), RData::AAAA(address)) => records.push(address.0),
        (Records::Srv(records), RData::SRV(srv)) => records.push(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        }),
        (Records::Naptr(records), RData::NAPTR(naptr)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            records.push(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_ascii(),
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
    use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
    use hickory_resolver::proto::rr::{Name, Record};
    use tokio::net::UdpSocket;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    /// What the only name server on this loopback knows.
    fn zone(name_asked: &str, kind: RecordType) -> Vec<RData> {
        match (name_asked, kind) {
            ("carrier.test.", RecordType::NAPTR) => vec![RData::NAPTR(NAPTR::new(
                10,
                20,
                b"s".as_slice().into(),
                b"SIP+D2U".as_slice().into(),
                b"".as_slice().into(),
                name("_sip._udp.carrier.test."),
            ))],
            ("_sip._udp.carrier.test.", RecordType::SRV) => {
                vec![RData::SRV(SRV::new(1, 2, 5070, name("Edge.carrier.test.")))]
            }
            ("edge.carrier.test.", RecordType::A) => vec![RData::A(A([192, 0, 2, 7].into()))],
            _ => vec![],
        }
    }

    /// A name server for one zone; whatever ends in `broken.` it cannot tell.
    async fn serve(socket: UdpSocket) {
        let mut buffer = [0; 1_500];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.expect("a question");
            let asked = Message::from_vec(&buffer[..len]).expect("DNS");
            let mut answer = Message::response(asked.metadata.id, OpCode::Query);
            for query in &asked.queries {
                answer.add_query(query.clone());
                let text = query.name().to_ascii().to_ascii_lowercase();
                let found = zone(&text, query.query_type());
                answer.metadata.response_code = match &found[..] {
                    _ if text.ends_with("broken.") => ResponseCode::ServFail,
                    [] => ResponseCode::NXDomain,
                    _ => ResponseCode::NoError,
                };
                for data in found {
                    answer.add_answer(Record::from_rdata(query.name().clone(), 300, data));
                }
            }
            socket.send_to(&answer.to_vec().expect("it fits"), from).await.expect("an answer");
        }
    }

    #[tokio::test]
    async fn answers_are_read_as_they_are_meant() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let at = socket.local_addr().expect("it is bound");
        tokio::spawn(serve(socket));
        let mut server = NameServerConfig::udp(at.ip());
        server.connections = vec![ConnectionConfig::udp()];
        server.connections[0].port = at.port();
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let dns = Dns::new(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()));
        let dns = dns.expect("a resolver");

        let text = str::to_owned;
        let naptr = Naptr {
            order: 10,
            preference: 20,
            flags: text("s"),
            service: text("SIP+D2U"),
            replacement: text("_sip._udp.carrier.test."),
        };
        let srv = Srv { priority: 1, weight: 2, port: 5070, target: text("Edge.carrier.test.") };
        for (query, want) in [
            (Query::Naptr(text("carrier.test")), Some(Records::Naptr(vec![naptr]))),
            (Query::Srv(text("_sip._udp.carrier.test")), Some(Records::Srv(vec![srv]))),
            (Query::A(text("edge.carrier.test")), Some(Records::A(vec![[192, 0, 2, 7].into()]))),
            (Query::Aaaa(text("edge.carrier.test")), Some(Records::Aaaa(vec![]))),
            (Query::A(text("nothing.test")), Some(Records::A(vec![]))),
            (Query::A(text("really.broken")), None),
            (Query::A(text("no..name")), None),
        ] {
            let answer = dns.ask(&query).await;
            assert_eq!(answer.as_ref().ok().map(|answer| &answer.records), want.as_ref(), "{query:?}");
            if let Ok(Answered { ttl, .. }) = answer {
                assert!((59..=300).contains(&ttl.as_secs()), "{query:?}: {ttl:?}");
            }
        }
    }
}
