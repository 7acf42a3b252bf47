//! What accounts set up (rest-voice §7, §8, §9): one file a resource, and here what they share.
//!
//! A page reads as the others: lists and single ones come from the store, changes go to the switch as one
//! [`DirectoryCommand`] and come back as the row that is to be shown. What is malformed is refused here, by the table of
//! a resource's parameters; what does not fit what there is, by the switch.

pub(crate) mod applications;
pub(crate) mod available_phone_numbers;
mod countries;
pub(crate) mod credential_lists;
pub(crate) mod credentials;
pub(crate) mod incoming_phone_numbers;
pub(crate) mod ip_access_control_lists;
pub(crate) mod ip_addresses;
pub(crate) mod outgoing_caller_ids;
pub(crate) mod queue_members;
pub(crate) mod queues;
pub(crate) mod refusal;
pub(crate) mod sip_domain_mappings;
pub(crate) mod sip_domains;

use std::str::FromStr;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use model::{DirectoryRow, HttpMethod};
use serde::Serialize;
use switch::{Answer, Command, DirectoryCommand, HookChange, Set};

use crate::api::Api;
use crate::json;
use crate::parameters::{Parameters, absolute, audio_method};
use crate::problem::Problem;

/// Has the switch change something, and shows what it has become.
async fn change<J: Serialize>(
    api: &Api,
    command: DirectoryCommand,
    status: StatusCode,
    shown: impl Fn(&DirectoryRow) -> Option<J>,
) -> Result<Response, Problem> {
    let answer = api.command(Command::Directory(command)).await?;
    if let Answer::Directory(row) = &answer
        && let Some(resource) = shown(row)
    {
        return Ok(json::answer(status, &resource));
    }
    Err(Problem::mismatch(&answer))
}

/// Has the switch delete something.
async fn delete(api: &Api, command: Command) -> Result<Response, Problem> {
    match api.command(command).await? {
        Answer::Removed => Ok(StatusCode::NO_CONTENT.into_response()),
        other => Err(Problem::mismatch(&other)),
    }
}

/// The SID that a path names.
fn sid<S: FromStr>(text: &str) -> Result<S, Problem> {
    text.parse().map_err(|_| Problem::NotFound)
}

/// Which codes a resource has for a URL and for a method that are none.
#[derive(Clone, Copy)]
struct HookCodes {
    url: u32,
    method: u32,
}

/// A URL and its method. An empty URL takes it away.
fn hook(parameters: &Parameters, [url, method]: [&'static str; 2], codes: HookCodes) -> Result<HookChange, Problem> {
    Ok(HookChange { url: url_set(parameters, url, codes.url)?, method: method_of(parameters, method, codes.method)? })
}

/// A URL by itself.
pub(crate) fn url_set(parameters: &Parameters, name: &'static str, code: u32) -> Result<Set<String>, Problem> {
    set(parameters, name, |text| {
        absolute(text).ok_or(Problem::Invalid { code, name, expected: "an absolute http or https URL" })
    })
}

fn method_of(parameters: &Parameters, name: &'static str, code: u32) -> Result<Option<HttpMethod>, Problem> {
    let read = |text| audio_method(text).ok_or(Problem::Invalid { code, name, expected: "GET or POST" });
    parameters.filled(name).map(read).transpose()
}

/// A SID that is kept; an empty one takes it away.
pub(crate) fn sid_set<S: FromStr>(parameters: &Parameters, name: &'static str) -> Result<Set<S>, Problem> {
    set(parameters, name, |text| text.parse().map_err(|_| Problem::SidMalformed { name }))
}

/// A value that an empty one takes away.
pub(crate) fn set<T>(
    parameters: &Parameters,
    name: &'static str,
    read: impl FnOnce(&str) -> Result<T, Problem>,
) -> Result<Set<T>, Problem> {
    match parameters.get(name).map(str::trim) {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => read(text).map(|value| Some(Some(value))),
    }
}

/// A shown name within its bound.
fn friendly_name(parameters: &Parameters, code: u32) -> Result<Option<String>, Problem> {
    let name = parameters.get("FriendlyName");
    match name.filter(|name| name.chars().count() > FRIENDLY_NAME_CHARACTERS_MAX) {
        Some(_) => Err(Problem::Invalid { code, name: "FriendlyName", expected: "at most 64 characters" }),
        None => Ok(name.map(str::to_owned)),
    }
}

/// A shown name that must be there.
fn required_name(parameters: &Parameters, code: u32) -> Result<String, Problem> {
    let name = friendly_name(parameters, code)?.filter(|name| !name.trim().is_empty());
    name.ok_or(Problem::Missing { code, name: "FriendlyName" })
}

/// The version of the API that hooks are written for.
fn api_version(parameters: &Parameters) -> Result<Option<String>, Problem> {
    match parameters.filled("ApiVersion") {
        None => Ok(None),
        Some(version @ ("2010-04-01" | "2008-08-01")) => Ok(Some(version.to_owned())),
        Some(_) => Err(Problem::Parameter { name: "ApiVersion", expected: "2010-04-01 or 2008-08-01" }),
    }
}

/// A number in E.164, however it is punctuated (rest-voice §1.10).
fn e164(text: &str) -> Result<String, NotE164> {
    let number: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').unwrap_or(&number);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotE164::Malformed);
    }
    let plausible = number.starts_with('+') && !digits.starts_with('0') && E164_DIGITS.contains(&digits.len());
    if plausible { Ok(number) } else { Err(NotE164::Implausible) }
}

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NotE164 {
    /// It has something else in it than a number may have.
    Malformed,
    /// It has no plus, or no country has such numbers.
    Implausible,
}

/// How many digits a number may have, with its country's (ITU-T E.164 §6.2.1).
const E164_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Longest `FriendlyName`, in characters.
const FRIENDLY_NAME_CHARACTERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_however_they_are_punctuated() {
        for (text, want) in [
            ("+15005550006", Ok("+15005550006")),
            ("+1 (500) 555-0006", Ok("+15005550006")),
            ("+44.20.7183.8750", Ok("+442071838750")),
            ("15005550006", Err(NotE164::Implausible)),
            ("+05005550006", Err(NotE164::Implausible)),
            ("+12345", Err(NotE164::Implausible)),
            ("+1234567890123456", Err(NotE164::Implausible)),
            ("+1500CALLME", Err(NotE164::Malformed)),
            ("++15005550006", Err(NotE164::Malformed)),
            ("+", Err(NotE164::Malformed)),
            ("", Err(NotE164::Malformed)),
            ("+１５００５５５０００６", Err(NotE164::Malformed)),
        ] {
            assert_eq!(e164(text).as_deref(), want.as_ref().map(|want: &&str| *want), "{text}");
        }
    }
}
