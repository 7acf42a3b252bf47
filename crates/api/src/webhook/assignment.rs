//! Assignment callbacks (taskrouter §8): an application is asked what to do with a reservation.
//!
//! `AssignmentCallbackUrl, 5 s ─▶ failed? FallbackAssignmentCallbackUrl, 5 s ─▶ instruction, nothing, or a remark`

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use model::HttpMethod;
use serde_json::Value;
use switch::Event;
use switch::routing::{ASSIGNMENT_TIMEOUT, Assignment, Instruction};
use switch::webhook::{AskFailed, Remark};
use web::FetchError;

use super::exchange::{Answer, Body, Message, Reply};
use super::{Webhooks, code, encode, parameters, uuid};
use crate::taskrouter::instruction_of_json;

impl Webhooks {
    /// Asks an application what to do with a reservation: [`Event::Assigned`], whatever happens.
    pub async fn assign(&self, assignment: Assignment) -> Event {
        let mut reply = self.ask_assignment(&assignment, &assignment.url, None).await;
        let mut remarks = std::mem::take(&mut reply.remarks);
        if let (Err(error), Some(fallback_url)) = (&reply.outcome, &assignment.fallback_url) {
            let error = (code(error), error.to_string());
            let failed = (error.0, reply.exchange.url.as_str());
            let second = self.ask_assignment(&assignment, fallback_url, Some(failed)).await;
            remarks.push(Remark { code: error.0, message: error.1 });
            remarks.extend(second.remarks.iter().cloned());
            reply = Reply { remarks: Vec::new(), ..second };
        }
        let Reply { outcome, exchange, .. } = reply;
        let outcome = match outcome {
            Ok(answer) => Ok(instruction(&answer, &exchange.content_type, &mut remarks)),
            Err(error) => {
                self.shared.counts.asks_failed.fetch_add(1, Relaxed);
                let (code, message) = (code(&error), error.to_string());
                Err(AskFailed { code, message, url: exchange.url.clone(), status: exchange.status })
            }
        };
        Event::Assigned { assignment: assignment.id, outcome, remarks, exchange: Arc::new(exchange) }
    }

    async fn ask_assignment(&self, assignment: &Assignment, url: &str, failed: Option<(u16, &str)>) -> Reply {
        let body = Body::Form(encode(&parameters::of_assignment(assignment, failed)));
        let counts = &self.shared.counts;
        counts.asks.fetch_add(1, Relaxed);
        let asked = async {
            let (_turn, auth_token) = self.turn_and_token(url, assignment.account).await?;
            let message = Message {
                url,
                method: HttpMethod::Post,
                body: &body,
                auth_token: &auth_token,
                idempotency_token: uuid(self.random()),
                cookies_of: None,
                overridable: true,
                wants_document: true,
            };
            Ok(self.shared.exchanges.exchange(&message).await)
        };
        let reply = match tokio::time::timeout(ASSIGNMENT_TIMEOUT, asked).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => Reply::unsent(error, url, HttpMethod::Post, &body),
            Err(_) => Reply::unsent(FetchError::TimedOut(ASSIGNMENT_TIMEOUT), url, HttpMethod::Post, &body),
        };
        counts.attempts.fetch_add(reply.attempts.into(), Relaxed);
        counts.ask_micros.fetch_add(u64::try_from(reply.exchange.duration.as_micros()).unwrap_or(u64::MAX), Relaxed);
        reply
    }
}

/// What an answer instructs. One that says nothing means that the application will act by REST; with one that cannot be
/// understood the reservation just stays as it is, and developers are told why.
fn instruction(answer: &Answer, content_type: &str, remarks: &mut Vec<Remark>) -> Option<Instruction> {
    let mut warn = |code, message: String| remarks.push(Remark { code, message });
    if answer.body.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        warn(40_000, format!("the answer is {essence:?}, not application/json"));
        return None;
    }
    let members = match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(members)) => members,
        Ok(_) => {
            warn(40_001, "the answer is no JSON object".to_owned());
            return None;
        }
        Err(error) => {
            warn(40_001, format!("the answer is not JSON: {error}"));
            return None;
        }
    };
    if members.is_empty() {
        return None;
    }
    if members.get("instruction").is_none_or(Value::is_null) {
        warn(40_005, "the answer has no instruction".to_owned());
        return None;
    }
    match instruction_of_json(&members) {
        Ok((instruction, passed_over)) => {
            remarks.extend(passed_over);
            Some(instruction)
        }
        Err(problem) => {
            let (code, message) = problem.code_and_message();
            let code = u16::try_from(code).expect("all of them are within 16 bits");
            remarks.push(Remark { code, message });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use web::{Bytes, Url};

    use super::super::answer::Kind;
    use super::*;

    #[test]
    fn an_answer_is_an_instruction_nothing_or_a_remark() {
        let json = "application/json; charset=utf-8";
        for (case, content_type, body, want) in [
            ("an instruction", json, r#"{"instruction":"accept"}"#, (Some(Instruction::Accept), vec![])),
            ("nothing", "text/html", "", (None, vec![])),
            ("blanks", "", " \r\n", (None, vec![])),
            ("nothing, as JSON", json, "{}", (None, vec![])),
            ("of another type", "text/html", r#"{"instruction":"accept"}"#, (None, vec![40_000])),
            ("of no type", "", r#"{"instruction":"accept"}"#, (None, vec![40_000])),
            ("not JSON", json, "accept", (None, vec![40_001])),
            ("JSON in a string", json, r#""{\"instruction\":\"accept\"}""#, (None, vec![40_001])),
            ("no instruction", json, r#"{"from":"+15005550006"}"#, (None, vec![40_005])),
            ("null for one", json, r#"{"instruction":null}"#, (None, vec![40_005])),
            ("an unknown one", json, r#"{"instruction":"dance"}"#, (None, vec![55_555])),
            ("a wrong one", json, r#"{"instruction":"redirect"}"#, (None, vec![40_120])),
        ] {
            let answer = Answer {
                kind: Kind::of(Some(content_type)),
                url: Url::parse("https://app.test/").expect("is a URL"),
                body: Bytes::from_static(body.as_bytes()),
            };
            let mut remarks = Vec::new();
            let instruction = instruction(&answer, content_type, &mut remarks);
            let codes: Vec<u16> = remarks.iter().map(|remark| remark.code).collect();
            assert_eq!((instruction, codes), want, "{case}");
        }
    }
}
