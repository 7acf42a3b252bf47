//! What is found in the directory, and what it refuses. Its rules as an application meets them are told by the tests of
//! the API.

use model::{AuthType, CredentialList, IpAccessControlList, Password, Queue};

use super::*;

const ACCOUNT: AccountSid = AccountSid::from_bits(0xACC);
const OTHER: AccountSid = AccountSid::from_bits(0x07);
const NOW: Timestamp = Timestamp::from_micros(1_000_000);

/// A directory, and what it has had saved.
struct World {
    directory: Directory,
    names: Names,
    effects: Vec<Effect>,
}

impl World {
    fn new() -> Self {
        let config = DirectoryConfig { sip_suffix: "sip.test".to_owned(), numbers: vec!["+15005550006".to_owned()] };
        Self { directory: Directory::load(config, []), names: Names::new(7, 0), effects: Vec::new() }
    }

    fn ask(&mut self, command: DirectoryCommand) -> Result<Answer, Refusal> {
        let Self { directory, names, effects } = self;
        directory.command(command, &mut Desk { now: NOW, names, effects })
    }

    #[track_caller]
    fn made(&mut self, command: DirectoryCommand) -> DirectoryRow {
        match self.ask(command) {
            Ok(Answer::Directory(row)) => *row,
            other => panic!("{other:?}"),
        }
    }

    /// What a switch that starts now would know.
    fn restarted(&self) -> Directory {
        let mut rows: Vec<DirectoryRow> = Vec::new();
        for effect in &self.effects {
            match effect {
                Effect::Save(Row::Directory(row)) => rows.push((**row).clone()),
                other => panic!("{other:?}"),
            }
        }
        Directory::load(self.directory.config.clone(), rows)
    }

    fn number(&mut self, phone_number: &str, change: NumberChange) -> Box<IncomingPhoneNumber> {
        let number = NumberWanted::Exactly(phone_number.to_owned());
        let command =
            DirectoryCommand::CreateNumber { account: ACCOUNT, number, number_type: None, change: Box::new(change) };
        match self.made(command) {
            DirectoryRow::IncomingPhoneNumber(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn application(&mut self, url: Option<&str>) -> Application {
        let change = ApplicationChange { voice: voice(url), ..ApplicationChange::default() };
        match self.made(DirectoryCommand::CreateApplication { account: ACCOUNT, change: Box::new(change) }) {
            DirectoryRow::Application(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn domain(&mut self, name: &str) -> SipDomain {
        let change = Box::new(DomainChange { sip_registration: Some(true), ..DomainChange::default() });
        let command = DirectoryCommand::CreateDomain { account: ACCOUNT, domain_name: name.to_owned(), change };
        match self.made(command) {
            DirectoryRow::SipDomain(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn credentials(&mut self, users: &[(&str, &str)]) -> CredentialList {
        let friendly_name = "agents".to_owned();
        let list = match self.made(DirectoryCommand::CreateCredentialList { account: ACCOUNT, friendly_name }) {
            DirectoryRow::CredentialList(row) => row,
            other => panic!("{other:?}"),
        };
        for (username, password) in users {
            self.made(DirectoryCommand::CreateCredential {
                account: ACCOUNT,
                list: list.sid,
                username: (*username).to_owned(),
                password: Password((*password).to_owned()),
            });
        }
        list
    }

    fn addresses(&mut self, addresses: &[(&str, u8)]) -> IpAccessControlList {
        let friendly_name = "offices".to_owned();
        let list = match self.made(DirectoryCommand::CreateIpList { account: ACCOUNT, friendly_name }) {
            DirectoryRow::IpAccessControlList(row) => row,
            other => panic!("{other:?}"),
        };
        for (address, cidr_prefix_length) in addresses {
            self.made(DirectoryCommand::CreateIpAddress {
                account: ACCOUNT,
                list: list.sid,
                friendly_name: "office".to_owned(),
                ip_address: address.parse().expect("an address"),
                cidr_prefix_length: *cidr_prefix_length,
            });
        }
        list
    }

    fn map(&mut self, domain: &SipDomain, list: MappedList) {
        self.made(DirectoryCommand::CreateMapping { account: ACCOUNT, domain: domain.sid, list });
    }
}

fn voice(url: Option<&str>) -> VoiceHooksChange {
    let url = url.map(|url| Some(url.to_owned()));
    VoiceHooksChange { voice: HookChange { url, method: None }, ..VoiceHooksChange::default() }
}

#[test]
fn a_trunk_goes_before_an_application_and_that_before_the_number_itself() {
    let mut world = World::new();
    let application = world.application(Some("http://application.test/"));
    let silent = world.application(None);
    let trunk = TrunkSid::from_bits(1);
    let own = || voice(Some("http://number.test/"));
    let none = NumberChange::default;
    for (case, change, want) in [
        ("nothing", none(), None),
        ("its own", NumberChange { voice: own(), ..none() }, Some("http://number.test/")),
        (
            "an application's",
            NumberChange { voice: own(), voice_application_sid: Some(Some(application.sid)), ..none() },
            Some("http://application.test/"),
        ),
        (
            "an application's, which has none",
            NumberChange { voice: own(), voice_application_sid: Some(Some(silent.sid)), ..none() },
            None,
        ),
        ("a trunk", NumberChange { voice: own(), trunk_sid: Some(Some(trunk)), ..none() }, Some("trunk")),
    ] {
        let number = world.number("+15005550006", change);
        for directory in [&world.directory, &world.restarted()] {
            let row = directory.number("+15005550006").unwrap_or_else(|| panic!("{case}: the number is known"));
            let found = match directory.voice_target(row) {
                VoiceTarget::Trunk(found) => Some("trunk").filter(|_| found == trunk),
                VoiceTarget::Hooks { hooks, .. } => hooks.voice.url.as_deref(),
                VoiceTarget::Nothing => None,
            };
            assert_eq!(found, want, "{case}");
        }
        let removed = world.ask(DirectoryCommand::DeleteNumber { account: ACCOUNT, sid: number.sid });
        assert_eq!(removed, Ok(Answer::Removed), "{case}");
        world.effects.pop();
        assert!(world.directory.number("+15005550006").is_none(), "{case}");
    }
}

#[test]
fn a_domain_lets_in_whom_its_lists_name() {
    let mut world = World::new();
    let (acme, other) = (world.domain("acme.sip.test"), world.domain("other.sip.test"));
    let addresses = world.addresses(&[("192.0.2.0", 24), ("198.51.100.7", 32)]);
    let callers = world.credentials(&[("alice", "to call")]);
    let phones = world.credentials(&[("alice", "to register"), ("ben", "to register")]);
    world.map(&acme, MappedList::CallsIpAccessControlList(addresses.sid));
    world.map(&acme, MappedList::CallsCredentialList(callers.sid));
    world.map(&acme, MappedList::RegistrationsCredentialList(phones.sid));
    for directory in [&world.directory, &world.restarted()] {
        for (host, want) in [
            ("acme.sip.test", Some(acme.sid)),
            ("ACME.SIP.test.", Some(acme.sid)),
            ("sip.test", None),
            ("x.acme.sip.test", None),
            ("", None),
        ] {
            assert_eq!(directory.domain(host).map(|domain| domain.sid), want, "{host}");
        }
        let both = AuthType { ip_acl: true, credential_list: true };
        assert_eq!(directory.domain("acme.sip.test").map(|domain| domain.auth_type), Some(both));
        for (address, want) in
            [("192.0.2.200", true), ("198.51.100.7", true), ("198.51.100.8", false), ("::ffff:192.0.2.1", true)]
        {
            let address = address.parse().expect("an address");
            assert_eq!(directory.ip_allowed(acme.sid, address), want, "{address}");
            assert!(!directory.ip_allowed(other.sid, address), "{address} elsewhere");
        }
        for (username, wanted, want) in [
            ("alice", CredentialUse::Calls, Some("to call")),
            ("alice", CredentialUse::Registrations, Some("to register")),
            ("ben", CredentialUse::Calls, None),
            ("Alice", CredentialUse::Calls, None),
        ] {
            let found = directory.credential(acme.sid, username, wanted).map(|found| found.password.0.as_str());
            assert_eq!(found, want, "{username} {wanted:?}");
            assert_eq!(directory.credential(other.sid, username, wanted), None, "{username} elsewhere");
        }
        assert_eq!(directory.registration_domains(ACCOUNT).count(), 2);
        assert_eq!(directory.registration_domains(OTHER).count(), 0);
    }
}

#[test]
fn calls_are_shown_to_come_from_what_the_account_owns_or_was_allowed() {
    let mut world = World::new();
    world.number("+15005550006", NumberChange::default());
    world.made(DirectoryCommand::CreateCallerId {
        account: ACCOUNT,
        phone_number: "+442071838750".to_owned(),
        friendly_name: None,
    });
    for (account, number, want) in [
        (ACCOUNT, "+15005550006", true),
        (ACCOUNT, "+442071838750", true),
        (ACCOUNT, "+15005550007", false),
        (OTHER, "+15005550006", false),
        (OTHER, "+442071838750", false),
    ] {
        assert_eq!(world.directory.may_call_from(account, number), want, "{account} {number}");
    }
}

#[test]
fn nobody_changes_what_is_somebody_elses() {
    let mut world = World::new();
    let number = world.number("+15005550006", NumberChange::default());
    let application = world.application(None);
    let domain = world.domain("acme.sip.test");
    let credentials = world.credentials(&[("alice", "secret")]);
    let addresses = world.addresses(&[("192.0.2.1", 32)]);
    let before = world.effects.len();
    use DirectoryCommand as C;
    let list = MappedList::CallsCredentialList(credentials.sid);
    for command in [
        C::UpdateNumber { account: OTHER, sid: number.sid, change: Box::default() },
        C::DeleteNumber { account: OTHER, sid: number.sid },
        C::UpdateApplication { account: OTHER, sid: application.sid, change: Box::default() },
        C::DeleteApplication { account: OTHER, sid: application.sid },
        C::UpdateDomain { account: OTHER, sid: domain.sid, domain_name: None, change: Box::default() },
        C::DeleteDomain { account: OTHER, sid: domain.sid },
        C::CreateMapping { account: OTHER, domain: domain.sid, list },
        C::DeleteMapping { account: OTHER, domain: domain.sid, list },
        C::DeleteMapping { account: ACCOUNT, domain: domain.sid, list },
        C::UpdateCredentialList { account: OTHER, sid: credentials.sid, friendly_name: "mine".to_owned() },
        C::DeleteCredentialList { account: OTHER, sid: credentials.sid },
        C::UpdateIpList { account: OTHER, sid: addresses.sid, friendly_name: "mine".to_owned() },
        C::DeleteIpList { account: OTHER, sid: addresses.sid },
    ] {
        let shown = format!("{command:?}");
        assert_eq!(world.ask(command), Err(Refusal::Directory(DirectoryRefusal::NotFound)), "{shown}");
    }
    assert_eq!(world.effects.len(), before, "and nothing was saved");
}

#[test]
fn what_is_full_is_refused() {
    let mut world = World::new();
    for number in 0..100 {
        world.domain(&format!("d{number}.sip.test"));
    }
    let change = Box::default();
    let one_more = DirectoryCommand::CreateDomain { account: ACCOUNT, domain_name: "d100.sip.test".to_owned(), change };
    assert_eq!(world.ask(one_more), Err(Refusal::Directory(DirectoryRefusal::TooManyDomains)));
    for _ in 0..100 {
        world.credentials(&[]);
        world.addresses(&[]);
    }
    let friendly_name = "one more".to_owned();
    let lists = DirectoryCommand::CreateCredentialList { account: ACCOUNT, friendly_name: friendly_name.clone() };
    assert_eq!(world.ask(lists), Err(Refusal::Directory(DirectoryRefusal::TooManyCredentialLists)));
    let lists = DirectoryCommand::CreateIpList { account: ACCOUNT, friendly_name };
    assert_eq!(world.ask(lists), Err(Refusal::Directory(DirectoryRefusal::TooManyIpLists)));
}

#[test]
fn queues_are_found_by_the_name_they_have_now() {
    let mut list = QueueList::default();
    let (mut names, mut effects) = (Names::new(7, 0), Vec::new());
    let mut desk = Desk { now: NOW, names: &mut names, effects: &mut effects };
    let support = list.ensure(ACCOUNT, "support", Queue::MAX_SIZE_DEFAULT, &mut desk).expect("is made");
    assert_eq!(support.max_size, Queue::MAX_SIZE_DEFAULT);
    assert_eq!(
        list.ensure(ACCOUNT, "support", Queue::MAX_SIZE_DEFAULT, &mut desk).map(|queue| queue.sid),
        Ok(support.sid)
    );
    let sales = list.update(ACCOUNT, support.sid, Some("sales".to_owned()), Some(2), &mut desk).expect("is renamed");
    assert_eq!((sales.sid, sales.max_size), (support.sid, 2));
    let support = list.ensure(ACCOUNT, "support", Queue::MAX_SIZE_DEFAULT, &mut desk).expect("the name is free again");
    assert_ne!(support.sid, sales.sid);
    assert_eq!(list.delete(ACCOUNT, sales.sid, 1, &mut desk), Err(DirectoryRefusal::QueueNotEmpty));
    assert_eq!(list.delete(OTHER, sales.sid, 0, &mut desk), Err(DirectoryRefusal::NotFound));
    assert_eq!(list.delete(ACCOUNT, sales.sid, 0, &mut desk), Ok(()));
    assert_eq!(list.get(ACCOUNT, sales.sid), None);
    assert_eq!(effects.len(), 4, "two made, one renamed, one deleted");
}
