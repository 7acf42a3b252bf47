//! Numbers that can be called: owning, changing and giving them back (rest-voice §8).

use model::{
    AccountSid, ApplicationSid, DirectoryKey, DirectoryRow, EmergencyStatus, Hook, IncomingPhoneNumber, NumberType,
    PhoneNumberSid, SmsHooks, VoiceHooks, VoiceReceiveMode,
};

use super::command::{
    DirectoryRefusal, HookChange, NumberChange, NumberPattern, NumberWanted, Set, SmsHooksChange, VoiceHooksChange,
};
use super::{Desk, Directory};
use crate::command::Answer;

impl Directory {
    pub(super) fn create_number(
        &mut self,
        account: AccountSid,
        wanted: NumberWanted,
        number_type: Option<NumberType>,
        change: NumberChange,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        if self.numbers.values().filter(|number| number.account_sid == account).count() >= NUMBERS_MAX {
            return Err(DirectoryRefusal::TooManyNumbers);
        }
        let phone_number = match wanted {
            NumberWanted::Exactly(number) if self.number(&number).is_some() => {
                return Err(DirectoryRefusal::NumberTaken);
            }
            NumberWanted::Exactly(number) => number,
            NumberWanted::InArea(area) => {
                let pattern = NumberPattern { prefix: format!("1{area}"), ..NumberPattern::default() };
                self.available(&pattern, 1).pop().ok_or(DirectoryRefusal::AreaEmpty)?
            }
        };
        let mut row = IncomingPhoneNumber {
            sid: PhoneNumberSid::from_bits(desk.names.bits()),
            account_sid: account,
            number_type: number_type.unwrap_or_else(|| number_type_of(&phone_number)),
            friendly_name: formatted(&phone_number),
            phone_number,
            api_version: API_VERSION.to_owned(),
            voice: VoiceHooks::default(),
            voice_caller_id_lookup: false,
            voice_application_sid: None,
            trunk_sid: None,
            voice_receive_mode: VoiceReceiveMode::Voice,
            sms: SmsHooks::default(),
            sms_application_sid: None,
            emergency_status: EmergencyStatus::Inactive,
            emergency_address_sid: None,
            address_sid: None,
            identity_sid: None,
            bundle_sid: None,
            created: desk.now,
            updated: desk.now,
            seq: 0,
        };
        self.apply(change, &mut row)?;
        row.seq = desk.names.seq();
        Ok(self.keep(DirectoryRow::IncomingPhoneNumber(Box::new(row)), desk))
    }

    pub(super) fn update_number(
        &mut self,
        account: AccountSid,
        sid: PhoneNumberSid,
        change: NumberChange,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let number = self.numbers.get(&sid).filter(|number| number.account_sid == account);
        let mut row = number.ok_or(DirectoryRefusal::NotFound)?.clone();
        self.apply(change, &mut row)?;
        row.updated = desk.now;
        Ok(self.keep(DirectoryRow::IncomingPhoneNumber(row), desk))
    }

    pub(super) fn delete_number(
        &mut self,
        account: AccountSid,
        sid: PhoneNumberSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let number = self.numbers.get(&sid).filter(|number| number.account_sid == account);
        self.number_sids.remove(&number.ok_or(DirectoryRefusal::NotFound)?.phone_number);
        self.numbers.remove(&sid);
        desk.delete(DirectoryKey::IncomingPhoneNumber(sid));
        Ok(Answer::Removed)
    }

    /// Declared numbers that nobody owns, in the order they were declared.
    pub(super) fn available(&self, wanted: &NumberPattern, limit: usize) -> Vec<String> {
        let free = self.config.numbers.iter().filter(|number| self.number(number).is_none());
        free.filter(|number| wanted.fits(number)).take(limit).cloned().collect()
    }

    /// What a change makes of a number.
    fn apply(&self, change: NumberChange, row: &mut IncomingPhoneNumber) -> Result<(), DirectoryRefusal> {
        let NumberChange {
            account_sid,
            friendly_name,
            api_version,
            voice,
            voice_caller_id_lookup,
            voice_application_sid,
            trunk_sid,
            voice_receive_mode,
            sms,
            sms_application_sid,
            emergency_status,
            emergency_address_sid,
            address_sid,
            identity_sid,
            bundle_sid,
        } = change;
        if let Some(account) = account_sid.filter(|account| *account != row.account_sid) {
            row.account_sid = account;
            // An application stays with its account.
            (row.voice_application_sid, row.sms_application_sid) = (None, None);
        }
        replace(&mut row.friendly_name, friendly_name);
        replace(&mut row.api_version, api_version);
        voice.apply(&mut row.voice)?;
        replace(&mut row.voice_caller_id_lookup, voice_caller_id_lookup);
        self.check_application(row.account_sid, voice_application_sid)?;
        self.check_application(row.account_sid, sms_application_sid)?;
        // Whichever is set takes the other away; of both in one request the trunk goes first, as it does with calls.
        if let Some(Some(_)) = voice_application_sid {
            row.trunk_sid = None;
        }
        if let Some(Some(_)) = trunk_sid {
            row.voice_application_sid = None;
        }
        replace(&mut row.trunk_sid, trunk_sid);
        if row.trunk_sid.is_none() {
            replace(&mut row.voice_application_sid, voice_application_sid);
        }
        replace(&mut row.voice_receive_mode, voice_receive_mode);
        sms.apply(&mut row.sms)?;
        replace(&mut row.sms_application_sid, sms_application_sid);
        replace(&mut row.emergency_status, emergency_status);
        replace(&mut row.emergency_address_sid, emergency_address_sid);
        replace(&mut row.address_sid, address_sid);
        replace(&mut row.identity_sid, identity_sid);
        replace(&mut row.bundle_sid, bundle_sid);
        Ok(())
    }

    fn check_application(&self, account: AccountSid, sid: Set<ApplicationSid>) -> Result<(), DirectoryRefusal> {
        match sid.flatten() {
            Some(sid) if self.application(account, sid).is_none() => Err(DirectoryRefusal::ApplicationUnknown),
            _ => Ok(()),
        }
    }
}

impl NumberPattern {
    fn fits(&self, number: &str) -> bool {
        let digits = number.trim_start_matches('+');
        let right_type = self.number_type.is_none_or(|wanted| number_type_of(number) == wanted);
        right_type && digits.starts_with(&self.prefix) && contains(digits, &self.contains)
    }
}

impl HookChange {
    pub(super) fn apply(self, hook: &mut Hook) {
        replace(&mut hook.url, self.url);
        replace(&mut hook.method, self.method);
    }
}

impl VoiceHooksChange {
    /// A fallback needs something to fall back from; but taking the URL away does not take the fallback's away.
    pub(super) fn apply(self, hooks: &mut VoiceHooks) -> Result<(), DirectoryRefusal> {
        let sets_fallback = matches!(self.fallback.url, Some(Some(_)));
        self.voice.apply(&mut hooks.voice);
        self.fallback.apply(&mut hooks.fallback);
        self.status_callback.apply(&mut hooks.status_callback);
        let alone = sets_fallback && hooks.voice.url.is_none();
        if alone { Err(DirectoryRefusal::VoiceFallbackAlone) } else { Ok(()) }
    }
}

impl SmsHooksChange {
    pub(super) fn apply(self, hooks: &mut SmsHooks) -> Result<(), DirectoryRefusal> {
        let sets_fallback = matches!(self.fallback.url, Some(Some(_)));
        self.sms.apply(&mut hooks.sms);
        self.fallback.apply(&mut hooks.fallback);
        let alone = sets_fallback && hooks.sms.url.is_none();
        if alone { Err(DirectoryRefusal::SmsFallbackAlone) } else { Ok(()) }
    }
}

/// Puts `to` in its place, if it is given.
pub(super) fn replace<T>(place: &mut T, to: Option<T>) {
    if let Some(to) = to {
        *place = to;
    }
}

/// Toll-free as the numbering plan of North America has it; elsewhere it cannot be told from the digits.
fn number_type_of(number: &str) -> NumberType {
    const TOLL_FREE: [&str; 7] = ["800", "833", "844", "855", "866", "877", "888"];
    let area = number.strip_prefix("+1").and_then(|national| national.get(..3));
    if area.is_some_and(|area| TOLL_FREE.contains(&area)) { NumberType::TollFree } else { NumberType::Local }
}

/// `(500) 555-0006` for a number of North America, anything else as it is.
fn formatted(number: &str) -> String {
    match number.strip_prefix("+1").filter(|national| national.len() == 10) {
        Some(national) => format!("({}) {}-{}", &national[..3], &national[3..6], &national[6..]),
        None => number.to_owned(),
    }
}

/// Whether the pattern occurs in the digits; its `*` is any one of them.
fn contains(digits: &str, pattern: &str) -> bool {
    let (digits, pattern) = (digits.as_bytes(), pattern.as_bytes());
    let fits = |piece: &[u8]| piece.iter().zip(pattern).all(|(digit, wanted)| wanted == digit || *wanted == b'*');
    pattern.is_empty() || digits.windows(pattern.len()).any(fits)
}

/// `api_version` where none is given.
pub(super) const API_VERSION: &str = "2010-04-01";
/// Numbers that an account may own.
const NUMBERS_MAX: usize = 10_000;
