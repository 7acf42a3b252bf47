//! Partyline: fetch and decode played audio.
