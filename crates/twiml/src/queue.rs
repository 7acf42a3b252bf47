//! Waiting in a queue (`<Enqueue>`), and taking somebody out of one (`<Dial><Queue>`).

use std::time::Duration;

use crate::attributes::{Attributes, is_sid};
use crate::document::{childless, unknown_child};
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::Element;
use crate::{Link, WaitAudio, Warning};

/// `<Enqueue>` (twiml §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueue {
    /// Where to.
    pub to: EnqueueTo,
    /// Asked when the call leaves the queue; without it the next verb runs.
    pub action: Option<Link>,
    /// What is heard meanwhile: a document that is asked for again whenever it runs out.
    pub wait: WaitAudio,
    /// The queue is full with so many; `None` is its own limit.
    pub queue_size_max: Option<u32>,
}

/// Where an [`Enqueue`] leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnqueueTo {
    /// A queue of this name, made if there is none.
    Queue(String),
    /// TaskRouter.
    Workflow {
        /// `WW…`.
        workflow_sid: String,
        /// What the task says.
        task: Task,
    },
    /// Nowhere: the call has left already, with `QueueResult=error`.
    Nowhere(Warning),
}

/// `<Task>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// A JSON object, as text.
    pub attributes: String,
    /// The higher, the sooner.
    pub priority: u32,
    /// How long it may live.
    pub timeout: Duration,
}

/// `<Queue>` in a `<Dial>` (twiml §7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueNoun {
    /// Whose front member is taken; `None` only with a reservation.
    pub name: Option<String>,
    /// A document for the one who waited, before the two are connected.
    pub url: Option<Link>,
    /// Take the caller of this reservation's task: `WR…`.
    pub reservation_sid: Option<String>,
    /// What the worker does afterwards: `WA…`.
    pub post_work_activity_sid: Option<String>,
    /// Why nobody can be taken: the dial has failed, with `DequeueResult=error`.
    pub problem: Option<Warning>,
}

impl Enqueue {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut attributes = Attributes::of(element, warnings);
        let action = attributes.link("action", "method", 14201);
        let wait = WaitAudio::parse(&mut attributes, "waitUrlMethod", 14206);
        let queue_size_max = attributes.number("maxQueueSize", UNKNOWN, 1..=u32::MAX);
        let workflow_sid = attributes.raw("workflowSid").map(str::trim);
        attributes.finish();
        let mut task = None;
        for child in element.elements() {
            if child.name == "Task" && task.is_none() && workflow_sid.is_some() {
                task = Some(Task::parse(child, warnings));
            } else {
                unknown_child(element, child, UNKNOWN, warnings);
            }
        }
        let to = match workflow_sid {
            Some(sid) if !is_sid("WW", sid) => {
                Err(Warning::new(14220, format!("workflowSid {:?} is not WW and 32 hex digits", shorten(sid))))
            }
            Some(sid) => task
                .unwrap_or_else(|| Ok(Task::default()))
                .map(|task| EnqueueTo::Workflow { workflow_sid: sid.to_owned(), task }),
            None => queue_name(element.text(), 14204, 14205).map(EnqueueTo::Queue),
        };
        let to = to.unwrap_or_else(|why| {
            warnings.push(why.clone());
            EnqueueTo::Nowhere(why)
        });
        Self { to, action, wait, queue_size_max }
    }
}

impl Task {
    fn parse(element: &Element, warnings: &mut Warnings) -> Result<Self, Warning> {
        let mut attributes = Attributes::of(element, warnings);
        let priority = attributes.number("priority", UNKNOWN, 0..=PRIORITY_MAX);
        let timeout = attributes.seconds("timeout", UNKNOWN, 1..=TIMEOUT_SECONDS_MAX);
        attributes.finish();
        childless(element, warnings);
        let default = Self::default();
        let text = element.text();
        if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).is_err() {
            return Err(Warning::new(14221, format!("the body of <Task> is not a JSON object: {:?}", shorten(&text))));
        }
        Ok(Self {
            attributes: text,
            priority: priority.unwrap_or(default.priority),
            timeout: timeout.unwrap_or(default.timeout),
        })
    }
}

impl Default for Task {
    /// Of an `<Enqueue>` that has none.
    fn default() -> Self {
        Self { attributes: "{}".to_owned(), priority: 0, timeout: Duration::from_secs(86_400) }
    }
}

impl QueueNoun {
    pub(crate) fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut attributes = Attributes::of(element, warnings);
        let url = attributes.callback("url", "method", 14210);
        let reservation_sid = attributes.text("reservationSid");
        let post_work_activity_sid = attributes.read("postWorkActivitySid", 14218, "WA and 32 hex digits", |sid| {
            is_sid("WA", sid).then(|| sid.to_owned())
        });
        attributes.finish();
        childless(element, warnings);
        let named = match &reservation_sid {
            Some(sid) if !is_sid("WR", sid) => {
                Err(Warning::new(14215, format!("reservationSid {:?} is not WR and 32 hex digits", shorten(sid))))
            }
            Some(_) if element.text().is_empty() => Ok(None),
            _ => queue_name(element.text(), 14212, 14213).map(Some),
        };
        let (name, problem) = match named {
            Ok(name) => (name, None),
            Err(why) => {
                warnings.push(why.clone());
                (None, Some(why))
            }
        };
        Self { name, url, reservation_sid, post_work_activity_sid, problem }
    }
}

fn queue_name(name: String, empty: u16, too_long: u16) -> Result<String, Warning> {
    match name.chars().count() {
        0 => Err(Warning::new(empty, "the queue has no name")),
        1..=NAME_CHARS_MAX => Ok(name),
        count => Err(Warning::new(too_long, format!("the queue's name has {count} characters, not {NAME_CHARS_MAX}"))),
    }
}

const NAME_CHARS_MAX: usize = 64;

/// taskrouter §6.1.
const PRIORITY_MAX: u32 = i32::MAX as u32;

/// Two weeks (taskrouter §6.1).
const TIMEOUT_SECONDS_MAX: u32 = 1_209_600;
