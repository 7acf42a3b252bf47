//! Partyline: Twilio's wire: REST.
