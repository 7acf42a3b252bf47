//! Announcements under way in one conference: by which script each is played, and whom it is for.

use model::CallSid;

use crate::script::ScriptId;

/// What is being announced, from the moment it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Announcements(Vec<Announcement>);

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) script: ScriptId,
    pub(crate) url: String,
    /// The one it is for; everybody, if none.
    pub(crate) to: Option<CallSid>,
}

/// Announcements of one conference that are under way; one more is told as failed.
pub(crate) const ANNOUNCEMENTS_MAX: usize = 16;

impl Announcements {
    /// It has been asked for. False: too many are under way.
    pub(crate) fn begin(&mut self, script: ScriptId, url: String, to: Option<CallSid>) -> bool {
        let fits = self.0.len() < ANNOUNCEMENTS_MAX;
        if fits {
            self.0.push(Announcement { script, url, to });
        }
        fits
    }

    /// A script has ended, or is to. The announcement that is over by that, if it was one.
    pub(crate) fn ended(&mut self, script: ScriptId) -> Option<Announcement> {
        let at = self.0.iter().position(|announcement| announcement.script == script)?;
        Some(self.0.remove(at))
    }

    pub(crate) fn find(&self, script: ScriptId) -> Option<&Announcement> {
        self.0.iter().find(|announcement| announcement.script == script)
    }

    /// Those that are for this one alone.
    pub(crate) fn to(&self, call: CallSid) -> Vec<ScriptId> {
        self.0
            .iter()
            .filter(|announcement| announcement.to == Some(call))
            .map(|announcement| announcement.script)
            .collect()
    }

    /// Every script that plays one.
    pub(crate) fn scripts(&self) -> Vec<ScriptId> {
        self.0.iter().map(|announcement| announcement.script).collect()
    }

    /// All that are under way, which the end of their conference ends.
    pub(crate) fn drain(&mut self) -> Vec<Announcement> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_ends_once() {
        let mut announcements = Announcements::default();
        assert!(announcements.begin(ScriptId(1), "all".to_owned(), None));
        assert!(announcements.begin(ScriptId(2), "ana".to_owned(), Some(CallSid::from_bits(1))));
        let url = |announcement: Option<Announcement>| announcement.map(|announcement| announcement.url);
        assert_eq!(url(announcements.ended(ScriptId(3))), None);
        assert_eq!(url(announcements.ended(ScriptId(2))).as_deref(), Some("ana"));
        assert_eq!(url(announcements.ended(ScriptId(2))), None, "once");
        for n in 10..(10 + ANNOUNCEMENTS_MAX as u64 - 1) {
            assert!(announcements.begin(ScriptId(n), String::new(), None), "{n}");
        }
        assert!(!announcements.begin(ScriptId(99), String::new(), None), "one too many");
        assert_eq!(announcements.drain().len(), ANNOUNCEMENTS_MAX);
    }
}
