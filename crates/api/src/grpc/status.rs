//! From problems to gRPC statuses: the one table. The message is REST's, and so is the code, in the metadata.

use axum::http::StatusCode;
use switch::Refusal;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::problem::Problem;

/// REST's code, in the trailing metadata.
pub(super) const ERROR_CODE: &str = "twilio-error-code";

impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let (http, error_code, message) = problem.row("");
        let mut metadata = MetadataMap::new();
        metadata.insert(ERROR_CODE, MetadataValue::from(error_code));
        Self::with_metadata(code(&problem, http), message, metadata)
    }
}

/// Where REST's status does not tell enough: what was asked was right, and things are not so that it can be done.
fn code(problem: &Problem, http: StatusCode) -> Code {
    match problem {
        Problem::LogOutOfRange { .. } => Code::OutOfRange,
        Problem::Refused(Refusal::LabelTaken | Refusal::StreamNameTaken) => Code::AlreadyExists,
        Problem::Refused(Refusal::ConferenceFull | Refusal::TooManyCoached | Refusal::TooManyStreams) => {
            Code::ResourceExhausted
        }
        Problem::ConferenceOver
        | Problem::NotInProgress
        | Problem::Refused(
            Refusal::ConferenceOver
            | Refusal::CoachTargetAbsent
            | Refusal::CoachTargetOnHold
            | Refusal::CoachTargetCoaches
            | Refusal::NotConnected
            | Refusal::NotInProgress
            | Refusal::CallerNotOwned
            | Refusal::NoRoute,
        ) => Code::FailedPrecondition,
        _ => match http.as_u16() {
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::NotFound,
            409 => Code::FailedPrecondition,
            413 | 429 => Code::ResourceExhausted,
            503 => Code::Unavailable,
            500.. => Code::Internal,
            _ => Code::InvalidArgument,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_refused_has_the_meaning_and_the_code_it_has_in_rest() {
        use Problem as P;
        for (problem, code, error_code) in [
            (P::NotFound, Code::NotFound, "20404"),
            (P::Unauthenticated { detail: "d" }, Code::Unauthenticated, "20003"),
            (P::AccountInactive, Code::Unauthenticated, "20005"),
            (P::KeyNotPermitted, Code::PermissionDenied, "20003"),
            (P::TooManyRequests { after: Duration::ZERO }, Code::ResourceExhausted, "20429"),
            (P::Parameter { name: "Coaching", expected: "true" }, Code::InvalidArgument, "20001"),
            (P::ConferenceOver, Code::FailedPrecondition, "16022"),
            (P::LogOutOfRange { after: 1, first: 2, last: 3 }, Code::OutOfRange, "20001"),
            (P::Unavailable, Code::Unavailable, "20503"),
            (P::Internal, Code::Internal, "20500"),
            (P::Refused(Refusal::ConferenceNotFound), Code::NotFound, "20404"),
            (P::Refused(Refusal::ParticipantNotFound), Code::NotFound, "20404"),
            (P::Refused(Refusal::CoachWithoutTarget), Code::InvalidArgument, "13240"),
            (P::Refused(Refusal::CoachTargetAbsent), Code::FailedPrecondition, "16028"),
            (P::Refused(Refusal::CoachTargetOnHold), Code::FailedPrecondition, "16027"),
            (P::Refused(Refusal::LabelTaken), Code::AlreadyExists, "16026"),
            (P::Refused(Refusal::ConferenceFull), Code::ResourceExhausted, "16020"),
            (P::Refused(Refusal::Overloaded), Code::Unavailable, "20503"),
            (P::Refused(Refusal::NotSaved), Code::Internal, "20500"),
        ] {
            let status = Status::from(problem.clone());
            let told = status.metadata().get(ERROR_CODE).and_then(|code| code.to_str().ok());
            assert_eq!((status.code(), told), (code, Some(error_code)), "{problem:?}");
        }
    }
}
