//! Queues while calls wait in them: who waits since when, and who waits for somebody.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use model::{AccountSid, CallSid, Queue, QueueSid, TaskSid, Timestamp, WorkflowSid};
use twiml::{Link, WaitAudio};

use crate::dial::DialId;
use crate::queue_command::{MemberRef, QueueLoad, QueueMember};
use crate::script::ScriptId;
use crate::webhook::Waiting;

/// Everybody who waits, in every queue, and whoever waits for them.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    lines: BTreeMap<QueueSid, Line>,
    of_call: HashMap<CallSid, QueueSid>,
    of_agent: HashMap<DialId, QueueSid>,
}

#[derive(Debug, Default)]
struct Line {
    max_size: u32,
    members: VecDeque<Member>,
    /// Calls that have dialled the empty queue, the first to be served in front.
    agents: VecDeque<DialId>,
}

/// One call in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) call: CallSid,
    pub(crate) account: AccountSid,
    /// Its document, which goes on when it leaves.
    pub(crate) script: ScriptId,
    /// What it hears meanwhile, …
    pub(crate) audio: WaitAudio,
    /// … and by which script, if that is a document.
    pub(crate) wait: Option<ScriptId>,
    pub(crate) since: Instant,
    pub(crate) enqueued: Timestamp,
    pub(crate) task: Option<QueuedTask>,
}

/// What a call waits for that is not simply the next agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueuedTask {
    pub(crate) sid: TaskSid,
    pub(crate) workflow: WorkflowSid,
    /// It ends with the wait: nobody has it, and it has not ended by itself.
    pub(crate) hangs_on_wait: bool,
}

impl Member {
    /// What an action is told of it.
    pub(crate) fn told_task(&self) -> Option<(TaskSid, WorkflowSid)> {
        self.task.map(|task| (task.sid, task.workflow))
    }
}

impl Queues {
    /// A call goes to the end of the line, and has that place in it, from 1. `None`: it is full.
    pub(crate) fn join(&mut self, queue: &Queue, size_max: Option<u32>, member: Member) -> Option<u32> {
        let line = self.lines.entry(queue.sid).or_default();
        line.max_size = queue.max_size;
        let room = size_max.map_or(queue.max_size, |max| max.min(queue.max_size)) as usize;
        let fits = line.members.len() < room;
        if fits {
            self.of_call.insert(member.call, queue.sid);
            line.members.push_back(member);
        }
        fits.then(|| count(line.members.len()))
    }

    /// A call that was taken out goes back to where it was: nobody in the line has waited longer.
    pub(crate) fn back(&mut self, queue: QueueSid, max_size: u32, member: Member) {
        self.of_call.insert(member.call, queue);
        let line = self.lines.entry(queue).or_default();
        line.max_size = max_size;
        line.members.push_front(member);
    }

    /// All who wait, on either side.
    pub(crate) fn len(&self) -> usize {
        self.of_call.len() + self.of_agent.len() + self.lines.len()
    }

    /// The one who waits hears a document.
    pub(crate) fn hears(&mut self, call: CallSid, script: ScriptId) {
        if let Some(member) = self.member_mut(call) {
            member.wait = Some(script);
        }
    }

    /// What the one who waits is to hear.
    pub(crate) fn audio(&self, call: CallSid) -> Option<&WaitAudio> {
        self.member(call).map(|member| &member.audio)
    }

    /// The call waits for a task's worker.
    pub(crate) fn wait_for(&mut self, call: CallSid, task: QueuedTask) {
        if let Some(member) = self.member_mut(call) {
            member.task = Some(task);
        }
    }

    /// The call is this account's, and waits for this task, or for none.
    pub(crate) fn waits(&self, call: CallSid, account: AccountSid, task: TaskSid) -> bool {
        let member = self.member(call).filter(|member| member.account == account);
        member.is_some_and(|member| member.task.is_none_or(|waited| waited.sid == task))
    }

    /// The task that a call waits for.
    pub(crate) fn task_of(&self, call: CallSid) -> Option<TaskSid> {
        self.member(call)?.task.map(|task| task.sid)
    }

    /// What becomes of the wait is nothing to its task any more.
    pub(crate) fn release_task(&mut self, call: CallSid) {
        if let Some(task) = self.member_mut(call).and_then(|member| member.task.as_mut()) {
            task.hangs_on_wait = false;
        }
    }

    /// A call leaves the line, from wherever it stands.
    pub(crate) fn leave(&mut self, call: CallSid) -> Option<(QueueSid, Member)> {
        let queue = self.of_call.remove(&call)?;
        let line = self.lines.get_mut(&queue)?;
        let at = line.members.iter().position(|member| member.call == call)?;
        let member = line.members.remove(at)?;
        self.tidy(queue);
        Some((queue, member))
    }

    /// Somebody wants whoever is in front, now or as soon as there is one.
    pub(crate) fn await_member(&mut self, queue: QueueSid, agent: DialId) {
        self.lines.entry(queue).or_default().agents.push_back(agent);
        self.of_agent.insert(agent, queue);
    }

    /// Somebody no longer does.
    pub(crate) fn no_agent(&mut self, agent: DialId) {
        if let Some(queue) = self.of_agent.remove(&agent)
            && let Some(line) = self.lines.get_mut(&queue)
        {
            line.agents.retain(|other| *other != agent);
            self.tidy(queue);
        }
    }

    /// The next two that can be brought together.
    pub(crate) fn match_next(&mut self, queue: QueueSid) -> Option<(DialId, Member)> {
        let line = self.lines.get_mut(&queue)?;
        if line.members.is_empty() || line.agents.is_empty() {
            return None;
        }
        let (agent, member) = (line.agents.pop_front()?, line.members.pop_front()?);
        self.of_agent.remove(&agent);
        self.of_call.remove(&member.call);
        self.tidy(queue);
        Some((agent, member))
    }

    fn tidy(&mut self, queue: QueueSid) {
        if self.lines.get(&queue).is_some_and(|line| line.members.is_empty() && line.agents.is_empty()) {
            self.lines.remove(&queue);
        }
    }

    pub(crate) fn wait_link(&self, call: CallSid) -> Option<Link> {
        match self.audio(call)? {
            WaitAudio::Url(link) => Some(link.clone()),
            WaitAudio::Playlist | WaitAudio::Silence => None,
        }
    }

    /// What a wait document is told (twiml §7.2).
    pub(crate) fn waiting(&self, call: CallSid, now: Instant) -> Option<Waiting> {
        let queue = *self.of_call.get(&call)?;
        let line = self.lines.get(&queue)?;
        let at = line.members.iter().position(|member| member.call == call)?;
        let QueueLoad { current_size, average_wait } = self.load(queue, now);
        Some(Waiting {
            queue,
            position: count(at + 1),
            time: now.saturating_duration_since(line.members.get(at)?.since),
            average_time: average_wait,
            current_size,
            max_size: line.max_size,
        })
    }

    pub(crate) fn load(&self, queue: QueueSid, now: Instant) -> QueueLoad {
        let Some(line) = self.lines.get(&queue) else { return QueueLoad::default() };
        let waited: Duration = line.members.iter().map(|member| now.saturating_duration_since(member.since)).sum();
        let current_size = count(line.members.len());
        QueueLoad { current_size, average_wait: waited.checked_div(current_size).unwrap_or_default() }
    }

    pub(crate) fn members(&self, queue: QueueSid, now: Instant) -> Vec<QueueMember> {
        let line = self.lines.get(&queue).map(|line| line.members.iter());
        let shown = |(at, member): (usize, &Member)| QueueMember {
            queue,
            account: member.account,
            call: member.call,
            enqueued: member.enqueued,
            position: count(at + 1),
            wait: now.saturating_duration_since(member.since),
        };
        line.into_iter().flatten().enumerate().map(shown).collect()
    }

    pub(crate) fn find(&self, queue: QueueSid, member: MemberRef, now: Instant) -> Option<QueueMember> {
        let mut members = self.members(queue, now).into_iter();
        match member {
            MemberRef::Front => members.next(),
            MemberRef::Call(call) => members.find(|member| member.call == call),
        }
    }

    fn member(&self, call: CallSid) -> Option<&Member> {
        self.lines.get(self.of_call.get(&call)?)?.members.iter().find(|member| member.call == call)
    }

    fn member_mut(&mut self, call: CallSid) -> Option<&mut Member> {
        self.lines.get_mut(self.of_call.get(&call)?)?.members.iter_mut().find(|member| member.call == call)
    }
}

fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
