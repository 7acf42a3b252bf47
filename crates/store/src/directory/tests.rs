//! Every resource of the directory: written, read, listed, deleted.

use model::{
    AccountSid, AddressSid, Application, ApplicationSid, AuthType, BundleSid, ByocTrunkSid, Credential, CredentialList,
    CredentialListSid, CredentialSid, DirectoryKey, DirectoryRow, EmergencyStatus, Hook, HttpMethod, IdentitySid,
    IncomingPhoneNumber, IpAccessControlList, IpAccessControlListSid, IpAddress, IpAddressSid, MappedList, NumberType,
    OutgoingCallerId, Password, PhoneNumberSid, Queue, QueueSid, SipDomain, SipDomainMapping, SipDomainSid, SmsHooks,
    Timestamp, TrunkSid, VoiceHooks, VoiceReceiveMode,
};

use super::{ApplicationFilter, CallerIdFilter, MappingKind, NumberFilter};
use crate::recover::SEQ_SKIP;
use crate::testing::{ACCOUNT, open};
use crate::{Page, Position, Row, Store};

const PAGE: Page = Page { size: 50, position: Position::Offset(0) };
const SOMEBODY_ELSE: AccountSid = AccountSid::from_bits(0xE15E);
const LIST: CredentialListSid = CredentialListSid::from_bits(0xC1);
const IP_LIST: IpAccessControlListSid = IpAccessControlListSid::from_bits(0xA1);
const DOMAIN: SipDomainSid = SipDomainSid::from_bits(0x5D);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn hook(name: &str, method: HttpMethod) -> Hook {
    Hook { url: Some(format!("https://app.test/{name}")), method }
}

fn voice() -> VoiceHooks {
    VoiceHooks {
        voice: hook("voice", HttpMethod::Get),
        fallback: hook("fallback", HttpMethod::Post),
        status_callback: hook("status", HttpMethod::Get),
    }
}

fn sms() -> SmsHooks {
    SmsHooks { sms: hook("sms", HttpMethod::Get), fallback: hook("sms-fallback", HttpMethod::Get) }
}

fn number(seq: i64, phone_number: &str) -> IncomingPhoneNumber {
    IncomingPhoneNumber {
        sid: PhoneNumberSid::from_bits(seq.unsigned_abs().into()),
        account_sid: ACCOUNT,
        phone_number: phone_number.to_owned(),
        number_type: NumberType::Local,
        friendly_name: "front desk".to_owned(),
        api_version: "2010-04-01".to_owned(),
        voice: voice(),
        voice_caller_id_lookup: true,
        voice_application_sid: Some(ApplicationSid::from_bits(2)),
        trunk_sid: Some(TrunkSid::from_bits(3)),
        voice_receive_mode: VoiceReceiveMode::Fax,
        sms: sms(),
        sms_application_sid: Some(ApplicationSid::from_bits(4)),
        emergency_status: EmergencyStatus::Active,
        emergency_address_sid: Some(AddressSid::from_bits(5)),
        address_sid: Some(AddressSid::from_bits(6)),
        identity_sid: Some(IdentitySid::from_bits(7)),
        bundle_sid: Some(BundleSid::from_bits(8)),
        created: at(1),
        updated: at(2),
        seq,
    }
}

/// One of each, every field set.
fn every_row() -> Vec<DirectoryRow> {
    let (account_sid, created, updated) = (ACCOUNT, at(1), at(2));
    let mapping = |list, seq| SipDomainMapping { domain_sid: DOMAIN, account_sid, list, created, updated, seq };
    vec![
        DirectoryRow::IncomingPhoneNumber(Box::new(number(1, "+15005550006"))),
        DirectoryRow::Application(Application {
            sid: ApplicationSid::from_bits(1),
            account_sid,
            friendly_name: Some("ivr".to_owned()),
            api_version: "2010-04-01".to_owned(),
            voice: voice(),
            voice_caller_id_lookup: true,
            sms: sms(),
            sms_status_callback: Some("https://app.test/sms-status".to_owned()),
            message_status_callback: Some("https://app.test/message-status".to_owned()),
            public_application_connect_enabled: true,
            created,
            updated,
            seq: 2,
        }),
        DirectoryRow::SipDomain(SipDomain {
            sid: DOMAIN,
            account_sid,
            domain_name: "acme.sip.test".to_owned(),
            friendly_name: Some("Acme".to_owned()),
            api_version: "2010-04-01".to_owned(),
            voice: voice(),
            auth_type: AuthType { ip_acl: true, credential_list: true },
            sip_registration: true,
            secure: true,
            digest: Some(model::SipDigest::Md5OrSha256),
            emergency_calling_enabled: true,
            byoc_trunk_sid: Some(ByocTrunkSid::from_bits(1)),
            emergency_caller_sid: Some(PhoneNumberSid::from_bits(1)),
            created,
            updated,
            seq: 3,
        }),
        DirectoryRow::SipDomainMapping(mapping(MappedList::CallsIpAccessControlList(IP_LIST), 4)),
        DirectoryRow::SipDomainMapping(mapping(MappedList::CallsCredentialList(LIST), 5)),
        DirectoryRow::SipDomainMapping(mapping(MappedList::RegistrationsCredentialList(LIST), 6)),
        DirectoryRow::CredentialList(CredentialList {
            sid: LIST,
            account_sid,
            friendly_name: "agents".to_owned(),
            created,
            updated,
            seq: 7,
        }),
        DirectoryRow::Credential(Credential {
            sid: CredentialSid::from_bits(1),
            account_sid,
            credential_list_sid: LIST,
            username: "alice".to_owned(),
            password: Password("Sesame0pen!!".to_owned()),
            created,
            updated,
            seq: 8,
        }),
        DirectoryRow::IpAccessControlList(IpAccessControlList {
            sid: IP_LIST,
            account_sid,
            friendly_name: "offices".to_owned(),
            created,
            updated,
            seq: 9,
        }),
        DirectoryRow::IpAddress(IpAddress {
            sid: IpAddressSid::from_bits(1),
            account_sid,
            ip_access_control_list_sid: IP_LIST,
            friendly_name: "Berlin".to_owned(),
            ip_address: "192.0.2.7".parse().expect("an address"),
            cidr_prefix_length: 24,
            created,
            updated,
            seq: 10,
        }),
        DirectoryRow::OutgoingCallerId(OutgoingCallerId {
            sid: PhoneNumberSid::from_bits(0x0C),
            account_sid,
            friendly_name: "head office".to_owned(),
            phone_number: "+442071838750".to_owned(),
            created,
            updated,
            seq: 11,
        }),
        DirectoryRow::Queue(Queue {
            sid: QueueSid::from_bits(1),
            account_sid,
            friendly_name: "support".to_owned(),
            max_size: 5_000,
            created,
            updated,
            seq: 12,
        }),
    ]
}

fn key(row: &DirectoryRow) -> DirectoryKey {
    match row {
        DirectoryRow::IncomingPhoneNumber(row) => DirectoryKey::IncomingPhoneNumber(row.sid),
        DirectoryRow::Application(row) => DirectoryKey::Application(row.sid),
        DirectoryRow::SipDomain(row) => DirectoryKey::SipDomain(row.sid),
        DirectoryRow::SipDomainMapping(row) => DirectoryKey::SipDomainMapping(row.domain_sid, row.list),
        DirectoryRow::CredentialList(row) => DirectoryKey::CredentialList(row.sid),
        DirectoryRow::Credential(row) => DirectoryKey::Credential(row.sid),
        DirectoryRow::IpAccessControlList(row) => DirectoryKey::IpAccessControlList(row.sid),
        DirectoryRow::IpAddress(row) => DirectoryKey::IpAddress(row.sid),
        DirectoryRow::OutgoingCallerId(row) => DirectoryKey::OutgoingCallerId(row.sid),
        DirectoryRow::Queue(row) => DirectoryKey::Queue(row.sid),
    }
}

/// The row by its own SID, the rows of its list, and its place in that list.
async fn found(store: &Store, account: AccountSid, row: &DirectoryRow) -> (Option<DirectoryRow>, usize, Option<i64>) {
    use DirectoryRow as D;
    macro_rules! ask {
        ($variant:path, $one:ident, $many:ident, $seq:ident, [$($scope:expr),*], [$($filter:expr),*], $sid:expr) => {{
            let one = store.$one(account, $($scope,)* $sid).await.expect("reads").map($variant);
            let many = store.$many(account, $($scope,)* $($filter,)* PAGE).await.expect("reads").rows.len();
            (one, many, store.$seq(account, $($scope,)* $sid).await.expect("reads"))
        }};
    }
    match row {
        D::IncomingPhoneNumber(row) => {
            let boxed = |row| D::IncomingPhoneNumber(Box::new(row));
            let one = store.incoming_phone_number(account, row.sid).await.expect("reads").map(boxed);
            let filter = NumberFilter::default();
            let many = store.incoming_phone_numbers(account, &filter, PAGE).await.expect("reads").rows.len();
            (one, many, store.incoming_phone_number_seq(account, row.sid).await.expect("reads"))
        }
        D::Application(row) => {
            let filter = ApplicationFilter::default();
            ask!(D::Application, application, applications, application_seq, [], [&filter], row.sid)
        }
        D::SipDomain(row) => ask!(D::SipDomain, sip_domain, sip_domains, sip_domain_seq, [], [], row.sid),
        D::SipDomainMapping(row) => {
            let kind = match row.list {
                MappedList::CallsIpAccessControlList(_) => MappingKind::CallsIpAccessControlList,
                MappedList::CallsCredentialList(_) => MappingKind::CallsCredentialList,
                MappedList::RegistrationsCredentialList(_) => MappingKind::RegistrationsCredentialList,
            };
            let one = store.sip_domain_mapping(account, DOMAIN, row.list).await.expect("reads");
            let many = store.sip_domain_mappings(account, DOMAIN, kind, PAGE).await.expect("reads").rows.len();
            let seq = store.sip_domain_mapping_seq(account, DOMAIN, row.list).await.expect("reads");
            (one.map(|(row, _)| D::SipDomainMapping(row)), many, seq)
        }
        D::CredentialList(row) => {
            ask!(D::CredentialList, credential_list, credential_lists, credential_list_seq, [], [], row.sid)
        }
        D::Credential(row) => ask!(D::Credential, credential, credentials, credential_seq, [LIST], [], row.sid),
        D::IpAccessControlList(row) => ask!(
            D::IpAccessControlList,
            ip_access_control_list,
            ip_access_control_lists,
            ip_access_control_list_seq,
            [],
            [],
            row.sid
        ),
        D::IpAddress(row) => ask!(D::IpAddress, ip_address, ip_addresses, ip_address_seq, [IP_LIST], [], row.sid),
        D::OutgoingCallerId(row) => {
            let filter = CallerIdFilter::default();
            ask!(
                D::OutgoingCallerId,
                outgoing_caller_id,
                outgoing_caller_ids,
                outgoing_caller_id_seq,
                [],
                [&filter],
                row.sid
            )
        }
        D::Queue(row) => ask!(D::Queue, queue, queues, queue_seq, [], [], row.sid),
    }
}

#[tokio::test]
async fn each_resource_is_read_as_it_was_written_until_it_is_deleted_and_its_place_stays() {
    let (_scratch, store) = open().await;
    let rows = every_row();
    for _twice in 0..2 {
        let saves: Vec<Row> = rows.iter().map(|row| Row::Directory(Box::new(row.clone()))).collect();
        store.commit(&saves).await.expect("writes");
    }
    assert_eq!(store.directory().await.expect("reads").len(), rows.len());
    for row in &rows {
        assert!(store.directory().await.expect("reads").contains(row), "{row:?}");
        let (one, many, place) = found(&store, ACCOUNT, row).await;
        assert_eq!((one.as_ref(), many), (Some(row), 1), "{row:?}");
        assert!(place.is_some(), "{row:?}");
        assert_eq!(found(&store, SOMEBODY_ELSE, row).await, (None, 0, None), "{row:?}");
    }
    assert_eq!(store.recover(at(9)).await.expect("recovers").seq_max, 12 + SEQ_SKIP);
    for row in &rows {
        let (_, _, place) = found(&store, ACCOUNT, row).await;
        store.commit(&[Row::DirectoryDeleted(key(row))]).await.expect("deletes");
        let (one, many, place_after) = found(&store, ACCOUNT, row).await;
        assert_eq!((one, many), (None, 0), "{row:?}");
        if !matches!(row, DirectoryRow::Credential(_) | DirectoryRow::IpAddress(_)) {
            assert_eq!(place_after, place, "{row:?}");
        } else {
            assert_eq!(place, None, "it went with its list: {row:?}");
        }
    }
    assert_eq!(store.directory().await.expect("reads"), []);
    assert_eq!(store.recover(at(9)).await.expect("recovers").seq_max, 12 + SEQ_SKIP, "no place is given twice");
}

#[tokio::test]
async fn numbers_are_found_by_a_part_of_them() {
    let (_scratch, store) = open().await;
    let mut rows = [number(1, "+15005550006"), number(2, "+15105550006"), number(3, "+442071838750")];
    (rows[1].friendly_name, rows[2].number_type) = ("back door".to_owned(), NumberType::Mobile);
    store
        .commit(&rows.map(|row| Row::Directory(Box::new(DirectoryRow::IncomingPhoneNumber(Box::new(row))))))
        .await
        .expect("writes");
    let part = |text: &str| NumberFilter { phone_number: Some(text.to_owned()), ..NumberFilter::default() };
    for (case, filter, want) in [
        ("none", NumberFilter::default(), vec![3, 2, 1]),
        ("whole", part("+15005550006"), vec![1]),
        ("beginning", part("+1"), vec![2, 1]),
        ("middle", part("718"), vec![3]),
        ("any digit", part("+15*0555"), vec![2, 1]),
        ("any digit is one digit", part("+15*555"), vec![]),
        ("what SQL has for it is not ours", part("+15_0555"), vec![]),
        ("nor that", part("%"), vec![]),
        ("nor that", part("\\"), vec![]),
        ("name", NumberFilter { friendly_name: Some("back door".to_owned()), ..NumberFilter::default() }, vec![2]),
        ("type", NumberFilter { number_type: Some(NumberType::Mobile), ..NumberFilter::default() }, vec![3]),
    ] {
        let found = store.incoming_phone_numbers(ACCOUNT, &filter, PAGE).await.expect("reads");
        assert_eq!(found.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), want, "{case}: {filter:?}");
    }
}

#[tokio::test]
async fn a_mapping_is_listed_with_the_name_of_its_list() {
    let (_scratch, store) = open().await;
    let saves: Vec<Row> = every_row().into_iter().map(|row| Row::Directory(Box::new(row))).collect();
    store.commit(&saves).await.expect("writes");
    for (kind, want) in [
        (MappingKind::CallsIpAccessControlList, "offices"),
        (MappingKind::CallsCredentialList, "agents"),
        (MappingKind::RegistrationsCredentialList, "agents"),
    ] {
        let found = store.sip_domain_mappings(ACCOUNT, DOMAIN, kind, PAGE).await.expect("reads").rows;
        assert_eq!(found.into_iter().map(|(_, name)| name).collect::<Vec<_>>(), [want], "{kind:?}");
    }
}
