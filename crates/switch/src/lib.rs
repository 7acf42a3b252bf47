//! Partyline: every live call and conference: events in, effects out.
