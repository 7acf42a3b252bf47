//! Notifications: what went wrong, as the developers of an application are told of it (rest-voice §10).

use std::sync::Arc;

use crate::{AccountSid, CallSid, Exchange, NotificationSid, Timestamp, word_enum};

/// One line of the debugger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// `NO…`.
    pub sid: NotificationSid,
    /// Whose application it is about.
    pub account_sid: AccountSid,
    /// In which call, if it was in one.
    pub call_sid: Option<CallSid>,
    /// How bad it is.
    pub level: Level,
    /// Of the error dictionary (`contract/vectors/errors.json`).
    pub error_code: u16,
    /// What was seen, in a sentence.
    pub message: String,
    /// The request it came of, if it came of one.
    pub exchange: Option<Arc<Exchange>>,
    /// When.
    pub at: Timestamp,
    /// Order of creation, handed out by the switch.
    pub seq: i64,
}

word_enum! {
    /// How bad a notification is, spelled as its `Log`.
    Level {
        /// Something did not happen.
        Error = "0",
        /// Something happened otherwise than asked.
        Warning = "1",
    }
}

impl Level {
    /// How bad it is, as the error dictionary has it: each code has one level, wherever it comes from.
    pub fn of(code: u16) -> Self {
        if WARNINGS.binary_search(&code).is_ok() { Self::Warning } else { Self::Error }
    }
}

/// The codes of the error dictionary that are warnings, in ascending order; every other one is an error.
const WARNINGS: &[u16] = &[
    12_200, 13_000, 13_210, 13_212, 13_213, 13_214, 13_215, 13_216, 13_217, 13_218, 13_219, 13_220, 13_221, 13_222,
    13_223, 13_226, 13_230, 13_232, 13_233, 13_234, 13_235, 13_236, 13_237, 13_241, 13_242, 13_243, 13_244, 13_248,
    13_249, 13_250, 13_251, 13_252, 13_253, 13_254, 13_256, 13_310, 13_311, 13_312, 13_313, 13_314, 13_320, 13_321,
    13_322, 13_326, 13_327, 13_328, 13_329, 13_330, 13_331, 13_332, 13_333, 13_334, 13_335, 13_410, 13_430, 13_510,
    13_511, 13_512, 13_513, 13_520, 13_521, 13_610, 13_611, 13_612, 13_613, 13_614, 13_615, 13_616, 13_622, 13_699,
    13_710, 13_810, 13_910, 14_207, 14_241, 15_003, 16_101, 16_102, 16_113, 20_001, 20_104, 21_221, 21_222, 21_223,
    21_224, 21_225, 21_226, 21_227, 21_228, 21_229, 21_262, 21_263, 40_000, 40_001, 40_005, 40_153,
];
