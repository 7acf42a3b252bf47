//! Who waits in a queue (rest-voice §7). Nothing of this is stored: the switch knows.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use model::QueueSid;
use serde::Serialize;
use store::Rows;
use switch::{Answer, AudioUrl, Command, MemberRef, QueueCommand, QueueMember};

use super::sid;
use crate::api::Api;
use crate::auth::Caller;
use crate::json::{self, account_path};
use crate::paging::Paging;
use crate::parameters::{Parameters, absolute};
use crate::problem::Problem;

/// `GET /Queues/{QU}/Members.json`
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, queue)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let queue: QueueSid = sid(&queue)?;
    let paging = Paging::read(&parameters)?;
    let command = QueueCommand::ListMembers { account: caller.sid(), queue };
    let members = match api.command(Command::Queue(command)).await? {
        Answer::QueueMembers(members) => members,
        other => return Err(Problem::mismatch(&other)),
    };
    let (skip, size) = paging.window();
    let more = members.len() > skip.saturating_add(size);
    let rows = Rows { rows: members.into_iter().skip(skip).take(size).collect(), more };
    let path = format!("{}/Queues/{queue}/Members", account_path(caller.sid()));
    Ok(paging.answer_by_number("queue_members", &path, &rows, MemberJson::of))
}

/// `GET /Queues/{QU}/Members/{CA or Front}.json`
pub(crate) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, queue, member)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let command = QueueCommand::FetchMember { account: caller.sid(), queue: sid(&queue)?, member: named(&member)? };
    ask(&api, command).await
}

/// `POST /Queues/{QU}/Members/{CA or Front}.json`: takes it out, to run that document.
pub(crate) async fn dequeue(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Path((_, queue, member)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let (queue, member) = (sid(&queue)?, named(&member)?);
    let url = parameters.filled("Url").ok_or(Problem::UrlMissing)?;
    let url = absolute(url).ok_or(Problem::UrlMalformed)?;
    let method = super::method_of(&parameters, "Method", 21209)?.unwrap_or(model::HttpMethod::Post);
    let link = AudioUrl { url, method }.into();
    ask(&api, QueueCommand::DequeueMember { account: caller.sid(), queue, member, link }).await
}

async fn ask(api: &Api, command: QueueCommand) -> Result<Response, Problem> {
    match api.command(Command::Queue(command)).await? {
        Answer::QueueMember(member) => Ok(json::ok(&MemberJson::of(&member))),
        other => Err(Problem::mismatch(&other)),
    }
}

fn named(member: &str) -> Result<MemberRef, Problem> {
    if member == "Front" { Ok(MemberRef::Front) } else { sid(member).map(MemberRef::Call) }
}

#[derive(Serialize)]
struct MemberJson {
    queue_sid: String,
    call_sid: String,
    date_enqueued: String,
    position: u32,
    wait_time: u64,
    uri: String,
}

impl MemberJson {
    fn of(member: &QueueMember) -> Self {
        let queue = format!("{}/Queues/{}", account_path(member.account), member.queue);
        Self {
            queue_sid: member.queue.to_string(),
            call_sid: member.call.to_string(),
            date_enqueued: member.enqueued.rfc2822(),
            position: member.position,
            wait_time: member.wait.as_secs(),
            uri: format!("{queue}/Members/{}.json", member.call),
        }
    }
}
