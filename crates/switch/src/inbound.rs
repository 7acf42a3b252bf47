//! Where a call that reaches us is to go.

use model::AccountSid;
use sip::{Flow, Request, Uri};

use crate::config::{Config, OpenRooms};
use crate::leg::is_private;

/// What a call that arrives is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The conference of this name.
    Room { account: AccountSid, name: String },
}

/// Nobody here by that name: 404.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown;

/// Longest name of a conference, in characters (rest-voice §4.3).
const NAME_CHARACTERS_MAX: usize = 128;

/// Finds the destination of an INVITE. Nothing claims numbers yet, so every user part names an open room.
pub(crate) fn destination(config: &Config, request: &Request, flow: &Flow) -> Result<Destination, Unknown> {
    let open = match config.open_rooms {
        OpenRooms::Any => true,
        OpenRooms::Private => is_private(flow.remote.ip()),
        OpenRooms::Off => false,
    };
    let Uri::Sip(uri) = request.uri.uri() else { return Err(Unknown) };
    let name = uri.user.as_deref().and_then(room_name).filter(|_| open).ok_or(Unknown)?;
    Ok(Destination::Room { account: config.account, name })
}

/// The name a user part spells: percent-decoded, without parameters of the user part (RFC 3261 §19.1.6), or nothing
/// if it spells none.
fn room_name(user: &str) -> Option<String> {
    let user = user.split(';').next().unwrap_or_default();
    let name = percent_decode(user)?;
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARACTERS_MAX && !name.chars().any(char::is_control);
    fits.then_some(name)
}

fn percent_decode(text: &str) -> Option<String> {
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
