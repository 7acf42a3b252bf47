//! Applications: making, changing and deleting them (rest-voice §8).

use model::{
    AccountSid, Application, ApplicationSid, DirectoryKey, DirectoryRow, PhoneNumberSid, SmsHooks, VoiceHooks,
};

use super::command::{ApplicationChange, DirectoryRefusal};
use super::numbers::{API_VERSION, replace};
use super::{Desk, Directory};
use crate::command::Answer;

impl Directory {
    pub(super) fn create_application(
        &mut self,
        account: AccountSid,
        change: ApplicationChange,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        if self.applications.values().filter(|application| application.account_sid == account).count()
            >= APPLICATIONS_MAX
        {
            return Err(DirectoryRefusal::TooManyApplications);
        }
        let mut row = Application {
            sid: ApplicationSid::from_bits(desk.names.bits()),
            account_sid: account,
            friendly_name: None,
            api_version: API_VERSION.to_owned(),
            voice: VoiceHooks::default(),
            voice_caller_id_lookup: false,
            sms: SmsHooks::default(),
            sms_status_callback: None,
            message_status_callback: None,
            public_application_connect_enabled: false,
            created: desk.now,
            updated: desk.now,
            seq: 0,
        };
        apply(change, &mut row)?;
        row.seq = desk.names.seq();
        Ok(self.keep(DirectoryRow::Application(row), desk))
    }

    pub(super) fn update_application(
        &mut self,
        account: AccountSid,
        sid: ApplicationSid,
        change: ApplicationChange,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        let mut row = self.application(account, sid).ok_or(DirectoryRefusal::NotFound)?.clone();
        apply(change, &mut row)?;
        row.updated = desk.now;
        Ok(self.keep(DirectoryRow::Application(row), desk))
    }

    /// Numbers that used it go back to hooks of their own.
    pub(super) fn delete_application(
        &mut self,
        account: AccountSid,
        sid: ApplicationSid,
        desk: &mut Desk,
    ) -> Result<Answer, DirectoryRefusal> {
        self.application(account, sid).ok_or(DirectoryRefusal::NotFound)?;
        self.applications.remove(&sid);
        desk.delete(DirectoryKey::Application(sid));
        let uses = |of: Option<ApplicationSid>| of == Some(sid);
        let users: Vec<PhoneNumberSid> = self
            .numbers
            .values()
            .filter(|number| uses(number.voice_application_sid) || uses(number.sms_application_sid))
            .map(|number| number.sid)
            .collect();
        for number in users {
            let Some(number) = self.numbers.get_mut(&number) else { continue };
            number.voice_application_sid.take_if(|of| *of == sid);
            number.sms_application_sid.take_if(|of| *of == sid);
            number.updated = desk.now;
            desk.save(DirectoryRow::IncomingPhoneNumber(number.clone()));
        }
        Ok(Answer::Removed)
    }
}

/// What a change makes of an application.
fn apply(change: ApplicationChange, row: &mut Application) -> Result<(), DirectoryRefusal> {
    replace(&mut row.friendly_name, change.friendly_name);
    replace(&mut row.api_version, change.api_version);
    change.voice.apply(&mut row.voice)?;
    replace(&mut row.voice_caller_id_lookup, change.voice_caller_id_lookup);
    change.sms.apply(&mut row.sms)?;
    replace(&mut row.sms_status_callback, change.sms_status_callback);
    replace(&mut row.message_status_callback, change.message_status_callback);
    replace(&mut row.public_application_connect_enabled, change.public_application_connect_enabled);
    Ok(())
}

/// Applications that an account may have.
const APPLICATIONS_MAX: usize = 10_000;
