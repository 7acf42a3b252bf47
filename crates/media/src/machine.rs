//! Who has answered: a person, a machine or a fax.

use std::time::Duration;

/// How an answering machine is looked for (rest-voice §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineDetection {
    /// Go on until the machine's message is over, so that one can be left (`DetectMessageEnd`).
    pub until_end: bool,
    /// When to give up; 30 s.
    pub timeout: Duration,
    /// Who talks for longer is a machine; 2.4 s.
    pub speech_threshold: Duration,
    /// A pause of so long ends what was said; 1.2 s.
    pub speech_end_threshold: Duration,
    /// When nobody says anything for so long, from the beginning on, it is unknown who it is; 5 s.
    pub silence_timeout: Duration,
}

impl Default for MachineDetection {
    fn default() -> Self {
        Self {
            until_end: false,
            timeout: Duration::from_secs(30),
            speech_threshold: Duration::from_millis(2_400),
            speech_end_threshold: Duration::from_millis(1_200),
            silence_timeout: Duration::from_secs(5),
        }
    }
}
