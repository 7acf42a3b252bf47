//! Whom an instruction calls, and from whom: what was said, or what worker and task say (taskrouter §7.3).

use model::{CallSid, ConferenceSid, WorkerSid};
use taskrouter::Attributes;

use super::{Instruction, RoutingRefusal, Supervise, WorkerLeg};
use crate::inbound::e164;
use crate::new_call::Callee;

/// Both ends of a worker's leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whom {
    pub(crate) to: Callee,
    pub(crate) from: String,
}

/// The customer of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskCustomer {
    /// A call of theirs.
    Call(CallSid),
    /// To be called.
    Outbound(String),
}

/// Who is called by an instruction that calls somebody. `None`: it calls nobody, or that is for others to find out.
pub(crate) fn whom(
    instruction: &Instruction,
    task: &Attributes,
    worker: &Attributes,
) -> Result<Option<Whom>, RoutingRefusal> {
    let (leg, no_to, no_from, may_guess) = match instruction {
        Instruction::Dequeue(dequeue) => (&dequeue.leg, 40_131, 40_132, true),
        Instruction::Conference(conference) => (&conference.leg, 40_137, 40_138, true),
        Instruction::Call(call) => (&call.leg, 40_110, 40_111, false),
        Instruction::Accept | Instruction::Reject { .. } | Instruction::Redirect(_) | Instruction::Supervise(_) => {
            return Ok(None);
        }
    };
    match instruction {
        Instruction::Dequeue(_) if task_call(task).is_none() => {
            return Err(refuse(instruction, 40_140, "the task has no attribute call_sid"));
        }
        Instruction::Conference(_) if task_customer(task).is_none() && room_of(task).is_none() => {
            return Err(refuse(instruction, 40_142, "the task has neither the attribute call_sid nor outbound_to"));
        }
        _ => {}
    }
    let to = leg.to.clone().or_else(|| worker.text(&["contact_uri"]).and_then(Callee::of_contact));
    let to = to.ok_or_else(|| {
        refuse(instruction, no_to, "there is no To, and the worker's contact_uri is not to be called")
    })?;
    let from = from_of(leg, may_guess.then_some(task));
    let from = from.ok_or_else(|| refuse(instruction, no_from, "there is no From, and the task does not say one"))?;
    Ok(Some(Whom { to, from }))
}

/// Who is called to supervise, and into which conference (§7.8). `contact_uri` is the supervisor's, where that is a worker.
pub(crate) fn supervisor(
    supervise: &Supervise,
    task: &Attributes,
    contact_uri: Option<&str>,
) -> Result<(Whom, ConferenceSid), RoutingRefusal> {
    let refuse = |code, why| refuse(&Instruction::Supervise(supervise.clone()), code, why);
    let address = match supervise.supervisor.parse::<WorkerSid>() {
        Ok(_) => contact_uri,
        Err(_) => Some(supervise.supervisor.as_str()),
    };
    let to = address.and_then(Callee::of_contact).ok_or_else(|| refuse(40_147, "the supervisor cannot be called"))?;
    let from = task.text(&["from"]).filter(|from| !from.trim().is_empty());
    let from = from.ok_or_else(|| refuse(40_148, "the task has no attribute from"))?.to_owned();
    let room = room_of(task).ok_or_else(|| refuse(40_146, "the task has no conference"))?;
    Ok((Whom { to, from }, room))
}

/// What was said, or else the number that the customer dialled or is to be called from.
fn from_of(leg: &WorkerLeg, task: Option<&Attributes>) -> Option<String> {
    let guess = |task: &Attributes| {
        let outbound = task_call(task).is_none() && task.text(&["outbound_to"]).is_some()
            || task.text(&["direction"]).is_some_and(|direction| direction.starts_with("outbound"));
        let names: &[&str] = if outbound { &["from"] } else { &["to", "called"] };
        names.iter().find_map(|name| task.text(&[name]).filter(|text| !text.is_empty()).map(str::to_owned))
    };
    leg.from.clone().or_else(|| task.and_then(guess))
}

/// The customer's call, as the task has it.
pub(crate) fn task_call(task: &Attributes) -> Option<CallSid> {
    task.text(&["call_sid"])?.parse().ok()
}

/// Who the customer is.
pub(crate) fn task_customer(task: &Attributes) -> Option<TaskCustomer> {
    let outbound = || task.text(&["outbound_to"]).map(|to| TaskCustomer::Outbound(to.to_owned()));
    task_call(task).map(TaskCustomer::Call).or_else(outbound)
}

/// The conference that the task's customer is in already, as the task has it: it was handed on.
pub(crate) fn room_of(task: &Attributes) -> Option<ConferenceSid> {
    let sid = task.text(&["conference", "sid"]).or_else(|| task.text(&["conference_sid"]));
    sid?.parse().ok()
}

pub(crate) fn refuse(instruction: &Instruction, code: u16, why: &str) -> RoutingRefusal {
    let mut name = instruction.name().to_owned();
    name[..1].make_ascii_uppercase();
    RoutingRefusal::Coded { code, message: format!("Unable to execute {name} instruction: {why}.") }
}

impl Callee {
    /// Somebody who can be called, as attributes name them: a number however it is written, `client:`, `sip:`.
    pub(crate) fn of_contact(text: &str) -> Option<Self> {
        let text = text.trim();
        let bare = text.split('?').next().unwrap_or_default();
        if bare.chars().any(|c| c.is_control() || matches!(c, '<' | '>' | '"')) {
            return None;
        }
        if let Some(identity) = bare.strip_prefix("client:") {
            return (!identity.is_empty())
                .then(|| Self::Client { identity: identity.to_owned(), parameters: Vec::new() });
        }
        if bare.starts_with("sip:") || bare.starts_with("sips:") {
            let uri = bare.parse::<sip::Uri>().is_ok_and(|uri| uri.sip().is_some());
            return uri.then(|| Self::Sip { uri: bare.to_owned(), headers: Vec::new() });
        }
        let number: String = bare.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let short = !number.starts_with('+')
            && (3..=15).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit());
        let long = number.starts_with('+') && e164(&number).is_some();
        (short || long).then_some(Self::Number(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_read_however_it_is_written() {
        let number = |text: &str| Some(Callee::Number(text.to_owned()));
        for (text, want) in [
            ("+91 8884796044", number("+918884796044")), // seed 3
            ("(500) 555-0006", number("5005550006")),
            ("101", number("101")),
            ("client:alice", Some(Callee::Client { identity: "alice".to_owned(), parameters: Vec::new() })),
            ("sip:bob@10.0.0.7", Some(Callee::Sip { uri: "sip:bob@10.0.0.7".to_owned(), headers: Vec::new() })),
            ("client:", None),
            ("sip:", None),
            ("", None),
            ("bob", None),
            ("+1", None),
            ("12", None),
            ("sip:a\"b@10.0.0.7", None),
        ] {
            assert_eq!(Callee::of_contact(text), want, "{text}");
        }
    }
}
