//! Problems: everything a request can be answered with instead of what it asked for, in one table.
//!
//! A handler says what is wrong in the field's words; only here does it become an HTTP status, a code and a
//! sentence (rest-voice §1.9, §13). The body is written by the front door, which knows the path.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use store::StoreError;
use switch::routing::RoutingRefusal;
use switch::{Answer, Refusal};

use crate::directory::refusal;
use crate::event_bridge::TokenFault;
use crate::feed::FeedEnded;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No such path, or no such thing at it.
    NotFound,
    /// The path is there, the verb is not for it.
    MethodNotAllowed,
    /// No credentials, or wrong ones.
    Unauthenticated {
        detail: &'static str,
    },
    /// The token that a browser brings is not taken.
    Token(TokenFault),
    /// It is, and does not allow this.
    TokenForbids,
    /// The account is suspended or closed.
    AccountInactive,
    /// A body or query that is not a form.
    MalformedForm {
        why: &'static str,
    },
    /// A body of another kind than a form.
    ContentType {
        found: String,
    },
    BodyTooLarge {
        bytes_max: usize,
    },
    /// All places are taken, or the account asks more often than it may.
    TooManyRequests {
        /// When it is worth asking again.
        after: Duration,
    },
    /// A parameter with a value that it cannot have.
    Parameter {
        name: &'static str,
        expected: &'static str,
    },
    /// A parameter with such a value, for which there is a code of its own.
    Invalid {
        code: u32,
        name: &'static str,
        expected: &'static str,
    },
    /// A parameter with an expression that cannot be understood.
    Expression {
        name: &'static str,
        why: String,
    },
    /// A parameter that is not there and should be.
    Missing {
        code: u32,
        name: &'static str,
    },
    /// A parameter that should be a SID, and is none of its kind.
    SidMalformed {
        name: &'static str,
    },
    /// Only the parent of a family moves numbers within it.
    OnlyParentMoves,
    /// An account that a number is to move to is not of the family.
    NotInFamily,
    /// A standard key where only an account's own token, or a main key, will do.
    KeyNotPermitted,
    TooManyKeys,
    /// Only the parent of a family changes its subaccounts and adds to them.
    OnlyParent,
    /// A parent that is to be suspended or closed.
    ParentStatus,
    /// A change of an account that is closed.
    AccountClosed,
    TooManySubaccounts,
    /// A `StartDate` from before what is kept begins.
    StartTooOld,
    /// `PageSize` below 1, or no number.
    PageSize,
    /// A page of version 1 by its number alone.
    PageByNumber,
    /// A `PageToken` we did not hand out.
    PageToken,
    ToMissing,
    FromMissing,
    /// A call without a document to run: no `Url`, `Twiml`, `ApplicationSid`.
    UrlMissing,
    /// A `Url` of a call that is none.
    UrlMalformed,
    /// A new document for a call that cannot run it.
    NotInProgress,
    /// A call that is not over cannot be deleted.
    CallNotOver,
    /// `CallSidToCoach` is no call's SID.
    CoachTargetMalformed,
    /// An announcement to a conference that is over.
    ConferenceOver,
    /// The switch changed nothing.
    Refused(Refusal),
    /// A page of somebody else's wants a WebSocket.
    ForeignOrigin,
    /// The log of events does not reach there: it begins after `first` and ends with `last`.
    LogOutOfRange {
        after: i64,
        first: i64,
        last: i64,
    },
    /// Our fault; the log has it.
    Internal,
    /// Not now.
    Unavailable,
}

impl Problem {
    /// The same, its parameter called what the client calls it.
    pub(crate) fn renamed(self, by: impl Fn(&'static str) -> &'static str) -> Self {
        match self {
            Self::Parameter { name, expected } => Self::Parameter { name: by(name), expected },
            Self::Invalid { code, name, expected } => Self::Invalid { code, name: by(name), expected },
            Self::Missing { code, name } => Self::Missing { code, name: by(name) },
            other => other,
        }
    }

    /// THE table: HTTP status, code, message.
    pub(crate) fn row(&self, path: &str) -> (StatusCode, u32, String) {
        use StatusCode as S;
        let not_found = || format!("The requested resource {path} was not found");
        let (status, code, message) = match self {
            Self::NotFound => return (S::NOT_FOUND, 20404, not_found()),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, 20004, "Method not allowed"),
            Self::Unauthenticated { .. } => (S::UNAUTHORIZED, 20003, "Authenticate"),
            Self::Token(fault) => (S::UNAUTHORIZED, fault.code(), fault.message()),
            Self::TokenForbids => (S::FORBIDDEN, 20403, "The token does not allow this"),
            Self::AccountInactive => (S::UNAUTHORIZED, 20005, "Account not active"),
            Self::MalformedForm { why } => return (S::BAD_REQUEST, 20001, format!("Malformed parameters: {why}")),
            Self::ContentType { found } => {
                let message = format!("Content-Type {found} is not supported, use application/x-www-form-urlencoded");
                return (S::BAD_REQUEST, 20001, message);
            }
            Self::BodyTooLarge { bytes_max } => {
                let message = format!("Request body is larger than {bytes_max} bytes");
                return (S::PAYLOAD_TOO_LARGE, 20413, message);
            }
            Self::TooManyRequests { .. } => (S::TOO_MANY_REQUESTS, 20429, "Too many requests"),
            Self::Parameter { name, expected } => {
                return (S::BAD_REQUEST, 20001, format!("Invalid value for parameter {name}: expected {expected}"));
            }
            Self::Invalid { code, name, expected } => {
                return (S::BAD_REQUEST, *code, format!("Invalid value for parameter {name}: expected {expected}"));
            }
            Self::Expression { name, why } => {
                return (S::BAD_REQUEST, 20001, format!("Invalid value for parameter {name}: {why}"));
            }
            Self::Missing { code, name } => {
                return (S::BAD_REQUEST, *code, format!("Missing required parameter {name} in the post body"));
            }
            Self::SidMalformed { name } => return (S::BAD_REQUEST, 20423, format!("{name} is not a valid SID")),
            Self::OnlyParentMoves => (S::BAD_REQUEST, 21474, "Only the parent account may move a phone number"),
            Self::NotInFamily => (S::BAD_REQUEST, 21473, "AccountSid is not an account of the same family"),
            Self::KeyNotPermitted => (S::FORBIDDEN, 20003, "A standard API key may not do this"),
            Self::TooManyKeys => (S::BAD_REQUEST, 20001, "The account has as many API keys as it may have"),
            Self::OnlyParent => (S::FORBIDDEN, 20006, "Only the parent account may do this"),
            Self::ParentStatus => (S::BAD_REQUEST, 21477, "A parent account cannot change its own status"),
            Self::AccountClosed => (S::BAD_REQUEST, 21479, "The account is closed"),
            Self::TooManySubaccounts => (S::BAD_REQUEST, 21480, "The account has as many subaccounts as it may have"),
            Self::PageSize => (S::BAD_REQUEST, 20007, "Page size must be a number from 1 to 1000"),
            Self::StartTooOld => (S::BAD_REQUEST, 14241, "StartDate is more than 30 days ago"),
            Self::PageByNumber => (S::BAD_REQUEST, 40153, "Pages of this list are asked for by PageToken, not by Page"),
            Self::PageToken => (S::BAD_REQUEST, 21481, "Invalid PageToken"),
            Self::ToMissing => (S::BAD_REQUEST, 21201, "No 'To' number is specified"),
            Self::FromMissing => (S::BAD_REQUEST, 21213, "No 'From' number is specified"),
            Self::UrlMissing => (S::BAD_REQUEST, 21205, "Url parameter is required."),
            Self::UrlMalformed => (S::BAD_REQUEST, 21205, "Url is not a valid absolute http or https URL"),
            Self::NotInProgress | Self::Refused(Refusal::NotInProgress) => {
                (S::BAD_REQUEST, 21220, "Call is not in-progress. Cannot redirect.")
            }
            Self::CallNotOver => (S::CONFLICT, 20009, "Cannot delete this resource: the call is in progress"),
            Self::CoachTargetMalformed => (S::BAD_REQUEST, 13240, "CallSidToCoach is not the SID of a call"),
            Self::ConferenceOver | Self::Refused(Refusal::ConferenceOver) => {
                (S::BAD_REQUEST, 16022, "Conference is completed")
            }
            Self::Refused(
                Refusal::CallNotFound
                | Refusal::ConferenceNotFound
                | Refusal::ParticipantNotFound
                | Refusal::QueueNotFound
                | Refusal::MemberNotFound
                | Refusal::StreamNotFound,
            ) => return (S::NOT_FOUND, 20404, not_found()),
            Self::Refused(Refusal::Directory(refusal)) => match refusal::row(*refusal) {
                Some(row) => row,
                None => return (S::NOT_FOUND, 20404, not_found()),
            },
            Self::Refused(Refusal::Routing(refusal)) => {
                let message = refusal.to_string();
                return match refusal {
                    RoutingRefusal::NotFound => (S::NOT_FOUND, 20404, not_found()),
                    RoutingRefusal::PreconditionFailed => (S::PRECONDITION_FAILED, 20412, message),
                    RoutingRefusal::Missing(_) | RoutingRefusal::Invalid(_) => (S::BAD_REQUEST, 20001, message),
                    RoutingRefusal::Taken(_) => (S::CONFLICT, 20409, message),
                    RoutingRefusal::Coded { code, .. } => (S::BAD_REQUEST, u32::from(*code), message),
                };
            }
            Self::Refused(Refusal::CallerNotOwned) => {
                (S::BAD_REQUEST, 21210, "From is neither a number of this account nor a verified caller ID of it")
            }
            Self::Refused(Refusal::ApplicationUnknown) => {
                (S::BAD_REQUEST, 21218, "ApplicationSid is not an application of this account")
            }
            Self::Refused(Refusal::StreamNameTaken) => {
                (S::BAD_REQUEST, 20001, "Name is taken by a stream of this call")
            }
            Self::Refused(Refusal::TooManyStreams) => {
                (S::BAD_REQUEST, 20001, "The call has as many streams as it may have")
            }
            Self::Refused(Refusal::NoRoute) => (S::BAD_REQUEST, 21214, "No route leads to To"),
            Self::Refused(Refusal::LabelTaken) => (S::BAD_REQUEST, 16026, "Label is taken in this conference"),
            Self::Refused(Refusal::ConferenceFull) => (S::BAD_REQUEST, 16020, "Conference is full"),
            Self::Refused(Refusal::CoachWithoutTarget) => {
                (S::BAD_REQUEST, 13240, "Coaching needs CallSidToCoach, the SID of the call to coach")
            }
            Self::Refused(Refusal::CoachTargetAbsent) => {
                (S::BAD_REQUEST, 16028, "Call to coach is not in this conference")
            }
            Self::Refused(Refusal::CoachTargetOnHold) => (S::BAD_REQUEST, 16027, "Call to coach is on hold"),
            Self::Refused(Refusal::CoachTargetCoaches) => (S::BAD_REQUEST, 16000, "Call to coach is a coach itself"),
            Self::Refused(Refusal::TooManyCoached) => {
                (S::BAD_REQUEST, 16000, "Too many calls are being coached in this conference")
            }
            Self::Refused(Refusal::NotConnected) => {
                (S::BAD_REQUEST, 20001, "Invalid value for parameter Hold: the participant is not connected")
            }
            Self::Refused(Refusal::NotSaved) => (S::INTERNAL_SERVER_ERROR, 20500, "The change could not be saved"),
            Self::Refused(Refusal::Overloaded) => (S::SERVICE_UNAVAILABLE, 20503, "Service overloaded"),
            Self::ForeignOrigin => (S::FORBIDDEN, 20006, "Access denied: the page that asks is of another origin"),
            Self::LogOutOfRange { after, first, last } => {
                let message =
                    format!("The log does not reach back to {after}: it begins after {first} and ends with {last}");
                return (S::BAD_REQUEST, 20001, message);
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, 20500, "Internal server error"),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, 20503, "Service unavailable"),
        };
        (status, code, message.to_owned())
    }

    /// Its code, and what is to be said of it.
    pub(crate) fn code_and_message(&self) -> (u32, String) {
        let (_, code, message) = self.row("");
        (code, message)
    }

    /// Its code alone.
    #[cfg(test)]
    pub(crate) fn code(&self) -> u32 {
        self.row("").1
    }

    /// The switch answered another command than the one it was given.
    pub(crate) fn mismatch(answer: &Answer) -> Self {
        tracing::error!(?answer, "the switch answered something else");
        Self::Internal
    }

    /// The answer to a request for `path`.
    pub(crate) fn answer(&self, path: &str) -> Response {
        let (status, code, message) = self.row(path);
        let mut body = json!({
            "code": code,
            "message": message,
            "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
            "status": status.as_u16(),
        });
        if let Self::Unauthenticated { detail } = self {
            body["detail"] = json!(detail);
        }
        let mut response = crate::json::answer(status, &body);
        let headers = response.headers_mut();
        match status {
            // A browser that is asked for a password would ask its user.
            StatusCode::UNAUTHORIZED if !matches!(self, Self::Token(_)) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Twilio API\""));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let after = if let Self::TooManyRequests { after } = self { *after } else { Duration::ZERO };
                // In whole seconds (RFC 9110 §10.2.3): the next one.
                headers.insert(header::RETRY_AFTER, after.as_secs().max(1).into());
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Leaves the writing to the front door, which finds the problem in the response's extensions.
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<FeedEnded> for Problem {
    fn from(ended: FeedEnded) -> Self {
        match ended {
            FeedEnded::OutOfRange { after, first, last } => Self::LogOutOfRange { after, first, last },
            FeedEnded::TooMany => Self::TooManyRequests { after: Duration::from_secs(1) },
            FeedEnded::NotPermitted => Self::Unauthenticated { detail: "The credentials are not valid any more" },
            FeedEnded::Closed => Self::Unavailable,
            FeedEnded::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store failed");
        Self::Internal
    }
}

#[cfg(test)]
mod tests {
    use model::Level;
    use serde_json::Value;

    use super::*;

    /// One of each, as far as their rows differ.
    fn problems() -> Vec<Problem> {
        use Problem as P;
        let mut problems = vec![
            P::NotFound,
            P::MethodNotAllowed,
            P::Unauthenticated { detail: "d" },
            P::Token(TokenFault::Expired),
            P::TokenForbids,
            P::AccountInactive,
            P::MalformedForm { why: "w" },
            P::ContentType { found: "application/json".to_owned() },
            P::BodyTooLarge { bytes_max: 1 },
            P::TooManyRequests { after: Duration::from_secs(1) },
            P::Parameter { name: "Coaching", expected: "true or false" },
            P::Invalid { code: 21208, name: "Timeout", expected: "seconds" },
            P::Expression { name: "EvaluateTaskAttributes", why: "w".to_owned() },
            P::Missing { code: 21240, name: "FriendlyName" },
            P::SidMalformed { name: "ParentCallSid" },
            P::OnlyParentMoves,
            P::NotInFamily,
            P::KeyNotPermitted,
            P::TooManyKeys,
            P::OnlyParent,
            P::ParentStatus,
            P::AccountClosed,
            P::TooManySubaccounts,
            P::PageSize,
            P::StartTooOld,
            P::PageByNumber,
            P::PageToken,
            P::ToMissing,
            P::FromMissing,
            P::UrlMissing,
            P::UrlMalformed,
            P::NotInProgress,
            P::CallNotOver,
            P::CoachTargetMalformed,
            P::ConferenceOver,
            P::Refused(Refusal::CallNotFound),
            P::Refused(Refusal::ConferenceNotFound),
            P::Refused(Refusal::ConferenceOver),
            P::Refused(Refusal::ParticipantNotFound),
            P::Refused(Refusal::CoachWithoutTarget),
            P::Refused(Refusal::CoachTargetAbsent),
            P::Refused(Refusal::CoachTargetOnHold),
            P::Refused(Refusal::CoachTargetCoaches),
            P::Refused(Refusal::TooManyCoached),
            P::Refused(Refusal::NotConnected),
            P::Refused(Refusal::NotInProgress),
            P::Refused(Refusal::QueueNotFound),
            P::Refused(Refusal::MemberNotFound),
            P::Refused(Refusal::StreamNotFound),
            P::Refused(Refusal::StreamNameTaken),
            P::Refused(Refusal::TooManyStreams),
            P::Refused(Refusal::CallerNotOwned),
            P::Refused(Refusal::ApplicationUnknown),
            P::Refused(Refusal::NoRoute),
            P::Refused(Refusal::LabelTaken),
            P::Refused(Refusal::ConferenceFull),
            P::Refused(Refusal::Routing(RoutingRefusal::NotFound)),
            P::Refused(Refusal::Routing(RoutingRefusal::PreconditionFailed)),
            P::Refused(Refusal::Routing(RoutingRefusal::Missing("FriendlyName"))),
            P::Refused(Refusal::Routing(RoutingRefusal::Invalid(String::new()))),
            P::Refused(Refusal::Routing(RoutingRefusal::Taken(String::new()))),
            P::Refused(Refusal::Routing(RoutingRefusal::Coded { code: 40_136, message: String::new() })),
            P::Refused(Refusal::NotSaved),
            P::Refused(Refusal::Overloaded),
            P::ForeignOrigin,
            P::LogOutOfRange { after: 1, first: 2, last: 3 },
            P::Internal,
            P::Unavailable,
        ];
        problems.extend(refusal::ALL.map(|refusal| P::Refused(Refusal::Directory(refusal))));
        problems
    }

    #[test]
    fn every_code_is_in_the_dictionary_with_its_status() {
        let vectors: Value = serde_json::from_str(include_str!("../../../fixtures/rest/vectors/errors.json"))
            .expect("the vectors are JSON");
        for problem in problems() {
            let (status, code, _) = problem.row("/");
            let entry = vectors["codes"].as_array().expect("a list").iter().find(|entry| entry["code"] == code);
            let entry = entry.unwrap_or_else(|| panic!("{problem:?}: {code} is not in the dictionary"));
            // The dictionary has one status for a code, the contract a second one for this (rest-voice §1.8).
            let want = if problem == Problem::KeyNotPermitted { 403.into() } else { entry["http"].clone() };
            assert_eq!(want, status.as_u16(), "{problem:?}");
        }
    }

    #[test]
    fn every_code_is_as_bad_as_the_dictionary_says() {
        let vectors: Value = serde_json::from_str(include_str!("../../../fixtures/rest/vectors/errors.json"))
            .expect("the vectors are JSON");
        for entry in vectors["codes"].as_array().expect("a list") {
            let code = entry["code"].as_u64().and_then(|code| u16::try_from(code).ok()).expect("a code");
            let want = if entry["level"] == "warning" { Level::Warning } else { Level::Error };
            assert_eq!(Level::of(code), want, "{code}");
        }
    }

    #[test]
    fn the_headers_a_client_needs_come_along() {
        for (problem, name, value) in [
            (Problem::Unauthenticated { detail: "d" }, header::WWW_AUTHENTICATE, "Basic realm=\"Twilio API\""),
            (Problem::TooManyRequests { after: Duration::from_millis(10) }, header::RETRY_AFTER, "1"),
            (Problem::Refused(Refusal::Overloaded), header::RETRY_AFTER, "1"),
        ] {
            assert_eq!(problem.answer("/").headers()[name], value, "{problem:?}");
        }
    }
}
