//! What happens in a queue, as its account's log tells of it.

use std::time::Duration;

use crate::{AccountSid, CallSid, QueueSid, Timestamp, word_enum};

word_enum! {
    /// Why a call is no longer in a queue (twiml §7.3).
    QueueResult {
        /// It was bridged to another leg.
        Bridged = "bridged",
        /// It was redirected while it was being bridged.
        BridgingInProcess = "bridging-in-process",
        /// It was redirected while it waited.
        Redirected = "redirected",
        /// It was redirected while bridged.
        RedirectedFromBridged = "redirected-from-bridged",
        /// `<Leave>`, or its task ended.
        Leave = "leave",
        /// The caller hung up.
        Hangup = "hangup",
        /// There was no room.
        QueueFull = "queue-full",
        /// Bad name, workflow or task.
        Error = "error",
        /// Our fault.
        SystemError = "system-error",
    }
}

/// One thing that happened in one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEvent {
    /// Order among all that happens, handed out by the switch.
    pub seq: i64,
    /// Whose queue.
    pub account_sid: AccountSid,
    /// Which.
    pub queue_sid: QueueSid,
    /// By what name it is known.
    pub friendly_name: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub happening: QueueHappening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueHappening {
    /// A call waits in it from now on.
    Joined {
        /// Which.
        call: CallSid,
        /// Its place in the line, from 1.
        position: u32,
    },
    /// A call waits in it no longer.
    Left {
        /// Which.
        call: CallSid,
        /// Why; `bridged` as soon as it is brought to somebody.
        result: QueueResult,
        /// How long it had waited.
        waited: Duration,
    },
    /// A call was turned away.
    Full {
        /// Which.
        call: CallSid,
    },
    /// It is no more.
    Deleted,
}

impl QueueEvent {
    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self.happening {
            QueueHappening::Joined { .. } => "queue-join",
            QueueHappening::Left { .. } => "queue-leave",
            QueueHappening::Full { .. } => "queue-full",
            QueueHappening::Deleted => "queue-delete",
        }
    }

    /// The call it is about, if it is about one.
    pub fn call_sid(&self) -> Option<CallSid> {
        match self.happening {
            QueueHappening::Joined { call, .. } | QueueHappening::Left { call, .. } | QueueHappening::Full { call } => {
                Some(call)
            }
            QueueHappening::Deleted => None,
        }
    }

    /// Its parameters on the wire, spelled as those that requests about queues have (twiml §7.2, §7.3).
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut list = vec![
            ("QueueSid", self.queue_sid.to_string()),
            ("FriendlyName", self.friendly_name.clone()),
            ("AccountSid", self.account_sid.to_string()),
            ("Timestamp", self.at.rfc2822()),
        ];
        list.extend(self.call_sid().map(|call| ("CallSid", call.to_string())));
        match &self.happening {
            QueueHappening::Joined { position, .. } => list.push(("QueuePosition", position.to_string())),
            QueueHappening::Left { result, waited, .. } => {
                list.push(("QueueResult", result.to_string()));
                list.push(("QueueTime", waited.as_secs().to_string()));
            }
            QueueHappening::Full { .. } | QueueHappening::Deleted => {}
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_told_with_what_it_is_about() {
        let call = CallSid::from_bits(3);
        let (common, about) = ("QueueSid=QU2&FriendlyName=support&AccountSid=AC1&Timestamp=", "&CallSid=CA3");
        for (happening, name, sid, more) in [
            (
                QueueHappening::Joined { call, position: 4 },
                "queue-join",
                Some(call),
                format!("{about}&QueuePosition=4"),
            ),
            (
                QueueHappening::Left { call, result: QueueResult::Bridged, waited: Duration::from_millis(7_900) },
                "queue-leave",
                Some(call),
                format!("{about}&QueueResult=bridged&QueueTime=7"),
            ),
            (QueueHappening::Full { call }, "queue-full", Some(call), about.to_owned()),
            (QueueHappening::Deleted, "queue-delete", None, String::new()),
        ] {
            let event = QueueEvent {
                seq: 9,
                account_sid: AccountSid::from_bits(1),
                queue_sid: QueueSid::from_bits(2),
                friendly_name: "support".to_owned(),
                at: Timestamp::from_micros(1_770_714_487_000_000),
                happening,
            };
            let parameters = event.parameters();
            let shown = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
            let shown = shown.replace(&"0".repeat(31), "");
            assert_eq!(shown, format!("{common}Tue, 10 Feb 2026 09:08:07 +0000{more}"), "{name}");
            assert_eq!((event.name(), event.call_sid()), (name, sid));
        }
    }
}
