//! How a participant's voice is treated: ours, and no part of Twilio's participant.

use crate::word_enum;

/// What is done to what a participant says. The default changes nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tuning {
    /// How much louder it is made, within [`Tuning::GAIN_DB`].
    pub gain_db: i8,
    /// Its noise is suppressed.
    pub noise_suppression: bool,
    /// How much of the network's jitter is ridden out.
    pub jitter_buffer_size: JitterBufferSize,
    /// It is a modem, an alarm or a text telephone, and no voice: nothing is done to it.
    pub data_mode: bool,
}

impl Tuning {
    /// The gains there are.
    pub const GAIN_DB: std::ops::RangeInclusive<i8> = -20..=20;
}

word_enum! {
    /// Sizes of a jitter buffer, as Twilio's `jitterBufferSize` names them.
    #[derive(Default)]
    JitterBufferSize {
        /// None: what comes late is lost.
        Off = "off",
        /// For networks that hardly jitter.
        Small = "small",
        /// For most.
        Medium = "medium",
        /// For all.
        #[default]
        Large = "large",
    }
}
