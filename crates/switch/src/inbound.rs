//! Where a call that reaches us is to go.

use model::{AccountSid, PhoneNumberSid, VoiceHooks};
use sip::{Flow, Host, Request, SipUri, Uri};

use crate::config::{Config, OpenRooms};
use crate::directory::{Directory, VoiceTarget};
use crate::leg::is_private;

/// What a call that arrives is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The conference of this name.
    Room { account: AccountSid, name: String },
    /// What the hooks of a number, of an application or of a SIP domain say.
    Application(Box<Called>),
}

/// Somebody's number or domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) account: AccountSid,
    /// As requests name it: E.164, or `sip:user@domain`.
    pub(crate) to: String,
    pub(crate) hooks: VoiceHooks,
    /// It is a number, so its caller most likely is one.
    pub(crate) number: Option<PhoneNumberSid>,
    /// Callers' names are wanted.
    pub(crate) caller_name: bool,
    /// The SIP domain it is in.
    pub(crate) domain: Option<(String, model::SipDomainSid)>,
}

/// Nobody here by that name: 404.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown;

/// Longest name of a conference, in characters (rest-voice §4.3).
const NAME_CHARACTERS_MAX: usize = 128;

/// Finds the destination of an INVITE: a SIP domain of that host, else a number, else an open room.
pub(crate) fn destination(
    config: &Config,
    directory: &Directory,
    request: &Request,
    flow: &Flow,
) -> Result<Destination, Unknown> {
    let uri = request.uri.uri();
    let called = uri.sip().and_then(|uri| domain_called(directory, uri));
    if let Some(called) = called.or_else(|| number_called(directory, &uri.user()?)) {
        let active = directory.is_active(called.account);
        return if active { Ok(Destination::Application(Box::new(called))) } else { Err(Unknown) };
    }
    let open = match config.open_rooms {
        OpenRooms::Any => true,
        OpenRooms::Private => is_private(flow.remote.ip()),
        OpenRooms::Off => false,
    };
    let Uri::Sip(uri) = uri else { return Err(Unknown) };
    let open = open && directory.is_active(config.account);
    let name = uri.user.as_deref().and_then(room_name).filter(|_| open).ok_or(Unknown)?;
    Ok(Destination::Room { account: config.account, name })
}

fn domain_called(directory: &Directory, uri: &SipUri) -> Option<Called> {
    let Host::Name(host) = &uri.host else { return None };
    let domain = directory.domain(host)?;
    let user = uri.user.as_deref().unwrap_or_default();
    Some(Called {
        account: domain.account_sid,
        to: format!("sip:{user}@{}", domain.domain_name),
        hooks: domain.voice.clone(),
        number: None,
        caller_name: false,
        domain: Some((domain.domain_name.clone(), domain.sid)),
    })
}

fn number_called(directory: &Directory, user: &str) -> Option<Called> {
    let number = directory.number(&e164(user)?)?;
    let (hooks, caller_name) = match directory.voice_target(number) {
        VoiceTarget::Hooks { hooks, caller_id_lookup, .. } => (hooks.clone(), caller_id_lookup),
        VoiceTarget::Trunk(_) | VoiceTarget::Nothing => (VoiceHooks::default(), false),
    };
    Some(Called {
        account: number.account_sid,
        to: number.phone_number.clone(),
        hooks,
        number: Some(number.sid),
        caller_name,
        domain: None,
    })
}

/// A user part that is a number, as E.164: carriers write it with or without its plus.
pub(crate) fn e164(user: &str) -> Option<String> {
    let user = user.split(';').next().unwrap_or_default();
    let digits = user.strip_prefix('+').unwrap_or(user);
    let is_number = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("+{digits}"))
}
/// The name a user part spells: percent-decoded, without parameters of the user part (RFC 3261 §19.1.6), or nothing
/// if it spells none.
fn room_name(user: &str) -> Option<String> {
    let user = user.split(';').next().unwrap_or_default();
    let name = percent_decode(user)?;
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARACTERS_MAX && !name.chars().any(char::is_control);
    fits.then_some(name)
}

/// Takes `%` escapes off; nothing if they are broken, or hide what is no text.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let hex = |digit: Option<u8>| digit.and_then(|d| char::from(d).to_digit(16));
            let (high, low) = (hex(bytes.next())?, hex(bytes.next())?);
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_part_names_the_room() {
        let long = "x".repeat(NAME_CHARACTERS_MAX);
        for (case, user, want) in [
            ("plain", "standup", Some("standup")),
            ("case is kept", "StandUp", Some("StandUp")),
            ("escaped blank", "all%20hands", Some("all hands")),
            ("escaped UTF-8", "caf%C3%A9", Some("café")),
            ("parameters of the user part", "standup;x=1", Some("standup")),
            ("longest", &long, Some(long.as_str())),
            ("too long", &format!("{long}y"), None),
            ("empty", "", None),
            ("broken escape", "a%2", None),
            ("not hex", "a%zz", None),
            ("not UTF-8", "a%ff", None),
            ("a control character", "a%00b", None),
        ] {
            assert_eq!(room_name(user).as_deref(), want, "{case}");
        }
    }
}
