//! How a call's audio is doing: a resource of ours beside Twilio's, since a Call has no place for it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::LegStats;
use serde::Serialize;
use serde_json::{Map, Value, json};
use switch::{Answer, Command, Refusal};

use crate::api::Api;
use crate::auth::Caller;
use crate::calls;
use crate::json::{self, account_path};
use crate::problem::Problem;

/// `GET /Calls/{CA}/MediaStatistics.json`: while the call lives, as of a few seconds ago; then, for good.
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, call)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let call = calls::stored(&api, &caller, &call).await?;
    let mut answer = MediaStatisticsJson {
        account_sid: call.account_sid.to_string(),
        call_sid: call.sid.to_string(),
        status: call.status.as_str(),
        is_final: false,
        date_measured: None,
        media_statistics: None,
        uri: format!("{}/Calls/{}/MediaStatistics.json", account_path(call.account_sid), call.sid),
    };
    if !call.status.is_final() {
        match api.command(Command::MeasureCall { account: caller.sid(), call: call.sid }).await {
            Ok(Answer::Measured(measured)) => {
                answer.date_measured = measured.map(|measured| measured.at.rfc2822());
                answer.media_statistics = measured.map(|measured| shown(&measured.stats));
                return Ok(json::ok(&answer));
            }
            Ok(other) => return Err(Problem::mismatch(&other)),
            Err(Problem::Refused(Refusal::CallNotFound)) => {} // over by now
            Err(problem) => return Err(problem),
        }
    }
    // A call that has ended just now may have its last numbers a moment later.
    if let Some(stats) = api.store.leg_stats(caller.sid(), call.sid).await? {
        answer.is_final = true;
        answer.date_measured = call.ended.map(model::Timestamp::rfc2822);
        answer.media_statistics = Some(shown(&stats));
    }
    Ok(json::ok(&answer))
}

#[derive(Serialize)]
struct MediaStatisticsJson {
    account_sid: String,
    call_sid: String,
    status: &'static str,
    #[serde(rename = "final")]
    is_final: bool,
    date_measured: Option<String>,
    media_statistics: Option<Map<String, Value>>,
    uri: String,
}

/// The numbers by their names; scores as people know them, and nothing where nothing could be measured.
pub(crate) fn shown(stats: &LegStats) -> Map<String, Value> {
    let show = |(name, number): (&str, i64)| match name.strip_suffix("_thousandths") {
        Some(score) => (score.to_owned(), if number == 0 { Value::Null } else { json!(number as f64 / 1_000.0) }),
        None if name.starts_with("level_") && number == 0 => (name.to_owned(), Value::Null),
        None => (name.to_owned(), json!(number)),
    };
    stats.numbers().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_null_and_a_score_has_its_point() {
        let shown = shown(&LegStats { mos_thousandths: 4_376, level_in_db: -23, lost: 3, ..LegStats::default() });
        for (name, want) in [
            ("mos", json!(4.376)),
            ("mos_recent", Value::Null),
            ("level_in_db", json!(-23)),
            ("level_out_db", Value::Null),
            ("lost", json!(3)),
            ("late", json!(0)),
        ] {
            assert_eq!(shown.get(name), Some(&want), "{name}");
        }
    }
}
