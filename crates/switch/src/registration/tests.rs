use std::time::Duration;

use model::{
    AuthType, Credential, CredentialListSid, CredentialSid, DirectoryRow, IpAccessControlListSid, IpAddress,
    IpAddressSid, Password, Registration, SipDomainMapping, Timestamp, VoiceHooks,
};
use sip::{Challenge, LimitsConfig, Login};

use super::*;
use crate::directory::DirectoryConfig;
use crate::effect::{Effect, Row};
use crate::turn::Now;

const PASSWORD: &str = "Sesame123456";
/// Domains by what they ask for.
const PHONES: (u128, &str) = (1, "phones.sip.test");
const BOTH: (u128, &str) = (2, "both.sip.test");
const BY_ADDRESS: (u128, &str) = (3, "address.sip.test");
const CLOSED: (u128, &str) = (4, "closed.sip.test");
const SECURE: (u128, &str) = (5, "secure.sip.test");
/// In which `alice` may register and call, `ben` register alone.
const REGISTER: u128 = 10;
const CALL: u128 = 11;
const ADDRESSES: u128 = 12;

fn account() -> AccountSid {
    AccountSid::from_bits(7)
}

fn directory() -> Directory {
    Directory::load(DirectoryConfig::default(), rows())
}

fn rows() -> Vec<DirectoryRow> {
    let at = Timestamp::from_micros(0);
    let domain = |(sid, name): (u128, &str)| {
        DirectoryRow::SipDomain(SipDomain {
            sid: SipDomainSid::from_bits(sid),
            account_sid: account(),
            domain_name: name.to_owned(),
            friendly_name: None,
            api_version: "2010-04-01".to_owned(),
            voice: VoiceHooks::default(),
            auth_type: AuthType::default(),
            sip_registration: name != CLOSED.1,
            secure: name == SECURE.1,
            digest: None,
            emergency_calling_enabled: false,
            byoc_trunk_sid: None,
            emergency_caller_sid: None,
            created: at,
            updated: at,
            seq: 1,
        })
    };
    let mapping = |(sid, _): (u128, &str), list| {
        let domain_sid = SipDomainSid::from_bits(sid);
        DirectoryRow::SipDomainMapping(SipDomainMapping {
            domain_sid,
            account_sid: account(),
            list,
            created: at,
            updated: at,
            seq: 1,
        })
    };
    let credential = |list: u128, sid: u128, username: &str| {
        DirectoryRow::Credential(Credential {
            sid: CredentialSid::from_bits(sid),
            account_sid: account(),
            credential_list_sid: CredentialListSid::from_bits(list),
            username: username.to_owned(),
            password: Password(PASSWORD.to_owned()),
            created: at,
            updated: at,
            seq: 1,
        })
    };
    let address = DirectoryRow::IpAddress(IpAddress {
        sid: IpAddressSid::from_bits(1),
        account_sid: account(),
        ip_access_control_list_sid: IpAccessControlListSid::from_bits(ADDRESSES),
        friendly_name: "office".to_owned(),
        ip_address: [192, 0, 2, 0].into(),
        cidr_prefix_length: 28,
        created: at,
        updated: at,
        seq: 1,
    });
    let registering = MappedList::RegistrationsCredentialList(CredentialListSid::from_bits(REGISTER));
    let calling = MappedList::CallsCredentialList(CredentialListSid::from_bits(CALL));
    let from_office = MappedList::CallsIpAccessControlList(IpAccessControlListSid::from_bits(ADDRESSES));
    vec![
        domain(PHONES),
        domain(BOTH),
        domain(BY_ADDRESS),
        domain(CLOSED),
        domain(SECURE),
        mapping(PHONES, registering),
        mapping(PHONES, calling),
        mapping(BOTH, registering),
        mapping(BOTH, calling),
        mapping(BOTH, from_office),
        mapping(BY_ADDRESS, from_office),
        mapping(CLOSED, registering),
        mapping(SECURE, registering),
        mapping(SECURE, from_office),
        credential(REGISTER, 1, "alice"),
        credential(REGISTER, 2, "ben"),
        credential(CALL, 3, "alice"),
        address,
    ]
}

struct World {
    directory: Directory,
    registrations: Registrations,
    limits: Limits,
    now: Instant,
    cseq: u32,
    /// Which of the challenges is answered.
    reads: usize,
    born: Instant,
}

/// A phone's end of the line.
fn udp(last: u8) -> Flow {
    let [local, remote] = [1, last].map(|last| ([192, 0, 2, last], 5060).into());
    Flow { transport: Transport::Udp, local, remote, connection: None }
}

fn tcp(connection: u64) -> Flow {
    Flow { transport: Transport::Tcp, connection: Some(connection), ..udp(7) }
}

impl World {
    fn new() -> Self {
        let limits = LimitsConfig { offences_max: Some(3), ..LimitsConfig::default() };
        let now = Instant::now();
        Self {
            directory: directory(),
            registrations: Registrations::new(&sip::Config::default(), 1),
            limits: Limits::new(limits),
            now,
            cseq: 0,
            reads: 0,
            born: now,
        }
    }

    fn request(
        &mut self,
        method: &str,
        uri: &str,
        from: &str,
        flow: &Flow,
        headers: &[(Name<'static>, String)],
    ) -> Request {
        self.cseq += 1;
        let mut request = Request::new(method.into(), uri.parse().expect("a URI"));
        let to = if method == "REGISTER" { from } else { uri };
        for (name, value) in [
            (Name::Via, format!("SIP/2.0/UDP {};branch=z9hG4bK{}", flow.remote, self.cseq)),
            (Name::From, format!("<{from}>;tag=1")),
            (Name::To, format!("<{to}>")),
            (Name::CallId, "1".to_owned()),
            (Name::CSeq, format!("{} {method}", self.cseq)),
        ] {
            request.headers.push(name, value);
        }
        for (name, value) in headers {
            request.headers.push(*name, value);
        }
        request
    }

    /// Status of a REGISTER for `aor`, by somebody who answers the challenge with this login.
    fn register(&mut self, aor: &str, login: Option<(&str, &str)>, flow: Flow) -> u16 {
        let uri = format!("sip:{}", aor.rsplit('@').next().unwrap_or_default());
        let contact = (Name::Contact, format!("<sip:phone@{}>;expires=60", flow.remote));
        self.answering(login, Method::Register, &uri, |world, said| {
            let headers: Vec<_> = said.into_iter().chain([contact.clone()]).collect();
            let request = world.request("REGISTER", &uri, &format!("sip:{aor}"), &flow, &headers);
            let World { directory, registrations, limits, now, .. } = world;
            let Registered { status, headers } = registrations.register(*now, directory, limits, &request, flow);
            (status, headers)
        })
    }

    /// 200 for an INVITE that is let in.
    fn call(&mut self, uri: &str, login: Option<(&str, &str)>, flow: Flow) -> u16 {
        self.answering(login, Method::Invite, uri, |world, said| {
            let headers: Vec<_> = said.into_iter().collect();
            let request = world.request("INVITE", uri, "sip:alice@phones.sip.test", &flow, &headers);
            let World { directory, registrations, limits, now, .. } = world;
            match registrations.admit(*now, directory, limits, &request, &flow) {
                Ok(()) => (200, Vec::new()),
                Err(Refused { status, headers }) => (status, headers),
            }
        })
    }

    fn answering(
        &mut self,
        login: Option<(&str, &str)>,
        method: Method,
        uri: &str,
        mut send: impl FnMut(&mut Self, Option<(Name<'static>, String)>) -> (u16, Vec<(Name<'static>, String)>),
    ) -> u16 {
        let (status, headers) = send(self, None);
        let answer_in = match status {
            401 => Name::Authorization,
            407 => Name::ProxyAuthorization,
            _ => return status,
        };
        let Some((user, password)) = login else { return status };
        let challenge =
            headers.iter().filter(|(name, _)| matches!(name, Name::WwwAuthenticate | Name::ProxyAuthenticate));
        let challenge = challenge.filter_map(|(_, value)| Challenge::parse(value).ok()).nth(self.reads);
        let Some(challenge) = challenge else { return status };
        let answer = challenge.answer(&Login::new(user, password), &method, uri, 1, "c0ffee");
        send(self, Some((answer_in, answer))).0
    }

    /// The algorithms that a REGISTER is challenged with.
    fn asked(&mut self, domain: &str) -> Vec<Algorithm> {
        let (uri, from) = (format!("sip:{domain}"), format!("sip:alice@{domain}"));
        let request = self.request("REGISTER", &uri, &from, &udp(9), &[]);
        let Self { directory, registrations, limits, now, .. } = self;
        let Registered { headers, .. } = registrations.register(*now, directory, limits, &request, udp(9));
        headers.iter().filter_map(|(_, value)| Challenge::parse(value).ok()).map(|said| said.algorithm).collect()
    }

    fn at(&self) -> Now {
        let wall = Timestamp::from_micros(1_000_000) + self.now.duration_since(self.born);
        Now { instant: self.now, wall }
    }

    /// What is saved since the last time.
    fn saved(&mut self) -> Vec<(String, Vec<Registration>)> {
        let mut effects = Vec::new();
        self.registrations.save(self.at(), &mut effects);
        let row = |effect| match effect {
            Effect::Save(Row::Registrations(_, user, contacts)) => (user, contacts),
            other => panic!("not a registration: {other:?}"),
        };
        effects.into_iter().map(row).collect()
    }

    fn ringing(&self, user: &str) -> usize {
        self.registrations.contacts(&self.directory, account(), user).len()
    }
}

#[test]
fn phones_register_by_their_own_name_at_domains_that_take_them() {
    let alice = Some(("alice", PASSWORD));
    for (case, aor, login, want) in [
        ("without a password", "alice@phones.sip.test", None, 401),
        ("with it", "alice@phones.sip.test", alice, 200),
        ("the domain in another case", "alice@PHONES.sip.test", alice, 200),
        ("an escape that needs none", "%61lice@phones.sip.test", alice, 200),
        ("a wrong password", "alice@phones.sip.test", Some(("alice", "Sesame")), 403),
        ("nobody", "cho@phones.sip.test", Some(("cho", PASSWORD)), 403),
        ("another's name", "ben@phones.sip.test", alice, 403),
        ("a domain that takes no phones", "alice@closed.sip.test", alice, 403),
        ("a domain without a list for it", "alice@address.sip.test", alice, 403),
        ("TLS wanted", "alice@secure.sip.test", alice, 403),
        ("no domain of ours", "alice@example.com", alice, 403),
        ("an address", "alice@192.0.2.1", alice, 403),
        ("nobody in particular", "phones.sip.test", alice, 403),
    ] {
        let mut world = World::new();
        assert_eq!(world.register(aor, login, udp(9)), want, "{case}");
        assert_eq!(
            (world.ringing("alice"), world.registrations.bindings()),
            if want == 200 { (1, 1) } else { (0, 0) },
            "{case}"
        );
    }
}

#[test]
fn a_domain_admits_by_address_by_password_or_by_both() {
    let alice = Some(("alice", PASSWORD));
    for (case, uri, login, source, want) in [
        ("by password", "sip:x@phones.sip.test", alice, 99, 200),
        ("by none", "sip:x@phones.sip.test", None, 1, 407),
        ("who may only register", "sip:x@phones.sip.test", Some(("ben", PASSWORD)), 1, 403),
        ("by address", "sip:x@address.sip.test", None, 15, 200),
        ("from elsewhere", "sip:x@address.sip.test", alice, 16, 403),
        ("by both", "sip:x@both.sip.test", alice, 15, 200),
        ("by password alone", "sip:x@both.sip.test", alice, 16, 403),
        ("by address alone", "sip:x@both.sip.test", None, 15, 407),
        ("no lists", "sip:x@closed.sip.test", alice, 1, 403),
        ("TLS wanted", "sip:x@secure.sip.test", None, 1, 403),
        ("no domain of ours", "sip:x@192.0.2.1", None, 99, 200),
        ("a number", "tel:+15005550006", None, 99, 200),
    ] {
        let mut world = World::new();
        assert_eq!(world.call(uri, login, udp(source)), want, "{case}");
    }
}

#[test]
fn a_client_is_every_phone_of_that_name() {
    let mut world = World::new();
    let alice = Some(("alice", PASSWORD));
    assert_eq!(world.register("alice@phones.sip.test", alice, udp(9)), 200);
    assert_eq!(world.register("alice@phones.sip.test", alice, tcp(3)), 200);
    assert_eq!(world.register("alice@both.sip.test", alice, udp(8)), 200);
    assert_eq!((world.ringing("alice"), world.ringing("ben")), (3, 0));
    let at = |world: &World, uri: &str| {
        let uri = uri.parse::<sip::Uri>().expect("a URI");
        world.registrations.contacts_at(&world.directory, uri.sip().expect("SIP")).len()
    };
    for (uri, want) in [
        ("sip:alice@phones.sip.test", 2),
        ("sip:alice@both.sip.test;transport=tcp", 1),
        ("sip:ben@both.sip.test", 0),
        ("sip:alice@example.com", 0),
        ("sip:phones.sip.test", 0),
    ] {
        assert_eq!(at(&world, uri), want, "{uri}");
    }
    assert!(world.registrations.contacts(&world.directory, AccountSid::from_bits(8), "alice").is_empty());

    world.registrations.closed(3);
    assert_eq!(world.ringing("alice"), 2);
    world.now += Duration::from_secs(75);
    world.registrations.handle_timeout(world.now);
    assert_eq!((world.ringing("alice"), world.registrations.next_deadline()), (0, None));
    let counts = world.registrations.counts();
    assert_eq!((counts.registered, counts.lapsed, counts.challenged), (3, 3, 3));
}

#[test]
fn who_may_register_no_more_is_registered_no_more() {
    let of_alice = |row: &mut DirectoryRow, change: fn(&mut Credential)| {
        match row {
            DirectoryRow::Credential(credential) if credential.sid == CredentialSid::from_bits(1) => change(credential),
            _ => {}
        }
        true
    };
    let list = MappedList::RegistrationsCredentialList(CredentialListSid::from_bits(REGISTER));
    let [phones, both] = [PHONES, BOTH].map(|(sid, _)| SipDomainSid::from_bits(sid));
    type Keep<'a> = &'a dyn Fn(&mut DirectoryRow) -> bool;
    // Phones of alice at one domain and at the other, and of ben there.
    let cases: [(&str, Keep<'_>, [usize; 3]); 8] = [
        ("nothing of it", &|_| true, [1, 1, 1]),
        (
            "another credential",
            &|row| !matches!(row, DirectoryRow::Credential(of) if of.sid == CredentialSid::from_bits(3)),
            [1, 1, 1],
        ),
        (
            "her credential",
            &|row| !matches!(row, DirectoryRow::Credential(of) if of.sid == CredentialSid::from_bits(1)),
            [0, 0, 1],
        ),
        ("her password", &|row| of_alice(row, |of| of.updated = Timestamp::from_micros(1)), [0, 0, 1]),
        ("her credential by another", &|row| of_alice(row, |of| of.sid = CredentialSid::from_bits(9)), [0, 0, 1]),
        (
            "the list of one domain",
            &|row| !matches!(row, DirectoryRow::SipDomainMapping(of) if of.list == list && of.domain_sid == phones),
            [0, 1, 1],
        ),
        ("one domain", &|row| !matches!(row, DirectoryRow::SipDomain(of) if of.sid == both), [1, 0, 0]),
        (
            "one domain takes no phones",
            &|row| {
                match row {
                    DirectoryRow::SipDomain(of) if of.sid == phones => of.sip_registration = false,
                    _ => {}
                }
                true
            },
            [0, 1, 1],
        ),
    ];
    for (case, keep, want) in cases {
        let mut world = World::new();
        let aors = [("alice", "phones.sip.test"), ("alice", "both.sip.test"), ("ben", "both.sip.test")];
        for (user, domain) in aors {
            assert_eq!(world.register(&format!("{user}@{domain}"), Some((user, PASSWORD)), udp(9)), 200);
        }
        let mut rows = rows();
        rows.retain_mut(|row| keep(row));
        let before = std::mem::replace(&mut world.directory, Directory::load(DirectoryConfig::default(), rows));
        world.registrations.follow(&world.directory);
        let at = |directory: &Directory, (user, domain): (&str, &str)| {
            let uri: sip::Uri = format!("sip:{user}@{domain}").parse().expect("a URI");
            world.registrations.contacts_at(directory, uri.sip().expect("SIP")).len()
        };
        assert_eq!(aors.map(|aor| at(&before, aor)), want, "{case}: what is bound");
        assert_eq!(aors.map(|aor| at(&world.directory, aor)), want, "{case}");
        assert_eq!(world.registrations.proofs.len(), want.iter().sum::<usize>(), "{case}");
    }
    // Not even before it is told.
    let mut world = World::new();
    assert_eq!(world.register("alice@phones.sip.test", Some(("alice", PASSWORD)), udp(9)), 200);
    let mut rows = rows();
    rows.iter_mut().for_each(|row| {
        if let DirectoryRow::SipDomain(domain) = row {
            domain.sip_registration = false;
        }
    });
    world.directory = Directory::load(DirectoryConfig::default(), rows);
    let uri: sip::Uri = "sip:alice@phones.sip.test".parse().expect("a URI");
    assert!(world.registrations.contacts_at(&world.directory, uri.sip().expect("SIP")).is_empty());
}

#[test]
fn a_registered_caller_is_a_client() {
    let mut world = World::new();
    assert_eq!(world.register("alice@phones.sip.test", Some(("alice", PASSWORD)), udp(9)), 200);
    for (case, from, flow, want) in [
        ("from its phone", "sip:alice@phones.sip.test", udp(9), Some("client:alice")),
        ("from elsewhere", "sip:alice@phones.sip.test", udp(8), None),
        ("by another way", "sip:alice@phones.sip.test", tcp(1), None),
        ("as somebody else", "sip:ben@phones.sip.test", udp(9), None),
        ("at another domain", "sip:alice@both.sip.test", udp(9), None),
        ("at none", "sip:alice@192.0.2.9", udp(9), None),
        ("a number", "tel:+15005550006", udp(9), None),
    ] {
        let request = world.request("INVITE", "sip:x@phones.sip.test", from, &flow, &[]);
        let identity = world.registrations.identify(&world.directory, &request, &flow);
        assert_eq!(identity.map(|identity| identity.to_string()).as_deref(), want, "{case}");
    }
}

#[test]
fn guesses_are_counted_against_their_source() {
    let mut world = World::new();
    for _ in 0..2 {
        assert_eq!(world.register("alice@phones.sip.test", Some(("alice", "guess")), udp(9)), 403);
    }
    // Who knows one password may guess at no other for that.
    assert_eq!(world.register("ben@phones.sip.test", Some(("ben", PASSWORD)), udp(9)), 200);
    assert!(!world.limits.is_banned(world.now, udp(9).remote.ip()));
    assert_eq!(world.call("sip:x@phones.sip.test", Some(("alice", "guess")), udp(9)), 403);
    assert!(world.limits.is_banned(world.now, udp(9).remote.ip()));
    assert_eq!(world.registrations.counts().wrong, 3);
}

#[test]
fn a_domain_says_what_passwords_are_proved_with() {
    let (md5, sha_256) = (Algorithm::Md5, Algorithm::Sha256);
    for (case, digest, server, want) in [
        ("as the server is set", None, vec![md5], vec![md5]),
        ("set otherwise", None, vec![sha_256, md5], vec![sha_256, md5]),
        ("MD5 at a server that wants more", Some(SipDigest::Md5), vec![sha_256], vec![md5]),
        ("both, what all know first", Some(SipDigest::Md5OrSha256), vec![md5], vec![md5, sha_256]),
        ("the better one alone", Some(SipDigest::Sha256), vec![md5], vec![sha_256]),
    ] {
        let mut world = World::new();
        let rows = rows().into_iter().map(|row| match row {
            DirectoryRow::SipDomain(row) if row.domain_name == PHONES.1 => {
                DirectoryRow::SipDomain(SipDomain { digest, ..row })
            }
            row => row,
        });
        world.directory = Directory::load(DirectoryConfig::default(), rows);
        world.registrations =
            Registrations::new(&sip::Config { algorithms: server.clone(), ..sip::Config::default() }, 1);
        assert_eq!(world.asked(PHONES.1), want, "{case}");
        assert_eq!(world.asked(BOTH.1), server, "{case}: of another domain nothing is said");
        for (reads, algorithm) in want.iter().enumerate() {
            world.reads = reads;
            for (password, status) in [(PASSWORD, 200), ("Sesame654321", 403)] {
                let login = Some(("alice", password));
                assert_eq!(world.register("alice@phones.sip.test", login, udp(9)), status, "{case}: {algorithm}");
                assert_eq!(world.call("sip:x@phones.sip.test", login, udp(9)), status, "{case}: {algorithm}");
                world.limits = Limits::new(LimitsConfig::default());
            }
        }
    }
}

#[test]
fn what_a_phone_says_again_is_saved_once_a_minute() {
    let mut world = World::new();
    let alice = Some(("alice", PASSWORD));
    let mut saves = Vec::new();
    for _ in 0..12 {
        assert_eq!(world.register("alice@phones.sip.test", alice, udp(9)), 200);
        saves.push(world.saved().len());
        world.now += Duration::from_secs(15);
    }
    assert_eq!(saves, [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(world.register("alice@phones.sip.test", alice, udp(8)), 200);
    let saved = world.saved();
    assert_eq!(
        saved.iter().map(|(user, contacts)| (user.as_str(), contacts.len())).collect::<Vec<_>>(),
        [("alice", 2)]
    );
    assert_eq!(world.register("alice@phones.sip.test", alice, tcp(3)), 200);
    assert_eq!(world.saved(), [], "what hangs on a connection is not kept");
    world.registrations.closed(3);
    assert_eq!(world.saved(), []);
    world.now += Duration::from_secs(75);
    world.registrations.handle_timeout(world.now);
    assert_eq!(world.saved(), [("alice".to_owned(), Vec::new())]);
}

#[test]
fn phones_outlive_a_restart_while_they_are_good_and_may_register() {
    let alice = Some(("alice", PASSWORD));
    let mut before = World::new();
    for (aor, flow) in [
        ("alice@phones.sip.test", udp(8)),
        ("alice@phones.sip.test", tcp(3)),
        ("alice@phones.sip.test", udp(9)),
        ("alice@both.sip.test", udp(8)),
    ] {
        assert_eq!(before.register(aor, alice, flow), 200);
    }
    let rows: Vec<_> = before.saved().into_iter().flat_map(|(_, contacts)| contacts).collect();
    assert_eq!(rows.len(), 3);
    let first = before.registrations.contacts(&before.directory, account(), "alice");
    let first: Vec<_> =
        first.into_iter().filter(|binding| binding.flow.is_some_and(|of| of.connection.is_none())).collect();

    let after = |seconds: u64, keep: fn(&DirectoryRow) -> bool| {
        let mut world = World::new();
        world.born -= Duration::from_secs(seconds);
        world.directory = Directory::load(DirectoryConfig::default(), self::rows().into_iter().filter(keep));
        world.registrations.restore(world.at(), &world.directory, rows.clone(), Some);
        world
    };
    let mut world = after(59, |_| true);
    assert_eq!(world.registrations.contacts(&world.directory, account(), "alice"), first);
    assert_eq!(world.saved(), [], "it is as it was saved");
    world.now += Duration::from_secs(17);
    world.registrations.handle_timeout(world.now);
    assert_eq!(world.ringing("alice"), 0, "and good for no longer than it was");

    let mut world = after(1, |row| !matches!(row, DirectoryRow::SipDomain(of) if of.domain_name == BOTH.1));
    assert_eq!((world.ringing("alice"), world.registrations.bindings()), (2, 2));
    assert_eq!(world.saved(), [("alice".to_owned(), Vec::new())], "who may register no more is not kept either");
    let mut world = after(120, |_| true);
    assert_eq!(world.ringing("alice"), 0, "too late");
    assert_eq!(world.saved().len(), 2);
}
