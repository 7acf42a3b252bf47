//! One HTTP request and what came back, as its developer is shown it.

use std::time::Duration;

use crate::word_enum;

word_enum! {
    /// The two methods an application may choose.
    HttpMethod {
        /// Parameters in the query.
        Get = "GET",
        /// Parameters in the body.
        Post = "POST",
    }
}

/// One request of ours to an application, and its answer as far as there was one. Bodies are cut to what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// How it was asked.
    pub method: HttpMethod,
    /// Whom, without user, password and fragment, and without our parameters.
    pub url: String,
    /// Our parameters, as a form is written: `CallSid=CA…&From=…`. Of a JSON request: the body itself.
    pub parameters: String,
    /// HTTP status of the last answer; `None` when none came.
    pub status: Option<u16>,
    /// Headers of the answer, as a form is written.
    pub headers: String,
    /// `Content-Type` of the answer.
    pub content_type: String,
    /// Its body.
    pub body: String,
    /// How long it all took.
    pub duration: Duration,
}

word_enum! {
    /// What a callback is about: the store keeps it, and what a failure is called depends on it.
    CallbackKind {
        /// A call's progress.
        CallStatus = "call-status",
        /// What happened in a conference.
        Conference = "conference",
        /// A recording.
        Recording = "recording",
        /// Who or what has answered.
        AnsweringMachine = "amd",
        /// A media stream.
        Stream = "stream",
        /// A conversation's voice session.
        Conversation = "conversation",
        /// What a step has come to, told to its action although nobody waits for the answer.
        Action = "action",
        /// What happened in a workspace.
        TaskRouter = "task-router",
    }
}
