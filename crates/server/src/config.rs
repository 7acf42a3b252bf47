//! Settings: defaults, a TOML file over them, environment variables over both. Read once, at the start.
//!
//! The same names everywhere: `sip_listen` in the file is `PARTYLINE_SIP_LISTEN` in the environment. Whatever is
//! unknown or wrong stops the start with a sentence that names the key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use model::AccountSid;
use sip::{Algorithm, LimitsConfig, Network, Transport};
use switch::{DirectoryConfig, MediaAddress, OpenRooms, Trunk};
use web::{AllowRule, Url};

/// Every setting, checked.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where SIP is listened for.
    pub(crate) sip_listen: Vec<SipListen>,
    /// Where the API is served.
    pub(crate) http_listen: SocketAddr,
    /// Where it is served by TLS, too.
    pub(crate) https_listen: Option<SocketAddr>,
    /// Where gRPC is served, in the clear.
    pub(crate) grpc_listen: Option<SocketAddr>,
    /// Nobody asked for that address.
    pub(crate) grpc_listen_is_default: bool,
    /// Directory of its certificate.
    pub(crate) tls_dir: PathBuf,
    /// Addresses for audio.
    pub(crate) rtp_addresses: Vec<MediaAddress>,
    /// Ports for audio; each leg takes an even one and the next.
    pub(crate) rtp_ports: RangeInclusive<u16>,
    /// Database, credentials and logs.
    pub(crate) data: PathBuf,
    /// Main account; made at the first start if not given.
    pub(crate) account_sid: Option<AccountSid>,
    /// Its token; made at the first start if not given.
    pub(crate) auth_token: Option<String>,
    /// Requests that one account may make of it in a second; `None`: as many as it likes.
    pub(crate) api_rate: Option<NonZeroU32>,
    /// How the outside world reaches the API.
    pub(crate) public_url: Option<String>,
    /// What strangers may ask over SIP, and how often.
    pub(crate) sip_limits: LimitsConfig,
    /// What phones are asked to prove their password with, best liked first.
    pub(crate) sip_digest: Vec<Algorithm>,
    /// How often registered phones are asked whether they are there.
    pub(crate) sip_qualify: Option<Duration>,
    /// Who may dial into a room by its name.
    pub(crate) open_rooms: OpenRooms,
    /// Carriers that take our calls.
    pub(crate) trunks: Vec<Trunk>,
    /// Numbers that carriers deliver here, and what SIP domains end in.
    pub(crate) directory: DirectoryConfig,
    /// Threads for audio; `None`: one less than cores, at least one.
    pub(crate) media_threads: Option<usize>,
    /// Participants in one conference.
    pub(crate) room_legs_max: usize,
    /// Calls at once.
    pub(crate) calls_max: usize,
    /// How long calls may go on after SIGTERM.
    pub(crate) drain: Duration,
    /// How long a leg may receive nothing before its call ends.
    pub(crate) rtp_timeout: Duration,
    /// The same while its phone holds us.
    pub(crate) held_rtp_timeout: Duration,
    /// What may be fetched beyond public addresses.
    pub(crate) fetch_allow: Vec<AllowRule>,
    /// A service that speaks instead of flite and espeak-ng.
    pub(crate) speech_url: Option<Url>,
    /// PEM file of certificate authorities trusted beside the machine's.
    pub(crate) trusted_ca: Option<PathBuf>,
    /// How long an application may take to answer.
    pub(crate) webhook_timeout: Duration,
    /// How long a connection to it may take.
    pub(crate) webhook_connect_timeout: Duration,
    /// Documents asked for at once.
    pub(crate) webhooks_max: usize,
    /// Callbacks being sent at once.
    pub(crate) callbacks_max: usize,
    /// `tracing` filter, such as `info` or `sip=debug,info`.
    pub(crate) log: String,
    /// Settings of later versions that were given; they have no effect.
    pub(crate) without_effect: Vec<&'static str>,
    /// `sip_listen` is the default: where a family does not exist on this machine it is left out.
    pub(crate) sip_listen_is_default: bool,
}

/// One place to listen for SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SipListen {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
}

impl fmt::Display for SipListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        write!(f, "{transport}:{}", self.address)
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {path}: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("the configuration file {path} is not TOML: {error}")]
    NotToml { path: PathBuf, error: toml::de::Error },
    #[error("{key} is not a setting of Partyline; see `partyline --help` for those there are")]
    UnknownKey { key: String },
    #[error("{key} is {value:?}: {reason}")]
    Wrong { key: String, value: String, reason: String },
}

/// Key, default, and what `--help` says. An empty default means: unset.
const SETTINGS: &[(&str, &str, &str)] = &[
    (
        "sip_listen",
        "udp:0.0.0.0:5060,tcp:0.0.0.0:5060,udp:[::]:5060,tcp:[::]:5060",
        "where SIP is listened for, a comma list of udp:ADDRESS:PORT and tcp:ADDRESS:PORT",
    ),
    (
        "sip_rate",
        "100",
        "SIP requests a second outside of calls that one address may make for long, 0 to 1000000; 0: as many as it likes",
    ),
    (
        "sip_ban_after",
        "10",
        "wrong SIP passwords within a minute after which an address gets no answer for five, 0 to 1000; 0: never",
    ),
    (
        "sip_trusted",
        "127.0.0.0/8,::1/128",
        "addresses and networks to which neither applies, a comma list: trunks, proxies of one's own",
    ),
    (
        "sip_digest",
        "md5",
        "what phones are asked to prove their password with, best liked first: md5, sha-256 (many a phone knows md5 alone, and reads the first only)",
    ),
    ("sip_qualify_seconds", "60", "how often registered phones are asked whether they are there, 10 to 3600; 0: never"),
    ("http_listen", "127.0.0.1:8080", "where the REST API is served, ADDRESS:PORT"),
    ("https_listen", "", "where it is served by TLS (HTTP/1.1 and HTTP/2), too, ADDRESS:PORT; nowhere if not given"),
    ("grpc_listen", "127.0.0.1:50051", "where gRPC is served (HTTP/2 in the clear), ADDRESS:PORT; off: nowhere"),
    (
        "tls_dir",
        "",
        "directory of certificate.pem and key.pem, which `partyline certs` makes; tls in the data directory if not given",
    ),
    (
        "rtp_address",
        "0.0.0.0,::",
        "addresses for audio, a comma list; OWN/SEEN where a router translates one to one; 0.0.0.0 and :: mean the address a call's signalling arrived at",
    ),
    ("rtp_ports", "10000-32767", "UDP ports for audio, FIRST-LAST"),
    ("data", "./data", "directory for the database, credentials and logs"),
    ("account_sid", "", "main account, AC and 32 hex digits; made at the first start if not given"),
    (
        "auth_token",
        "",
        "its token, at most 128 characters of ASCII without blanks; made at the first start if not given",
    ),
    (
        "api_rate",
        "",
        "REST requests that one account may make in a second, 1 to 1000000; as many as it likes if not given",
    ),
    ("public_url", "", "how the outside world reaches the API, http(s)://HOST[:PORT]"),
    (
        "open_rooms",
        "private",
        "who may dial into a room by its name: private (loopback and private addresses), any, off",
    ),
    ("numbers", "", "telephone numbers that carriers deliver here, a comma list such as +15005550006"),
    ("sip_suffix", "sip.partyline.internal", "what names of SIP domains end in, beside sip.twilio.com"),
    ("media_threads", "", "threads for audio, 1 to 256; one less than cores, at least one, if not given"),
    ("room_legs_max", "250", "participants in one conference, 2 to 10000"),
    ("calls_max", "10000", "calls at once, 1 to 100000"),
    ("drain_seconds", "30", "how long calls may go on after SIGTERM, 0 to 86400"),
    ("rtp_timeout_seconds", "300", "a call that sends no audio for this long is ended, 5 to 86400"),
    ("held_rtp_timeout_seconds", "1800", "the same while the phone holds, 5 to 86400"),
    (
        "fetch_allow",
        "127.0.0.0/8,::1/128",
        "where sound may be fetched and applications asked beyond public addresses, a comma list of ranges, addresses and host names",
    ),
    ("trusted_ca", "", "PEM file of certificate authorities that are trusted beside the machine's"),
    ("webhook_timeout_seconds", "15", "how long an application may take to answer a webhook, 1 to 15"),
    ("webhook_connect_timeout_seconds", "5", "how long connecting to it may take, 1 to 10"),
    ("webhooks_max", "512", "documents asked for at once, half of them of one host, 2 to 10000; more wait"),
    ("callbacks_max", "256", "callbacks sent at once, a quarter of them to one host, 4 to 10000; more wait"),
    (
        "speech_url",
        "",
        "a service that speaks: it is posted JSON (text, ssml, voice, language) and answers WAV or MP3; where it fails, and if not given, flite and espeak-ng speak",
    ),
    ("log", "info", "what is logged, such as info or sip=debug,info"),
];

/// Names kept for later versions.
const RESERVED: &[&str] = &["database_url"];

/// More is no bound.
const API_RATE_MAX: NonZeroU32 = NonZeroU32::new(1_000_000).expect("is not 0");

/// Longest auth token, in bytes.
const AUTH_TOKEN_LEN_MAX: usize = 128;

const ENVIRONMENT_PREFIX: &str = "PARTYLINE_";

impl Config {
    /// Reads `file`, if one is named, and `environment` over it.
    pub(crate) fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut given = Given::default();
        if let Some(path) = file {
            given.read_file(path)?;
        }
        given.read_environment(environment)?;
        given.check()
    }
}

/// The settings and their defaults, for `--help`.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "Settings (environment variable; in the TOML file the same name in lower case without PARTYLINE_):\n",
    );
    for (key, default, about) in SETTINGS {
        let name = environment_name(key);
        let default = if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
        text.push_str(&format!("  {name}\n          {about}{default}\n"));
    }
    text
}

/// What was given, as text, with the name under which it was given.
#[derive(Default)]
struct Given {
    values: BTreeMap<&'static str, (String, String)>,
    trunks: Vec<Trunk>,
    without_effect: Vec<&'static str>,
}

impl Given {
    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        let table: toml::Table = text.parse().map_err(|error| ConfigError::NotToml { path: path.to_owned(), error })?;
        for (key, value) in table {
            let shown = format!("{key} in {}", path.display());
            if key == "trunk" {
                self.read_trunks(&shown, &value)?;
                continue;
            }
            let text = match toml_text(&value) {
                Some(text) => text,
                None => {
                    let reason = "a string, a number or a list of strings was expected".to_owned();
                    return Err(ConfigError::Wrong { key: shown, value: value.to_string(), reason });
                }
            };
            self.put(&key, shown, text)?;
        }
        Ok(())
    }

    /// Each `[[trunk]]` is one.
    fn read_trunks(&mut self, shown: &str, value: &toml::Value) -> Result<(), ConfigError> {
        let wrong = |value: &toml::Value, reason: String| ConfigError::Wrong {
            key: shown.to_owned(),
            value: value.to_string(),
            reason,
        };
        let expected = || "a table for each trunk was expected: [[trunk]]".to_owned();
        for entry in value.as_array().ok_or_else(|| wrong(value, expected()))? {
            let table = entry.as_table().ok_or_else(|| wrong(entry, expected()))?;
            self.trunks.push(crate::trunk::read(table).map_err(|reason| {
                let name = table.get("name").cloned().unwrap_or_else(|| toml::Value::String(String::new()));
                wrong(&name, reason)
            })?);
        }
        Ok(())
    }

    fn read_environment(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<(), ConfigError> {
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            let Some(key) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let key = key.to_ascii_lowercase();
            let value = value.into_string().map_err(|value| ConfigError::Wrong {
                key: name.clone(),
                value: value.to_string_lossy().into_owned(),
                reason: "UTF-8 was expected".to_owned(),
            })?;
            self.put(&key, name, value)?;
        }
        Ok(())
    }

    fn put(&mut self, key: &str, shown: String, value: String) -> Result<(), ConfigError> {
        if let Some((key, ..)) = SETTINGS.iter().find(|(known, ..)| *known == key) {
            self.values.insert(key, (shown, value));
            Ok(())
        } else if let Some(key) = RESERVED.iter().find(|reserved| **reserved == key) {
            self.without_effect.push(key);
            Ok(())
        } else {
            Err(ConfigError::UnknownKey { key: shown })
        }
    }

    /// A setting counts as given unless it is empty, as unset variables come out of many a start script. An empty
    /// list of what may be fetched, or of who is trusted, is meant, though: nothing, nobody.
    fn is_given(&self, key: &'static str) -> bool {
        self.values
            .get(key)
            .is_some_and(|(_, value)| ["fetch_allow", "sip_trusted"].contains(&key) || !value.trim().is_empty())
    }

    /// The text of a setting and the name to complain under.
    fn text(&self, key: &'static str) -> (String, String) {
        match self.values.get(key) {
            Some((shown, value)) if self.is_given(key) => (shown.clone(), value.trim().to_owned()),
            _ => {
                let default = SETTINGS.iter().find(|(known, ..)| *known == key).map_or("", |(_, default, _)| default);
                (environment_name(key), default.to_owned())
            }
        }
    }

    fn parse<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        let (key, value) = self.text(key);
        parse(&value).map_err(|reason| ConfigError::Wrong { key, value, reason })
    }

    fn optional<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        if self.text(key).1.is_empty() { Ok(None) } else { self.parse(key, parse).map(Some) }
    }

    fn number<T>(&self, key: &'static str, range: RangeInclusive<T>) -> Result<T, ConfigError>
    where
        T: FromStr + PartialOrd + Display,
    {
        self.parse(key, |text| number(text, &range))
    }

    fn seconds(&self, key: &'static str, range: RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        self.number(key, range).map(Duration::from_secs)
    }

    fn sip_limits(&self) -> Result<LimitsConfig, ConfigError> {
        let rate: u32 = self.number("sip_rate", 0..=1_000_000)?;
        let ban_after: u32 = self.number("sip_ban_after", 0..=1_000)?;
        Ok(LimitsConfig {
            requests_per_s: (rate > 0).then_some(rate.into()),
            offences_max: (ban_after > 0).then_some(ban_after),
            exempt: self.parse("sip_trusted", |text| {
                list(text, |item| item.parse::<Network>().map_err(|error| format!("{item:?} is {error}")))
            })?,
            ..LimitsConfig::default()
        })
    }

    fn qualify(&self) -> Result<Option<Duration>, ConfigError> {
        let seconds: u64 = self.parse("sip_qualify_seconds", |text| match text {
            "0" => Ok(0),
            _ => number(text, &(10..=3_600)),
        })?;
        Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
    }

    fn check(self) -> Result<Config, ConfigError> {
        let data = PathBuf::from(self.text("data").1);
        Ok(Config {
            sip_listen: self.parse("sip_listen", |text| some(list(text, sip_listen)?))?,
            sip_listen_is_default: !self.is_given("sip_listen"),
            sip_limits: self.sip_limits()?,
            sip_digest: self.parse("sip_digest", |text| some(list(text, digest_algorithm)?))?,
            sip_qualify: self.qualify()?,
            http_listen: self.parse("http_listen", socket_address)?,
            https_listen: self.optional("https_listen", socket_address)?,
            grpc_listen: self.parse("grpc_listen", |text| match text {
                "off" => Ok(None),
                address => socket_address(address).map(Some),
            })?,
            grpc_listen_is_default: !self.is_given("grpc_listen"),
            tls_dir: self.optional("tls_dir", |text| Ok(PathBuf::from(text)))?.unwrap_or_else(|| data.join("tls")),
            rtp_addresses: self.parse("rtp_address", |text| some(list(text, media_address)?))?,
            rtp_ports: self.parse("rtp_ports", port_range)?,
            data,
            account_sid: self.optional("account_sid", |text| text.parse::<AccountSid>().map_err(|e| e.to_string()))?,
            auth_token: self.optional("auth_token", auth_token)?,
            api_rate: self.optional("api_rate", |text| number(text, &(NonZeroU32::MIN..=API_RATE_MAX)))?,
            public_url: self.optional("public_url", public_url)?,
            open_rooms: self.parse("open_rooms", open_rooms)?,
            trunks: self.trunks.clone(),
            directory: DirectoryConfig {
                numbers: self.parse("numbers", |text| list(text, e164))?,
                sip_suffix: self.parse("sip_suffix", host_name)?,
            },
            media_threads: self.optional("media_threads", |text| number(text, &(1..=256)))?,
            room_legs_max: self.number("room_legs_max", 2..=10_000)?,
            calls_max: self.number("calls_max", 1..=100_000)?,
            drain: self.seconds("drain_seconds", 0..=86_400)?,
            rtp_timeout: self.seconds("rtp_timeout_seconds", 5..=86_400)?,
            held_rtp_timeout: self.seconds("held_rtp_timeout_seconds", 5..=86_400)?,
            fetch_allow: self.parse("fetch_allow", |text| {
                list(text, |item| item.parse::<AllowRule>().map_err(|error| error.to_string()))
            })?,
            speech_url: self.optional("speech_url", service_url)?,
            trusted_ca: self.optional("trusted_ca", |text| Ok(PathBuf::from(text)))?,
            webhook_timeout: self.seconds("webhook_timeout_seconds", 1..=15)?,
            webhook_connect_timeout: self.seconds("webhook_connect_timeout_seconds", 1..=10)?,
            webhooks_max: self.number("webhooks_max", 2..=10_000)?,
            callbacks_max: self.number("callbacks_max", 4..=10_000)?,
            log: self.parse("log", log_filter)?,
            without_effect: self.without_effect,
        })
    }
}

fn environment_name(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.to_ascii_uppercase())
}

/// A TOML value as the environment would spell it.
fn toml_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Array(items) => {
            items.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>().map(|i| i.join(","))
        }
        _ => None,
    }
}

fn list<T>(text: &str, item: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(item).collect()
}

fn some<T>(items: Vec<T>) -> Result<Vec<T>, String> {
    if items.is_empty() { Err("at least one was expected".to_owned()) } else { Ok(items) }
}

fn e164(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let right =
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    if right { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a plus and 7 to 15 digits")) }
}

fn host_name(text: &str) -> Result<String, String> {
    let name = text.trim_start_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if name.split('.').all(is_label) { Ok(name) } else { Err(format!("{text:?} is not a host name")) }
}

/// The filter takes any word for the name of a crate, so a misspelt level would silence the log.
fn log_filter(text: &str) -> Result<String, String> {
    text.parse::<tracing_subscriber::EnvFilter>().map_err(|error| error.to_string())?;
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| levels.iter().any(|level| word.eq_ignore_ascii_case(level));
    match text.split(',').map(str::trim).find(|word| !word.contains(['=', '[']) && !is_level(word)) {
        None => Ok(text.to_owned()),
        Some(word) => Err(format!("{word:?} is neither off, error, warn, info, debug or trace nor CRATE=LEVEL")),
    }
}

fn number<T>(text: &str, range: &RangeInclusive<T>) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let out_of_range = || format!("a number from {} to {} was expected", range.start(), range.end());
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(out_of_range)
}

fn digest_algorithm(text: &str) -> Result<Algorithm, String> {
    match text.to_ascii_lowercase().as_str() {
        "md5" => Ok(Algorithm::Md5),
        "sha-256" => Ok(Algorithm::Sha256),
        _ => Err(format!("{text:?} is neither md5 nor sha-256")),
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "ADDRESS:PORT was expected, such as 127.0.0.1:8080 or [::1]:8080".to_owned())
}

fn sip_listen(text: &str) -> Result<SipListen, String> {
    let expected = || format!("{text:?} is not udp:ADDRESS:PORT or tcp:ADDRESS:PORT");
    let (transport, address) = text.split_once(':').ok_or_else(expected)?;
    let transport = match transport.to_ascii_lowercase().as_str() {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return Err(expected()),
    };
    Ok(SipListen { transport, address: address.parse().map_err(|_| expected())? })
}

fn media_address(text: &str) -> Result<MediaAddress, String> {
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| format!("{text:?} is not an IP address"));
    match text.split_once('/') {
        None => Ok(MediaAddress { bind: address(text)?, advertised: None }),
        Some((own, seen)) => {
            let (bind, seen) = (address(own)?, address(seen)?);
            if bind.is_ipv4() != seen.is_ipv4() || seen.is_unspecified() {
                return Err(format!("{text:?} must be OWN/SEEN, two addresses of one family"));
            }
            Ok(MediaAddress { bind, advertised: Some(seen) })
        }
    }
}

fn port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let expected = || "FIRST-LAST was expected, such as 10000-32767, with room for two ports".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(expected)?;
    let port = |text: &str| text.trim().parse::<u16>().map_err(|_| expected());
    let (first, last) = (port(first)?, port(last)?);
    // A leg takes an even port and the next one (RFC 3550 §11).
    let first_even = first.saturating_add(first % 2);
    if first == 0 || first_even >= last { Err(expected()) } else { Ok(first..=last) }
}

fn auth_token(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    if plain && text.len() <= AUTH_TOKEN_LEN_MAX {
        Ok(text.to_owned())
    } else {
        Err(format!("at most {AUTH_TOKEN_LEN_MAX} characters of ASCII without blanks were expected"))
    }
}

fn public_url(text: &str) -> Result<String, String> {
    let expected = || "http://HOST[:PORT] or https://HOST[:PORT] was expected".to_owned();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or_else(expected)?;
    let host = rest.trim_end_matches('/');
    let bare = !host.is_empty() && !host.contains(['/', '?', '#', '@']) && !host.contains(char::is_whitespace);
    if bare { Ok(text.trim_end_matches('/').to_owned()) } else { Err(expected()) }
}

fn service_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.ok_or_else(|| "an http or https URL was expected".to_owned())
}

fn open_rooms(text: &str) -> Result<OpenRooms, String> {
    match text {
        "private" => Ok(OpenRooms::Private),
        "any" => Ok(OpenRooms::Any),
        "off" => Ok(OpenRooms::Off),
        _ => Err("private, any or off was expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let owned = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Config::read(None, owned)
    }

    #[test]
    fn the_defaults_are_settings_themselves() {
        let config = read(&[]).expect("defaults are right");
        assert_eq!(config.sip_listen.len(), 4);
        assert_eq!(config.rtp_ports, 10_000..=32_767);
        assert_eq!(config.room_legs_max, 250);
        assert_eq!(config.open_rooms, OpenRooms::Private);
        assert!(config.account_sid.is_none());
        assert_eq!((config.https_listen, config.tls_dir.as_path()), (None, Path::new("./data/tls")));
        for (key, ..) in SETTINGS {
            assert!(help().contains(&environment_name(key)), "{key} is in --help");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (key, value) in [
            ("PARTYLINE_SIP_LISTEN", "127.0.0.1:5060"),
            ("PARTYLINE_SIP_LISTEN", "sctp:127.0.0.1:5060"),
            ("PARTYLINE_SIP_LISTEN", "udp:localhost:5060"),
            ("PARTYLINE_SIP_LISTEN", ","),
            ("PARTYLINE_LOG", "loud"),
            ("PARTYLINE_SIP_RATE", "-1"),
            ("PARTYLINE_SIP_BAN_AFTER", "often"),
            ("PARTYLINE_SIP_TRUSTED", "carrier.example"),
            ("PARTYLINE_HTTP_LISTEN", "8080"),
            ("PARTYLINE_GRPC_LISTEN", "none"),
            ("PARTYLINE_HTTPS_LISTEN", "on"),
            ("PARTYLINE_RTP_ADDRESS", "host.example"),
            ("PARTYLINE_RTP_ADDRESS", "10.0.0.1/::1"),
            ("PARTYLINE_RTP_PORTS", "10000"),
            ("PARTYLINE_RTP_PORTS", "20000-10000"),
            ("PARTYLINE_RTP_PORTS", "10001-10002"),
            ("PARTYLINE_ACCOUNT_SID", "CA0123456789abcdef0123456789abcdef"),
            ("PARTYLINE_AUTH_TOKEN", "two words"),
            ("PARTYLINE_API_RATE", "0"),
            ("PARTYLINE_PUBLIC_URL", "bridge.example.test"),
            ("PARTYLINE_OPEN_ROOMS", "everyone"),
            ("PARTYLINE_NUMBERS", "+15005550006, 5005550007"),
            ("PARTYLINE_SIP_SUFFIX", "sip..test"),
            ("PARTYLINE_MEDIA_THREADS", "0"),
            ("PARTYLINE_ROOM_LEGS_MAX", "1"),
            ("PARTYLINE_DRAIN_SECONDS", "-1"),
            ("PARTYLINE_FETCH_ALLOW", "10.0.0.0/99"),
            ("PARTYLINE_WEBHOOK_TIMEOUT_SECONDS", "16"),
            ("PARTYLINE_WEBHOOK_CONNECT_TIMEOUT_SECONDS", "0"),
            ("PARTYLINE_WEBHOOKS_MAX", "1"),
            ("PARTYLINE_CALLBACKS_MAX", "many"),
            ("PARTYLINE_SPEECH_URL", "speech.example.test/say"),
            ("PARTYLINE_NO_SUCH_THING", "1"),
        ] {
            let error = read(&[(key, value)]).expect_err(value).to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn settings_say_what_they_mean() {
        let config = read(&[
            ("PARTYLINE_SIP_LISTEN", "udp:127.0.0.1:5070, TCP:[::1]:5070"),
            ("PARTYLINE_RTP_ADDRESS", "10.0.0.5/203.0.113.7,::1"),
            ("PARTYLINE_PUBLIC_URL", "https://bridge.example.test/"),
            ("PARTYLINE_OPEN_ROOMS", "off"),
            ("PARTYLINE_NUMBERS", "+15005550006, +442071838750"),
            ("PARTYLINE_SIP_SUFFIX", ".SIP.example.test"),
            ("PARTYLINE_DRAIN_SECONDS", "3"),
            ("PARTYLINE_SIP_RATE", "0"),
            ("PARTYLINE_SIP_BAN_AFTER", "3"),
            ("PARTYLINE_SIP_TRUSTED", "192.0.2.7, 2001:db8::/32"),
            ("PARTYLINE_API_RATE", "100"),
            ("PARTYLINE_TLS_DIR", "/tls"),
            ("PARTYLINE_HTTPS_LISTEN", "[::]:443"),
            ("PARTYLINE_DATABASE_URL", "postgres://x"),
            ("HOME", "/root"),
        ])
        .expect("all are right");
        assert_eq!(config.sip_listen[1].transport, Transport::Tcp);
        assert_eq!(config.rtp_addresses[0].advertised, Some("203.0.113.7".parse().expect("an address")));
        assert_eq!(config.public_url.as_deref(), Some("https://bridge.example.test"));
        assert_eq!(config.directory.numbers, ["+15005550006", "+442071838750"]);
        assert_eq!(config.directory.sip_suffix, "sip.example.test");
        assert_eq!(config.drain, Duration::from_secs(3));
        assert_eq!((config.sip_limits.requests_per_s, config.sip_limits.offences_max), (None, Some(3)));
        let trusted: Vec<_> = config.sip_limits.exempt.iter().map(ToString::to_string).collect();
        assert_eq!(trusted, ["192.0.2.7/32", "2001:db8::/32"]);
        assert_eq!(config.api_rate, NonZeroU32::new(100));
        assert_eq!(config.without_effect, ["database_url"]);
        assert_eq!((config.tls_dir.as_path(), config.https_listen.map(|at| at.port())), (Path::new("/tls"), Some(443)));
        let nothing_more =
            read(&[("PARTYLINE_FETCH_ALLOW", ""), ("PARTYLINE_SIP_LISTEN", "")]).expect("both are right");
        assert!(nothing_more.fetch_allow.is_empty(), "an empty list is meant");
        assert!(nothing_more.sip_listen_is_default, "an empty address is not");
    }
}
