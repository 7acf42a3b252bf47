//! `partyline seed-demo`: a small contact centre to begin with, set up over the API of a bridge that runs.
//!
//! Two languages, each with a queue and a worker; a workflow that reads the language that the caller chose; an activity for
//! the time after a call. What is there already, by its name, is left as it is: a second run changes nothing, and says
//! where that is not what it was asked for.

use std::time::Duration;

use serde_json::Value;
use web::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use web::target::Credentials;
use web::{Bytes, Connecting, Method, Url, Web, form_urlencoded};

/// Whose bridge it is, and what the contact centre is to be told apart by.
pub(crate) struct Seed {
    /// Where the API is.
    pub(crate) base: Url,
    pub(crate) account_sid: String,
    pub(crate) auth_token: String,
    /// Where the application is that is asked what to do, if there is one.
    pub(crate) application: Option<Url>,
    /// Where the workers' phones are: `client:shyam` and the like if not given.
    pub(crate) contacts: Vec<(String, String)>,
}

/// Why there is no contact centre.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeedError {
    #[error("{0} does not answer; does the bridge run? {1}")]
    Unreachable(Url, web::FetchError),
    #[error("{path} was answered {status}: {body}")]
    Refused { path: String, status: u16, body: String },
    #[error("{0} is not an address in the web")]
    Address(String),
}

const WORKSPACE: &str = "Customer Contact Center";
const WORKFLOW: &str = "Incoming Customer Requests";
const WRAP_UP: &str = "Wrap-Up";
/// Language, queue, worker, and what the worker's phone registers as.
const LANGUAGES: [(&str, &str, &str, &str); 2] = [
    ("en", "Customer Contact Center English", "Emma English", "emma"),
    ("hi", "Customer Contact Center Hindi", "Shyam Hindi", "shyam"),
];
/// How long a reservation may be pending, and a task wait in its queue.
const RESERVATION_TIMEOUT_S: u32 = 120;
const TARGET_TIMEOUT_S: u32 = 1200;
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

impl Seed {
    /// Sets everything up, and says what there is now: a line each, name and SID.
    pub(crate) async fn plant(&self, web: &Web) -> Result<Vec<(String, String)>, SeedError> {
        let hook = |path: &str| self.application.as_ref().and_then(|base| base.join(path).ok()).map(String::from);
        let mut workspace = vec![("FriendlyName", WORKSPACE.to_owned())];
        workspace.extend(hook("/events").map(|url| ("EventCallbackUrl", url)));
        let (workspace, shown) = self.ensure(web, "/v1/Workspaces", "workspaces", &workspace).await?;
        let within = |list: &str| format!("/v1/Workspaces/{workspace}/{list}");
        let mut report = vec![(shown, workspace.clone())];
        let wrap_up = [("FriendlyName", WRAP_UP.to_owned()), ("Available", "false".to_owned())];
        let (sid, shown) = self.ensure(web, &within("Activities"), "activities", &wrap_up).await?;
        report.push((shown, sid));
        let mut filters = Vec::new();
        for (language, queue_name, worker, client) in LANGUAGES {
            let queue = [
                ("FriendlyName", queue_name.to_owned()),
                ("TargetWorkers", format!("languages HAS \"{language}\"")),
                ("MaxReservedWorkers", "1".to_owned()),
            ];
            let (queue, shown_queue) = self.ensure(web, &within("TaskQueues"), "task_queues", &queue).await?;
            let contact = self.contacts.iter().find(|(name, _)| name == client).map(|(_, uri)| uri.clone());
            let contact = contact.unwrap_or_else(|| format!("client:{client}"));
            let attributes = serde_json::json!({"languages": [language], "contact_uri": contact}).to_string();
            let row = [("FriendlyName", worker.to_owned()), ("Attributes", attributes)];
            let (sid, shown) = self.ensure(web, &within("Workers"), "workers", &row).await?;
            report.extend([(shown_queue, queue.clone()), (shown, sid)]);
            filters.push(serde_json::json!({
                "filter_friendly_name": format!("Language - {language}"),
                "expression": format!("selected_language == \"{language}\""),
                "targets": [{"queue": queue, "timeout": TARGET_TIMEOUT_S}],
            }));
        }
        // A task of a transfer names whom it is for, in whatever queue that worker is.
        let mut named: Vec<Value> = Vec::new();
        for filter in &filters {
            named.push(serde_json::json!({
                "queue": filter["targets"][0]["queue"], "timeout": 30,
                "known_worker_friendly_name": "task.requested_agent", "skip_if": "workers.available == 0",
            }));
        }
        filters.insert(
            0,
            serde_json::json!({
                "filter_friendly_name": "Transfer to a person", "expression": "requested_agent != null", "targets": named,
            }),
        );
        let configuration = serde_json::json!({"task_routing": {"filters": filters}}).to_string();
        let mut workflow = vec![
            ("FriendlyName", WORKFLOW.to_owned()),
            ("Configuration", configuration),
            ("TaskReservationTimeout", RESERVATION_TIMEOUT_S.to_string()),
        ];
        workflow.extend(hook("/assignment").map(|url| ("AssignmentCallbackUrl", url)));
        let (sid, shown) = self.ensure(web, &within("Workflows"), "workflows", &workflow).await?;
        report.push((shown, sid));
        Ok(report)
    }

    /// The SID of what has this `FriendlyName` in the list, made if there is nothing of that name; and how it is shown.
    async fn ensure(
        &self,
        web: &Web,
        path: &str,
        key: &str,
        fields: &[(&str, String)],
    ) -> Result<(String, String), SeedError> {
        let name = fields.iter().find(|(field, _)| *field == "FriendlyName").map_or("", |(_, name)| name);
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("FriendlyName", name)
            .append_pair("PageSize", "1000")
            .finish();
        let listed = self.ask(web, Method::GET, &format!("{path}?{query}"), None).await?;
        let rows = listed[key].as_array().cloned().unwrap_or_default();
        if let Some(row) = rows.iter().find(|row| row["friendly_name"] == name) {
            let shown = format!("{name}{}", left(fields, row));
            return Ok((row["sid"].as_str().unwrap_or_default().to_owned(), shown));
        }
        let form: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let made = self.ask(web, Method::POST, path, Some(form)).await?;
        Ok((made["sid"].as_str().unwrap_or_default().to_owned(), name.to_owned()))
    }

    async fn ask(&self, web: &Web, method: Method, path: &str, form: Option<String>) -> Result<Value, SeedError> {
        let url = self.base.join(path).map_err(|error| SeedError::Address(format!("{}{path}: {error}", self.base)))?;
        let mut headers = HeaderMap::new();
        let own = Credentials { user: self.account_sid.clone(), password: self.auth_token.clone() };
        headers.insert(AUTHORIZATION, own.basic());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let unreachable = |error| SeedError::Unreachable(self.base.clone(), error);
        let connecting = Connecting { timeout: Duration::from_secs(5), ..Connecting::default() };
        let body = form.map(Bytes::from);
        let mut answer = web.send(connecting, method, &url, headers, body).await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let mut said = Vec::new();
        while let Some(piece) = Web::piece(&mut answer).await.map_err(unreachable)? {
            said.extend_from_slice(&piece);
            if said.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        let refused = || SeedError::Refused {
            path: path.to_owned(),
            status,
            body: String::from_utf8_lossy(&said).chars().take(300).collect(),
        };
        if !(200..300).contains(&status) {
            return Err(refused());
        }
        serde_json::from_slice(&said).map_err(|_| refused())
    }
}

/// What phones the workers have, by the names that `--contact` knows.
pub(crate) fn phones() -> [&'static str; 2] {
    LANGUAGES.map(|(_, _, _, client)| client)
}

/// What of it is left as it is, though other than it is asked for.
fn left(fields: &[(&str, String)], row: &Value) -> String {
    let differs = |(field, wanted): &(&str, String)| {
        let (_, member) = SAID.iter().find(|(said, _)| said == field)?;
        let is = row[*member].as_str().unwrap_or_default();
        let stays = if is.is_empty() { "nothing" } else { is };
        (is != wanted).then(|| format!("; there already: its {field} stays {stays}"))
    };
    fields.iter().filter_map(differs).collect()
}

/// What may be given to another run differently, and what it is called in answers.
const SAID: [(&str, &str); 3] = [
    ("EventCallbackUrl", "event_callback_url"),
    ("AssignmentCallbackUrl", "assignment_callback_url"),
    ("Attributes", "attributes"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_left_and_that_is_said() {
        let row = serde_json::json!({"friendly_name": "x", "event_callback_url": "http://one.test/events",
            "assignment_callback_url": null, "attributes": "{}"});
        for (field, wanted, want) in [
            ("EventCallbackUrl", "http://one.test/events", ""),
            (
                "EventCallbackUrl",
                "http://two.test/events",
                "; there already: its EventCallbackUrl stays http://one.test/events",
            ),
            ("AssignmentCallbackUrl", "http://two.test/a", "; there already: its AssignmentCallbackUrl stays nothing"),
            ("Attributes", "{}", ""),
            ("Configuration", "whatever", ""),
        ] {
            assert_eq!(left(&[("FriendlyName", "x".to_owned()), (field, wanted.to_owned())], &row), want, "{wanted}");
        }
    }
}
