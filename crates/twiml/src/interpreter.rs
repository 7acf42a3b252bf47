//! The interpreter: which step comes after which outcome.
//!
//! One per document run. It gives out one [`Step`] at a time and is told how that went ([`Interpreter::next`]); it
//! knows neither how a step is done nor how long it takes. What it may ask for is bounded: a document gives at most one
//! step a verb, and a chain of documents that only lead to each other breaks off.

use std::time::Duration;

use crate::link::{Base, LinkError, MALFORMED};
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::{Asked, Document, EnqueueTo, Gathered, Kind, Link, Outcome, Prompt, Step, Verb, Warning};

/// Runs one document.
#[derive(Debug)]
pub struct Interpreter {
    kind: Kind,
    base: Base,
    verbs: std::vec::IntoIter<Verb>,
    /// What the last step leaves to be decided.
    pending: Pending,
    /// A step of this document took time.
    took_time: bool,
    /// So did one since the queue's `waitUrl` was asked last, in this document or in one it came from.
    waited: bool,
    /// How many documents in a row took none.
    idle_documents: u32,
    over: bool,
    warnings: Warnings,
}

/// What is done about an outcome, other than going on.
#[derive(Debug)]
enum Pending {
    Nothing,
    /// Something that takes time, if it can be done at all.
    Prompt,
    /// The action of a Gather, perhaps also when nothing came.
    Gather {
        action: Option<Link>,
        on_empty: bool,
        takes_time: bool,
    },
    Record {
        action: Option<Link>,
    },
    /// The action of what ends by itself: Dial, Enqueue, Connect, Refer.
    Session {
        action: Option<Link>,
        with: Asked,
        takes_time: bool,
    },
}

impl Interpreter {
    /// `base` is the document's final URL, and `None` for one that came as a parameter (`Twiml`). The document's
    /// warnings come out of [`Interpreter::take_warnings`].
    pub fn new(document: Document, base: Option<&str>, kind: Kind) -> Self {
        let Document { verbs, warnings } = document;
        Self {
            kind,
            base: Base::new(base),
            verbs: verbs.into_iter(),
            pending: Pending::Nothing,
            took_time: false,
            waited: false,
            idle_documents: 0,
            over: false,
            warnings: Warnings::from(warnings),
        }
    }

    /// The interpreter of what a [`Step::Fetch`] or [`Step::Again`] of this one answered, or a fallback URL in its stead:
    /// of the same kind, and remembering how many documents have led here without a step that took time.
    pub fn follow(&self, document: Document, base: Option<&str>) -> Self {
        let mut next = Self::new(document, base, self.kind);
        next.waited = self.waited;
        next.idle_documents = self.idle_documents;
        next
    }

    /// What the document is run for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What is to be logged, since this was asked last.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        self.warnings.take()
    }

    /// How the last step went, and so what to do next. Once a step has said that it is over, there is only
    /// [`Step::Ended`]. An outcome that the last step cannot have is taken for [`Outcome::Done`].
    pub fn next(&mut self, outcome: Outcome) -> Step {
        if self.over {
            return Step::Ended;
        }
        match (std::mem::replace(&mut self.pending, Pending::Nothing), outcome) {
            (pending, Outcome::HungUp) => {
                let last = match pending {
                    Pending::Record { action } => action.map(|action| (action, Asked::Record)),
                    Pending::Session { action, with, .. } => action.map(|action| (action, with)),
                    Pending::Nothing | Pending::Prompt | Pending::Gather { .. } => None,
                };
                self.tell(last)
            }
            (pending, Outcome::Replaced) => {
                let last = match pending {
                    // The queue and the session tell that they have been left; a Dial does not (rest-voice §3.3).
                    Pending::Session { action, with: with @ (Asked::Enqueue | Asked::Connect), .. } => {
                        action.map(|action| (action, with))
                    }
                    _ => None,
                };
                self.tell(last)
            }
            (Pending::Gather { action, on_empty, takes_time }, outcome) => {
                if matches!(outcome, Outcome::Gathered(_)) || (takes_time && outcome != Outcome::Failed) {
                    self.pass_time();
                }
                let heard = match outcome {
                    Outcome::Gathered(heard) => heard,
                    _ => Gathered::NOTHING,
                };
                match action {
                    Some(action) if on_empty || !heard.is_empty() => self.fetch(&action, Asked::Gather(heard)),
                    _ => self.advance(),
                }
            }
            (Pending::Record { action }, outcome) => {
                if outcome != Outcome::Failed {
                    self.pass_time();
                }
                match action {
                    Some(action) if !matches!(outcome, Outcome::Failed | Outcome::Nothing) => {
                        self.fetch(&action, Asked::Record)
                    }
                    _ => self.advance(),
                }
            }
            (Pending::Session { action, with, takes_time }, outcome) => {
                if takes_time && !matches!(outcome, Outcome::Failed | Outcome::Refused) {
                    self.pass_time();
                }
                match action {
                    Some(action) if outcome != Outcome::Refused => self.fetch(&action, with),
                    _ => self.advance(),
                }
            }
            (Pending::Prompt, outcome) => {
                if outcome != Outcome::Failed {
                    self.pass_time();
                }
                self.advance()
            }
            (Pending::Nothing, _) => self.advance(),
        }
    }

    /// The next verb that may be run here and can be.
    fn advance(&mut self) -> Step {
        while let Some(verb) = self.verbs.next() {
            match self.admits(&verb) {
                Admission::Run => {
                    if let Some(step) = self.start(verb) {
                        return step;
                    }
                }
                Admission::Skip(code) => {
                    let why =
                        format!("<{}> cannot be run in the document of a {:?}; it is skipped", verb.name(), self.kind);
                    self.warnings.warn(code, why);
                }
                Admission::Stop => {
                    let why = format!("<{}> is not for a document that is waited with; it ends here", verb.name());
                    self.warnings.warn(13238, why);
                    break;
                }
            }
        }
        self.over = true;
        match self.kind {
            Kind::QueueWait => {
                let pause = if self.waited { Duration::ZERO } else { EMPTY_WAIT };
                self.waited = false;
                self.idle_documents = 0;
                Step::Again { pause }
            }
            _ => Step::Ended,
        }
    }

    fn admits(&self, verb: &Verb) -> Admission {
        let prompt = matches!(verb, Verb::Say(_) | Verb::Play(_) | Verb::SendDigits(_) | Verb::Pause(_));
        if prompt || matches!(verb, Verb::Redirect(_)) {
            return Admission::Run;
        }
        match (self.kind, verb) {
            (Kind::Call, _)
            | (Kind::QueueWait, Verb::Gather(_) | Verb::Leave | Verb::Hangup)
            | (Kind::CalleeWhisper, Verb::Gather(_) | Verb::Hangup) => Admission::Run,
            (Kind::ConferenceWait | Kind::Announcement | Kind::QueueWait, _) => Admission::Stop,
            (Kind::CalleeWhisper | Kind::QueueWhisper, Verb::Dial(_)) => Admission::Skip(13201),
            (Kind::CalleeWhisper | Kind::QueueWhisper, _) => Admission::Skip(UNKNOWN),
        }
    }

    /// `None` where a verb turns out to ask for nothing.
    fn start(&mut self, verb: Verb) -> Option<Step> {
        let step = match verb {
            Verb::Say(say) => self.prompt(Step::Say(say)),
            Verb::Play(mut play) => {
                play.url = self.audio(&play.url)?;
                self.prompt(Step::Play(play))
            }
            Verb::SendDigits(digits) => self.prompt(Step::SendDigits(digits)),
            Verb::Pause(pause) => self.prompt(Step::Pause(pause)),
            Verb::Gather(mut gather) => {
                let prompts = std::mem::take(&mut gather.prompts);
                gather.prompts = prompts.into_iter().filter_map(|prompt| self.nested(prompt)).collect();
                gather.links(&mut |link, code| self.resolve(link, code));
                let (on_empty, takes_time) = (gather.action_on_empty_result, gather.takes_time());
                let action = self.action(&mut gather.action);
                self.pending = Pending::Gather { action, on_empty, takes_time };
                Step::Gather(gather)
            }
            Verb::Record(mut record) => {
                record.links(&mut |link, code| self.resolve(link, code));
                let action = self.action(&mut record.action);
                self.pending = Pending::Record { action };
                Step::Record(record)
            }
            Verb::Dial(mut dial) => {
                dial.links(&mut |link, code| self.resolve(link, code));
                let (action, takes_time) = (self.action(&mut dial.action), dial.takes_time());
                self.pending = Pending::Session { action, with: Asked::Dial, takes_time };
                Step::Dial(dial)
            }
            Verb::Enqueue(mut enqueue) => {
                enqueue.wait.links(&mut |link, code| self.resolve(link, code), 14202);
                let takes_time = !matches!(enqueue.to, EnqueueTo::Nowhere(_));
                let action = self.action(&mut enqueue.action);
                self.pending = Pending::Session { action, with: Asked::Enqueue, takes_time };
                Step::Enqueue(enqueue)
            }
            Verb::Connect(mut connect) => {
                connect.links(&mut |link, code| self.resolve(link, code));
                let (action, takes_time) = (self.action(&mut connect.action), connect.takes_time());
                self.pending = Pending::Session { action, with: Asked::Connect, takes_time };
                Step::Connect(connect)
            }
            Verb::Refer(mut refer) => {
                let action = self.action(&mut refer.action);
                self.pending = Pending::Session { action, with: Asked::Refer, takes_time: true };
                Step::Refer(refer)
            }
            Verb::StartStream(mut stream) => {
                self.resolve(&mut stream.status_callback, MALFORMED);
                Step::StartStream(stream)
            }
            Verb::StartRecording(mut recording) => {
                self.resolve(&mut recording.callback.link, 13256);
                Step::StartRecording(recording)
            }
            Verb::StopStream(stop) => Step::StopStream(stop),
            Verb::Echo => Step::Echo,
            Verb::Leave if self.kind == Kind::QueueWait => self.end(Step::Leave),
            Verb::Leave => return None,
            Verb::Redirect(link) => self.fetch(&link, Asked::Redirect),
            Verb::Reject(reason) => self.end(Step::Reject(reason)),
            Verb::Hangup => self.end(Step::Hangup),
        };
        Some(step)
    }

    fn prompt(&mut self, step: Step) -> Step {
        self.pending = Pending::Prompt;
        step
    }

    fn nested(&mut self, prompt: Prompt) -> Option<Prompt> {
        match prompt {
            Prompt::Play(mut play) => {
                play.url = self.audio(&play.url)?;
                Some(Prompt::Play(play))
            }
            other => Some(other),
        }
    }

    /// Audio that is nowhere is not played; the document goes on (twiml §3).
    fn audio(&mut self, url: &str) -> Option<String> {
        match self.base.resolve(url) {
            Ok(url) => Some(url),
            Err(_) => {
                self.warnings.warn(MALFORMED, format!("<Play> {:?} is no URL of audio; it is skipped", shorten(url)));
                None
            }
        }
    }

    /// Who cannot be told, is not; the document goes on.
    fn resolve(&mut self, link: &mut Option<Link>, code: u16) {
        if let Some(Link { url, .. }) = link {
            match self.base.resolve(url) {
                Ok(absolute) => *url = absolute,
                Err(error) => {
                    self.warnings.push(error.warning(url, code));
                    *link = None;
                }
            }
        }
    }

    /// Keeps the action as written, since only its request can fail, and makes the step's absolute.
    fn action(&mut self, action: &mut Option<Link>) -> Option<Link> {
        let written = action.clone();
        if let Some(link) = action {
            match self.base.resolve(&link.url) {
                Ok(absolute) => link.url = absolute,
                Err(_) => *action = None,
            }
        }
        written
    }

    /// Hands control to what `link` answers.
    fn fetch(&mut self, link: &Link, with: Asked) -> Step {
        self.idle_documents = if self.took_time { 0 } else { self.idle_documents + 1 };
        if self.idle_documents > IDLE_DOCUMENTS_MAX {
            let why =
                format!("{IDLE_DOCUMENTS_MAX} documents in a row led to one another and did nothing that takes time");
            return self.end(Step::Fail { warning: Warning::new(11215, why), fallback: false });
        }
        match self.base.resolve(&link.url) {
            Ok(url) => self.end(Step::Fetch { link: Link { url, method: link.method }, with }),
            Err(error) => {
                // A fallback is for a URL that does not answer; where there is none to begin with, the call ends.
                let fallback = error == LinkError::Malformed;
                self.end(Step::Fail { warning: error.warning(&link.url, with.malformed()), fallback })
            }
        }
    }

    fn tell(&mut self, last: Option<(Link, Asked)>) -> Step {
        let Some((link, with)) = last else { return self.end(Step::Ended) };
        match self.base.resolve(&link.url) {
            Ok(url) => self.end(Step::Tell { link: Link { url, method: link.method }, with }),
            Err(error) => {
                self.warnings.push(error.warning(&link.url, with.malformed()));
                self.end(Step::Ended)
            }
        }
    }

    fn end(&mut self, step: Step) -> Step {
        self.over = true;
        step
    }

    fn pass_time(&mut self) {
        self.took_time = true;
        self.waited = true;
    }
}

impl Asked {
    /// The code of an action that leads nowhere.
    fn malformed(&self) -> u16 {
        match self {
            Self::Enqueue => 14203,
            _ => MALFORMED,
        }
    }
}

/// May a verb be run in a document of this kind?
enum Admission {
    Run,
    /// The verb is left out, and this logged.
    Skip(u16),
    /// The document ends here.
    Stop,
}

/// How many documents in a row may lead to one another without a step that took time; as a chain it would go on for ever
/// at the speed of two machines.
const IDLE_DOCUMENTS_MAX: u32 = 100;

/// As long as after a `waitUrl` that fails (twiml §7.2).
const EMPTY_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;
    use Outcome::{Done, Failed, HungUp, Nothing, Refused, Replaced, Started};

    const BASE: &str = "https://app.test/voice/menu";

    fn run(verbs: &str, base: Option<&str>, kind: Kind) -> Interpreter {
        let document = parse(format!("<Response>{verbs}</Response>").as_bytes()).expect("well-formed");
        Interpreter::new(document, base, kind)
    }

    /// A step in a word or two.
    fn brief(step: &Step) -> String {
        let link = |link: &Link, with: &Asked| match with {
            Asked::Gather(heard) => format!("{} with {heard:?}", link.url),
            with => format!("{} with {with:?}", link.url),
        };
        match step {
            Step::Say(say) => format!("say {}", say.text),
            Step::Play(play) => format!("play {}", play.url),
            Step::SendDigits(digits) => format!("keys {}", digits.digits),
            Step::Pause(pause) => format!("pause {:?}", pause.length),
            Step::Fetch { link: to, with } => format!("fetch {}", link(to, with)),
            Step::Tell { link: to, with } => format!("tell {}", link(to, with)),
            Step::Again { pause } => format!("again after {pause:?}"),
            Step::Fail { warning, fallback } => format!("fail {} fallback={fallback}", warning.code),
            other => {
                let name = format!("{other:?}");
                name.split(['(', ' ']).next().unwrap_or_default().to_lowercase()
            }
        }
    }

    fn digits(digits: &str) -> Outcome {
        Outcome::Gathered(Gathered::Digits { digits: digits.to_owned(), finished_on_key: None })
    }

    #[test]
    fn outcomes_decide_what_comes_next() {
        let here = Some(BASE);
        for (case, verbs, base, outcomes, want) in [
            ("an empty document", "", here, vec![Started, Done], "ended; ended"),
            ("one after the other", "<Say>a</Say><Pause/>", here, vec![Started, Done, Done], "say a; pause 1s; ended"),
            (
                "audio that is missing",
                "<Play>a</Play><Hangup/>",
                here,
                vec![Started, Failed],
                "play https://app.test/voice/a; hangup",
            ),
            (
                "keys, then audio",
                "<Play digits='1w'>/a</Play>",
                here,
                vec![Started, Done],
                "keys 1w; play https://app.test/a",
            ),
            ("nothing after hang-up", "<Hangup/><Say>a</Say>", here, vec![Started, Done], "hangup; ended"),
            ("reject", "<Reject/><Say>a</Say>", here, vec![Started, Done], "reject; ended"),
            (
                "redirect",
                "<Redirect>b</Redirect><Say>a</Say>",
                here,
                vec![Started, Done],
                "fetch https://app.test/voice/b with Redirect; ended",
            ),
            (
                "redirect to itself",
                "<Redirect/>",
                here,
                vec![Started],
                "fetch https://app.test/voice/menu with Redirect",
            ),
            ("leave outside a queue", "<Leave/><Say>a</Say>", here, vec![Started], "say a"),
            (
                "keys gathered",
                "<Gather action='g'/><Say>a</Say>",
                here,
                vec![Started, digits("12")],
                "gather; fetch https://app.test/voice/g with Digits { digits: \"12\", finished_on_key: None }",
            ),
            (
                "by default to itself",
                "<Gather/>",
                here,
                vec![Started, digits("1")],
                "gather; fetch https://app.test/voice/menu with Digits { digits: \"1\", finished_on_key: None }",
            ),
            ("nothing gathered", "<Gather/><Say>a</Say>", here, vec![Started, Nothing], "gather; say a"),
            (
                "nothing, and it matters",
                "<Gather actionOnEmptyResult='true'/>",
                here,
                vec![Started, Nothing],
                "gather; fetch https://app.test/voice/menu with Digits { digits: \"\", finished_on_key: None }",
            ),
            ("only the key that finishes", "<Gather/><Say>a</Say>", here, vec![Started, digits("")], "gather; say a"),
            ("hung up while gathering", "<Gather/>", here, vec![Started, HungUp], "gather; ended"),
            (
                "recorded",
                "<Record action='r'/>",
                here,
                vec![Started, Done],
                "record; fetch https://app.test/voice/r with Record",
            ),
            ("silence recorded", "<Record/><Say>a</Say>", here, vec![Started, Nothing], "record; say a"),
            (
                "hung up while recording",
                "<Record/>",
                here,
                vec![Started, HungUp],
                "record; tell https://app.test/voice/menu with Record",
            ),
            ("dial without action", "<Dial>1</Dial><Say>a</Say>", here, vec![Started, Done], "dial; say a"),
            (
                "dial with one",
                "<Dial action='d'>1</Dial>",
                here,
                vec![Started, Done],
                "dial; fetch https://app.test/voice/d with Dial",
            ),
            (
                "with an empty one",
                "<Dial action=''>1</Dial>",
                here,
                vec![Started, Done],
                "dial; fetch https://app.test/voice/menu with Dial",
            ),
            (
                "that failed",
                "<Dial action='d'>1</Dial>",
                here,
                vec![Started, Failed],
                "dial; fetch https://app.test/voice/d with Dial",
            ),
            (
                "the label is taken",
                "<Dial action='d'><Conference>c</Conference></Dial><Say>a</Say>",
                here,
                vec![Started, Refused],
                "dial; say a",
            ),
            (
                "hung up in a dial",
                "<Dial action='d'>1</Dial>",
                here,
                vec![Started, HungUp, Done],
                "dial; tell https://app.test/voice/d with Dial; ended",
            ),
            ("hung up without action", "<Dial>1</Dial><Say>a</Say>", here, vec![Started, HungUp], "dial; ended"),
            ("replaced in a dial", "<Dial action='d'>1</Dial>", here, vec![Started, Replaced], "dial; ended"),
            (
                "left the queue",
                "<Enqueue action='q'>s</Enqueue>",
                here,
                vec![Started, Done],
                "enqueue; fetch https://app.test/voice/q with Enqueue",
            ),
            (
                "replaced in a queue",
                "<Enqueue action='q'>s</Enqueue>",
                here,
                vec![Started, Replaced],
                "enqueue; tell https://app.test/voice/q with Enqueue",
            ),
            (
                "session without action",
                "<Connect><Stream url='wss://s.test'/></Connect>",
                here,
                vec![Started, Done],
                "connect; ended",
            ),
            (
                "replaced in a session",
                "<Connect action='c'><Stream url='wss://s.test'/></Connect>",
                here,
                vec![Started, Replaced],
                "connect; tell https://app.test/voice/c with Connect",
            ),
            (
                "transferred",
                "<Refer action='t'><Sip>sip:a@b.test</Sip></Refer>",
                here,
                vec![Started, Done],
                "refer; fetch https://app.test/voice/t with Refer",
            ),
            (
                "hung up meanwhile",
                "<Refer action='t'><Sip>sip:a@b.test</Sip></Refer>",
                here,
                vec![Started, HungUp],
                "refer; tell https://app.test/voice/t with Refer",
            ),
            (
                "beside the call",
                "<Start><Stream url='wss://s.test'/><Recording/></Start><Stop><Stream/></Stop>",
                here,
                vec![Started, Done, Done, Done],
                "startstream; startrecording; stopstream; ended",
            ),
            ("echo", "<Echo/>", here, vec![Started, HungUp], "echo; ended"),
            (
                "no base, relative",
                "<Gather action='g'/>",
                None,
                vec![Started, digits("1")],
                "gather; fail 15004 fallback=false",
            ),
            ("no base, itself", "<Gather/>", None, vec![Started, digits("1")], "gather; fail 15004 fallback=false"),
            ("no base, nothing gathered", "<Gather/><Say>a</Say>", None, vec![Started, Nothing], "gather; say a"),
            (
                "no base, absolute",
                "<Redirect>http://o.test</Redirect>",
                None,
                vec![Started],
                "fetch http://o.test with Redirect",
            ),
            ("no base, redirect to itself", "<Redirect/>", None, vec![Started], "fail 15004 fallback=false"),
            ("no base, relative audio", "<Play>a</Play><Say>a</Say>", None, vec![Started], "say a"),
            ("no base, hung up", "<Dial action='d'>1</Dial>", None, vec![Started, HungUp], "dial; ended"),
            ("not of the web", "<Redirect>ftp://o.test</Redirect>", here, vec![Started], "fail 11100 fallback=true"),
            ("an outcome of another step", "<Say>a</Say><Hangup/>", here, vec![Started, digits("1")], "say a; hangup"),
        ] {
            let mut interpreter = run(verbs, base, Kind::Call);
            let steps: Vec<String> = outcomes.into_iter().map(|outcome| brief(&interpreter.next(outcome))).collect();
            assert_eq!(steps.join("; "), want, "{case}");
        }
    }

    #[test]
    fn kinds_have_their_verbs_and_ends() {
        use Kind::{Announcement, CalleeWhisper, ConferenceWait, QueueWait, QueueWhisper};
        for (case, kind, verbs, want, codes) in [
            ("waits, then silence", ConferenceWait, "<Play>/a</Play>", "play https://app.test/a; ended; ended", vec![]),
            (
                "waits again",
                ConferenceWait,
                "<Play>/a</Play><Redirect/>",
                "play https://app.test/a; fetch https://app.test/voice/menu with Redirect; ended",
                vec![],
            ),
            (
                "dials while waiting",
                ConferenceWait,
                "<Say>a</Say><Dial>1</Dial><Say>b</Say>",
                "say a; ended; ended",
                vec![13238],
            ),
            ("hangs up while waiting", ConferenceWait, "<Hangup/>", "ended; ended; ended", vec![13238]),
            ("gathers in an announcement", Announcement, "<Gather/>", "ended; ended; ended", vec![13238]),
            ("runs out in a queue", QueueWait, "<Say>a</Say>", "say a; again after 0ns; ended", vec![]),
            ("asks for nothing in a queue", QueueWait, "", "again after 10s; ended; ended", vec![]),
            ("leaves a queue", QueueWait, "<Leave/><Say>a</Say>", "leave; ended; ended", vec![]),
            ("gathers in a queue", QueueWait, "<Gather/>", "gather; again after 0ns; ended", vec![]),
            ("hangs up in a queue", QueueWait, "<Hangup/>", "hangup; ended; ended", vec![]),
            ("dials in a queue", QueueWait, "<Dial>1</Dial><Say>a</Say>", "again after 10s; ended; ended", vec![13238]),
            ("whispers", CalleeWhisper, "<Say>a</Say><Gather/>", "say a; gather; ended", vec![]),
            ("refuses after a whisper", CalleeWhisper, "<Hangup/>", "hangup; ended; ended", vec![]),
            ("dials from a whisper", CalleeWhisper, "<Dial>1</Dial><Say>a</Say>", "say a; ended; ended", vec![13201]),
            ("records in a whisper", CalleeWhisper, "<Record/><Leave/>", "ended; ended; ended", vec![12200, 12200]),
            (
                "whispers to who waited",
                QueueWhisper,
                "<Say>a</Say><Hangup/><Say>b</Say>",
                "say a; say b; ended",
                vec![12200],
            ),
        ] {
            let mut interpreter = run(verbs, Some(BASE), kind);
            let steps: Vec<String> = [Started, Done, Done].map(|outcome| brief(&interpreter.next(outcome))).into();
            assert_eq!(steps.join("; "), want, "{case}");
            let seen: Vec<u16> = interpreter.take_warnings().iter().map(|warning| warning.code).collect();
            assert_eq!(seen, codes, "{case}");
        }
    }

    #[test]
    fn steps_come_with_absolute_links() {
        let mut interpreter = run(
            "<Dial referUrl='r' recordingStatusCallback='ftp://o.test'>
               <Number url='w' statusCallback='s' machineDetection='Enable' amdStatusCallback='m'>1</Number>
             </Dial>
             <Dial><Conference waitUrl='mailto:x' statusCallback='/s' eventCallbackUrl='e'>c</Conference></Dial>
             <Gather action='g' partialResultCallback='p'><Play>a</Play><Play>ftp://o.test</Play></Gather>",
            Some(BASE),
            Kind::Call,
        );
        let Step::Dial(dial) = interpreter.next(Started) else { panic!("a dial") };
        let url = |link: Option<Link>| link.map_or("none".to_owned(), |link| link.url);
        assert_eq!(url(dial.refer), "https://app.test/voice/r");
        assert_eq!(url(dial.recording_callback.link), "none");
        let crate::DialTo::Parties(parties) = dial.to else { panic!("a number") };
        let [crate::Party::Number(number)] = parties.as_slice() else { panic!("one number") };
        assert_eq!(url(number.url.clone()), "https://app.test/voice/w");
        assert_eq!(url(number.status.link.clone()), "https://app.test/voice/s");
        assert_eq!(url(number.machine_detection.clone().and_then(|amd| amd.callback)), "https://app.test/voice/m");
        let Step::Dial(dial) = interpreter.next(Done) else { panic!("a dial") };
        let crate::DialTo::Conference(conference) = dial.to else { panic!("a conference") };
        assert_eq!(conference.wait, crate::WaitAudio::Silence);
        assert_eq!(url(conference.status_callback), "https://app.test/s");
        assert_eq!(url(conference.event_callback), "https://app.test/voice/e");
        let Step::Gather(gather) = interpreter.next(Done) else { panic!("a gather") };
        assert_eq!(url(gather.recognition.partial_result_callback), "https://app.test/voice/p");
        assert_eq!(url(gather.action), "https://app.test/voice/g");
        assert_eq!(gather.prompts.len(), 1);
        let codes: Vec<u16> = interpreter.take_warnings().iter().map(|warning| warning.code).collect();
        assert_eq!(codes, [13256, 13233, 11100]);
    }

    #[test]
    fn a_chain_of_documents_that_do_nothing_breaks_off() {
        let idle = parse(b"<Response><Redirect/></Response>").expect("well-formed");
        let mut interpreter = Interpreter::new(idle.clone(), Some(BASE), Kind::Call);
        for _ in 0..IDLE_DOCUMENTS_MAX {
            assert!(matches!(interpreter.next(Started), Step::Fetch { .. }));
            interpreter = interpreter.follow(idle.clone(), Some(BASE));
        }
        assert_eq!(brief(&interpreter.next(Started)), "fail 11215 fallback=false");

        let busy = parse(b"<Response><Pause/><Redirect/></Response>").expect("well-formed");
        let missing = parse(b"<Response><Play>/a</Play><Redirect/></Response>").expect("well-formed");
        let nobody = parse(b"<Response><Dial action=''/></Response>").expect("well-formed");
        let nowhere = parse(b"<Response><Enqueue action=''/></Response>").expect("well-formed");
        let nothing = parse(b"<Response><Connect action=''><Conversation/></Connect></Response>").expect("well-formed");
        let somebody = parse(b"<Response><Dial action=''>1</Dial></Response>").expect("well-formed");
        for (case, document, outcome, ends) in [
            ("a pause", busy, Done, false),
            ("missing audio", missing, Failed, true),
            ("a dial of nobody", nobody, Done, true),
            ("a queue of no name", nowhere, Done, true),
            ("a conversation of no service", nothing, Done, true),
            ("a dial", somebody.clone(), Done, false),
            ("a dial that fails at once", somebody, Failed, true),
        ] {
            let mut interpreter = Interpreter::new(document.clone(), Some(BASE), Kind::Call);
            let mut last = Step::Ended;
            for _ in 0..=IDLE_DOCUMENTS_MAX {
                interpreter.next(Started);
                last = interpreter.next(outcome.clone());
                interpreter = interpreter.follow(document.clone(), Some(BASE));
            }
            assert_eq!(matches!(last, Step::Fail { .. }), ends, "{case}: {last:?}");
        }
    }

    #[test]
    fn an_action_before_the_wait_runs_out_counts_as_waiting() {
        let mut interpreter = run("<Gather action='g'/>", Some(BASE), Kind::QueueWait);
        interpreter.next(Started);
        interpreter.next(digits("1"));
        let mut answer = interpreter.follow(parse(b"<Response/>").expect("well-formed"), Some(BASE));
        assert_eq!(brief(&answer.next(Started)), "again after 0ns");
        let mut again = answer.follow(parse(b"<Response/>").expect("well-formed"), Some(BASE));
        assert_eq!(brief(&again.next(Started)), "again after 10s");
    }

    #[test]
    fn says_which_steps_answer_the_call() {
        for (verbs, answers) in [
            ("<Say>a</Say>", true),
            ("<Play>/a</Play>", true),
            ("<Pause/>", false),
            ("<Gather/>", true),
            ("<Record/>", true),
            ("<Dial>1</Dial>", true),
            ("<Dial answerOnBridge='true'>1</Dial>", false),
            ("<Dial answerOnBridge='true'><Conference>c</Conference></Dial>", true),
            ("<Dial answerOnBridge='true'><Queue>q</Queue></Dial>", false),
            ("<Enqueue>s</Enqueue>", true),
            ("<Connect><Stream url='wss://s.test'/></Connect>", true),
            ("<Start><Stream url='wss://s.test'/></Start>", true),
            ("<Redirect/>", false),
            ("<Refer><Sip>sip:a@b.test</Sip></Refer>", true),
            ("<Reject/>", false),
            ("<Hangup/>", true),
            ("<Leave/>", true),
            ("", true),
        ] {
            let step = run(verbs, Some(BASE), Kind::Call).next(Started);
            assert_eq!(step.answers(), answers, "{verbs}");
        }
    }
}
