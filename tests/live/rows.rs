//! An account that has more of everything than fits a page, made within seconds.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testkit::phone::Phone;
use testkit::rest::Rest;
use testkit::server::Server;
use testkit::sip::{self, Message, Start};
use testkit::tone::Tone;

/// Phones at one address that ring for ever, whoever is called, until the call is given up.
pub(crate) struct Ringing {
    pub(crate) address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ringing {
    pub(crate) fn start(server: &Server) -> Self {
        let socket = UdpSocket::bind((server.callers(), 0)).expect("a port for SIP");
        socket.set_read_timeout(Some(LOOK_EVERY)).expect("a time that is not zero");
        let address = socket.local_addr().expect("it is bound");
        let over = Arc::<AtomicBool>::default();
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let tag = sip::unique();
            let mut piece = [0; 16 * 1024];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut piece) else { continue };
                let Some(message) = Message::scan(&piece[..length]) else { continue };
                let status = match &message.start {
                    Start::Request(method) if method == "INVITE" => "180 Ringing",
                    Start::Request(method) if method == "CANCEL" => "200 OK",
                    _ => continue,
                };
                let contact = format!("Contact: <sip:{address}>\r\n");
                let response = message.respond(status, &tag, &contact, None);
                socket.send_to(response.as_bytes(), from).expect("loopback takes datagrams");
            }
        });
        Self { address, over, thread: Some(thread) }
    }
}

impl Drop for Ringing {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it only rings");
        }
    }
}

/// One row: where it is made, and of what.
type New = (String, Vec<(&'static str, String)>);

/// Fills the account. The conference `crowd` has more participants than a page; who hosts it is to be kept on the line.
pub(crate) fn fill(server: &Server, ringing: &Ringing) -> Phone {
    let rest = server.rest();
    // A room that is dialled takes as many as the bridge lets it.
    let host = Phone::dial(server.sip(), "crowd").humming(Tone { hz: 409 }).connect();
    let many = rest.post("SIP/CredentialLists.json", &[("FriendlyName", "many")]).expect(201).text("sid");
    let phone = |n: usize| format!("sip:row{n}@{}", ringing.address);
    let mut rows: Vec<New> = Vec::new();
    for n in 0..ROWS {
        let name = format!("row {n}");
        let number = |area: u32| format!("+1{area}{n:07}");
        let joins = || vec![("To", phone(n)), ("From", "desk".to_owned()), ("Timeout", "600".to_owned())];
        let called = vec![
            ("To", phone(n)),
            ("From", "desk".to_owned()),
            ("Twiml", "<Response/>".to_owned()),
            // No such event, which the call's notification says.
            ("StatusCallbackEvent", "never".to_owned()),
        ];
        rows.push(("Calls.json".to_owned(), called));
        rows.push((format!("Conferences/row-{n}/Participants.json"), joins()));
        rows.push(("Conferences/crowd/Participants.json".to_owned(), joins()));
        rows.push(("IncomingPhoneNumbers.json".to_owned(), vec![("PhoneNumber", number(700))]));
        rows.push(("OutgoingCallerIds.json".to_owned(), vec![("PhoneNumber", number(701))]));
        for resource in ["Queues", "Applications", "Keys"] {
            rows.push((format!("{resource}.json"), vec![("FriendlyName", name.clone())]));
        }
        rows.push((String::new(), vec![("FriendlyName", name.clone())])); // an account
        if n < CREDENTIALS {
            let credential = vec![("Username", format!("row{n}")), ("Password", "Sesame123456".to_owned())];
            rows.push((format!("SIP/CredentialLists/{many}/Credentials.json"), credential));
        }
        if n < LISTS {
            rows.push(("SIP/Domains.json".to_owned(), vec![("DomainName", format!("row-{n}.sip.twilio.com"))]));
            rows.push(("SIP/CredentialLists.json".to_owned(), vec![("FriendlyName", name.clone())]));
            rows.push(("SIP/IpAccessControlLists.json".to_owned(), vec![("FriendlyName", name)]));
        }
    }
    make(&rest, &rows);
    host
}

/// A call with as many events: it rings, and is asked for nothing again and again.
pub(crate) fn eventful_call(server: &Server, ringing: &Ringing) -> String {
    let rest = server.rest();
    let form = [
        ("To", &*format!("sip:eve@{}", ringing.address)),
        ("From", "desk"),
        ("Timeout", "600"),
        ("Twiml", "<Response/>"),
    ];
    let call = rest.post("Calls.json", &form).expect(201).text("sid");
    let update = (format!("Calls/{call}.json"), vec![("Nothing", "new".to_owned())]);
    make(&rest, &vec![update; ROWS]);
    call
}

/// Makes all of them, several at once.
fn make(rest: &Rest, rows: &[New]) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((resource, form)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    let answer = match resource.as_str() {
                        "" => rest.request("POST", "/2010-04-01/Accounts.json", &form),
                        resource => rest.post(resource, &form),
                    };
                    assert!(matches!(answer.status, 200 | 201), "{resource} {form:?}: {}", answer.body);
                }
            });
        }
    });
}

/// Numbers that carriers deliver and nobody has yet, as the bridge is told of them.
pub(crate) fn declared_numbers() -> String {
    (0..ROWS).map(|n| format!("+1702{n:07}")).collect::<Vec<_>>().join(",")
}

/// More than one page, however large it is asked for.
pub(crate) const ROWS: usize = 1_010;
/// Of these there may be 1,000 in a list …
pub(crate) const CREDENTIALS: usize = 980;
/// … and of these 100 in an account.
pub(crate) const LISTS: usize = 40;
const AT_ONCE: usize = 8;
const LOOK_EVERY: Duration = Duration::from_millis(50);
