//! Announcements under way in one conference: which playbacks they are, and whom they are for.
//!
//! To everybody in a running conference an announcement is one playback; to those who still wait for it to start, one
//! for each of them, of which the first to end tells that all are over: they began together.

use model::{CallSid, PlaybackId};

/// What is being announced.
#[derive(Debug, Default)]
pub(crate) struct Announcements(Vec<Announcement>);

/// One announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) url: String,
    /// The one it is for; everybody, if none.
    pub(crate) to: Option<CallSid>,
    playbacks: Vec<PlaybackId>,
}

impl Announcements {
    /// It plays now, to each of these. Without any, nobody is there to hear it.
    pub(crate) fn begin(&mut self, url: String, to: Option<CallSid>, playbacks: Vec<PlaybackId>) {
        self.0.push(Announcement { url, to, playbacks });
    }

    /// A playback came to its end. The announcement that is over by that, if it was one.
    pub(crate) fn ended(&mut self, playback: PlaybackId) -> Option<Announcement> {
        let at = self.0.iter().position(|announcement| announcement.playbacks.contains(&playback))?;
        Some(self.0.remove(at))
    }

    /// A playback was cut short. The announcement that nobody hears any more by that, if it was one.
    pub(crate) fn cut(&mut self, playback: PlaybackId) -> Option<Announcement> {
        let at = self.0.iter().position(|announcement| announcement.playbacks.contains(&playback))?;
        self.0[at].playbacks.retain(|&other| other != playback);
        self.0[at].playbacks.is_empty().then(|| self.0.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_is_over_when_its_first_playback_ends_or_its_last_is_cut() {
        let [a, b, c, d] = [1, 2, 3, 4].map(PlaybackId);
        let ana = Some(CallSid::from_bits(1));
        let mut announcements = Announcements::default();
        announcements.begin("all".to_owned(), None, vec![a, b]);
        announcements.begin("ana".to_owned(), ana, vec![c]);
        let url = |announcement: Option<Announcement>| announcement.map(|announcement| announcement.url);
        assert_eq!(url(announcements.ended(d)), None);
        assert_eq!(url(announcements.cut(a)), None, "b still hears it");
        assert_eq!(url(announcements.cut(c)).as_deref(), Some("ana"));
        assert_eq!(url(announcements.ended(b)).as_deref(), Some("all"));
        assert_eq!(url(announcements.ended(b)), None, "once");
    }
}
