//! `[[trunk]]` in the configuration file: carriers that take our calls.

use std::time::Duration;

use sip::{AudioCodec, Credentials, SipUri, Uri};
use switch::Trunk;
use toml::{Table, Value};

/// How often a trunk is asked whether it is there, unless its `keep_alive_seconds` says otherwise; 0: never.
const KEEP_ALIVE_S: i64 = 30;
/// The longest time between two such questions.
const KEEP_ALIVE_S_MAX: i64 = 3_600;

/// Reads one trunk, or says what is wrong with it.
pub(crate) fn read(table: &Table) -> Result<Trunk, String> {
    let known = [
        "name",
        "address",
        "domain",
        "username",
        "password",
        "realm",
        "caller_id",
        "prefix",
        "codecs",
        "keep_alive_seconds",
    ];
    if let Some(other) = table.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("{other} is none of {}", known.join(", ")));
    }
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{key} = {other} is no string")),
    };
    let list = |key: &str| match table.get(key) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| format!("{key}: {item} is no string")))
            .collect(),
        Some(other) => Err(format!("{key} = {other} is neither a string nor a list of strings")),
    };
    let name = text("name")?.ok_or("a trunk needs a name")?;
    let uris = list("address")?.iter().map(|address| next_hop(address)).collect::<Result<Vec<_>, _>>()?;
    if uris.is_empty() {
        return Err(format!("the trunk {name} needs an address"));
    }
    let credentials = match (text("username")?, text("password")?) {
        (Some(username), Some(password)) => Some(Credentials { username, password, realm: text("realm")? }),
        (None, None) => None,
        _ => return Err(format!("the trunk {name} needs both username and password, or neither")),
    };
    let prefixes = list("prefix")?;
    if let Some(wrong) = prefixes.iter().find(|prefix| !is_prefix(prefix)) {
        return Err(format!("prefix {wrong:?} is not the beginning of a number such as +49"));
    }
    let codecs = list("codecs")?.iter().map(|name| codec(name)).collect::<Result<Vec<_>, _>>()?;
    let keep_alive_s = match table.get("keep_alive_seconds") {
        None => KEEP_ALIVE_S,
        Some(value) => {
            value.as_integer().filter(|seconds| (0..=KEEP_ALIVE_S_MAX).contains(seconds)).ok_or_else(|| {
                format!("keep_alive_seconds = {value} is not a whole number from 0 to {KEEP_ALIVE_S_MAX}")
            })?
        }
    };
    Ok(Trunk {
        name,
        uris,
        domain: text("domain")?,
        credentials,
        caller_id: text("caller_id")?,
        prefixes: if prefixes.is_empty() { vec![String::new()] } else { prefixes },
        codecs,
        keep_alive: u64::try_from(keep_alive_s).ok().filter(|s| *s > 0).map(Duration::from_secs),
    })
}

/// `carrier.example`, `10.0.0.1:5080` or a whole `sip:` URI.
fn next_hop(address: &str) -> Result<SipUri, String> {
    let whole = if address.contains("sip:") { address.to_owned() } else { format!("sip:{address}") };
    match whole.parse() {
        Ok(Uri::Sip(uri)) => Ok(uri),
        _ => Err(format!("address {address:?} is neither a host, nor HOST:PORT, nor a sip: URI")),
    }
}

/// The beginning of a number; empty is the beginning of every one.
fn is_prefix(prefix: &str) -> bool {
    prefix.is_empty() || prefix.strip_prefix('+').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn codec(name: &str) -> Result<AudioCodec, String> {
    match name.to_ascii_lowercase().as_str() {
        "pcmu" => Ok(AudioCodec::Pcmu),
        "pcma" => Ok(AudioCodec::Pcma),
        "g722" => Ok(AudioCodec::G722),
        "opus" => Ok(AudioCodec::Opus),
        _ => Err(format!("codec {name:?} is none of pcmu, pcma, g722, opus")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Trunk, String> {
        read(&text.parse().expect("TOML"))
    }

    #[test]
    fn a_trunk_is_read_whole() {
        let trunk = parse(
            "name = 'carrier'\naddress = ['carrier.example', 'sip:10.0.0.9:5080']\ndomain = 'pbx.example'\n\
             username = 'us'\npassword = 'secret'\ncaller_id = '+15005550006'\nprefix = ['+1', '+44']\n\
             codecs = ['pcma', 'PCMU']\nkeep_alive_seconds = 60",
        )
        .expect("a trunk");
        assert_eq!(
            trunk.uris.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["sip:carrier.example", "sip:10.0.0.9:5080"]
        );
        assert_eq!(trunk.credentials.map(|own| own.username).as_deref(), Some("us"));
        assert_eq!(trunk.prefixes, ["+1", "+44"]);
        assert_eq!(trunk.codecs, [AudioCodec::Pcma, AudioCodec::Pcmu]);
        assert_eq!(trunk.keep_alive, Some(Duration::from_secs(60)));
        let least = parse("name = 'x'\naddress = '10.0.0.1'").expect("the least there is");
        assert_eq!((least.prefixes, least.keep_alive), (vec![String::new()], Some(Duration::from_secs(30))));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("address = '10.0.0.1'", "needs a name"),
            ("name = 'x'", "needs an address"),
            ("name = 'x'\naddress = 'a b'", "neither a host"),
            ("name = 'x'\naddress = '10.0.0.1'\nusername = 'u'", "both username and password"),
            ("name = 'x'\naddress = '10.0.0.1'\nprefix = '49'", "not the beginning"),
            ("name = 'x'\naddress = '10.0.0.1'\ncodecs = ['mp3']", "none of pcmu"),
            ("name = 'x'\naddress = '10.0.0.1'\nkeep_alive_seconds = -1", "not a whole number"),
            ("name = 'x'\naddress = '10.0.0.1'\ncolour = 'red'", "colour is none of"),
            ("name = 7\naddress = '10.0.0.1'", "no string"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
