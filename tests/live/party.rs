//! A conference of our own phones, on a bridge of its own, with the API at hand.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use testkit::hearing::{Heard, Picture, Sound};
use testkit::phone::{Dial, Phone};
use testkit::rest::{Answer, Rest};
use testkit::server::{Server, wait_until};
use testkit::tone::Tone;
use testkit::wire::Moment;

/// One bridge, one room, and who is in it.
pub(crate) struct Party {
    /// Before the server, so that they hang up while it still answers.
    guests: BTreeMap<&'static str, Guest>,
    pub(crate) server: Server,
    pub(crate) rest: Rest,
}

/// One phone in the room.
pub(crate) struct Guest {
    pub(crate) phone: Phone,
    pub(crate) tone: Tone,
    pub(crate) call_sid: String,
}

impl Party {
    /// Starts a bridge; the room is empty.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a bridge with settings of its own.
    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let server = Server::start_with(settings);
        let rest = server.rest();
        Self { server, rest, guests: BTreeMap::new() }
    }

    /// A bridge whose room these have joined, one after the other.
    pub(crate) fn of<const N: usize>(names: [&'static str; N]) -> Self {
        let mut party = Self::start();
        names.into_iter().for_each(|name| party.join(name));
        party
    }

    /// Dials the room, humming a tone nobody else hums.
    pub(crate) fn join(&mut self, name: &'static str) {
        let dial = Phone::dial(self.server.sip(), ROOM);
        self.join_by(name, dial);
    }

    /// Dials in this way; the tone is still ours to choose.
    pub(crate) fn join_by(&mut self, name: &'static str, dial: Dial) {
        // 600 Hz apart, so that single frames tell them apart, too.
        let tone = Tone::nth(1 + 12 * self.guests.len());
        let phone = dial.as_user(name).humming(tone).connect();
        let known: Vec<_> = self.guests.values().map(|guest| guest.call_sid.clone()).collect();
        let mut new = None;
        wait_until(PATIENCE, || {
            new = self.call_sids().into_iter().find(|sid| !known.contains(sid));
            new.is_some()
        });
        let call_sid = new.unwrap_or_else(|| panic!("{name} does not appear among the participants"));
        self.guests.insert(name, Guest { phone, tone, call_sid });
    }

    /// Somebody who joined.
    pub(crate) fn guest(&self, name: &str) -> &Guest {
        self.guests.get(name).unwrap_or_else(|| panic!("{name} never joined"))
    }

    /// Somebody hangs up and goes.
    pub(crate) fn leaves(&mut self, name: &str) {
        self.guests.remove(name).unwrap_or_else(|| panic!("{name} never joined")).phone.hang_up();
    }

    /// Somebody's battery dies.
    pub(crate) fn vanishes(&mut self, name: &str) {
        self.guests.remove(name).unwrap_or_else(|| panic!("{name} never joined")).phone.vanish();
    }

    /// The room's SID.
    pub(crate) fn conference_sid(&self) -> String {
        self.conference_json()["sid"].as_str().expect("a SID").to_owned()
    }

    /// The newest conference of the room's name.
    pub(crate) fn conference_json(&self) -> Value {
        let path = format!("Conferences.json?FriendlyName={ROOM}");
        self.rest.get(&path).expect(200).json()["conferences"][0].clone()
    }

    /// The room as a resource of the account.
    pub(crate) fn conference(&self) -> String {
        format!("Conferences/{}.json", self.conference_sid())
    }

    /// A participant as a resource of the account.
    pub(crate) fn participant(&self, name: &str) -> String {
        format!("Conferences/{}/Participants/{}.json", self.conference_sid(), self.guest(name).call_sid)
    }

    /// Updates a participant, which must work.
    pub(crate) fn post(&self, name: &str, form: &[(&str, &str)]) -> Answer {
        self.rest.post(&self.participant(name), form).expect(200)
    }

    /// Makes `coach` whisper to `coached`.
    pub(crate) fn coach(&self, coach: &str, coached: &str) -> Answer {
        let call_sid = &self.guest(coached).call_sid;
        self.post(coach, &[("Coaching", "true"), ("CallSidToCoach", call_sid)])
    }

    /// The calls in the room, as the API lists them.
    pub(crate) fn call_sids(&self) -> Vec<String> {
        let conference = self.conference_json();
        let Some(sid) = conference["sid"].as_str() else { return Vec::new() };
        let list = self.rest.get(&format!("Conferences/{sid}/Participants.json")).expect(200).json();
        let participants = list["participants"].as_array().cloned().unwrap_or_default();
        participants.iter().filter_map(|participant| Some(participant["call_sid"].as_str()?.to_owned())).collect()
    }

    /// How many frames of these talkers may be broken since `moment` because this machine stalled their phones:
    /// each time the concealed one, and one on either side of it.
    pub(crate) fn forgiven(&self, talkers: &[&str], moment: Moment) -> usize {
        talkers.iter().map(|talker| 3 * self.guest(talker).phone.stalls_since(moment)).sum()
    }

    /// Waits until everybody in the picture hears what it says.
    ///
    /// # Panics
    /// When it never comes true; expected and measured picture are shown.
    #[track_caller]
    pub(crate) fn check_hearing(&self, picture: &str) {
        let picture = Picture::parse(picture);
        let mut mismatch = None;
        let holds = wait_until(PATIENCE, || {
            mismatch = picture.check(&self.listen(&picture)).err();
            mismatch.is_none()
        });
        assert!(holds, "{}", mismatch.expect("it never held"));
    }

    /// Half a second of everybody's hearing.
    fn listen(&self, picture: &Picture) -> Heard {
        let hums = self.guests.iter().map(|(&name, guest)| (name, Sound::Hum(guest.tone)));
        let sounds: Vec<_> = hums.chain([("music", Sound::Music)]).collect();
        let mut heard = Heard::new(&sounds);
        let recordings: Vec<(&str, Vec<i16>)> = thread::scope(|scope| {
            let listen = |name| (name, scope.spawn(move || self.guest(name).phone.listen(HALF_A_SECOND)));
            let listening: Vec<_> = picture.listeners().map(listen).collect();
            listening.into_iter().map(|(name, thread)| (name, thread.join().expect("listening"))).collect()
        });
        recordings.iter().for_each(|(name, pcm)| heard.measure(name, pcm));
        heard
    }
}

/// What everybody dials.
pub(crate) const ROOM: &str = "standup";
/// What does not come true within this does not come true.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const HALF_A_SECOND: Duration = Duration::from_millis(500);
